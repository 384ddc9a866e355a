"""A folder for the paper's own test: `python benchmarks/lfw10.py LFW10 LFW UTKFACE OUT`

*Auto* needs no answers beyond those that LFW-10 has. It needs unlabelled images with machine scores, and LFW has them.

- LFW10 has `images/` and `pairs.csv` (nbs/data/04_folder.ipynb), LFW folders of photographs, UTKFACE `images/` and
  `strengths.csv`. OUT becomes a folder for `attic run`: all of LFW-10 with its pairs, and LFW without the photographs
  that LFW-10 has, too. We find these by their features, as they were rotated and cut.
- A machine score comes from people's training pairs of LFW-10, and from UTKFace where it has the attribute. We
  standardise both and take the mean. No test pair takes part.
"""
import argparse, shutil
from pathlib import Path

import pandas as pd, torch
from torch.nn import functional as F

from attic.config import LinearConfig
from attic.core import rng
from attic.data.decode import read_images
from attic.data.pairs import Pairs, sample_pairs
from attic.models.extraction import extract_files, extract_images
from attic.models.features import load_features
from attic.models.linear import View, fit_linear
from votes import PAPER, all_votes

ALIKE = .45 # cosine of features from which two images may be the same photograph; other pairs rarely reach it
UTKFACE = dict(masculinelooking='masculine', young='young', smile='smiling', mouthopen='mouth_open',
               eyesopen='big_eyes')
SIDE, PAIRS, GAP = 160, 2000, .3 # pixels; pairs of UTKFace, and how far apart at least, in standard deviations


def unit_features(files):
    "Standardised features of small images, each of length 1"
    net = load_features(side=64)
    table = extract_images(read_images(files, 64)[0], net)
    coarse = sum(c*h*w for c, h, w in net.shapes[-2:])
    found = torch.cat([table[i][:, -coarse:] for i in torch.arange(len(files)).split(1000)])
    return F.normalize((found - found.mean(0)) / found.std(0).clamp(min=1e-3), dim=1)


def without_copies(files, known):
    "The files that show none of the known photographs"
    found = unit_features([*known, *files])
    alike = found[:len(known)] @ found[len(known):].T
    copies = alike > ALIKE
    copies[torch.arange(len(known)), alike.argmax(1)] = True # each has at least one
    return [f for f, copy in zip(files, copies.any(0).tolist()) if not copy]


def features(files):
    "Features of files; stop if one can't be read"
    table, lost = extract_files(files, load_features(side=SIDE))
    if lost: raise SystemExit(f"{len(lost)} images can't be read, such as {files[min(lost)]}")
    return table


def standard(ranker, table):
    "Machine scores, standardised"
    scores = ranker.score(table)
    return (scores - scores.mean()) / scores.std()


def fit(table, pairs, weight=None):
    "A linear ranker"
    net = load_features(side=SIDE)
    return fit_linear(table, pairs, None, LinearConfig(), net, weight, view=View(net, True))


def from_votes(lfw10, images, attribute):
    "A ranker of one attribute, from people's votes about training pairs"
    table = pd.read_csv(lfw10/'pairs.csv')
    table = table[(table.attribute == attribute) & (table.split == 'train') & (table.votes_a + table.votes_b > 0)]
    place = {f.name: i for i, f in enumerate(images)}
    table = table.assign(file_a=table.file_a.map(place), file_b=table.file_b.map(place))
    return fit(features(images), *all_votes(table, 10**9, None))


def from_strengths(utkface, attribute):
    "A ranker of one attribute, from strengths"
    table = pd.read_csv(utkface/'strengths.csv')
    s = torch.tensor(table[attribute].to_numpy(), dtype=torch.float32)
    a, b = sample_pairs(s / s.std(), PAIRS, rng('utkface', attribute), GAP)
    return fit(features([utkface/'images'/f for f in table.file]), Pairs(a, b, (s[a] > s[b]).float()))


def machine_scores(args, known, every):
    "Scores of each image in each of the paper's attributes"
    table, scores = features(every), {}
    for attribute in PAPER:
        found = [standard(from_votes(args.lfw10, known, attribute), table)]
        if attribute in UTKFACE: found.append(standard(from_strengths(args.utkface, UTKFACE[attribute]), table))
        scores[attribute] = torch.stack(found).mean(0).numpy().round(4)
        print(attribute, len(found), flush=True)
    return scores


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ('lfw10', 'lfw', 'utkface', 'out'): p.add_argument(name, type=Path)
    args = p.parse_args()
    torch.set_num_threads(1)
    known, more = sorted((args.lfw10/'images').glob('*.jpg')), sorted(args.lfw.rglob('*.jpg'))
    kept = without_copies(more, known)
    print(f'{len(more) - len(kept):,} of {len(more):,} images of LFW may be in LFW-10', flush=True)
    scores = machine_scores(args, known, [*known, *kept])
    (args.out/'images').mkdir(parents=True)
    for f in [*known, *kept]: shutil.copyfile(f, args.out/'images'/f.name)
    pd.DataFrame(dict(file=[f.name for f in [*known, *kept]]) | scores).to_csv(args.out/'strengths.csv', index=False)
    shutil.copyfile(args.lfw10/'pairs.csv', args.out/'pairs.csv')


if __name__ == '__main__': main()
