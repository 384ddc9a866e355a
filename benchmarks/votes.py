"""What an answer buys from real people: `python benchmarks/votes.py FOLDER`, with LFW-10.

FOLDER has `images/` and `pairs.csv` with split, attribute, file_a, file_b, votes_a, votes_b (nbs/data/04_folder.ipynb).
The same number of answers is spent in three ways: one vote about each of many pairs; all votes of fewer pairs, each
counting; their majority, a tie left out. The ranker is linear on features, and cross-validation chooses its penalty
each time. Counted are test pairs whose sides are four votes apart, as in the paper. Results go to votes.json.
"""
import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from machine import about

from attic.config import LinearConfig
from attic.core import progress_over
from attic.data.pairs import Pairs, pair_differences
from attic.models.extraction import extract_files
from attic.models.features import load_features
from attic.models.linear import View, fit_linear
from attic.models.ranker import pair_accuracy

PAPER = 'baldhead', 'darkhair', 'eyesopen', 'masculinelooking', 'mouthopen', 'smile', 'vforehead', 'young'
AGREED = 4 # votes that a test pair's sides are apart


def parse():
    "The command line"
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--answers', default='50,100,200,400')
    p.add_argument('--draws', type=int, default=5)
    p.add_argument('--side', type=int, default=160)
    return p.parse_args()


def as_pairs(table, target):
    "Rows of pairs.csv with targets"
    a, b = (torch.tensor(table[k].to_numpy()) for k in ('file_a', 'file_b'))
    return Pairs(a, b, torch.tensor(target.to_numpy(), dtype=torch.float32))


def one_vote(table, n, g):
    "One recorded vote about each of the first `n` pairs"
    some = table[:n]
    vote = g.random(len(some)) < some.votes_a / (some.votes_a + some.votes_b)
    return as_pairs(some, vote.astype(float)), None


def all_votes(table, n, g):
    "All votes about as many pairs as `n` answers are enough for, each vote counting"
    some = table[(table.votes_a + table.votes_b).cumsum() <= n]
    total = some.votes_a + some.votes_b
    return as_pairs(some, some.votes_a / total), torch.tensor(total.to_numpy(), dtype=torch.float32)


def majority(table, n, g):
    "The majority of the same votes; a tie is left out"
    some = table[(table.votes_a + table.votes_b).cumsum() <= n]
    some = some[some.votes_a != some.votes_b]
    return as_pairs(some, (some.votes_a > some.votes_b).astype(float)), None


WAYS = {'one vote each': one_vote, 'all votes': all_votes, 'majority': majority}


def read(args, net):
    "Features of all images, and the pairs as positions among them"
    table = pd.read_csv(args.folder/'pairs.csv')
    table = table[table.attribute.isin(PAPER) & (table.votes_a + table.votes_b > 0)]
    names = sorted({*table.file_a, *table.file_b})
    features, lost = extract_files([args.folder/'images'/f for f in names], net)
    if lost: raise SystemExit(f"{len(lost)} images of {args.folder} can't be read")
    place = {f: i for i, f in enumerate(names)}
    return features, table.assign(file_a=table.file_a.map(place), file_b=table.file_b.map(place))


def spend_all(features, table, attribute, draw, numbers, net):
    "Accuracy for each number of answers and each way to spend them"
    of = table[table.attribute == attribute]
    train, test = of[of.split == 'train'].sample(frac=1, random_state=draw), of[of.split == 'test']
    test = test[(test.votes_a - test.votes_b).abs() >= AGREED]
    asked = as_pairs(test, (test.votes_a > test.votes_b).astype(float))
    for n, (way, spend) in product(numbers, WAYS.items()):
        pairs, weight = spend(train, n, np.random.default_rng([draw, n]))
        ranker = fit_linear(features, pairs, None, LinearConfig(), net, weight, draw, view=View(net, True))
        right = pair_accuracy(pair_differences(ranker.score(features), asked), asked.target)
        yield dict(attribute=attribute, draw=draw, answers=n, way=way, pairs=len(pairs), accuracy=100*right)


def summary(rows):
    "Means over attributes and draws, and what single votes gain, with its interval over attributes"
    by = pd.DataFrame(rows).groupby(['answers', 'way', 'attribute'])[['pairs', 'accuracy']].mean().reset_index()
    wide = by.pivot_table(index=['answers', 'attribute'], columns='way', values='accuracy')
    gain = (wide['one vote each'] - wide['all votes']).groupby('answers')
    result = by.pivot_table(index='answers', columns='way', values=['pairs', 'accuracy'])
    result.columns = [f'{b}: {a}' for a, b in result.columns]
    return result.assign(gain=gain.mean(), interval=1.96 * gain.std() / gain.size()**.5).round(2)


def main():
    args, rows = parse(), []
    net, numbers = load_features(side=args.side), [int(n) for n in args.answers.split(',')]
    features, table = read(args, net)
    runs = list(product(PAPER, range(args.draws)))
    for attribute, draw in progress_over(runs, True):
        rows += spend_all(features, table, attribute, draw, numbers, net)
    result = summary(rows)
    print(result.T.to_string())
    out = dict(machine=about(), draws=args.draws, side=args.side, rows=result.reset_index().to_dict('records'))
    Path(__file__).with_suffix('.json').write_text(json.dumps(out, indent=1) + '\n')


if __name__ == '__main__': main()
