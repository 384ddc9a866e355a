"""What features are worth on your images: accuracy against labels, and images a second, for each network.

    python benchmarks/features.py FOLDER [--labels 100,500] [--seeds 5] [--networks efficientnet_lite0,none]

FOLDER has `strengths.csv` (see nbs/data/04_folder.ipynb), or is a rendered world, `faces` or `shoes`. For every
attribute, a third of the images (at most 4,000) is kept for testing: random pairs that differ by more than 0.3 standard
deviations. Rankers learn from faultless answers about random pairs of the others, and choose by cross-validation.
`none` is attic 0.1's ranker: a small network from random weights at 64 pixels. Networks whose weights are neither here
nor to be had are left out, and said. Where a network that reads text has its weights (nbs/models/09_zeroshot.ipynb),
the line `word` says what an attribute's name alone orders. Results go to benchmarks/features-NAME.json.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from attic.config import WordsConfig, get_profile
from attic.core import device_facts, rng, write_json
from attic.data.decode import read_images
from attic.data.folder import near_copies, read_strengths
from attic.data.pairs import ImageSet, Pairs, targets
from attic.models.deepstn import KINDS
from attic.models.extraction import FeatureTable, extract, extract_files
from attic.models.features import FEATURES, load_features
from attic.models.ranker import fit_ranker, new_ranker, pair_accuracy, score
from attic.models.zeroshot import ZeroShot, load_clip
from attic.store import fresh_cache
from attic.worlds.population import WORLDS

TEST_PAIRS, MIN_GAP, POOL = 2000, 0.3, 4000
TIMED = 1000 # images that are timed, from an empty store
RENDERED = 12_000 # images of a rendered world


def parse():
    "The command line"
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path, help='with strengths.csv, or faces, or shoes')
    p.add_argument('--labels', default='100,500')
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--networks', default=','.join([*FEATURES, 'none']))
    p.add_argument('--side', type=int, default=0, help="pixels at which a network sees images; 0 is the entry's")
    p.add_argument('--kind', default='deepstn', choices=list(KINDS))
    p.add_argument('--attributes', default='')
    p.add_argument('--out', default=Path(__file__).parent, type=Path)
    return p.parse_args()


def read(folder, attributes):
    "Strengths and images of a folder, or of a rendered world"
    if str(folder) in WORLDS:
        world = WORLDS[str(folder)]
        images, strengths = world.render(RENDERED, 77, 0.)
        strengths = pd.DataFrame(strengths.numpy(), columns=list(world.accuracy))
        wanted = attributes.split(',') if attributes else list(strengths)
        return strengths[wanted], ImageSet(images), 64
    strengths, paths = read_strengths(folder, attributes)
    return strengths, ImageSet(read_images(paths, 64)[0], files=paths), 0


def divide(image_set):
    "Positions for learning and for testing; an image and its near copies go to one side"
    n = len(image_set)
    order = torch.randperm(n, generator=rng('benchmark', 'features'))
    test = set(order[:min(POOL, n // 3)].tolist())
    if image_set.files:
        for a, b in near_copies(image_set.images).tolist(): test.discard(a), test.discard(b)
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


def see_images(image_set, net):
    "Compute features, or without a network what attic 0.1's ranker sees"
    if net: return extract_files(image_set.files, net) if image_set.files else extract(image_set, net)
    pixels = read_images(image_set.files, 64)[0] if image_set.files else image_set.images
    return score(new_ranker(get_profile('scratch').ranker, 0), pixels)


def images_per_second(image_set, net):
    "How fast images are seen, from an empty store"
    some = image_set[torch.arange(min(TIMED, len(image_set)))]
    with fresh_cache():
        start = time.perf_counter()
        see_images(some, net)
        return len(some) / (time.perf_counter() - start)


def fitted(net, image_set, table, pairs, kind, seed):
    "A ranker, and what it scores: features where there are any"
    if net: return KINDS[kind](table, pairs, net=net, seed=seed), table
    return fit_ranker(image_set, pairs, (image_set, pairs), get_profile('scratch').ranker, seed), image_set.images


def difference(ranker, images, pairs):
    "Differences in strength; only images of the pairs are scored"
    used, where = torch.cat([pairs.a, pairs.b]).unique(return_inverse=True)
    some = FeatureTable([images.rows[i] for i in used.tolist()]) if isinstance(images, FeatureTable) else images[used]
    v_a, v_b = score(ranker, some)[where].chunk(2)
    return v_a - v_b


def accuracies(name, net, image_set, table, strengths, learn, test, args):
    "One line for each attribute, number of labels and seed"
    for attr in strengths:
        strength = torch.tensor(strengths[attr].values)
        asked = test_pairs(strength, test)
        for n in map(int, args.labels.split(',')):
            for seed in range(args.seeds):
                pairs = train_pairs(strength, learn, n, seed)
                ranker, images = fitted(net, image_set, table, pairs, args.kind, seed)
                right = pair_accuracy(difference(ranker, images, asked), asked.target)
                yield dict(network=name, kind=args.kind if net else 'pixels', attribute=attr, labels=n, seed=seed,
                           accuracy=right)


def words(image_set, strengths, test):
    "One line for each attribute: what the word itself orders; none without weights"
    try: clip = load_clip(WordsConfig().model)
    except RuntimeError as e: return print(f'word left out: {e}') or []
    lines = []
    for attr in strengths:
        asked = test_pairs(torch.tensor(strengths[attr].values), test)
        right = pair_accuracy(difference(ZeroShot(clip, attr), image_set, asked), asked.target)
        lines.append(dict(network='word', kind=WordsConfig().model, attribute=attr, labels=0, seed=0, accuracy=right))
    return lines


def main():
    args = parse()
    strengths, image_set, side = read(args.folder, args.attributes)
    (learn, test), speed = divide(image_set), {}
    lines = words(image_set, strengths, test)
    for name in args.networks.split(','):
        net = table = None
        try:
            if name != 'none': net = load_features(name, args.side or side)
        except RuntimeError as e:
            print(f'{name} left out: {e}')
            continue
        speed[name], table = images_per_second(image_set, net), net and extract(image_set, net)
        lines += accuracies(name, net, image_set, table, strengths, learn, test, args)
        df = pd.DataFrame(lines)
        mean = df.pivot_table(index=['network', 'labels'], columns='attribute', values='accuracy') * 100
        print(mean.assign(mean=mean.mean(axis=1)).round(1).to_string(), flush=True)
    if not lines: return
    print(f'images a second on {torch.get_num_threads()} threads:', {k: round(v, 1) for k, v in speed.items()})
    write_json(args.out / f'features-{args.folder.resolve().name}.json', dict(
        lines=lines, images_per_second=speed, side=args.side or side, images=len(image_set), test_pairs=TEST_PAIRS,
        min_gap=MIN_GAP, **device_facts('cpu'), numpy=np.__version__))


if __name__ == '__main__': main()
