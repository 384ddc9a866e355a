"""What benchmarks on validation images share: images and seeds that no table has, and rows that survive a kill

We also chose the constants of ATTIC+ on such images and seeds. So these benchmarks take methods apart; tables judge.
"""
import argparse, csv, tempfile, time
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd, torch

from attic.config import get_profile
from attic.core import derive_seed, rng
from attic.data.dataset import TESTS, dataset_pairs
from attic.data.pairs import ImageSet
from attic.data.sources import get_dataset
from attic.methods.candidates import Candidates, candidates
from attic.methods.methods import Experiment
from attic.models.generator import generate
from attic.models.ranker import accuracy
from attic.report.statistics import gain_table, paired_gains
from attic.worlds.population import WORLDS

FIRST = 100 # of the seeds
CHOSEN = dict(faces='bald,masculine,forehead', shoes='comfort,sporty,supportive') # every third


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

    def measure(self, attr, ranker):
        "Accuracies on validation images"
        tests = {t: (self.valid.part(t), dataset_pairs(self.valid, attr, t)) for t in TESTS}
        return {t: round(accuracy(ranker, *test), 6) for t, test in tests.items()}

    def fit(self, ex, train):
        "How many labelled pairs, and accuracies of the ranker that is fitted to them"
        return dict(pairs=len(train[1])) | self.measure(ex.attr, ex.fit(*train))


def command(doc):
    "The options that these benchmarks share"
    p = argparse.ArgumentParser(description=doc.splitlines()[0])
    p.add_argument('--world', choices=list(WORLDS), default='faces')
    p.add_argument('--attributes', default='', help='separated by commas; default: three')
    p.add_argument('--seeds', type=int, default=5, help=f'how many, from {FIRST}')
    p.add_argument('--smoke', action='store_true', help='a rehearsal that measures and saves nothing')
    torch.set_num_threads(1)
    return p


def append(path, row):
    "Add a row"
    new = not path.exists()
    with path.open('a', newline='') as f:
        out = csv.DictWriter(f, row)
        if new: out.writeheader()
        out.writerow(row)


def is_there(path, names):
    "Whether a file has a row with these values"
    if not path.exists(): return False
    rows = pd.read_csv(path)
    return (rows[list(names)].astype(str) == pd.Series(names).astype(str)).all(axis=1).any()


def run(args, name, runs, summary, profile=None):
    "Measure what is missing: `runs(world, ex)` yields names of a run, and a function that gives its rows"
    profile = profile or get_profile('smoke' if args.smoke else 'standard')
    folder = Path(tempfile.mkdtemp() if args.smoke else Path(__file__).parent/'rows')
    folder.mkdir(exist_ok=True)
    path, world = folder/f'{name}.csv', World(args.world, profile)
    made = dict(profile=profile.name, torch=torch.__version__, date=time.strftime('%Y-%m-%d'))
    attrs = (args.attributes or CHOSEN[args.world]).split(',')
    for seed, attr in product(range(FIRST, FIRST + args.seeds), attrs):
        base = dict(world=args.world, attribute=attr, seed=seed)
        for names, measure in runs(world, Experiment(world.dataset, attr, profile, seed)):
            if is_there(path, base | names): continue
            for row in measure(): append(path, base | names | row | made)
        print(attr, seed, flush=True)
    print(summary(pd.read_csv(path)).to_string())


def gains(rows, by, base):
    "Gains of each way over its base, a tuple of values of `by`: the function `base` says which"
    ways = list(rows[by].drop_duplicates().itertuples(index=False, name=None))
    return gain_table(paired_gains(rows, by, {', '.join(map(str, way)): (way, base(way)) for way in ways}))
