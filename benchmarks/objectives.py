"""What each objective is worth on each kind of candidate: `python benchmarks/objectives.py --world faces`

Half of the labels go to real pairs, the other half to pairs that are chosen among candidates or made by a control
module: one fit before, one after. A row says how accurate the ranker is then, on *validation* pairs of images that are
rendered for this script alone. Seeds start at 100, so that no table has them. We look at no test pair.

- candidates: `real`, unlabelled real images, labelled by their true strengths; `judged`, the same images, labelled by
  what the annotator model sees in them; `edits` and `drawings`, which only the annotator model can label.
- objective: those of `attic.methods.candidates`, with what a machine can answer; `undecided (bound)` with what whoever
  labels can answer; `module` and `untrained`, the control module of `UndecidedObjective` on edits.

Rows are appended to a CSV file, and finished ones are skipped. An attribute and seed take a few minutes of one core.
"""
import argparse, csv, tempfile
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd, torch

from attic.config import get_profile
from attic.core import derive_seed, rng
from attic.data.dataset import TESTS, dataset_pairs
from attic.data.pairs import ImageSet, Pairs, join
from attic.data.sources import get_dataset
from attic.labels.aggregate import aggregate
from attic.labels.annotators import simulate_votes
from attic.methods.adversary import UndecidedObjective, create_pairs
from attic.methods.candidates import OBJECTIVES, Candidates, candidates, choose_pairs
from attic.methods.methods import Experiment
from attic.models.editor import AnchoredEditor
from attic.models.generator import generate
from attic.models.ranker import accuracy
from attic.worlds.population import WORLDS
from machine import about, save

FIRST = 100 # of the seeds
POOLS = ('real', 'judged', 'edits', 'drawings')
BOUND = 'undecided (bound)'
RUNS = [('-', 'Real'), ('-', 'Half'), *product(POOLS, (*OBJECTIVES, BOUND)), ('edits', 'module'),
        ('edits', 'untrained')]


def validation(world, dataset):
    "The world with test images of its own"
    def load(part):
        curation = 0. if part == 'independent' else dataset.curation
        return ImageSet(*WORLDS[world].render(dataset.sizes[part], derive_seed('validation', world, part), curation))
    return replace(dataset, name=f'{world}-validation', load=load)


class World:
    "What attributes and seeds share"
    def __init__(self, name, profile):
        self.name, self.profile, self.dataset = name, profile, get_dataset(name, profile)
        self.valid = validation(name, self.dataset)
        self.ex = Experiment(self.dataset, self.dataset.attrs[0], profile)

    @cache
    def truth(self):
        "True strengths of the generator's images (N, A)"
        seed = derive_seed('world', self.name, 'generator')
        return WORLDS[self.name].render(self.dataset.sizes['generator'], seed, self.dataset.curation)[1]

    @cache
    def pool(self, name):
        "Candidates"
        if name in ('real', 'judged'): return self.ex.real_candidates
        if name == 'edits': return self.ex.edited_candidates
        y, z = self.ex.generator.sample(self.profile.candidates.images, rng('drawings'))
        return candidates(self.ex.attribute_predictor, ImageSet(generate(self.ex.generator, y, z)), 'synthetic')

    @cache
    def bound(self, name):
        "The same candidates, with the strengths that whoever labels them has in mind"
        pool = self.pool(name)
        judged = name != 'real'
        s = self.ex.crowd.annotator_model.predict(pool.images.images)[0] if judged else self.truth()[:len(pool)]
        return Candidates(pool.images, s / self.dataset.y_std, pool.origin)


def label_by_truth(ex, pairs, strengths):
    "What the crowd says of real pairs: those that are kept"
    config, s = ex.profile.crowd, strengths[:, ex.j] / ex.dataset.y_std[ex.j]
    refused = torch.full((len(pairs),), config.refusals)
    stream = rng(ex.seed, 'votes', 'chosen', ex.attr)
    votes = aggregate(simulate_votes(s[pairs.a] - s[pairs.b], refused, stream, config), config)
    keep = torch.tensor(votes.keep.values).nonzero().flatten()
    return Pairs(pairs.a, pairs.b, torch.tensor(votes.target.values, dtype=torch.float32), 'real')[keep]


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


def bought(ex, world, where, objective):
    "Images and pairs for the second half of the labels"
    ranker, n = ex.fit(*ex.half[:2]), ex.real[2] - ex.half[2]
    if objective in ('module', 'untrained'):
        return from_module(ex, world, ranker, n, ex.profile.adversary.steps if objective == 'module' else 0)
    pool = world.bound(where) if objective == BOUND else world.pool(where)
    config = replace(ex.profile.candidates, objective=objective.removesuffix(' (bound)'))
    pairs = choose_pairs(pool, n, ranker, ex.half[:2], ex.j, config, (ex.seed,))
    if where == 'real': return pool.images, label_by_truth(ex, pairs, world.truth())
    return label_by_annotator(ex, pool.images.images[pairs.a], pool.images.images[pairs.b], pool.origin)


def measure(ex, world, where, objective):
    "How many of the bought pairs are kept, and how accurate the ranker is with them"
    half, more = ex.half[:2], None
    if where != '-': more = bought(ex, world, where, objective)
    train = {'Real': ex.real[:2], 'Half': half}.get(objective) or join(half, more)
    ranker = ex.fit(*train)
    tests = {t: (world.valid.part(t), dataset_pairs(world.valid, ex.attr, t)) for t in TESTS}
    return dict(kept=len(more[1]) if more else 0) | {t: round(accuracy(ranker, *test), 6) for t, test in tests.items()}


def finished(path):
    "What was measured"
    names = ['world', 'attribute', 'seed', 'candidates', 'objective', 'kept', *TESTS]
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=names)


def append(path, row):
    "Add a row"
    new = not path.exists()
    with path.open('a', newline='') as f:
        out = csv.DictWriter(f, row)
        if new: out.writeheader()
        out.writerow(row)


def summary(rows):
    "Gain over *Real* in points: mean over seeds and attributes, and standard error over attributes"
    table = rows.set_index(['world', 'candidates', 'objective', 'attribute', 'seed'])
    real = table.xs(('-', 'Real'), level=('candidates', 'objective'))[list(TESTS)]
    gain = 100 * (table[list(TESTS)] - real.reindex(table.index.droplevel(['candidates', 'objective'])).values)
    by = ['world', 'candidates', 'objective']
    means = gain.groupby([*by, 'attribute'], sort=False).mean().groupby(by, sort=False)
    gain, error = means.mean().round(2), means.sem().round(2).add_suffix(' se')
    counts = table.reset_index().groupby(by, sort=False).agg(kept=('kept', 'mean'), runs=('kept', 'size')).round(1)
    return gain.join(error).join(counts).reset_index()


def main(args):
    profile = get_profile('smoke' if args.smoke else 'standard')
    path = Path(tempfile.mkdtemp() if args.smoke else '.')/args.rows
    world = World(args.world, profile)
    attrs = args.attributes.split(',') if args.attributes else world.dataset.attrs
    for attr, seed in product(attrs, range(FIRST, FIRST + args.seeds)):
        done = finished(path).query('world == @args.world and attribute == @attr and seed == @seed')
        done = set(zip(done.candidates, done.objective))
        ex = Experiment(world.dataset, attr, profile, seed)
        for run in RUNS:
            if run in done: continue
            row = dict(world=args.world, attribute=attr, seed=seed, candidates=run[0], objective=run[1])
            append(path, row | measure(ex, world, *run))
        print(attr, seed, flush=True)
    result = summary(finished(path))
    print(result.to_string())
    if not args.smoke: save('objectives', dict(about=about(), profile=profile.name, rows=result.to_dict('records')))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--world', choices=list(WORLDS), default='faces')
    p.add_argument('--attributes', default='', help='separated by commas; default: all of the world')
    p.add_argument('--seeds', type=int, default=5, help=f'how many, from {FIRST}')
    p.add_argument('--rows', default='objectives.csv', help='file of finished rows')
    p.add_argument('--smoke', action='store_true', help='a rehearsal that measures and saves nothing')
    torch.set_num_threads(1)
    main(p.parse_args())
