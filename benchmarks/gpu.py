"""What a GPU makes of attic, beside one core of the machine it is in: `python benchmarks/gpu.py`

Rankers: those of a sweep, one after the other and stacked, against the plain loop of `ranker.py` with its images on the GPU already. Generators:
what `fit_generator` trains, small and as published. The `paper` profile: seconds of a step of each of its parts, and the hours that they add
up to; its ranker begins without ImageNet's weights, which change nothing about its speed. Each part has a process of its own.
"""
import argparse, os, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import patch

import torch
from fastai.callback.schedule import Learner
from fastai.data.core import DataLoaders

from attic import ranker as R
from attic.adversary import Published as PublishedRule, create_pairs
from attic.core import PROFILES, digest, pick_device, precision, start_from
from attic.datasets import domain_pairs, get_domain
from attic.flow import fit_flow
from attic.generator import AuthorsLoader, Generator, ImageLoader, Mixed, NegativeELBO, Published, draw, fit_generator
from attic.pairs import to_float
from attic.regressor import fit_regressor
from attic.stack import fit_stack
from machine import about, finish, save, start, tell, wait
from ranker import fit_plain

ATTR = 'mouth_open'


def clock(device, make):
    "Seconds that something takes, and what it makes"
    if device.type == 'cuda': torch.cuda.synchronize(device)
    begin = time.perf_counter(); made = make()
    if device.type == 'cuda': torch.cuda.synchronize(device)
    return time.perf_counter() - begin, made


def plain(images, pairs, profile, device, seed=0):
    "The loop that any reader would write, with nothing to load: all images are on the device"
    def batches():
        while True:
            i = torch.randint(len(pairs), (profile.batch,))
            yield images[pairs.a[i].to(device)], images[pairs.b[i].to(device)], pairs.target[i].to(device)
    return fit_plain(batches(), profile, device, True, seed)


def rankers(profile, device, many):
    "Training pairs a second of the plain loop, of `fit_ranker`, and of stacks; accuracy of each"
    domain = get_domain('faces', profile)
    bank, pairs = domain.part('train'), domain_pairs(domain, ATTR, 'train')
    valid, test = (domain.part('valid'), domain_pairs(domain, ATTR, 'valid')), (domain.part('test'), domain_pairs(domain, ATTR, 'test'))
    images = to_float(bank.images.to(device))
    short, out = replace(profile, steps=min(profile.steps, 20)), {}
    wait()
    sides = dict(plain=lambda p, s: plain(images, pairs, p, device, s), attic=lambda p, s: R.fit_ranker(bank, pairs, valid, p, s, device))
    if device.type == 'cpu': del sides['plain'] # `ranker.py` has it
    for name, train in sides.items():
        train(short, 99) # the first steps choose kernels
        seconds, model = clock(device, lambda: [train(profile, s) for s in range(2)])
        out[name] = dict(pairs_per_s=2*profile.steps*profile.batch/seconds, accuracy=sum(R.accuracy(m, *test) for m in model)/2)
    out['attic']['scored_images_per_s'] = len(test[0])/clock(device, lambda: R.score(model[0], test[0].images))[0]
    with patch.dict(os.environ, ATTIC_CACHE=tempfile.mkdtemp()): again = R.fit_ranker(bank, pairs, valid, profile, 0, device)
    out['same_bits_again'] = digest(again.state_dict()) == digest(model[0].state_dict())
    for n in many:
        jobs = [(bank, pairs, s) for s in range(n)]
        fit_stack(jobs, short, device)
        few = replace(profile, steps=min(profile.steps, 60))
        out[f'stack_{n}'] = dict(pairs_per_s=n*few.steps*profile.batch/clock(device, lambda: fit_stack(jobs, few, device))[0])
    return out


def generator(profile, device):
    "Images a second in training, without the first epoch, and drawn"
    bank = get_domain('faces', profile).part('generator')
    start_from(0, 'benchmark')
    published = profile.gen_arch == 'published'
    gen = (Published if published else Generator)(bank.strengths.shape[1], profile.gen_width, profile.z_dim)
    gen.learn_statistics(bank.strengths)
    gen.to(device, memory_format=torch.channels_last)
    train = (AuthorsLoader if published else ImageLoader)(bank, bs=profile.gen_batch, train=True, device=device)
    learn = Learner(DataLoaders(train, ImageLoader(bank[:64], device=device), device=device), gen, NegativeELBO(), cbs=Mixed())
    wait()
    def fit(n):
        with learn.no_bar(), learn.no_logging(): learn.fit(n, profile.gen_lr)
    fit(1)
    epochs = 2 if device.type == 'cpu' else 8
    seconds = clock(device, lambda: fit(epochs))[0]
    gen.eval()
    y, z = gen.sample(10_000, torch.Generator().manual_seed(0))
    draw(gen, y[:256], z[:256])
    return dict(images_per_s=epochs*len(train)*profile.gen_batch/seconds, seconds_per_step=seconds/(epochs*len(train)), drawn_images_per_s=len(y)/clock(device, lambda: draw(gen, y, z))[0])


def paper(p, device):
    "Seconds of a step of each part of the `paper` profile"
    few = {k: max(4, int(getattr(p, k) * .03)) for k in ('steps', 'adv_steps', 'crowd_steps', 'flow_steps')}
    domain, out = get_domain('faces', p), {}
    bank, pairs, valid = domain.part('train'), domain_pairs(domain, ATTR, 'train'), (domain.part('valid'), domain_pairs(domain, ATTR, 'valid'))
    known, key, n = (lambda: domain.part('generator')), domain.keys['generator'], len(domain.attrs)
    vae = fit_generator(known, n, key, replace(p, gen_steps=4), device=device)
    start = R.fit_ranker(bank, pairs, valid, replace(p, steps=8), 0, device)
    wait()
    play = lambda q: create_pairs(gen, start, (bank, pairs), valid, PublishedRule(domain.index(ATTR)), len(pairs), q, 0, device)
    gen = fit_flow(vae, known, key, replace(p, flow_steps=few['flow_steps']), device)
    parts = dict(steps=lambda q: R.fit_ranker(bank, pairs, valid, q, 1, device), crowd_steps=lambda q: fit_regressor(known, n, key, q, device), flow_steps=lambda q: fit_flow(vae, known, key, q, device), adv_steps=play)
    for name, run in parts.items(): # what is twice as long less what is as long: a step without what comes before and after
        seconds = [clock(device, lambda: run(replace(p, **{name: k*few[name] + k})))[0] for k in (1, 2)]
        out[name] = (seconds[1] - seconds[0]) / few[name]
    return dict(seconds_per_step=out)


def child(part, device, quick):
    "One part, in a process of its own"
    profile, device = PROFILES['smoke' if quick else 'standard'], pick_device(device)
    large = replace(PROFILES['paper'], imagenet=False, n_generator=2000, n_crowd=1000) if not quick else replace(profile, gen_arch='published')
    with tempfile.TemporaryDirectory() as here, patch.dict(os.environ, ATTIC_CACHE=here):
        if part == 'rankers': out = rankers(profile, device, (1, 2) if quick else (1, 4, 16) if device.type == 'cuda' else ())
        elif part == 'paper': out = paper(large, device)
        else: out = generator(large if part == 'published' else replace(profile, n_generator=min(profile.n_generator, 2000)), device)
    if device.type == 'cuda': out |= dict(gpu_memory_mb=torch.cuda.max_memory_allocated() >> 20)
    tell(**out)


def main(args):
    begin = lambda device, part: start('--device', device, '--part', part, *(['--quick'] if args.quick else []), threads=1)
    out, parts = dict(gpu={}), ('rankers', 'generator')
    with ThreadPoolExecutor() as pool: # a core each, while the GPU is at work
        cpu = pool.submit(finish, [begin('cpu', part) for part in parts])
        for part in (*parts, 'published', 'paper'):
            out['gpu'][part], = finish([begin(args.device, part)])
            print(part, out['gpu'][part], flush=True)
        out['cpu'] = dict(zip(parts, cpu.result()))
    print(out['cpu'], flush=True)
    p, step = PROFILES['paper'], out['gpu']['paper']['seconds_per_step']
    step['gen_steps'] = out['gpu']['published']['seconds_per_step']
    out['gpu']['paper']['hours'] = {k: getattr(p, k) * s / 3600 for k, s in step.items()}
    here = dict(gpu=torch.cuda.get_device_name(args.device), gpu_precision=precision(args.device)) if args.device != 'cpu' else {}
    save('gpu-quick' if args.quick else 'gpu', dict(about=about() | here, **out))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--device', default='cuda'); p.add_argument('--part'); p.add_argument('--quick', action='store_true', help='a rehearsal that measures nothing')
    args = p.parse_args()
    child(args.part, args.device, args.quick) if args.part else main(args)
