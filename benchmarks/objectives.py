"""What each objective is worth on each kind of candidate: `python benchmarks/objectives.py --world faces`

Half of the labels go to real pairs. The other half goes to pairs that we choose among candidates, in rounds as methods
do, or that a control module makes. A row says how accurate the ranker is then, on *validation* pairs of images that we
render for this script alone. Seeds start at 100, and no table has them. We look at no test pair.

- candidates: `perfect`, new renders of the same population, which a perfect generator could draw; `perfect,
  independent`, renders in which attributes don't go together; `real`, the generator's unlabelled images; `judged`, the
  same, but labelled by what the annotator model sees; `edits` of them; and `drawings` of the generator. The annotator
  model labels the last three kinds, the truth the first three.
- objective: those of `attic.methods.candidates`, with what a machine can answer; `undecided, unanswerable too`, without
  that; `undecided, bound`, with what whoever labels can answer; `undecided, at once`, in one round. `module` and
  `untrained` are the control module of `UndecidedObjective`, also in one round.

Finished rows are in `benchmarks/rows/`, and are skipped. An attribute and seed take a few minutes of one core.
"""
from dataclasses import replace
from itertools import product

import torch

from attic.core import rng
from attic.data.pairs import Pairs, join, only_used
from attic.labels.annotators import crowd_labels
from attic.methods.adversary import UndecidedObjective, create_pairs
from attic.methods.candidates import choose_pairs, unused
from attic.models.editor import AnchoredEditor
from validation import command, gains, run

SORTS = ('random', 'wrong', 'undecided', 'informative', 'undecided, unanswerable too', 'undecided, bound')
FEW = ('random', 'undecided', 'undecided, bound')
MODULES = ('module', 'untrained')
RUNS = [('-', 'Real'), ('-', 'Half'), *product(['perfect', 'edits'], SORTS),
        *product(['perfect, independent', 'drawings', 'real', 'judged'], FEW),
        *product(['edits'], ['undecided, at once', *MODULES])]


def label_by_truth(ex, images, pairs, turn):
    "What the crowd says of pairs with known strengths: those that are kept"
    config, s = ex.profile.crowd, images.strengths[:, ex.j] / ex.dataset.y_std[ex.j]
    refused = torch.full((len(pairs),), config.refusals)
    stream = rng(ex.seed, 'votes', 'chosen', ex.attr, turn)
    return crowd_labels(pairs, s[pairs.a] - s[pairs.b], refused, stream, config)[0]


def label_by_annotator(ex, a, b, origin):
    "What the crowd says of pairs that the annotator model looks at: their images, and those that are kept"
    images, kept, _ = ex.crowd.generated(ex.attr, a, b, ex.seed)
    return images, Pairs(kept.a, kept.b, kept.target, origin)


def from_module(ex, world, ranker, n, steps):
    "Pairs of a control module, labelled"
    profile = replace(ex.profile.replace(adversary=dict(steps=steps)), ranker=ex.ranking)
    config, images = profile.candidates, ex.dataset.part('generator')
    gen = AnchoredEditor(world.ex.generator, images[:config.images], config.reach)
    objective = UndecidedObjective(ex.j, world.ex.attribute_predictor)
    made = create_pairs(gen, ranker, ex.half[:2], ex.valid, objective, n, profile, ex.seed)
    return label_by_annotator(ex, made.a, made.b, 'synthetic')


def chosen(ex, pool, train, n, objective, turn):
    "Images and pairs of one round, labelled"
    name, _, how = objective.partition(', ')
    config = replace(ex.profile.candidates, objective=name)
    if how == 'unanswerable too': config = replace(config, gap=0.)
    left = unused(pool.labeller if how == 'bound' else pool.machine, train[0])
    ranker = None if name == 'random' else ex.fit(*train)
    pairs = choose_pairs(left, n, ranker, train, ex.j, config, (ex.seed, turn))
    images, pairs = only_used(left.images, pairs)
    if pool.known: return images, label_by_truth(ex, images, pairs, turn)
    return label_by_annotator(ex, images.images[pairs.a], images.images[pairs.b], left.origin)


def bought(ex, world, where, objective):
    "Half of the real pairs, and labelled pairs for the other half"
    train, n = ex.half[:2], ex.real[2] - ex.half[2]
    if objective in MODULES:
        steps = ex.profile.adversary.steps if objective == 'module' else 0
        return join(train, from_module(ex, world, ex.fit(*train), n, steps))
    rounds = 1 if objective.endswith('at once') else ex.profile.candidates.rounds
    for k in range(rounds):
        part = n*(k + 1)//rounds - n*k//rounds
        train = join(train, chosen(ex, world.pool(where), train, part, objective, k))
    return train


def runs(world, ex):
    "Names of each run, and what measures it"
    for where, objective in RUNS:
        def measure(where=where, objective=objective):
            known = {'Real': ex.real[:2], 'Half': ex.half[:2]}
            yield world.fit(ex, known.get(objective) or bought(ex, world, where, objective))
        yield dict(candidates=where, objective=objective), measure


def summary(rows):
    "Gain over *Real*"
    return gains(rows, ['candidates', 'objective'], lambda way: ('-', 'Real'))


if __name__ == '__main__': run(command(__doc__).parse_args(), 'objectives', runs, summary)
