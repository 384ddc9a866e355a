"""bfloat16 against single precision, and torch.compile: `python benchmarks/precision.py`

Milliseconds of a training step of the ranker and of the generator on one thread, alternately, the best of the rounds. Then a ranker for
every attribute of both worlds in both precisions, with the same seed and pairs: accuracy on validation pairs. And the generator of both
worlds: the one that ships, which was trained in single precision, beside one trained anew in bfloat16. What is in the cache is not trained
again; from nothing it takes an hour.
"""
import argparse, os, time
from unittest.mock import patch

os.environ['TORCHINDUCTOR_FORCE_DISABLE_CACHES'] = '1' # compiling shall cost what it costs the first time
import torch

from attic.core import cache_dir, get_profile, mixed_precision, rng
from attic.datasets import get_domain
from attic.generator import Generator, NegativeELBO, diversity, draw, fit_generator, lower_bound, obedience, sharpness
from attic.methods import Experiment
from attic.ranker import Ranker, accuracy, ranknet_loss
from attic.votes import SimulatedCrowd
from machine import about, save


def ranker_step():
    "A training step of the ranker on 32 pairs, as a function"
    model, x = Ranker().to(memory_format=torch.channels_last), torch.randn(64, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    return model, lambda m: ranknet_loss(torch.sub(*m(x).chunk(2)), torch.ones(32))


def generator_step():
    "A training step of the generator on 64 images, as a function"
    p = get_profile('standard')
    model, x, y = Generator(8, p.gen_width, p.z_dim).to(memory_format=torch.channels_last), torch.rand(64, 3, 64, 64).contiguous(memory_format=torch.channels_last), torch.randn(64, 8)
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


def accuracies(seed=0):
    "Validation accuracy of a ranker in both precisions, for every attribute"
    profile, out = get_profile('standard'), {}
    for name in ('faces', 'shoes'):
        domain = get_domain(name, profile)
        for attr in domain.attrs:
            ex = Experiment(domain, attr, profile, seed)
            for p in ('auto', 'float32'):
                with patch.dict(os.environ, ATTIC_PRECISION=p): out.setdefault(attr, []).append(accuracy(ex.fit(*ex.real[:2]), *ex.valid))
            print(attr, out[attr], flush=True)
    return out


def generators():
    "Lower bound, obedience and variety of both worlds' generators in both precisions"
    profile, out = get_profile('standard'), []
    for name in ('faces', 'shoes'):
        d = get_domain(name, profile)
        eye, fit = SimulatedCrowd(d, profile).eye, lambda: fit_generator(lambda: d.part('generator'), len(d.attrs), d.keys['generator'], profile)
        anew = patch.dict(os.environ, ATTIC_FROM_SCRATCH='1', ATTIC_CACHE=str(cache_dir()/'bfloat16'))
        for p, gen in (('single', fit()), ('bfloat16', _within(anew, fit))):
            y, z = gen.sample(2000, rng(0, 'benchmark'))
            images = draw(gen, y, z)
            out.append(dict(world=name, precision=p, lower_bound=lower_bound(gen, d.part('valid')), correlation=obedience(y, eye.look(images)[0])[0].mean().item(), sharpness=sharpness(images), diversity=diversity(images)))
            print(out[-1], flush=True)
    return out


def _within(context, make):
    with context: return make()


def main(args):
    torch.set_num_threads(1)
    steps = {}
    for _ in range(args.rounds):
        for name, make in (('ranker', ranker_step), ('generator', generator_step)):
            for p in ('float32', 'auto'): steps.setdefault(name, {}).setdefault(p, []).append(milliseconds(make, p)[0])
    steps = {name: {p: min(v) for p, v in by.items()} for name, by in steps.items()}
    compiled, seconds = milliseconds(ranker_step, 'float32', compiled=True)
    acc, made = accuracies(), generators()
    save('precision', dict(about=about(), step_ms=steps, compiled=dict(step_ms=compiled, compile_s=seconds), accuracy={a: dict(bfloat16=b, float32=f) for a, (b, f) in acc.items()}, generators=made))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--rounds', type=int, default=3)
    main(p.parse_args())
