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

Rows are appended to a CSV file, and finished ones are skipped. An attribute and seed take a few minutes of one core.
"""
import argparse, csv, tempfile
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd, torch

from attic.config import get_profile
from attic.core import derive_seed, rng
from attic.data.dataset import TESTS, dataset_pairs
from attic.data.pairs import ImageSet, Pairs, join, only_used
from attic.data.sources import get_dataset
from attic.labels.aggregate import aggregate
from attic.labels.annotators import simulate_votes
from attic.methods.adversary import UndecidedObjective, create_pairs
from attic.methods.candidates import Candidates, candidates, choose_pairs, unused
from attic.methods.methods import Experiment
from attic.models.editor import AnchoredEditor
from attic.models.generator import generate
from attic.models.ranker import accuracy
from attic.worlds.population import WORLDS
from machine import about, save

FIRST = 100 # of the seeds
CHOSEN = dict(faces='bald,masculine,forehead', shoes='comfort,sporty,supportive') # every third, before anything was run
SORTS = ('random', 'wrong', 'undecided', 'informative', 'undecided, unanswerable too', 'undecided, bound')
FEW = ('random', 'undecided', 'undecided, bound')
MODULES = ('module', 'untrained')
RUNS = [('-', 'Real'), ('-', 'Half'), *product(['perfect', 'edits'], SORTS),
        *product(['perfect, independent', 'drawings'], FEW), *product(['real', 'judged'], FEW[:2]),
        *product(['edits'], ['undecided, at once', *MODULES])]


def validation(world, dataset):
    "The world with test images of its own"
    def load(part):
        curation = 0. if part == 'independent' else dataset.curation
        return ImageSet(*WORLDS[world].render(dataset.sizes[part], derive_seed('validation', world, part), curation))
    return replace(dataset, name=f'{world}-validation', load=load)


@dataclass
class Pool:
    "Candidates, as a machine scores them and as whoever labels them sees them"
    machine:Candidates
    labeller:Candidates
    known:bool=False # whether the images' strengths are the true ones; else the annotator model labels


class World:
    "What attributes and seeds share"
    def __init__(self, name, profile):
        self.name, self.profile, self.dataset = name, profile, get_dataset(name, profile)
        self.valid = validation(name, self.dataset)
        self.ex = Experiment(self.dataset, self.dataset.attrs[0], profile)

    def render(self, curation):
        "New images of the world"
        seed = derive_seed('perfect', self.name, curation)
        return ImageSet(*WORLDS[self.name].render(self.profile.candidates.images, seed, curation))

    def known(self, images):
        "A pool that is labelled by its true strengths"
        found = candidates(self.ex.attribute_predictor, images)
        return Pool(found, Candidates(images, images.strengths / self.dataset.y_std), known=True)

    def judged(self, found):
        "A pool that the annotator model labels"
        strengths = self.ex.crowd.annotator_model.predict(found.images.images)[0]
        return Pool(found, Candidates(found.images, strengths / self.dataset.y_std, found.origin))

    def drawings(self):
        "Random drawings of the generator"
        y, z = self.ex.generator.sample(self.profile.candidates.images, rng('drawings'))
        return candidates(self.ex.attribute_predictor, ImageSet(generate(self.ex.generator, y, z)), 'synthetic')

    @cache
    def pool(self, name):
        "Candidates"
        curation = self.dataset.curation
        if name.startswith('perfect'):
            return self.known(self.render(0. if name.endswith('independent') else curation))
        if name == 'real':
            seed = derive_seed('world', self.name, 'generator')
            truth = WORLDS[self.name].render(self.dataset.sizes['generator'], seed, curation)[1]
            images = self.ex.real_candidates.images.images
            return self.known(ImageSet(images, truth[:len(images)]))
        if name == 'judged': return self.judged(self.ex.real_candidates)
        return self.judged(self.ex.edited_candidates if name == 'edits' else self.drawings())


def label_by_truth(ex, images, pairs, turn):
    "What the crowd says of pairs with known strengths: those that are kept"
    config, s = ex.profile.crowd, images.strengths[:, ex.j] / ex.dataset.y_std[ex.j]
    refused = torch.full((len(pairs),), config.refusals)
    votes = simulate_votes(s[pairs.a] - s[pairs.b], refused, rng(ex.seed, 'votes', 'chosen', ex.attr, turn), config)
    votes = aggregate(votes, config)
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


def measure(ex, world, where, objective):
    "How many pairs are kept, and how accurate the ranker is with them"
    train = {'Real': ex.real[:2], 'Half': ex.half[:2]}.get(objective) or bought(ex, world, where, objective)
    ranker = ex.fit(*train)
    tests = {t: (world.valid.part(t), dataset_pairs(world.valid, ex.attr, t)) for t in TESTS}
    return dict(kept=len(train[1])) | {t: round(accuracy(ranker, *test), 6) for t, test in tests.items()}


NAMES = ['world', 'attribute', 'seed', 'candidates', 'objective', 'kept', *TESTS]

def finished(path, names=NAMES):
    "What was measured"
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
    attrs = (args.attributes or CHOSEN[args.world]).split(',')
    for seed, attr in product(range(FIRST, FIRST + args.seeds), attrs):
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
    p.add_argument('--attributes', default='', help='separated by commas; default: three')
    p.add_argument('--seeds', type=int, default=5, help=f'how many, from {FIRST}')
    p.add_argument('--rows', default='objectives.csv', help='file of finished rows')
    p.add_argument('--smoke', action='store_true', help='a rehearsal that measures and saves nothing')
    torch.set_num_threads(1)
    main(p.parse_args())
