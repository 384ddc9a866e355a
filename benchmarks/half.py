"""What half of the real labels cost, with and without pretrained features: `python benchmarks/half.py --world faces`

In Normal this is what a method gives up before it draws its first pair. *Real* has all labels, *Half* one half of them.
The ranker stands on features, or it starts from random weights as in attic 0.1. We measure on the validation images of
`benchmarks/objectives.py`, with its seeds.

Finished rows are in `benchmarks/rows/`, and are skipped. An attribute and seed take a few minutes of one core.
"""
from dataclasses import replace
from itertools import product

from attic.config import PROFILES
from validation import command, gains, run

RANKERS = {'on features': PROFILES['standard'].ranker, 'from random weights': PROFILES['scratch'].ranker}


def runs(world, ex):
    "Names of each run, and what measures it"
    for ranker, labels in product(RANKERS, ('Real', 'Half')):
        def measure(ranker=ranker, labels=labels):
            one = replace(ex, profile=replace(ex.profile, ranker=RANKERS[ranker]))
            yield world.fit(one, (one.real if labels == 'Real' else one.half)[:2])
        yield dict(ranker=ranker, labels=labels), measure


def summary(rows):
    "Gain over *Real* with the same ranker"
    return gains(rows, ['ranker', 'labels'], lambda way: (way[0], 'Real'))


if __name__ == '__main__': run(command(__doc__).parse_args(), 'half', runs, summary)
