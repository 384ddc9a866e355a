"""What a GPU makes of attic, beside one core of the machine it is in: `python benchmarks/gpu.py`

Rankers: those of a sweep, one after the other, against the plain loop of `ranker.py` with its images on the GPU
already. Generators: what `fit_generator` trains, small and as published. The `paper` profile: seconds of a step of
each of its parts, and the hours that they add up to; its ranker begins without ImageNet's weights, which change
nothing about its speed. Each part has a process of its own.
"""
import argparse, os, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import torch
from fastai.callback.schedule import Learner
from fastai.data.core import DataLoaders

from attic.config import PROFILES
from attic.core import digest, pick_device, precision, seed_everything
from attic.data.dataset import dataset_pairs
from attic.data.pairs import to_float
from attic.data.sources import get_dataset
from attic.methods.adversary import AtticObjective, create_pairs
from attic.models import ranker as R
from attic.models.flow import fit_flow
from attic.models.generator import (AuthorsLoader, ImageLoader, Mixed, NegativeELBO, fit_generator, generate,
    new_generator)
from attic.models.scorer import fit_predictor
from machine import about, finish, save, start, tell, wait
from ranker import fit_plain

ATTR = 'mouth_open'


def clock(device, make):
    "Seconds that something takes, and what it makes"
    if device.type == 'cuda': torch.cuda.synchronize(device)
    begin = time.perf_counter()
    made = make()
    if device.type == 'cuda': torch.cuda.synchronize(device)
    return time.perf_counter() - begin, made


def plain(images, pairs, config, device, seed=0):
    "The loop that any reader would write, with nothing to load: all images are on the device"
    def batches():
        while True:
            i = torch.randint(len(pairs), (config.batch,))
            yield images[pairs.a[i].to(device)], images[pairs.b[i].to(device)], pairs.target[i].to(device)
    return fit_plain(batches(), config, device, True, seed)


def rankers(profile, device):
    "Training pairs a second of the plain loop and of `fit_ranker`; accuracy of each"
    dataset = get_dataset('faces', profile)
    part = lambda name: (dataset.part(name), dataset_pairs(dataset, ATTR, name))
    (image_set, pairs), valid, test = part('train'), part('valid'), part('test')
    images, config = to_float(image_set.images.to(device)), profile.ranker
    short, out = profile.replace(ranker=dict(steps=min(config.steps, 20))).ranker, {}
    fit = lambda c, seed: R.fit_ranker(image_set, pairs, valid, c, seed, device)
    sides = dict(plain=lambda c, seed: plain(images, pairs, c, device, seed), attic=fit)
    if device.type == 'cpu': del sides['plain'] # `ranker.py` has it
    wait()
    for name, train in sides.items():
        train(short, 99) # the first steps choose kernels
        seconds, models = clock(device, lambda: [train(config, s) for s in range(2)])
        accuracy = sum(R.accuracy(m, *test) for m in models) / 2
        out[name] = dict(pairs_per_s=2*config.steps*config.batch/seconds, accuracy=accuracy)
    seconds, _ = clock(device, lambda: R.score(models[0], test[0].images))
    out['attic']['scored_images_per_s'] = len(test[0])/seconds
    with patch.dict(os.environ, ATTIC_CACHE=tempfile.mkdtemp()): again = fit(config, 0)
    out['same_bits_again'] = digest(again.state_dict()) == digest(models[0].state_dict())
    return out


def generator(profile, device):
    "Images a second in training, without the first epoch, and drawn"
    image_set, config = get_dataset('faces', profile).part('generator'), profile.generator
    seed_everything(0, 'benchmark')
    gen = new_generator(image_set.strengths.shape[1], config)
    gen.learn_statistics(image_set.strengths)
    gen.to(device, memory_format=torch.channels_last)
    loader = AuthorsLoader if config.arch == 'published' else ImageLoader
    train = loader(image_set, bs=config.batch, train=True, device=device)
    loaders = DataLoaders(train, ImageLoader(image_set[:64], device=device), device=device)
    learn = Learner(loaders, gen, NegativeELBO(), cbs=Mixed())
    wait()
    def fit(n):
        with learn.no_bar(), learn.no_logging(): learn.fit(n, config.lr)
    fit(1)
    epochs = 2 if device.type == 'cpu' else 8
    seconds, _ = clock(device, lambda: fit(epochs))
    steps = epochs * len(train)
    return dict(images_per_s=steps*config.batch/seconds, seconds_per_step=seconds/steps,
                drawn_images_per_s=drawn_per_second(gen.eval(), device))


def drawn_per_second(gen, device, n=10_000):
    "Images a second that a generator draws"
    y, z = gen.sample(n, torch.Generator().manual_seed(0))
    generate(gen, y[:256], z[:256])
    return n / clock(device, lambda: generate(gen, y, z))[0]


# what is measured of the `paper` profile: its name in the JSON -> the config that has its steps
PARTS = dict(steps='ranker', crowd_steps='predictor', flow_steps='flow', adv_steps='adversary')


def paper(profile, device):
    "Seconds of a step of each part of the `paper` profile"
    dataset, seconds = get_dataset('faces', profile), {}
    part = lambda name: (dataset.part(name), dataset_pairs(dataset, ATTR, name))
    train, valid, objective = part('train'), part('valid'), AtticObjective(dataset.index(ATTR))
    with_steps = lambda kind, steps: profile.replace(**{kind: dict(steps=steps)})
    few = {name: max(4, int(getattr(profile, kind).steps * .03)) for name, kind in PARTS.items()}
    vae = fit_generator(dataset, with_steps('generator', 4).generator, device=device)
    ranker = R.fit_ranker(*train, valid, with_steps('ranker', 8).ranker, 0, device)
    wait()
    gen = fit_flow(vae, dataset, with_steps('flow', few['flow_steps']).flow, device)
    run = dict(steps=lambda p: R.fit_ranker(*train, valid, p.ranker, 1, device),
               crowd_steps=lambda p: fit_predictor(dataset, 'generator', p.predictor, device),
               flow_steps=lambda p: fit_flow(vae, dataset, p.flow, device),
               adv_steps=lambda p: create_pairs(gen, ranker, train, valid, objective, len(train[1]), p, 0, device))
    for name, kind in PARTS.items(): # twice as long, less once as long: a step without what comes before and after
        once, twice = [clock(device, lambda: run[name](with_steps(kind, k*few[name] + k)))[0] for k in (1, 2)]
        seconds[name] = (twice - once) / few[name]
    return dict(seconds_per_step=seconds)


def child(part, device, quick):
    "One part, in a process of its own"
    profile, device = PROFILES['smoke' if quick else 'standard'], pick_device(device)
    if quick: large = profile.replace(generator=dict(arch='published'))
    else: large = PROFILES['paper'].replace(ranker=dict(imagenet=False), data=dict(n_generator=2000, n_crowd=1000))
    small = profile.replace(data=dict(n_generator=min(profile.data.n_generator, 2000)))
    with tempfile.TemporaryDirectory() as here, patch.dict(os.environ, ATTIC_CACHE=here):
        if part == 'rankers': out = rankers(profile, device)
        elif part == 'paper': out = paper(large, device)
        else: out = generator(large if part == 'published' else small, device)
    if device.type == 'cuda': out |= dict(gpu_memory_mb=torch.cuda.max_memory_allocated() >> 20)
    tell(**out)


def main(args):
    quick = ['--quick'] if args.quick else []
    begin = lambda device, part: start('--device', device, '--part', part, *quick, threads=1)
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
    kinds = PARTS | dict(gen_steps='generator')
    out['gpu']['paper']['hours'] = {k: getattr(p, kinds[k]).steps * s / 3600 for k, s in step.items()}
    here, device = {}, args.device
    if device != 'cpu': here = dict(gpu=torch.cuda.get_device_name(device), gpu_precision=precision(device))
    save('gpu-quick' if args.quick else 'gpu', dict(about=about() | here, **out))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--device', default='cuda')
    p.add_argument('--part')
    p.add_argument('--quick', action='store_true', help='a rehearsal that measures nothing')
    args = p.parse_args()
    child(args.part, args.device, args.quick) if args.part else main(args)
