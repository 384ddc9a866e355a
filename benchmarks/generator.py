"""Training a variational auto-encoder: attic against pythae. `pip install pythae==0.1.2; python benchmarks/generator.py`

The same encoder, decoder and mini-batch, the same images, all threads. Pythae's VAE gets our two networks in its base classes and trains
with its own trainer, in single precision; attic is what `fit_generator` runs, in bfloat16 where the processor has it, and once more in
single precision. Each trains one warm-up epoch and is then timed for another, in turn.
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
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from attic.core import get_profile, start_from
from attic.datasets import get_domain
from attic.generator import Decoder, Encoder, Generator, ImageLoader, Mixed, NegativeELBO, draw
from attic.pairs import to_float
from machine import about, save


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
    "Seconds of pythae's second epoch"
    model = VAE(VAEConfig(input_dim=(3, 64, 64), latent_dim=profile.z_dim), encoder=TheirEncoder(profile.gen_width, profile.z_dim), decoder=TheirDecoder(profile.gen_width, profile.z_dim))
    with tempfile.TemporaryDirectory() as out:
        config, clock = BaseTrainerConfig(output_dir=out, num_epochs=2, learning_rate=profile.gen_lr, per_device_train_batch_size=64, no_cuda=True), Clock()
        BaseTrainer(model, BaseDataset(to_float(images).contiguous(), torch.zeros(len(images))), training_config=config, callbacks=[clock]).train()
    return clock.seconds[1]


def ours(bank, profile):
    "Seconds of fastai's second epoch, with what `fit_generator` trains"
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


def main(args):
    profile = get_profile('quick')
    bank = get_domain('faces', profile).part('generator')[torch.arange(args.images)]
    times = []
    for r in range(args.rounds):
        t, (o, gen) = theirs(bank.images, profile), ours(bank, profile)
        with patch.dict(os.environ, ATTIC_PRECISION='float32'): single, _ = ours(bank, profile)
        times.append((t, o, single)); print(f'round {r}: pythae {t:.1f} s, attic {o:.1f} s, in single precision {single:.1f} s', flush=True)
    t, o, single = (min(v) for v in zip(*times))
    y, z = gen.sample(2000, torch.Generator().manual_seed(0))
    start = time.perf_counter(); draw(gen, y, z); drawn = 2000 / (time.perf_counter() - start)
    save('generator', dict(about=about(), images=args.images, rounds=args.rounds, threads=torch.get_num_threads(), pythae=dict(images_per_s=args.images/t), attic=dict(images_per_s=args.images/o), attic_single=dict(images_per_s=args.images/single), ratio=t/o, drawn_images_per_s=drawn))


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--images', type=int, default=3200); p.add_argument('--rounds', type=int, default=3)
    main(p.parse_args())
