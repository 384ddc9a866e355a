"""Training a ranker: attic against the loop that any reader would write. `python benchmarks/ranker.py`

Both train the same network on the same 500 pairs with the same optimiser. The plain loop reads image files in a `Dataset`, feeds them with
a `DataLoader`, crops with `affine_grid` and `grid_sample`, and sends each side of a pair through the network by itself, on all threads.
attic is what `fit_ranker` runs. A sweep has many rankers, so the time for two is counted: one after the other on all cores for the plain
loop, side by side on one core each for attic. Everything is timed in one run, alternately, and the best of the rounds counts. Then each
scores the test images: the plain loop from files, on all threads, attic from its bank, side by side. Memory is the most that the processes of each side had.
"""
import argparse, os, tempfile, time
from itertools import chain, islice, repeat
from pathlib import Path
from unittest.mock import patch

import torch, torch.nn as nn
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import v2

from attic import ranker as R
from attic.core import get_profile
from attic.datasets import domain_pairs, get_domain
from attic.pairs import to_float
from machine import about, by_precision, finish, peak, ratios, save, start, tell, wait

ATTR = 'mouth_open'


class PlainRanker(R.Ranker):
    "The same network as published code crops: an affine grid, sampled"
    def forward(self, x):
        self.theta = theta = self.localiser(x)
        s, tx, ty = theta.unbind(1)
        zero = torch.zeros_like(s)
        affine = torch.stack([torch.stack([s, zero, tx], 1), torch.stack([zero, s, ty], 1)], 1)
        region = F.grid_sample(x, F.affine_grid(affine, (len(x), 3, self.region, self.region), align_corners=False), align_corners=False)
        return self.head(torch.cat([self.features(region), self.features(x)], dim=1)).squeeze(1)


class PairFiles(Dataset):
    "Pairs of image files with a target"
    def __init__(self, folder, pairs): self.folder, self.pairs, self.read = folder, pairs, v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([.5]*3, [.5]*3)])
    def __len__(self): return len(self.pairs)
    def __getitem__(self, i): return *(self.read(Image.open(self.folder/f'{k}.png').convert('RGB')) for k in (self.pairs.a[i].item(), self.pairs.b[i].item())), self.pairs.target[i]


class ImageFiles(PairFiles):
    "Image files"
    def __init__(self, folder, n): super().__init__(folder, range(n))
    def __getitem__(self, i): return self.read(Image.open(self.folder/f'{i}.png').convert('RGB'))


def fit_plain(batches, profile, device='cpu', mixed=False, seed=0):
    "As many steps as `fit_ranker`, without its first round; `batches` are images A, images B and targets"
    torch.manual_seed(seed)
    model = PlainRanker(profile.width).to(device)
    local = list(model.localiser.parameters())
    opt = torch.optim.Adam([dict(params=local, lr=profile.lr/10), dict(params=[*model.features.parameters(), *model.head.parameters()], lr=profile.lr)], weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, [profile.lr/10, profile.lr], total_steps=profile.steps)
    for a, b, target in islice(batches, profile.steps):
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=mixed): v_a, v_b = model(a), model(b)
        loss = F.binary_cross_entropy_with_logits(v_a.float() - v_b.float(), target) + R.outside(model.theta.float())
        opt.zero_grad(); loss.backward(); opt.step(); schedule.step()
    return model.eval()


def train_plain(folder, pairs, profile, seed=0):
    "From image files, again and again"
    loader = DataLoader(PairFiles(folder, pairs), batch_size=profile.batch, shuffle=True, drop_last=True)
    return fit_plain(chain.from_iterable(repeat(loader)), profile, seed=seed)


def train_ours(domain, pairs, profile, seed=0):
    "What a method does, with nothing in the cache"
    valid = domain.part('valid'), domain_pairs(domain, ATTR, 'valid')
    return R.fit_ranker(domain.part('train'), pairs, valid, profile, seed)


def write_files(images, folder):
    "One PNG for each image"
    Path(folder).mkdir()
    for i, im in enumerate(images): Image.fromarray(im.permute(1, 2, 0).numpy()).save(Path(folder)/f'{i}.png')
    return Path(folder)


def child(side, seed, profile):
    "Train in a process of its own: the plain loop as many rankers as there are cores, attic one"
    domain = get_domain('faces', profile)
    pairs, test = domain_pairs(domain, ATTR, 'train'), (domain.part('test'), domain_pairs(domain, ATTR, 'test'))
    with tempfile.TemporaryDirectory() as here, patch.dict(os.environ, ATTIC_CACHE=here):
        plain = side == 'plain'
        files, tests = (write_files(domain.part(p).images, f'{here}/{p}') for p in ('train', 'test')) if plain else (None, None)
        domain.part('train'), domain.part('valid'); wait()
        begin = time.perf_counter()
        models = [train_plain(files, pairs, profile, s) for s in range(os.cpu_count())] if plain else [train_ours(domain, pairs, profile, seed)]
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        if plain:
            with torch.no_grad(): [models[0](x) for x in DataLoader(ImageFiles(tests, len(test[0])), batch_size=256)]
        else: R.score(models[0], test[0].images)
        tell(seconds=seconds, scored=len(test[0]) / (time.perf_counter() - begin), accuracy=sum(R.accuracy(m, *test) for m in models) / len(models))


def count_flops(profile, x, alone):
    "Operations of a forward and a backward pass, for each image"
    model = R.Ranker(profile.width)
    model.alone = alone
    with FlopCounterMode(display=False) as flops: model(x).sum().backward()
    return flops.get_total_flops() / len(x)


def main(args):
    profile, cores, rounds = get_profile(args.profile), os.cpu_count(), {'plain': [], 'attic': []}
    for r in range(args.rounds):
        for side, n, threads in (('plain', 1, cores), ('attic', cores, 1)):
            out = finish([start('--profile', args.profile, '--side', side, '--child', i, threads=threads) for i in range(n)])
            rounds[side].append(dict(seconds=max(o['seconds'] for o in out), scored=sum(o['scored'] for o in out), accuracy=sum(o['accuracy'] for o in out) / n, memory_mb=sum(o['memory_mb'] for o in out)))
            print(f'round {r}: {side}', rounds[side][-1], flush=True)
    trained, x = cores * profile.steps * profile.batch, to_float(get_domain('faces', profile).part('test').images[:64])
    flops = (1 - R.ROUND_ONE) * count_flops(profile, x, False) + R.ROUND_ONE * count_flops(profile, x, True)
    sides = {side: dict(pairs_per_s=trained/min(v['seconds'] for v in out), scored_images_per_s=max(v['scored'] for v in out), accuracy=out[0]['accuracy'], memory_mb=max(v['memory_mb'] for v in out)) for side, out in rounds.items()}
    save(by_precision('ranker'), dict(about=about(), profile=args.profile, rankers=cores, steps=profile.steps, pairs_per_step=profile.batch, rounds=args.rounds, **sides, **ratios(sides, 'plain', ('pairs_per_s', 'scored_images_per_s', 'memory_mb')),
        share_of_peak=flops * 2 * sides['attic']['pairs_per_s'] / (cores * peak())))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--profile', default='standard'); p.add_argument('--rounds', type=int, default=3); p.add_argument('--child', type=int); p.add_argument('--side')
    args = p.parse_args()
    main(args) if args.child is None else child(args.side, args.child, get_profile(args.profile))
