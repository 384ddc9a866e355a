"""How long ATTIC should train, and which of its rankers to keep: `python benchmarks/convergence.py --world faces`

The published objective, with more steps of the control module than methods take. In Normal, people label the pairs at
the end. In Auto there are two rankers. `loop` has answered the control module, last of all to the final pairs, and
keeps its first penalty. `anew` is a new fit to real and final pairs, with a penalty of its own. We measure on the
validation images of `benchmarks/objectives.py`, with its seeds. `gap` is how far apart the requests are at the end, in
standard deviations, and `error` how many of the pairs the ranker still gets wrong.

Rows are appended to a CSV file, and finished ones are skipped. An attribute and seed take a few minutes of one core.
"""
import argparse, tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from attic.config import get_profile
from attic.data.dataset import TESTS, dataset_pairs
from attic.data.pairs import ImageSet, Pairs, join, targets
from attic.methods.adversary import HISTORY, AtticObjective, adversarial_run
from attic.methods.methods import Experiment
from attic.models.ranker import accuracy
from attic.worlds.population import WORLDS
from machine import about, save
from objectives import CHOSEN, FIRST, World, append, finished, label_by_annotator

STEPS = (60, 240)
KEY = ['world', 'attribute', 'seed', 'scenario', 'steps', 'ranker']


def measure(world, ex, ranker):
    "Accuracies on validation images"
    tests = {t: (world.valid.part(t), dataset_pairs(world.valid, ex.attr, t)) for t in TESTS}
    return {t: round(accuracy(ranker, *test), 6) for t, test in tests.items()}


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
    run = attic(ex, world, half, ex.real[2] - ex.half[2], steps)
    a, b, _ = final_pairs(run)
    return dict(anew=ex.fit(*join(half, label_by_annotator(ex, a, b, 'synthetic')))), run


def auto(ex, world, steps):
    "All labels for real pairs, and as many pairs of ATTIC's with inferred labels"
    real, n = ex.real[:2], ex.real[2]
    run = attic(ex, world, real, n, steps)
    a, b, label = final_pairs(run)
    drawn = ImageSet(torch.cat([a, b])), Pairs(torch.arange(n), torch.arange(n, 2*n), label, 'pseudo')
    return dict(loop=run.ranker, anew=ex.fit(*join(real, drawn))), run


def summary(rows):
    "Gain over *Real* in points, and the state of training"
    columns = [*TESTS, 'gap', 'error']
    real = rows[rows.scenario == 'Real'].set_index(['world', 'attribute', 'seed'])[list(TESTS)]
    made = rows[rows.scenario != 'Real'].set_index(['world', 'attribute', 'seed'])
    made[list(TESTS)] = 100 * (made[list(TESTS)] - real.reindex(made.index))
    groups = made.groupby(['world', 'scenario', 'steps', 'ranker'])[columns]
    errors = made.groupby(['world', 'scenario', 'steps', 'ranker', 'attribute'])[list(TESTS)].mean()
    errors = errors.groupby(['world', 'scenario', 'steps', 'ranker']).sem().add_suffix(' se')
    return groups.mean().join(errors).join(groups.size().rename('runs')).round(2).reset_index()


def main(args):
    profile = get_profile('smoke' if args.smoke else 'standard')
    path = Path(tempfile.mkdtemp() if args.smoke else '.')/args.rows
    world, columns = World(args.world, profile), [*KEY, *TESTS, 'gap', 'error']
    attrs = (args.attributes or CHOSEN[args.world]).split(',')
    for seed, attr in product(range(FIRST, FIRST + args.seeds), attrs):
        there = finished(path, columns).query('world == @args.world and attribute == @attr and seed == @seed')
        there, ex = set(zip(there.scenario, there.steps)), Experiment(world.dataset, attr, profile, seed)
        asked = [('Real', 0), *product(('Normal', 'Auto'), STEPS)]
        for scenario, steps in asked:
            if (scenario, steps) in there: continue
            made = {'Normal': normal, 'Auto': auto}
            rankers, run = made[scenario](ex, world, steps) if steps else (dict(anew=ex.fit(*ex.real[:2])), None)
            last = dict(zip(HISTORY, run.history[-1])) if run else {}
            end = dict(gap=last.get('gap in y'), error=last.get('ranker error'))
            for name, ranker in rankers.items():
                key = args.world, attr, seed, scenario, steps, name
                append(path, dict(zip(KEY, key)) | measure(world, ex, ranker) | end)
        print(attr, seed, flush=True)
    result = summary(finished(path, columns))
    print(result.to_string())
    if not args.smoke: save('convergence', dict(about=about(), profile=profile.name, rows=result.to_dict('records')))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--world', choices=list(WORLDS), default='faces')
    p.add_argument('--attributes', default='', help='separated by commas; default: three')
    p.add_argument('--seeds', type=int, default=5, help=f'how many, from {FIRST}')
    p.add_argument('--rows', default='convergence.csv', help='file of finished rows')
    p.add_argument('--smoke', action='store_true', help='a rehearsal that measures and saves nothing')
    torch.set_num_threads(1)
    main(p.parse_args())
