"""bfloat16 against single precision, and torch.compile: `python benchmarks/precision.py`

Milliseconds of a training step of the ranker and of the generator on one thread, alternately, the best of the rounds. Then a ranker for
every attribute of both worlds in both precisions, with the same seed and pairs: accuracy on validation pairs. Rankers come from the cache
where they are there.
"""
import argparse, os, time
from unittest.mock import patch

import torch

from attic.core import get_profile, mixed_precision
from attic.datasets import get_domain
from attic.generator import Generator, NegativeELBO
from attic.methods import Experiment
from attic.ranker import Ranker, accuracy, ranknet_loss
from machine import about, save


def ranker_step():
    "A training step of the ranker on 32 pairs, as a function"
    model, x = Ranker().to(memory_format=torch.channels_last), torch.randn(64, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    return model, lambda m: ranknet_loss(torch.sub(*m(x).chunk(2)), torch.ones(32))


def generator_step():
    "A training step of the generator on 64 images, as a function"
    p = get_profile('quick')
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
    profile, out = get_profile('quick'), {}
    for name in ('faces', 'shoes'):
        domain = get_domain(name, profile)
        for attr in domain.attrs:
            ex = Experiment(domain, attr, profile, seed)
            for p in ('auto', 'float32'):
                with patch.dict(os.environ, ATTIC_PRECISION=p): out.setdefault(attr, []).append(accuracy(ex.fit(*ex.real[:2]), *ex.valid))
            print(attr, out[attr], flush=True)
    return out


def main(args):
    torch.set_num_threads(1)
    steps = {}
    for _ in range(args.rounds):
        for name, make in (('ranker', ranker_step), ('generator', generator_step)):
            for p in ('float32', 'auto'): steps.setdefault(name, {}).setdefault(p, []).append(milliseconds(make, p)[0])
    steps = {name: {p: min(v) for p, v in by.items()} for name, by in steps.items()}
    compiled, seconds = milliseconds(ranker_step, 'float32', compiled=True)
    acc = accuracies()
    save('precision', dict(about=about(), step_ms=steps, compiled=dict(step_ms=compiled, compile_s=seconds), accuracy={a: dict(bfloat16=b, float32=f) for a, (b, f) in acc.items()}))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--rounds', type=int, default=3)
    main(p.parse_args())
