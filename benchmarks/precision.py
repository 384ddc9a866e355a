"""bfloat16 against single precision, and torch.compile: `python benchmarks/precision.py`

Milliseconds of a training step of the ranker and of the generator on one thread, alternately, the best of the rounds.
Then a ranker for every attribute of both worlds in both precisions, with the same seed and pairs: accuracy on
validation pairs. And the generator of both worlds: the one that ships, which was trained in single precision, beside
one trained anew in bfloat16. What is in the cache is not trained again; from nothing it takes an hour.
"""
import argparse, os, time
from unittest.mock import patch

os.environ['TORCHINDUCTOR_FORCE_DISABLE_CACHES'] = '1' # we measure the first compilation
import torch

from attic.config import get_profile
from attic.core import mixed_precision, rng
from attic.data.sources import get_dataset
from attic.labels.annotators import SimulatedCrowd
from attic.methods.methods import Experiment
from attic.models.generator import (NegativeELBO, controllability, diversity, elbo, fit_generator, generate,
    new_generator, sharpness)
from attic.models.ranker import Ranker, accuracy, ranknet_loss
from attic.store import cache_dir
from machine import about, save


def ranker_step():
    "A training step of the ranker on 32 pairs, as a function"
    model = Ranker().to(memory_format=torch.channels_last)
    x = torch.randn(64, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    return model, lambda m: ranknet_loss(torch.sub(*m(x)[0].chunk(2)), torch.ones(32))


def generator_step():
    "A training step of the generator on 64 images, as a function"
    model = new_generator(8, get_profile('standard').generator).to(memory_format=torch.channels_last)
    x = torch.rand(64, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    y = torch.randn(64, 8)
    def loss(m):
        with mixed_precision('cpu'): out = m((x, y))
        return NegativeELBO()([o.float() for o in out], x)
    return model, loss


def milliseconds(make, precision, compiled=False, steps=8):
    "Best of some steps, and seconds of the first, which compiles"
    with patch.dict(os.environ, ATTIC_PRECISION=precision):
        torch.manual_seed(0)
        model, loss = make()
        opt, run, times = torch.optim.Adam(model.parameters()), torch.compile(model) if compiled else model, []
        for _ in range(steps):
            start = time.perf_counter()
            loss(run).backward(); opt.step(); opt.zero_grad()
            times.append(time.perf_counter() - start)
    return 1000 * min(times[1:]), times[0]


def _valid_accuracy(ex, precision):
    "Validation accuracy of a ranker in one precision"
    with patch.dict(os.environ, ATTIC_PRECISION=precision): return accuracy(ex.fit(*ex.real[:2]), *ex.valid)


def accuracies(seed=0):
    "Validation accuracy of a ranker in both precisions, for every attribute"
    profile, out = get_profile('standard'), {}
    for name in ('faces', 'shoes'):
        dataset = get_dataset(name, profile)
        for attr in dataset.attrs:
            ex = Experiment(dataset, attr, profile, seed)
            out[attr] = [_valid_accuracy(ex, p) for p in ('auto', 'float32')]
            print(attr, out[attr], flush=True)
    return out


def _quality(gen, dataset, annotator_model):
    "Lower bound, controllability and variety of a generator"
    y, z = gen.sample(2000, rng(0, 'benchmark'))
    images = generate(gen, y, z)
    correlation, _ = controllability(y, annotator_model.predict(images)[0])
    return dict(elbo=elbo(gen, dataset.part('valid')), correlation=correlation.mean().item(),
                sharpness=sharpness(images), diversity=diversity(images))


def _trained_anew(dataset, config):
    "A generator trained in bfloat16, in a cache of its own"
    with patch.dict(os.environ, ATTIC_FROM_SCRATCH='1', ATTIC_CACHE=str(cache_dir()/'bfloat16')):
        return fit_generator(dataset, config)


def generators():
    "The quality of both worlds' generators in both precisions"
    profile, out = get_profile('standard'), []
    for name in ('faces', 'shoes'):
        dataset = get_dataset(name, profile)
        annotator_model = SimulatedCrowd(dataset, profile).annotator_model
        single, anew = fit_generator(dataset, profile.generator), _trained_anew(dataset, profile.generator)
        for precision, gen in (('single', single), ('bfloat16', anew)):
            out.append(dict(world=name, precision=precision) | _quality(gen, dataset, annotator_model))
            print(out[-1], flush=True)
    return out


def fastest_steps(make, rounds):
    "Milliseconds of a step in both precisions, in turn, the best of the rounds"
    best = dict(float32=float('inf'), auto=float('inf'))
    for _ in range(rounds):
        for p in best: best[p] = min(best[p], milliseconds(make, p)[0])
    return best


def main(args):
    torch.set_num_threads(1)
    steps = dict(ranker=fastest_steps(ranker_step, args.rounds), generator=fastest_steps(generator_step, args.rounds))
    compiled, seconds = milliseconds(ranker_step, 'float32', compiled=True)
    if args.steps: return print(steps, compiled, seconds)
    accuracy = {attr: dict(bfloat16=b, float32=f) for attr, (b, f) in accuracies().items()}
    save('precision', dict(about=about(), step_ms=steps, compiled=dict(step_ms=compiled, compile_s=seconds),
                           accuracy=accuracy, generators=generators()))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--steps', action='store_true', help='time the steps only, and save nothing')
    main(p.parse_args())
