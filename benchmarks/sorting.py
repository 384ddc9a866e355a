"""How many answers put a folder in order: `attic sort`, and what others do, on your own images.

    python benchmarks/sorting.py FOLDER [--images 300,5000] [--attributes young,smiling] [--seeds 5]

FOLDER has `strengths.csv` (see nbs/data/04_folder.ipynb). A simulated person compares pairs, with logistic noise
(`--noise`, in standard deviations of the strength). Counted are the folder's pairs, more than 0.3 standard deviations
apart, that are in the right order; for attic also pairs of 1,000 photographs outside the folder, and what it expects.

`attic` asks as `attic sort` does; `attic, undecided` and `attic, random pairs` learn alike and ask otherwise.
`TrueSkill` (PyPI: trueskill) asks about the image it knows least, against the best match for it; `Bradley-Terry` (PyPI:
choix) about random pairs. Neither sees the images; those they were never asked about stay in the middle. Results go to
benchmarks/sorting.json.
"""
import argparse
import json
import time
from itertools import product
from pathlib import Path

import choix
import numpy as np
import pandas as pd
import trueskill
from machine import about

from attic.core import progress_over
from attic.data.folder import read_strengths
from attic.methods.acquisition import simulate_answers
from attic.models.extraction import FeatureTable, extract_files
from attic.models.features import load_features
from attic.models.order import Basis, Order, order_accuracy, order_view

OURS = {'attic': 'informative', 'attic, undecided': 'undecided', 'attic, random pairs': 'random'}
OUTSIDE = 1000 # photographs that aren't in the folder


def parse():
    "The command line"
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--images', default='300,5000')
    p.add_argument('--answers', default='25,50,100,200,400,1000')
    p.add_argument('--attributes', default='young,masculine,smiling')
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--noise', default='0.2', help='of the person, in standard deviations; several with commas')
    p.add_argument('--growth', type=float, default=0.02, help='refit when answers have grown by so much')
    p.add_argument('--out', type=Path, default=Path(__file__).with_suffix('.json'))
    return p.parse_args()


def answers_of(g, truth, i, j, noise):
    "What a simulated person says of pairs: whether i shows more"
    return truth[i] - truth[j] + g.logistic(0, noise, np.shape(i)) > 0


def sort_with_attic(x, others, truth, theirs, checks, noise, seed, way, growth):
    "Accuracy of the folder, outside, and as expected, after numbers of answers"
    rows, order = [], Order(x)
    simulated = simulate_answers(order, truth, max(checks), noise, way, seed, growth)
    left = list(checks)
    for fitted, answers in simulated:
        if not left or len(answers) < left[0]: continue
        rows.append(dict(answers=left.pop(0), folder=order_accuracy(fitted.mean, truth), expected=fitted.expected(),
                         outside=order_accuracy(others @ fitted.weight, theirs)))
    return rows


def match_quality(mu, sigma, i, j, beta):
    "TrueSkill's quality of matches of two"
    total = 2*beta**2 + sigma[i]**2 + sigma[j]**2
    return np.sqrt(2*beta**2 / total) * np.exp(-(mu[i] - mu[j])**2 / (2*total))


def sort_with_trueskill(truth, checks, noise, seed):
    "TrueSkill, which asks about the image it knows least, against its most even match"
    env, g, n = trueskill.TrueSkill(draw_probability=0), np.random.default_rng([seed, 1]), len(truth)
    ratings, rows = [env.create_rating() for _ in range(n)], []
    mu, sigma = np.full(n, env.mu), np.full(n, env.sigma)
    for k in range(1, max(checks) + 1):
        i = (sigma + g.random(n)*1e-6).argmax()
        quality = match_quality(mu, sigma, i, np.arange(n), env.beta) + g.random(n)*1e-6
        quality[i] = -1
        j = quality.argmax()
        first, second = (i, j) if answers_of(g, truth, i, j, noise) else (j, i)
        ratings[first], ratings[second] = env.rate_1vs1(ratings[first], ratings[second])
        for one in (first, second): mu[one], sigma[one] = ratings[one].mu, ratings[one].sigma
        if k in checks: rows.append(dict(answers=k, folder=order_accuracy(mu, truth)))
    return rows


def sort_with_bradley_terry(truth, checks, noise, seed):
    "Bradley-Terry with a weak prior, on random pairs; images without an answer stay in the middle"
    g, n, rows = np.random.default_rng([seed, 2]), len(truth), []
    i, j = g.integers(0, n, (2, max(checks) + 100))
    i, j = i[i != j][:max(checks)], j[i != j][:max(checks)]
    won = answers_of(g, truth, i, j, noise)
    first, second = np.where(won, i, j), np.where(won, j, i)
    for k in checks:
        used, where = np.unique(np.concatenate([first[:k], second[:k]]), return_inverse=True)
        pairs = list(zip(where[:k].tolist(), where[k:].tolist()))
        strengths = np.zeros(n)
        strengths[used] = choix.opt_pairwise(len(used), pairs, alpha=.1, method='Newton-CG', tol=1e-3)
        rows.append(dict(answers=k, folder=order_accuracy(strengths, truth)))
    return rows


def sort_all(table, strengths, attributes, n, seed, noise, args):
    "All ways to sort one folder by each attribute"
    chosen = np.random.default_rng(seed).permutation(len(strengths))
    checks = [int(k) for k in args.answers.split(',')]
    inside, outside = chosen[:n], chosen[n:n + OUTSIDE]
    folder, others = (FeatureTable(list(map(table.rows.__getitem__, part))) for part in (inside, outside))
    start = time.perf_counter()
    basis = Basis(folder, order_view(load_features()))
    x, y = basis.project(folder), basis.project(others)
    print(f'{n} images: {time.perf_counter() - start:.1f} s from features to rows', flush=True)
    rows = []
    for attribute in progress_over(attributes, True):
        s = strengths[attribute].to_numpy()
        s = s / s.std()
        for name, way in OURS.items():
            found = sort_with_attic(x, y, s[inside], s[outside], checks, noise, seed, way, args.growth)
            rows += [r | dict(method=name, attribute=attribute) for r in found]
        for name, sort in (('TrueSkill', sort_with_trueskill), ('Bradley-Terry', sort_with_bradley_terry)):
            rows += [r | dict(method=name, attribute=attribute) for r in sort(s[inside], checks, noise, seed)]
    return [r | dict(images=n, seed=seed, noise=noise) for r in rows]


def main():
    "Sort, print and save"
    args = parse()
    strengths, paths = read_strengths(args.folder, args.attributes)
    sizes = [int(n) for n in args.images.split(',')]
    keep = np.random.default_rng(0).permutation(len(paths))[:max(sizes) + OUTSIDE]
    strengths, paths = strengths.iloc[keep].reset_index(drop=True), [paths[k] for k in keep]
    table, lost = extract_files(paths, load_features())
    if lost: raise SystemExit(f'{paths[min(lost)]} cannot be read: {lost[min(lost)]}. Take it out of strengths.csv')
    attributes = args.attributes.split(',')
    runs = list(product(sizes, range(args.seeds), map(float, args.noise.split(','))))
    df = pd.DataFrame([r for run in runs for r in sort_all(table, strengths, attributes, *run, args)])
    means = df.groupby(['noise', 'images', 'method', 'attribute', 'answers'])[['folder', 'outside', 'expected']].mean()
    print((100*means.unstack('answers')).round(1).dropna(axis=1, how='all').to_string())
    options = dict(seeds=args.seeds, growth=args.growth)
    means = means.round(4).reset_index().astype(object).where(lambda d: d.notna(), None)
    result = dict(machine=about(), folder=args.folder.resolve().name) | options | dict(means=means.to_dict('records'))
    args.out.write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__': main()
