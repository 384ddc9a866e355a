"""What an answer buys from the simulated crowd: `python benchmarks/answers.py --world faces`

The paper asks five people about each of n real pairs: 5 n answers. The other ways below spend as many, or fewer where
their name says so. There are n real pairs, and unlabelled images. `adaptive` asks about a pair once more only where the
answers so far and the ranker leave its order open. What an answer is worth depends on the crowd: `fitted` to people's
votes, or `sharp`, a quarter of that noise.

We measure on the validation images of `benchmarks/objectives.py`, with its seeds. Finished rows are in
`benchmarks/rows/`, and are skipped. An attribute and seed take a few minutes of one core.
"""
from dataclasses import replace
from itertools import product

import pandas as pd, torch

from attic.config import CROWDS, get_profile
from attic.core import rng
from attic.data.dataset import dataset_pairs
from attic.data.pairs import join, only_used, pair_differences
from attic.labels.annotators import crowd_labels, illegible_prob, simulate_votes
from attic.methods.candidates import Candidates, both, candidates, choose_pairs
from attic.models.ranker import score
from validation import command, gains, run

FULL = 5 # answers that the paper asks for about each pair
ERROR = .25 # how often one person is wrong about a pair (nbs/labels/08_votes.ipynb)


class Asker:
    "Answers about pairs, from a crowd that knows some images and looks at others"
    def __init__(self, ex, world):
        self.ex, self.world, self.asked = ex, world, 0

    def gaps(self, images, pairs):
        "True differences of pairs, or what the annotator model sees, and how likely a worker refuses each"
        ex, config = self.ex, self.ex.profile.crowd
        refused = torch.full((len(pairs),), config.refusals)
        s = images.strengths
        if s is None:
            s, ood = ex.crowd.annotator_model.predict(images.images)
            clear = 1 - illegible_prob(ex.crowd.annotator_model, ood, config.refusals)
            refused = 1 - clear[pairs.a]*clear[pairs.b]
        return (s[pairs.a, ex.j] - s[pairs.b, ex.j]) / ex.dataset.y_std[ex.j], refused

    def crowd(self, images, pairs, votes):
        "Pairs as so many workers see them, a new random stream, and how they answer"
        self.asked += 1
        stream = rng(self.ex.seed, 'votes', 'answers', self.ex.attr, self.asked)
        return *self.gaps(images, pairs), stream, replace(self.ex.profile.crowd, votes=votes)

    def ask(self, images, pairs, votes):
        "So many answers about each pair, as a table of votes"
        return simulate_votes(*self.crowd(images, pairs, votes))

    def majority(self, images, pairs, votes):
        "Reliable majorities, as in the paper"
        return images, crowd_labels(pairs, *self.crowd(images, pairs, votes))[0]

    def every(self, images, pairs, votes):
        "The share of answers that name A; refusals are lost"
        return images, shares(pairs, self.ask(images, pairs, votes))


def shares(pairs, votes):
    "Pairs with the mean answer as the target; those without a legible answer are left out"
    value = votes.choice.map({'less': 0., 'equal': .5, 'more': 1.}).where(votes.legible)
    mean = value.groupby(votes.pair).mean().reindex(range(len(pairs)))
    keep = torch.tensor(mean.notna().values).nonzero().flatten()
    return replace(pairs, target=torch.tensor(mean.values, dtype=torch.float32))[keep]


def real(ex):
    "The n real pairs, their images with true strengths"
    return ex.dataset.part('train'), dataset_pairs(ex.dataset, ex.attr, 'train', ex.seed)


def posterior(pairs, votes, p):
    "Probability that A shows more, from answers and from the ranker"
    value = votes.choice.map({'less': -1., 'equal': 0., 'more': 1.}).where(votes.legible, 0.)
    net = torch.tensor(value.groupby(votes.pair).sum().reindex(range(len(pairs)), fill_value=0.).values)
    return torch.sigmoid(torch.logit(p.double().clamp(1e-3, 1 - 1e-3)) + net * torch.logit(torch.tensor(1 - ERROR)))


def adaptive(asker, budget):
    "One answer about each pair, then further ones where the order is open, a round of n/2 at a time"
    images, pairs = real(asker.ex)
    votes = asker.ask(images, pairs, 1)
    while len(votes) < budget:
        ranker = asker.ex.fit(images, shares(pairs, votes))
        p = pair_differences(score(ranker, images), pairs).sigmoid()
        open_ = (posterior(pairs, votes, p) - .5).abs().argsort(stable=True)[:min(len(pairs)//2, budget - len(votes))]
        more = asker.ask(images, pairs[open_], 1)
        more['pair'] = open_.numpy()[more.pair]
        votes = pd.concat([votes, more], ignore_index=True)
    return images, shares(pairs, votes)


def extended(asker, found, n, objective, votes=1):
    "All real pairs with single answers, and `n` more pairs of candidates, chosen in rounds"
    ex = asker.ex
    train = asker.every(*real(ex), votes)
    config = replace(ex.profile.candidates, objective=objective)
    for k in range(config.rounds):
        part = n*(k + 1)//config.rounds - n*k//config.rounds
        ranker = None if objective == 'random' else ex.fit(*train)
        pairs = choose_pairs(found, part, ranker, train, ex.j, config, (ex.seed, k))
        more = asker.every(*only_used(found.images, pairs), votes)
        train = join(train, more)
    return train


def pool(world, ex, name):
    "Candidates of a kind"
    if name == 're-pairings': return candidates(ex.attribute_predictor, real(ex)[0])
    if name == 'images and edits':
        drop = lambda c: Candidates(replace(c.images, strengths=None), c.scores, c.origin)
        return both(drop(pool(world, ex, 'real')), drop(pool(world, ex, 'edits')))
    found = world.pool(name)
    images = found.machine.images if found.known else replace(found.machine.images, strengths=None)
    truth = found.labeller.images.strengths if found.known else None
    return Candidates(replace(images, strengths=truth), found.machine.scores, found.machine.origin)


def threefold(asker, world, n):
    "Majorities of three answers: about the real pairs, and about new ones"
    ex, found = asker.ex, pool(world, asker.ex, 'real')
    pairs = choose_pairs(found, (FULL - 3)*n//3, None, None, ex.j, replace(ex.profile.candidates, objective='random'),
                         (ex.seed, 'three'))
    return join(asker.majority(*real(ex), 3), asker.majority(*only_used(found.images, pairs), 3))


def ways(world, ex):
    "Name -> labelled pairs for 5 n answers, or fewer where the name says so"
    asker, n = Asker(ex, world), len(real(ex)[1])
    kinds = product(('real', 'edits', 're-pairings'), ('random', 'undecided'))
    kinds = [*kinds, ('perfect', 'undecided'), ('images and edits', 'undecided')]
    more = {f'n x 1, 4n {name} x 1, {objective}': (name, objective) for name, objective in kinds}
    return {
        'n x 5, majority': lambda: asker.majority(*real(ex), 5),
        'n x 5, every answer': lambda: asker.every(*real(ex), 5),
        'n x 3, 2n/3 real x 3, majority': lambda: threefold(asker, world, n),
        'n x 1 (n answers)': lambda: asker.every(*real(ex), 1),
        'n x 3, every answer (3n answers)': lambda: asker.every(*real(ex), 3),
        'adaptive (3n answers)': lambda: adaptive(asker, 3*n),
        'adaptive': lambda: adaptive(asker, 5*n),
    } | {name: lambda c=c: extended(asker, pool(world, ex, c[0]), (FULL - 1)*n, c[1]) for name, c in more.items()}


def main():
    p = command(__doc__)
    p.add_argument('--crowd', choices=list(CROWDS), default='fitted')
    args = p.parse_args()
    profile = replace(get_profile('smoke' if args.smoke else 'standard'), crowd=CROWDS[args.crowd])

    def runs(world, ex):
        "Names of each run, and what measures it"
        for way, spend in ways(world, ex).items():
            yield dict(crowd=args.crowd, way=way), lambda spend=spend: [world.fit(ex, spend())]

    def summary(rows):
        "Gain over the paper's way"
        return gains(rows, ['crowd', 'way'], lambda way: (way[0], 'n x 5, majority'))

    run(args, 'answers', runs, summary, profile)


if __name__ == '__main__': main()
