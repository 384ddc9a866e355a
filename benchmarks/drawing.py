"""Do drawn pairs help to sort a folder? `python benchmarks/drawing.py`.

Simulated people sort rendered folders of 50, 150 and 300 images. They're asked about pairs of the folder alone, or of
the folder and of edits of its images (`attic.models.editor`, with the generator that ships, which has seen other images
of the same world); the most informative pair is asked each time. Counted are the folder's pairs in the right order.
Answers about edits come from the annotator model. Results go to benchmarks/drawing.json.
"""
import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from machine import about

from attic.config import CROWDS, get_profile
from attic.core import progress_over, rng
from attic.data.sources import get_dataset
from attic.methods.acquisition import simulate_answers
from attic.methods.methods import Experiment
from attic.models.editor import Editor, edit
from attic.models.extraction import extract_images
from attic.models.features import load_features
from attic.models.order import Basis, Order, order_accuracy, order_view
from attic.worlds.population import WORLDS

CHECKS, EVERY = (25, 50, 100, 200, 400), 3


def parse():
    "The command line"
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--images', default='50,150,300')
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--edits', type=int, default=2, help='of each image')
    p.add_argument('--growth', type=float, default=0.05, help='refit when answers have grown by so much')
    return p.parse_args()


def folder_and_edits(ex, world, n, seed, edits):
    "Images of a folder, their strengths, edits of them, and what the annotator model sees in these"
    images, strengths = WORLDS[world].render(n, 1000 + seed, 0.)
    scores = ex.attribute_predictor.predict(images)[0].repeat(edits, 1)
    moved = ex.generator.sample(len(scores), rng(seed, 'folder', 'edits'))[0] - ex.generator.y_mean
    wanted = scores + ex.profile.candidates.reach * moved
    drawn = edit(Editor(ex.generator), images.repeat(edits, 1, 1, 1), scores, wanted)
    return images, strengths, drawn, ex.crowd.annotator_model.predict(drawn)[0]


def sort(x, truth, n, noise, seed, growth):
    "Accuracy of the folder's order after numbers of answers; the first `n` rows are the folder"
    rows, left = [], list(CHECKS)
    noise *= truth[:n].std() / truth.std()
    for order, answers in simulate_answers(Order(x), truth, max(CHECKS), noise, 'informative', seed, growth):
        if not left or len(answers) < left[0]: continue
        rows.append(dict(answers=left.pop(0), accuracy=order_accuracy(order.mean[:n], truth[:n]),
                         about_edits=float(np.mean([max(a[:2]) >= n for a in answers]))))
    return rows


def compare(ex, world, net, n, seed, args):
    "Rows of one folder, for every third attribute"
    images, strengths, drawn, seen = folder_and_edits(ex, world, n, seed, args.edits)
    tables = extract_images(images, net), extract_images(torch.cat([images, drawn]), net)
    basis = Basis(tables[0], order_view(net))
    xs = dict(zip(('folder', 'folder and edits'), map(basis.project, tables)))
    both = torch.cat([strengths, seen]).numpy()
    for j, (what, x) in product(range(0, len(ex.dataset.attrs), EVERY), xs.items()):
        for row in sort(x, both[:len(x), j], n, CROWDS['fitted'].noise, seed, args.growth):
            yield dict(world=world, images=n, attribute=ex.dataset.attrs[j], seed=seed, pairs=what) | row


def main():
    args, net, rows = parse(), load_features(side=64), []
    profile = get_profile('standard')
    for world in WORLDS:
        dataset = get_dataset(world, profile)
        ex = Experiment(dataset, dataset.attrs[0], profile)
        runs = list(product(map(int, args.images.split(',')), range(args.seeds)))
        for n, seed in progress_over(runs, True): rows += compare(ex, world, net, n, seed, args)
    df = pd.DataFrame(rows)
    run = ['world', 'images', 'attribute', 'seed', 'answers']
    table = df.pivot_table(index=run, columns='pairs', values='accuracy')
    gain = (100 * (table['folder and edits'] - table['folder'])).groupby(['world', 'images', 'answers'])
    result = pd.DataFrame(dict(folder=100 * table['folder'].groupby(['world', 'images', 'answers']).mean(),
                               gain=gain.mean(), interval=1.96 * gain.std() / gain.size()**.5)).round(2)
    print(result.to_string())
    out = dict(machine=about(), seeds=args.seeds, edits=args.edits, rows=result.reset_index().to_dict('records'))
    Path(__file__).with_suffix('.json').write_text(json.dumps(out, indent=1) + '\n')


if __name__ == '__main__': main()
