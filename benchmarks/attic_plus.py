"""How the constants of ATTIC+ were chosen: `python benchmarks/attic_plus.py`

Runs in Auto with two attributes, one seed, and every variant of the objective: how far apart pairs are, relative to
random pairs of the same generator; how often the label is right in the annotator model's view, and the crowd's where
it kept the pair; and the accuracy on *validation* pairs of a ranker that is trained with them. We look at no test
pair. From nothing it takes 25 minutes of one core.
"""
import argparse
from dataclasses import replace

import torch

from attic.config import get_profile
from attic.data.pairs import join
from attic.data.sources import get_dataset
from attic.methods.adversary import AtticPlusObjective, create_pairs, label_quality
from attic.methods.methods import Experiment, ProposalRequest, prior
from attic.models.generator import diversity
from attic.models.ranker import accuracy, pair_accuracy
from machine import about, save

ATTRIBUTES, SEED = ('smiling', 'comfort'), 1
VARIANTS = ( # gap range, correlation
    ((.6, 1.2), 0.), ((.3, .7), 0.), ((.6, 1.2), .9), ((.4, .8), .9), ((.4, .8), .97), ((.5, 1.), .97), ((.6, 1.2), 1.),
    ((.4, .8), 1.), ((.3, .7), 1.))


def quality(ex, made):
    "How subtle and how answerable pairs are"
    apart, right = label_quality(ex.crowd.annotator_model, made.a, made.b, made.target, ex.j)
    _, kept, _ = ex.crowd.generated(ex.attr, made.a, made.b, (ex.seed,))
    return dict(apart=apart, right=right, kept=len(kept)/len(made.a),
                crowd=pair_accuracy(made.target[kept.a] - 0.5, kept.target),
                diversity=diversity(torch.cat([made.a, made.b])))


def try_variants(attr, profile):
    "One row for the labelled pairs alone, then one for each variant"
    ex = Experiment(get_dataset('world', profile, attr), attr, profile, SEED)
    image_set, pairs, n = ex.real
    start, probe = ex.fit(image_set, pairs), ex.fit_probe(image_set, pairs)
    random = quality(ex, prior(ProposalRequest(ex, image_set, pairs, n)))['apart']
    yield dict(attribute=attr, valid=accuracy(start, *ex.valid))
    for gap_range, correlation in VARIANTS:
        config = replace(profile.objective, gap_range=gap_range, correlation=correlation)
        objective = AtticPlusObjective(ex.j, probe, ex.generator, config)
        made = create_pairs(ex.generator, start, (image_set, pairs), ex.valid, objective, n, profile, (SEED,),
                            annotator_model=ex.crowd.annotator_model)
        row = quality(ex, made)
        with_them = ex.fit(*join((image_set, pairs), made.pairs('pseudo')))
        yield dict(attribute=attr, band=gap_range, alike=correlation, **row, ratio=row['apart']/random,
                   valid=accuracy(with_them, *ex.valid))


def main(args):
    rows = []
    for attr in ATTRIBUTES:
        for row in try_variants(attr, get_profile('smoke' if args.smoke else 'standard')):
            rows.append(row)
            print(row, flush=True)
    if args.smoke: return
    save('attic_plus', dict(about=about(), profile='standard', seed=SEED, scenario='Auto', rows=rows))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--smoke', action='store_true', help='a rehearsal that measures and saves nothing')
    main(p.parse_args())
