"""Training a variational auto-encoder: attic against pythae. `pip install pythae==0.1.2; python benchmarks/generator.py`

The same encoder, decoder and mini-batch, the same images, all threads. Pythae's VAE gets our two networks in its base classes and trains
with its own trainer, in single precision; attic is what `fit_generator` runs, in bfloat16 where the processor has it, and once more in
single precision. Each trains one warm-up epoch and is then timed for another, in turn; then each draws images. Each side has a process of
its own, whose most memory is noted.
"""
import argparse, os, tempfile, time
from unittest.mock import patch

import torch
from fastai.callback.schedule import Learner
from fastai.data.core import DataLoaders
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.samplers import NormalSampler
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from attic.core import get_profile, start_from
from attic.datasets import get_domain
from attic.generator import Decoder, Encoder, Generator, ImageLoader, Mixed, NegativeELBO, draw
from attic.pairs import to_float
from machine import about, by_precision, finish, ratios, save, start, tell, wait


class TheirEncoder(BaseEncoder):
    def __init__(self, width, z): super().__init__(); self.net = Encoder(1, width, z)
    def forward(self, x):
        mean, log_var = self.net(x, torch.zeros(len(x), 1))
        return ModelOutput(embedding=mean, log_covariance=log_var)


class TheirDecoder(BaseDecoder):
    def __init__(self, width, z): super().__init__(); self.net = Decoder(1, width, z)
    def forward(self, z): return ModelOutput(reconstruction=self.net(torch.zeros(len(z), 1), z)[0])


class Clock(TrainingCallback):
    "Seconds of each epoch"
    def __init__(self): self.seconds = []
    def on_epoch_begin(self, *a, **k): self.start = time.perf_counter()
    def on_epoch_end(self, *a, **k): self.seconds.append(time.perf_counter() - self.start)


def theirs(images, profile):
    "Seconds of pythae's second epoch, and its model"
    model = VAE(VAEConfig(input_dim=(3, 64, 64), latent_dim=profile.z_dim), encoder=TheirEncoder(profile.gen_width, profile.z_dim), decoder=TheirDecoder(profile.gen_width, profile.z_dim))
    with tempfile.TemporaryDirectory() as out:
        config, clock = BaseTrainerConfig(output_dir=out, num_epochs=2, learning_rate=profile.gen_lr, per_device_train_batch_size=64, no_cuda=True), Clock()
        BaseTrainer(model, BaseDataset(to_float(images).contiguous(), torch.zeros(len(images))), training_config=config, callbacks=[clock]).train()
    return clock.seconds[1], model.eval()


def ours(bank, profile):
    "Seconds of fastai's second epoch, with what `fit_generator` trains, and the generator"
    start_from(0, 'benchmark')
    gen = Generator(bank.strengths.shape[1], profile.gen_width, profile.z_dim)
    gen.learn_statistics(bank.strengths)
    gen.to(memory_format=torch.channels_last)
    learn = Learner(DataLoaders(ImageLoader(bank, train=True), ImageLoader(bank[:64])), gen, NegativeELBO(), cbs=Mixed())
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        with learn.no_bar(), learn.no_logging(): learn.fit(1, profile.gen_lr)
        seconds.append(time.perf_counter() - start)
    return seconds[1], gen.eval()


def child(side, n, drawn=2000):
    "Train and draw in a process of its own"
    profile = get_profile('standard')
    bank = get_domain('faces', profile).part('generator')[torch.arange(n)]
    wait()
    seconds, model = theirs(bank.images, profile) if side == 'pythae' else ours(bank, profile)
    sampler, begin = NormalSampler(model) if side == 'pythae' else None, time.perf_counter()
    if sampler: sampler.sample(drawn, batch_size=256)
    else: draw(model, *model.sample(drawn, torch.Generator().manual_seed(0)))
    tell(images_per_s=n/seconds, drawn_images_per_s=drawn/(time.perf_counter() - begin))


def main(args):
    cores, rounds = os.cpu_count(), {}
    for r in range(args.rounds):
        for side in ('pythae', 'attic', 'attic_single'):
            with patch.dict(os.environ, {'ATTIC_PRECISION': 'float32'} if side == 'attic_single' else {}):
                out, = finish([start('--images', args.images, '--child', side, threads=cores)])
            rounds.setdefault(side, []).append(out); print(f'round {r}: {side}', out, flush=True)
    sides = {side: {k: (min if k == 'memory_mb' else max)(o[k] for o in out) for k in out[0]} for side, out in rounds.items()}
    save(by_precision('generator'), dict(about=about(), images=args.images, rounds=args.rounds, threads=cores, **sides, **ratios(sides, 'pythae', ('images_per_s', 'drawn_images_per_s', 'memory_mb'))))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--images', type=int, default=2560); p.add_argument('--rounds', type=int, default=3); p.add_argument('--child')
    args = p.parse_args()
    main(args) if args.child is None else child(args.child, args.images)
