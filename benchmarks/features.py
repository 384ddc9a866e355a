"""What features are worth on your images: accuracy against labels, and images a second, for each network.

    python benchmarks/features.py FOLDER [--labels 100,500] [--seeds 5] [--networks efficientnet_lite0,none]

FOLDER has `strengths.csv` (see nbs/data/04_folder.ipynb). For every attribute, a third of the images (at most 4,000) is
kept for testing: random pairs that differ by more than 0.3 standard deviations. Rankers learn from random pairs of the
others. `none` is attic 0.1's ranker: a small network from random weights at 64 pixels. Networks whose weights are
neither here nor to be had are left out, and said. Results go to benchmarks/features-NAME.json.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from attic.config import get_profile
from attic.core import device_facts, rng, write_json
from attic.data.decode import read_images
from attic.data.folder import near_copies, read_strengths
from attic.data.pairs import ImageSet, Pairs, targets
from attic.models.extraction import extract_files
from attic.models.features import FEATURES, load_features
from attic.models.linear import fit_linear
from attic.models.ranker import differences, fit_ranker, pair_accuracy
from attic.store import fresh_cache

TEST_PAIRS, MIN_GAP, POOL = 2000, 0.3, 4000
TIMED = 1000 # images that are timed, from an empty store


def parse():
    "The command line"
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--labels', default='100,500')
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--networks', default=','.join([*FEATURES, 'none']))
    p.add_argument('--side', type=int, default=0, help="pixels at which a network sees images; 0 is the entry's")
    p.add_argument('--attributes', default='')
    p.add_argument('--out', default=Path(__file__).parent, type=Path)
    return p.parse_args()


def divide(n, images):
    "Positions for learning and for testing; an image and its near copies go to one side"
    order = torch.randperm(n, generator=rng('benchmark', 'features'))
    test = set(order[:min(POOL, n // 3)].tolist())
    for a, b in near_copies(images).tolist(): test.discard(a), test.discard(b)
    learn = [i for i in order.tolist() if i not in test][:2 * POOL]
    return torch.tensor(learn), torch.tensor(sorted(test))


def test_pairs(strength, where):
    "Random pairs of test images that differ clearly"
    stream = rng('benchmark', 'test pairs')
    a, b = where[torch.randint(len(where), (2, 20 * TEST_PAIRS), generator=stream)]
    clear = (strength[a] - strength[b]).abs() > MIN_GAP * strength.std()
    a, b = a[clear][:TEST_PAIRS], b[clear][:TEST_PAIRS]
    return Pairs(a, b, targets(strength[a] - strength[b]))


def train_pairs(strength, where, n, seed):
    "Random pairs of images, none twice"
    i = where[torch.randperm(len(where), generator=rng(seed, 'benchmark', 'pairs'))[:2 * n]]
    a, b = i.view(2, -1)
    return Pairs(a, b, targets(strength[a] - strength[b]))


def extracted(name, side, paths):
    "Features of all images, their network, and images a second"
    net = load_features(name, side)
    with fresh_cache():
        start = time.perf_counter()
        extract_files(paths[:TIMED], net)
        seconds = time.perf_counter() - start
    table, bad = extract_files(paths, net)
    if bad: raise ValueError(f"{len(bad)} images cannot be read, such as {paths[next(iter(bad))]}")
    return table, net, min(TIMED, len(paths)) / seconds


def accuracies(name, table, net, image_set, strengths, learn, test, args):
    "One line for each attribute, number of labels and seed"
    config = get_profile('standard').ranker
    for attr in strengths:
        strength = torch.tensor(strengths[attr].values)
        asked = test_pairs(strength, test)
        for n in map(int, args.labels.split(',')):
            for seed in range(args.seeds):
                pairs = train_pairs(strength, learn, n, seed)
                if net:
                    diff = fit_linear(table, pairs, net, seed=seed).differences(table, asked)
                else:
                    diff = differences(fit_ranker(image_set, pairs, (image_set, pairs), config, seed), image_set, asked)
                yield dict(network=name, attribute=attr, labels=n, seed=seed,
                           accuracy=pair_accuracy(diff, asked.target))


def main():
    args = parse()
    strengths, paths = read_strengths(args.folder, args.attributes)
    images, _, _ = read_images(paths, 64)
    learn, test = divide(len(paths), images)
    image_set, lines, speed = ImageSet(images), [], {}
    for name in args.networks.split(','):
        table = net = None
        try:
            if name != 'none': table, net, speed[name] = extracted(name, args.side, paths)
        except RuntimeError as e:
            print(f'{name} left out: {e}')
            continue
        lines += accuracies(name, table, net, image_set, strengths, learn, test, args)
        df = pd.DataFrame(lines)
        mean = df.pivot_table(index=['network', 'labels'], columns='attribute', values='accuracy') * 100
        print(mean.assign(mean=mean.mean(axis=1)).round(1).to_string(), flush=True)
    if not lines: return
    print(f'images a second on {torch.get_num_threads()} threads:', {k: round(v, 1) for k, v in speed.items()})
    write_json(args.out / f'features-{args.folder.resolve().name}.json', dict(
        lines=lines, images_per_second=speed, side=args.side, images=len(paths), test_pairs=TEST_PAIRS, min_gap=MIN_GAP,
        **device_facts('cpu'), numpy=np.__version__))


if __name__ == '__main__': main()
