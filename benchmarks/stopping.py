"""Does `attic sort` know how many pairs are in order, and what further answers bring? `python benchmarks/stopping.py`.

Simulated people sort folders of 300 images: rendered faces and shoes, by three attributes each, and with `--folder`
random parts of a folder that has `strengths.csv` (see nbs/data/04_folder.ipynb). After numbers of answers, what the
model expects (`attic.methods.acquisition.outlook`) is compared with the truth, over all pairs: the share in the right
order now, and what 100 further answers bring. A second table is of the first time that the page says that further
answers bring little (`attic.app.sort.brings_little`). Results go to benchmarks/stopping.json.
"""
import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from machine import about

from attic.app.sort import AHEAD, EVERY, FEWEST, brings_little
from attic.core import progress_over
from attic.data.folder import read_strengths
from attic.methods.acquisition import outlook, simulate_answers
from attic.models.extraction import FeatureTable, extract_files, extract_images
from attic.models.features import load_features
from attic.models.order import Basis, Order, order_accuracy, order_view
from attic.worlds.population import WORLDS

IMAGES, ATTRIBUTES = 300, 3
CHECKS = 50, 100, 200, 300


def parse():
    "The command line"
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--folder', type=Path, help='with strengths.csv; parts of it are sorted, too')
    p.add_argument('--attributes', default='young,masculine,smiling', help='of that folder')
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--noise', default='0.2,0.8', help='in standard deviations')
    p.add_argument('--answers', type=int, default=500, help='at most')
    p.add_argument('--growth', type=float, default=0.02, help='refit when answers have grown by so much')
    return p.parse_args()


def rendered(seeds):
    "Name, rows and strengths of rendered folders, and a seed"
    for world in WORLDS.values():
        images, strengths = world.render(IMAGES, 100, 0.)
        table = extract_images(images, load_features())
        x = Basis(table, order_view(load_features())).project(table)
        every = strengths.shape[1] // ATTRIBUTES
        for truth in strengths[:, ::every].numpy().T[:ATTRIBUTES]:
            for seed in range(seeds): yield 'rendered', x, truth, seed


def photographs(folder, attributes, seeds):
    "The same of random parts of a folder"
    strengths, paths = read_strengths(folder, ','.join(attributes))
    for seed in range(seeds):
        chosen = np.random.default_rng(seed).permutation(len(paths))[:IMAGES]
        table, lost = extract_files([paths[k] for k in chosen], load_features())
        if lost: raise SystemExit(f'{paths[chosen[min(lost)]]} cannot be read: {lost[min(lost)]}')
        x = Basis(FeatureTable(table.rows), order_view(load_features())).project(table)
        for a in attributes: yield folder.resolve().name, x, strengths[a].to_numpy()[chosen], seed


def watch(x, truth, noise, seed, most, growth):
    "Answers, expected and true share of pairs in order, expected gain; after every few answers"
    rows = []
    for order, answers in simulate_answers(Order(x), truth, most, noise, seed=seed, growth=growth):
        n, before = len(answers), rows[-1]['answers'] if rows else FEWEST - EVERY
        if n < before + EVERY and n not in CHECKS: continue
        now, after, _ = outlook(order, [a[:2] for a in answers], AHEAD)
        true = order_accuracy(order.mean, truth, 0.)
        rows.append(dict(answers=n, expected=now, true=true, gain_expected=after - now))
    return pd.DataFrame(rows)


def at(seen, n):
    "The first row with so many answers, with what further answers brought; None where they weren't given"
    now, then = seen[seen.answers >= n].head(1), seen[seen.answers >= n + AHEAD].head(1)
    if now.empty: return None
    gain = float(then.true.iloc[0] - now.true.iloc[0]) if len(then) else np.nan
    return now.iloc[0].to_dict() | dict(gain=gain)


def first_stop(seen):
    "The row at which the page says for the first time that further answers bring little"
    for r in seen.itertuples():
        if brings_little([(r.answers, r.expected, r.expected + r.gain_expected, AHEAD)]): return at(seen, r.answers)
    return dict(answers=np.nan)


def main():
    "Sort, print and save"
    args, rows, stops = parse(), [], []
    folders = list(rendered(args.seeds))
    if args.folder: folders += photographs(args.folder, args.attributes.split(','), args.seeds)
    runs = list(product(map(float, args.noise.split(',')), folders))
    for noise, (name, x, truth, seed) in progress_over(runs, True):
        seen = watch(x, truth, noise, seed, args.answers, args.growth)
        about_it = dict(folder=name, noise=noise)
        rows += [about_it | at(seen, n) | dict(answers=n) for n in CHECKS]
        stops.append(about_it | first_stop(seen))
    df = pd.DataFrame(rows)
    df['error'] = (df.expected - df.true).abs()
    table = df.groupby(['folder', 'noise', 'answers']).mean()
    groups = pd.DataFrame(stops).groupby(['folder', 'noise'])
    stop = groups.agg(runs=('answers', 'size'), reached=('answers', 'count'), answers=('answers', 'median'),
                      expected=('expected', 'mean'), true=('true', 'mean'), followed=('gain', 'count'),
                      gain_expected=('gain_expected', 'mean'), gain=('gain', 'mean'))
    print(table.round(3).to_string(), stop.round(3).to_string(), sep='\n\n')
    result = dict(machine=about(), seeds=args.seeds, growth=args.growth)
    for name, t in dict(calibration=table, stop=stop).items():
        result[name] = t.round(4).reset_index().astype(object).where(lambda d: d.notna(), None).to_dict('records')
    Path(__file__).with_suffix('.json').write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__': main()
