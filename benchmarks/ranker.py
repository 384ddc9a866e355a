"""Training a ranker: attic against the loop that any reader would write. `python benchmarks/ranker.py`

Both train the same network on the same 500 pairs with the same optimiser. The plain loop reads image files in a
`Dataset`, feeds them with a `DataLoader`, crops with `affine_grid` and `grid_sample`, and sends each side of a pair
through the network by itself, on all threads. attic is what `fit_ranker` runs. A sweep has many rankers, so the time
for two is counted: one after the other on all cores for the plain loop, side by side on one core each for attic.
Everything is timed in one run, alternately, and the best of the rounds counts. Then each scores the test images: the
plain loop from files, on all threads, attic from memory, side by side. Memory is the most that the processes of each
side had.
"""
import argparse, os, tempfile, time
from itertools import chain, islice, repeat
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import v2

from attic.config import get_profile
from attic.data.dataset import dataset_pairs
from attic.data.pairs import to_float
from attic.data.sources import get_dataset
from attic.models import ranker as R
from machine import about, by_precision, finish, peak, ratios, save, start, tell, wait

ATTR = 'mouth_open'
TO_TENSOR = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([.5]*3, [.5]*3)])


class PlainRanker(R.Ranker):
    "The same network as published code crops: an affine grid, sampled"
    def forward(self, x):
        theta = self.localiser(x)
        s, tx, ty = theta.unbind(1)
        zero = torch.zeros_like(s)
        affine = torch.stack([torch.stack([s, zero, tx], 1), torch.stack([zero, s, ty], 1)], 1)
        grid = F.affine_grid(affine, (len(x), 3, self.region, self.region), align_corners=False)
        region = F.grid_sample(x, grid, align_corners=False)
        return self.head(torch.cat([self.features(region), self.features(x)], dim=1)).squeeze(1), theta


def read(path):
    "An image file as a tensor (3, S, S) in [-1, 1]"
    return TO_TENSOR(Image.open(path).convert('RGB'))


class PairFiles(Dataset):
    "Pairs of image files with a target"
    def __init__(self, folder, pairs): self.folder, self.pairs = folder, pairs
    def __len__(self): return len(self.pairs)
    def __getitem__(self, i):
        a, b = self.pairs.a[i].item(), self.pairs.b[i].item()
        return read(self.folder/f'{a}.png'), read(self.folder/f'{b}.png'), self.pairs.target[i]


class ImageFiles(Dataset):
    "Image files"
    def __init__(self, folder, n): self.folder, self.n = folder, n
    def __len__(self): return self.n
    def __getitem__(self, i): return read(self.folder/f'{i}.png')


def fit_plain(batches, config, device='cpu', mixed=False, seed=0):
    "As many steps as `fit_ranker`, without its first round; `batches` are images A, images B and targets"
    torch.manual_seed(seed)
    model = PlainRanker(config.width).to(device)
    local = dict(params=list(model.localiser.parameters()), lr=config.lr/10)
    others = dict(params=[*model.features.parameters(), *model.head.parameters()], lr=config.lr)
    opt = torch.optim.Adam([local, others], weight_decay=config.wd)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, [config.lr/10, config.lr], total_steps=config.steps)
    for a, b, target in islice(batches, config.steps):
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=mixed):
            (v_a, _), (v_b, theta) = model(a), model(b)
        loss = F.binary_cross_entropy_with_logits(v_a.float() - v_b.float(), target) + R.crop_penalty(theta.float())
        opt.zero_grad(); loss.backward(); opt.step(); schedule.step()
    return model.eval()


def train_plain(folder, pairs, profile, seed=0):
    "From image files, again and again"
    loader = DataLoader(PairFiles(folder, pairs), batch_size=profile.ranker.batch, shuffle=True, drop_last=True)
    return fit_plain(chain.from_iterable(repeat(loader)), profile.ranker, seed=seed)


def train_ours(dataset, pairs, profile, seed=0):
    "What a method does, with nothing in the cache"
    valid = dataset.part('valid'), dataset_pairs(dataset, ATTR, 'valid')
    return R.fit_ranker(dataset.part('train'), pairs, valid, profile.ranker, seed)


def write_files(images, folder):
    "One PNG for each image"
    Path(folder).mkdir()
    for i, im in enumerate(images): Image.fromarray(im.permute(1, 2, 0).numpy()).save(Path(folder)/f'{i}.png')
    return Path(folder)


def timed(f):
    "What a function returns, and its seconds"
    begin = time.perf_counter()
    return f(), time.perf_counter() - begin


@torch.no_grad()
def score_plain(model, files, n):
    "Score image files"
    for x in DataLoader(ImageFiles(files, n), batch_size=256): model(x)


def child_plain(dataset, pairs, images, profile, here):
    "Train as many rankers as there are cores, from files; then score the test images"
    files, tests = write_files(dataset.part('train').images, f'{here}/train'), write_files(images, f'{here}/test')
    wait()
    models, seconds = timed(lambda: [train_plain(files, pairs, profile, s) for s in range(os.cpu_count())])
    return models, seconds, timed(lambda: score_plain(models[0], tests, len(images)))[1]


def child_attic(dataset, pairs, images, profile, seed):
    "Train one ranker; then score the test images"
    dataset.part('train'), dataset.part('valid')
    wait()
    model, seconds = timed(lambda: train_ours(dataset, pairs, profile, seed))
    return [model], seconds, timed(lambda: R.score(model, images))[1]


def child(side, seed, profile):
    "Train in a process of its own"
    dataset = get_dataset('faces', profile)
    pairs, test = dataset_pairs(dataset, ATTR, 'train'), (dataset.part('test'), dataset_pairs(dataset, ATTR, 'test'))
    with tempfile.TemporaryDirectory() as here, patch.dict(os.environ, ATTIC_CACHE=here):
        run, last = (child_plain, here) if side == 'plain' else (child_attic, seed)
        models, seconds, scoring = run(dataset, pairs, test[0].images, profile, last)
        accuracy = sum(R.accuracy(m, *test) for m in models) / len(models)
        tell(seconds=seconds, scored=len(test[0]) / scoring, accuracy=accuracy)


def count_flops(profile, x, region_only):
    "Operations of a forward and a backward pass, for each image"
    model = R.Ranker(profile.ranker.width)
    with FlopCounterMode(display=False) as flops: model(x, region_only)[0].sum().backward()
    return flops.get_total_flops() / len(x)


def join_round(out):
    "One line from the processes of a round"
    total = lambda name: sum(o[name] for o in out)
    return dict(seconds=max(o['seconds'] for o in out), scored=total('scored'), accuracy=total('accuracy') / len(out),
                memory_mb=total('memory_mb'))


def summary(rounds, trained):
    "The best of the rounds of one side"
    return dict(pairs_per_s=trained/min(v['seconds'] for v in rounds),
                scored_images_per_s=max(v['scored'] for v in rounds), accuracy=rounds[0]['accuracy'],
                memory_mb=max(v['memory_mb'] for v in rounds))


def main(args):
    profile, cores, rounds = get_profile(args.profile), os.cpu_count(), {'plain': [], 'attic': []}
    for r in range(args.rounds):
        for side, n, threads in (('plain', 1, cores), ('attic', cores, 1)):
            options = '--profile', args.profile, '--side', side
            jobs = [start(*options, '--child', i, threads=threads) for i in range(n)]
            rounds[side].append(join_round(finish(jobs)))
            print(f'round {r}: {side}', rounds[side][-1], flush=True)
    config, x = profile.ranker, to_float(get_dataset('faces', profile).part('test').images[:64])
    whole, region = count_flops(profile, x, False), count_flops(profile, x, True)
    flops = (1 - config.region_share) * whole + config.region_share * region
    sides = {side: summary(out, cores * config.steps * config.batch) for side, out in rounds.items()}
    settings = dict(profile=args.profile, rankers=cores, steps=config.steps, pairs_per_step=config.batch)
    better = ratios(sides, 'plain', ('pairs_per_s', 'scored_images_per_s', 'memory_mb'))
    share = flops * 2 * sides['attic']['pairs_per_s'] / (cores * peak())
    result = dict(about=about(), **settings, rounds=args.rounds, **sides, **better, share_of_peak=share)
    save(by_precision('ranker'), result)


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--profile', default='standard')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--child', type=int)
    p.add_argument('--side')
    args = p.parse_args()
    main(args) if args.child is None else child(args.side, args.child, get_profile(args.profile))
