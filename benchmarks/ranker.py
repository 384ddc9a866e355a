"""Training a ranker: attic against the loop that any reader would write. `python benchmarks/ranker.py`

Both train the same network on the same 500 pairs with the same optimiser. The plain loop reads image files in a `Dataset`, feeds them with
a `DataLoader`, crops with `affine_grid` and `grid_sample`, and sends each side of a pair through the network by itself, on all threads.
attic is what `fit_ranker` runs. A sweep has many rankers, so the time for two is counted: one after the other on all cores for the plain
loop, side by side on one core each for attic. Everything is timed in one run, alternately, and the best of the rounds counts.
"""
import argparse, json, os, subprocess, sys, tempfile, time
from pathlib import Path

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
from machine import about, peak, save

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


def train_plain(folder, pairs, profile, seed=0):
    "As many steps as `fit_ranker`, without its first round"
    torch.manual_seed(seed)
    model = PlainRanker(profile.width)
    local = list(model.localiser.parameters())
    opt = torch.optim.Adam([dict(params=local, lr=profile.lr/10), dict(params=[*model.features.parameters(), *model.head.parameters()], lr=profile.lr)], weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, [profile.lr/10, profile.lr], total_steps=profile.steps)
    loader, done = DataLoader(PairFiles(folder, pairs), batch_size=profile.batch, shuffle=True, drop_last=True), 0
    while done < profile.steps:
        for a, b, target in loader:
            loss = F.binary_cross_entropy_with_logits(model(a) - model(b), target) + R.outside(model.theta)
            opt.zero_grad(); loss.backward(); opt.step(); schedule.step()
            done += 1
            if done == profile.steps: break
    return model.eval()


def train_ours(domain, pairs, profile, seed=0):
    "What a method does, with nothing in the cache"
    valid = domain.part('valid'), domain_pairs(domain, ATTR, 'valid')
    return R.fit_ranker(domain.part('train'), pairs, valid, profile, seed)


def child(seed, profile):
    "One ranker on one thread; the clock starts when everything is loaded"
    torch.set_num_threads(1)
    domain = get_domain('faces', profile)
    pairs = domain_pairs(domain, ATTR, 'train')
    domain.part('valid')
    print('ready', flush=True); sys.stdin.readline()
    start = time.perf_counter()
    model = train_ours(domain, pairs, profile, seed)
    print('\n' + json.dumps(dict(seconds=time.perf_counter() - start, accuracy=R.accuracy(model, domain.part('test'), domain_pairs(domain, ATTR, 'test')))), flush=True)


def side_by_side(args, n):
    "n rankers at once, each in a process of its own"
    with tempfile.TemporaryDirectory() as cache:
        jobs = [subprocess.Popen([sys.executable, __file__, '--child', str(i), '--profile', args.profile], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                 env=os.environ | dict(ATTIC_CACHE=f'{cache}/{i}', OMP_NUM_THREADS='1')) for i in range(n)]
        for j in jobs:
            while j.stdout.readline().strip() != 'ready': pass
        start = time.perf_counter()
        for j in jobs: j.stdin.write('go\n'); j.stdin.flush()
        out = [json.loads(j.communicate()[0].strip().splitlines()[-1]) for j in jobs]
        return max(o['seconds'] for o in out), out


def count_flops(profile, x, alone):
    "Operations of a forward and a backward pass, for each image"
    model = R.Ranker(profile.width)
    model.alone = alone
    with FlopCounterMode(display=False) as flops: model(x).sum().backward()
    return flops.get_total_flops() / len(x)


def main(args):
    profile = get_profile(args.profile)
    domain = get_domain('faces', profile)
    pairs, test = domain_pairs(domain, ATTR, 'train'), (domain.part('test'), domain_pairs(domain, ATTR, 'test'))
    cores, plain, ours = os.cpu_count(), [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, im in enumerate(domain.part('train').images): Image.fromarray(im.permute(1, 2, 0).numpy()).save(Path(folder)/f'{i}.png')
        for r in range(args.rounds):
            torch.set_num_threads(cores)
            start = time.perf_counter()
            models = [train_plain(Path(folder), pairs, profile, s) for s in range(cores)]
            plain.append((time.perf_counter() - start, sum(R.accuracy(m, *test) for m in models) / cores))
            seconds, out = side_by_side(args, cores)
            ours.append((seconds, sum(o['accuracy'] for o in out) / cores))
            print(f'round {r}: plain {plain[-1][0]:.1f} s, attic {ours[-1][0]:.1f} s', flush=True)
    trained = cores * profile.steps * profile.batch
    torch.set_num_threads(1)
    x = to_float(test[0].images[:64])
    flops = (1 - R.ROUND_ONE) * count_flops(profile, x, False) + R.ROUND_ONE * count_flops(profile, x, True)
    best_plain, best = min(plain), min(ours)
    start = time.perf_counter(); R.score(models[0], test[0].images); scored = len(test[0].images) / (time.perf_counter() - start)
    share = flops * 2 * trained / best[0] / (cores * peak())
    save('ranker', dict(about=about(), profile=args.profile, rankers=cores, steps=profile.steps, pairs_per_step=profile.batch, rounds=args.rounds,
        plain=dict(pairs_per_s=trained/best_plain[0], accuracy=best_plain[1]), attic=dict(pairs_per_s=trained/best[0], accuracy=best[1]), ratio=best_plain[0]/best[0],
        scored_images_per_s=scored, share_of_peak=share))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--profile', default='quick'); p.add_argument('--rounds', type=int, default=2); p.add_argument('--child', type=int)
    args = p.parse_args()
    child(args.child, get_profile(args.profile)) if args.child is not None else main(args)
