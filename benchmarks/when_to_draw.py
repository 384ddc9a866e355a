"""Where drawing pays: `python benchmarks/when_to_draw.py --world faces`

- `images`: you have K images of your own and a generator that was trained elsewhere. You ask one person about each
  pair, ten answers an image, 1,000 at most. Pairs are of your images (`re-pairings`), of edits of them, of both, of the
  generator's `drawings`, of 3,000 new real images (`new real`), or of `perfect` drawings: new renders in which
  attributes don't go together.
- `combination`: the same with 1,000 images in which two attributes always go together.
- `reach`: n real pairs and n pairs of edits that go so far (in standard deviations), with one answer each.
- `free`: n real pairs with five answers each, and 3 n pairs whose label costs nothing, as in Auto. They are two
  versions of one image, by the renderer (`perfect twins`, faces only) or by the editor (`edited twins`); or pairs of
  real images, of edits or of drawings, which a ranker with machine scores labels.

We choose pairs as methods do, and measure on the validation images of `benchmarks/objectives.py`, with its seeds.
Finished rows are in `benchmarks/rows/`, and are skipped. An attribute and seed take a few minutes of one core.
"""
from dataclasses import replace
from functools import cache
from itertools import product

import torch

from attic.core import derive_seed, rng
from attic.data.pairs import ImageSet, Pairs, join, only_used
from attic.methods.candidates import Candidates, both, candidates, choose_pairs
from attic.models.editor import Editor, edit
from attic.models.ranker import differences
from attic.worlds import faces as face_world
from attic.worlds.population import WORLDS
from answers import Asker, extended, pool, real
from validation import command, gains, run

OWN = (50, 150, 500, 1500)
REACHES = (.25, .5, .7, 1., 1.5)
EDITS, AN_IMAGE, MOST = 3000, 10, 1000 # edits of own images; answers an image, and at most
OTHER = 'edits', 'images and edits', 'drawings', 'perfect' # what questions may be about, beside re-pairings
ENTANGLED, APART = 1000, .8 # images for `combination`; how far twins differ


@cache
def own_images(name, n, seed):
    "Images that no network of attic has seen, with true strengths"
    world = WORLDS[name]
    return ImageSet(*world.render(n, derive_seed('own', name, seed), .8))


def moved(world, images, reach, seed):
    "Random edits of images, whose strengths are machine scores"
    gen, y = world.ex.generator, world.ex.attribute_predictor.machine_scores(images)
    step = gen.sample(len(images), rng(seed, 'moves'))[0] - gen.y_mean
    return ImageSet(edit(Editor(gen), images.images, y, y + reach*step))


def own_edits(world, images, seed):
    "Edits of a few images, each many times"
    times = -(-EDITS // len(images))
    many = ImageSet(images.images.repeat(times, 1, 1, 1)[:EDITS])
    return candidates(world.ex.attribute_predictor, moved(world, many, .7, seed), 'synthetic')


def blind(found): return Candidates(replace(found.images, strengths=None), found.scores, found.origin)


def own_candidates(world, way, own, seed):
    "Candidates for the owner of some images"
    predictor = world.ex.attribute_predictor
    if way == 'edits': return own_edits(world, own, seed)
    if way == 'images and edits': return both(blind(candidates(predictor, own)), own_edits(world, own, seed))
    if way == 'drawings': return pool(world, world.ex, way)
    if way == 'perfect': return pool(world, world.ex, 'perfect, independent')
    if way == 'new real':
        new = own_images(world.name, EDITS, f'new {seed}')
        own = ImageSet(torch.cat([own.images, new.images]), torch.cat([own.strengths, new.strengths]))
    return candidates(predictor, own)


def first_pairs(k):
    "Disjoint pairs of `k` images"
    return Pairs(torch.arange(k//2), torch.arange(k//2, k//2*2), torch.zeros(k//2))


def spend(asker, start, found, n):
    "Single answers about the first pairs, then about `n` chosen ones"
    ex, train = asker.ex, asker.every(*start, 1)
    rounds = ex.profile.candidates.rounds
    for r in range(rounds):
        part = n*(r + 1)//rounds - n*r//rounds
        pairs, left = None, part
        while left > 0: # few images make few disjoint pairs
            ranker = ex.fit(*train)
            pairs = choose_pairs(found, left, ranker, train, ex.j, ex.profile.candidates, (ex.seed, r, left))
            train = join(train, asker.every(*only_used(found.images, pairs), 1))
            left -= len(pairs)
    return train


def by_images(world, ex):
    "(size, way) -> labelled pairs, where images are few"
    for k, way in product(OWN, ('re-pairings', *OTHER, 'new real')):
        def run(k=k, way=way):
            own = own_images(world.name, k, ex.seed)
            n = min(AN_IMAGE*k, MOST) - k//2
            return spend(Asker(ex, world), (own, first_pairs(k)), own_candidates(world, way, own, ex.seed), n)
        yield (k, way), run


def entangled_images(world, ex):
    "Images in which an attribute is high where the next one is, and low where it is low"
    images = own_images(world.name, 3*ENTANGLED, f'entangled {ex.seed}')
    s = images.strengths - images.strengths.mean(0)
    alike = s[:, ex.j] * s[:, (ex.j + 1) % s.shape[1]] > 0
    return images[alike.nonzero().flatten()[:ENTANGLED]]


def by_combination(world, ex):
    "(size, way) -> labelled pairs, where two attributes always go together"
    own = entangled_images(world, ex)
    start, n = (own, first_pairs(len(own))), MOST - len(own)//2
    for way in ('re-pairings', *OTHER):
        yield (len(own), way), lambda way=way: spend(
            Asker(ex, world), start, own_candidates(world, way, own, ex.seed), n)


def by_reach(world, ex):
    "(size, way) -> labelled pairs, where edits go far or not"
    n = len(real(ex)[1])
    def run(reach):
        images = ImageSet(ex.dataset.part('generator')[:ex.profile.candidates.images].images)
        found = candidates(ex.attribute_predictor, moved(world, images, reach, 0), 'synthetic')
        return extended(Asker(ex, world), found, n, 'undecided')
    for reach in REACHES: yield (reach, 'edits'), lambda reach=reach: run(reach)
    yield (0, 'real'), lambda: extended(Asker(ex, world), pool(world, ex, 'real'), n, 'undecided')


def perfect_twins(ex, n):
    "Two renders of one face that differ in one strength"
    seed = derive_seed('twins', ex.attr, ex.seed)
    s, nuisance = face_world.sample_strengths(n, seed, .8), face_world.sample_nuisance(n, seed)
    step = torch.zeros_like(s)
    step[:, ex.j] = APART * ex.dataset.y_std[ex.j]
    return face_world.render(s + step, nuisance), face_world.render(s - step, nuisance)


def edited_twins(world, ex, n):
    "Two edits of one image that differ in one strength"
    images = ex.dataset.part('generator')[:n]
    y, editor = images.strengths, Editor(world.ex.generator)
    step = torch.zeros_like(y)
    step[:, ex.j] = APART * ex.dataset.y_std[ex.j]
    return edit(editor, images.images, y, y + step), edit(editor, images.images, y, y - step)


def known_order(a, b):
    "Pairs in which A shows more"
    n = len(a)
    return ImageSet(torch.cat([a, b])), Pairs(torch.arange(n), torch.arange(n, 2*n), torch.ones(n), 'pseudo')


def inferred(world, ex, train, kind, n):
    "Chosen pairs that a ranker with machine scores labels"
    found, ranker = pool(world, ex, kind), ex.fit(*train)
    pairs = choose_pairs(found, n, ranker, train, ex.j, ex.profile.candidates, (ex.seed, 'free'))
    images, pairs = only_used(ImageSet(found.images.images), pairs)
    teacher = ex.fit(*train, more='attribute_predictor')
    return images, Pairs(pairs.a, pairs.b, differences(teacher, images, pairs).sigmoid(), 'pseudo')


def by_labels(world, ex):
    "(size, way) -> labelled pairs, so many times n of them for free"
    times, train = ex.profile.candidates.inferred, Asker(ex, world).majority(*real(ex), 5)
    n = times*len(real(ex)[1])
    yield (0, 'n real x 5'), lambda: train
    if world.name == 'faces': yield (times, 'perfect twins'), lambda: join(train, known_order(*perfect_twins(ex, n)))
    yield (times, 'edited twins'), lambda: join(train, known_order(*edited_twins(world, ex, n)))
    for kind in ('real', 'edits', 'drawings'):
        yield (times, f'{kind}, inferred'), lambda kind=kind: join(train, inferred(world, ex, train, kind, n))


PARTS = dict(images=by_images, combination=by_combination, reach=by_reach, free=by_labels)


BASES = dict(images='re-pairings', combination='re-pairings', reach='real', free='n real x 5') # what gains are over


def summary(rows):
    "Gains over a way of the same part, and of as many images"
    def base(way): return way[0], way[1] if way[0] in ('images', 'combination') else 0., BASES[way[0]]
    return gains(rows, ['part', 'size', 'way'], base)


def main():
    p = command(__doc__)
    p.add_argument('--parts', default=','.join(PARTS), help=f"of {', '.join(PARTS)}")
    args = p.parse_args()

    def runs(world, ex):
        "Names of each run, and what measures it"
        for part in args.parts.split(','):
            for (size, way), train in PARTS[part](world, ex):
                names = dict(part=part, size=float(size), way=way)
                yield names, lambda train=train: [world.fit(ex, train())]

    run(args, 'when_to_draw', runs, summary)


if __name__ == '__main__': main()
