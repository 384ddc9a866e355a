"""How ATTIC+ was chosen: `python benchmarks/attic_plus.py`

Games in Auto with the two attributes that were looked at, one seed, and every variant of the rule: how far apart pairs are, beside random
pairs of the same generator; how often the label is right in the crowd's eye, and the crowd's where it kept the pair; and the accuracy on
*validation* pairs of a ranker that is trained with them. No test pair is looked at. From nothing it takes twenty-five minutes of one core.
"""
import torch

from attic.adversary import Answerable, create_pairs, onlook
from attic.core import get_profile
from attic.datasets import get_domain
from attic.generator import diversity
from attic.methods import Asked, Experiment, prior
from attic.pairs import join
from attic.ranker import accuracy, pair_accuracy
from machine import about, save

ATTRIBUTES, SEED = ('smiling', 'comfort'), 1
VARIANTS = [dict(band=b, alike=a) for b, a in (((.6, 1.2), 0.), ((.3, .7), 0.), ((.6, 1.2), .9), ((.4, .8), .9), ((.4, .8), .97), ((.5, 1.), .97), ((.6, 1.2), 1.), ((.4, .8), 1.), ((.3, .7), 1.))]


def quality(ex, made):
    "How subtle and how answerable pairs are"
    apart, right = onlook(ex.crowd.eye, made.a, made.b, made.target, ex.j)
    _, kept, _ = ex.crowd.generated(ex.attr, made.a, made.b, (ex.seed,))
    return dict(apart=apart, right=right, kept=len(kept)/len(made.a), crowd=pair_accuracy(made.target[kept.a] - 0.5, kept.target), diversity=diversity(torch.cat([made.a, made.b])))


def main():
    rows = []
    for attr in ATTRIBUTES:
        profile = get_profile('standard')
        ex = Experiment(get_domain('world', profile, attr), attr, profile, SEED)
        bank, pairs, n = ex.real
        start, judge, random = ex.fit(bank, pairs), ex.judge(bank, pairs), quality(ex, prior(Asked(ex, bank, pairs, n)))['apart']
        rows.append(dict(attribute=attr, valid=accuracy(start, *ex.valid)))
        for v in VARIANTS:
            made = create_pairs(ex.generator, start, (bank, pairs), ex.valid, Answerable(ex.j, judge, ex.generator, **v), n, profile, (SEED,), 'cpu', eye=ex.crowd.eye)
            said = quality(ex, made)
            rows.append(dict(attribute=attr, **v, **said, ratio=said['apart']/random, valid=accuracy(ex.fit(*join((bank, pairs), made.pairs('pseudo'))), *ex.valid)))
            print(rows[-1], flush=True)
    save('attic_plus', dict(about=about(), profile='standard', seed=SEED, scenario='Auto', rows=rows))


if __name__ == '__main__': main()
