"""When does `attic sort` say "good enough", and what would further answers gain? `python benchmarks/stopping.py`.

Simulated people sort 300 rendered faces and shoes by three attributes each. Further answers are counted from the first
time that the page's rule holds (`attic.app.sort.is_settled`). Results go to benchmarks/stopping.json.
"""
import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from machine import about

from attic.app.sort import BACK, STEP, is_settled
from attic.core import progress_over
from attic.methods.acquisition import simulate_answers
from attic.models.extraction import extract_images
from attic.models.features import load_features
from attic.models.order import Basis, Order, order_accuracy, order_view, settled
from attic.worlds.population import WORLDS

IMAGES, MORE, ATTRIBUTES = 300, 100, 3


def stop(x, truth, noise, seed, most):
    "Answers at the stop, pairs in order there, and what `MORE` answers gain; None where it isn't reached"
    past, moves, found, accuracy = {}, [], None, 0.
    for order, answers in simulate_answers(Order(x), truth, most, noise, seed=seed):
        n = len(answers)
        past[n] = np.array(order.mean)
        if found is None and n > BACK and n % STEP == 0:
            moves.append((n, settled(past[n], past[n - BACK])))
            if is_settled(moves): found, accuracy = n, order_accuracy(past[n], truth)
        if found and n == found + MORE: break
    gain = order_accuracy(order.mean, truth) - accuracy if found and len(answers) == found + MORE else None
    return dict(stop=found, accuracy=accuracy if found else None, gain=gain)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--noise', default='0.2,0.8', help='in standard deviations')
    p.add_argument('--answers', type=int, default=340, help='at most')
    args = p.parse_args()
    net, rows, runs = load_features(), [], []
    for name, world in WORLDS.items():
        images, strengths = world.render(IMAGES, 100, 0.)
        table = extract_images(images, net)
        x = Basis(table, order_view(net)).project(table)
        every = strengths.shape[1] // ATTRIBUTES
        truths = strengths[:, ::every].numpy().T[:ATTRIBUTES]
        settings = product(truths, map(float, args.noise.split(',')), range(args.seeds))
        runs += [(name, x, *setting) for setting in settings]
    for name, x, truth, noise, seed in progress_over(runs, True):
        rows.append(dict(world=name, noise=noise, seed=seed) | stop(x, truth, noise, seed, args.answers))
    df = pd.DataFrame(rows)
    table = df.groupby('noise').agg(runs=('seed', 'size'), reached=('stop', 'count'), stop=('stop', 'median'),
                                    accuracy=('accuracy', 'mean'), followed=('gain', 'count'), gain=('gain', 'mean'))
    print(table.round(3).to_string())
    result = dict(machine=about(), seeds=args.seeds, by_noise=table.round(4).reset_index().to_dict('records'))
    Path(__file__).with_suffix('.json').write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__': main()
