"""How long ATTIC should train, and which of its rankers to keep: `python benchmarks/convergence.py --world faces`

The published objective, with more steps of the control module than methods take. In Normal, people label the pairs at
the end. In Auto there are two rankers. `loop` has answered the control module, last of all to the final pairs, and
keeps its first penalty. `anew` is a new fit to real and final pairs, with a penalty of its own. We measure on the
validation images of `benchmarks/objectives.py`, with its seeds. `gap` is how far apart the requests are at the end, in
standard deviations, and `error` how many of the pairs the ranker still gets wrong.

Finished rows are in `benchmarks/rows/`, and are skipped. An attribute and seed take a few minutes of one core.
"""
from dataclasses import replace
from itertools import product

import torch

from attic.data.pairs import ImageSet, Pairs, join, targets
from attic.methods.adversary import HISTORY, AtticObjective, adversarial_run
from objectives import label_by_annotator
from validation import command, gains, run

STEPS = (60, 240)


def attic(ex, world, real, n, steps):
    "An adversarial run"
    profile = replace(ex.profile.replace(adversary=dict(steps=steps)), ranker=ex.ranking)
    return adversarial_run(world.ex.generator, ex.fit(*real), real, ex.valid, AtticObjective(ex.j), n, profile, ex.seed)


@torch.no_grad()
def final_pairs(run):
    "Images of both sides, and their inferred labels"
    pairs, (a, b) = run.current_pairs()
    return a, b, torch.cat([targets((p.y_a - p.y_b)[:, run.objective.j]) for p in pairs]).cpu()


def normal(ex, world, steps):
    "Half of the labels for real pairs, half for ATTIC's"
    half = ex.half[:2]
    made = attic(ex, world, half, ex.real[2] - ex.half[2], steps)
    a, b, _ = final_pairs(made)
    return made, dict(anew=ex.fit(*join(half, label_by_annotator(ex, a, b, 'synthetic'))))


def auto(ex, world, steps):
    "All labels for real pairs, and as many pairs of ATTIC's with inferred labels"
    real, n = ex.real[:2], ex.real[2]
    made = attic(ex, world, real, n, steps)
    a, b, label = final_pairs(made)
    drawn = ImageSet(torch.cat([a, b])), Pairs(torch.arange(n), torch.arange(n, 2*n), label, 'pseudo')
    return made, dict(loop=made.ranker, anew=ex.fit(*join(real, drawn)))


def measured(world, ex, make, steps):
    "A row for each ranker of a run"
    made, rankers = make(ex, world, steps)
    last = dict(zip(HISTORY, made.history[-1]))
    end = dict(pairs=len(made.q), gap=round(last['gap in y'], 4), error=round(last['ranker error'], 4))
    for name, ranker in rankers.items(): yield dict(ranker=name) | end | world.measure(ex.attr, ranker)


def runs(world, ex):
    "Names of each run, and what measures it"
    real = ex.real[:2]
    start = dict(ranker='anew', pairs=len(real[1]), gap=0, error=0)
    yield dict(scenario='Real', steps=0), lambda: [start | world.measure(ex.attr, ex.fit(*real))]
    for (scenario, make), steps in product(dict(Normal=normal, Auto=auto).items(), STEPS):
        yield dict(scenario=scenario, steps=steps), lambda make=make, steps=steps: measured(world, ex, make, steps)


def summary(rows):
    "Gain over *Real*"
    return gains(rows, ['scenario', 'steps', 'ranker'], lambda way: ('Real', 0, 'anew'))


if __name__ == '__main__': run(command(__doc__).parse_args(), 'convergence', runs, summary)
