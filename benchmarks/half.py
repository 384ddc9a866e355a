"""What half of the real labels cost: *Real* with all labels and with half of them, on both rendered worlds. In Normal
this is what a method gives up before it draws its first pair.

    python benchmarks/half.py [--seeds 1] [--profiles standard]

Results go to benchmarks/half.json.
"""
import argparse
from pathlib import Path

import pandas as pd

from attic.config import get_profile
from attic.core import device_facts, write_json
from attic.data.sources import get_dataset
from attic.methods.methods import Experiment
from attic.models.ranker import accuracy
from attic.worlds.population import WORLDS


def accuracies(ex):
    "Accuracy on each test set in per cent, with all labels and with half"
    given = dict(all=ex.real, half=ex.half)
    rankers = {name: ex.fit(image_set, pairs) for name, (image_set, pairs, _) in given.items()}
    return [dict(labels=name, test=t, accuracy=100*accuracy(r, *pairs))
            for name, r in rankers.items() for t, pairs in ex.tests.items()]


def measure(profile, seeds):
    "All attributes of both worlds"
    profile = get_profile(profile)
    for world in WORLDS:
        dataset = get_dataset(world, profile)
        for attr in dataset.attrs:
            for seed in range(seeds):
                about = dict(profile=profile.name, world=world, attribute=attr, seed=seed)
                yield from (about | line for line in accuracies(Experiment(dataset, attr, profile, seed)))
                print(*about.values(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--profiles', default='standard')
    parser.add_argument('--out', type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    lines = [line for p in args.profiles.split(',') for line in measure(p, args.seeds)]
    print(pd.DataFrame(lines).pivot_table(index=['profile', 'world', 'test'], columns='labels', values='accuracy'))
    write_json(args.out / 'half.json', dict(lines=lines, **device_facts('cpu')))


if __name__ == '__main__': main()
