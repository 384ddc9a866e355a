"""How large should the network see photographs? `python benchmarks/sides.py FOLDER --attributes smile,young`

Held-out loss of *Real* at several input sizes, by cross-validation over the training pairs of a folder. No test pair is
looked at. Results go to `benchmarks/sides.json`.
"""
import argparse
from pathlib import Path

import pandas as pd

from attic.config import get_profile
from attic.core import device_facts, write_json
from attic.data.sources import get_dataset
from attic.methods.methods import Experiment
from attic.models.linear import best_view

FOLDS = 1000 # added to the seed: other folds than those that chose the view


def held_out_loss(ex):
    "RankNet's loss on pairs that a fit hasn't seen"
    ranker = ex.fit(*ex.real[:2])
    return best_view([ranker.view], ex.real[:2], None, ex.ranking, seed=FOLDS + ex.seed)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--attributes', required=True, help='with commas')
    parser.add_argument('--sides', default='160,320')
    parser.add_argument('--seeds', type=int, default=5)
    args = parser.parse_args()
    standard, lines = get_profile('standard'), []
    dataset = get_dataset(str(args.folder), standard, attributes=args.attributes)
    for side in map(int, args.sides.split(',')):
        profile = standard.replace(ranker=dict(side=side))
        for attr in dataset.attrs:
            for seed in range(args.seeds):
                loss = held_out_loss(Experiment(dataset, attr, profile, seed))
                lines.append(dict(side=side, attribute=attr, seed=seed, loss=round(loss, 6)))
    print(pd.DataFrame(lines).pivot_table(index='attribute', columns='side', values='loss').round(4))
    write_json(Path(__file__).with_suffix('.json'), dict(folder=args.folder.resolve().name, lines=lines,
                                                         **device_facts('cpu')))


if __name__ == '__main__': main()
