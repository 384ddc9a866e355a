"""Training a variational auto-encoder: attic against pythae.

`pip install pythae==0.1.2; python benchmarks/generator.py`

The same encoder, decoder and mini-batch, the same images, all threads. Pythae's VAE gets our two networks in its base
classes and trains with its own trainer, in single precision; attic is what `fit_generator` runs, in bfloat16 where the
processor has it, and once more in single precision. Each trains one warm-up epoch and is then timed for another, in
turn; then each draws images. Each side has a process of its own, whose most memory is noted.
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

from attic.config import get_profile
from attic.core import seed_everything
from attic.data.pairs import to_float
from attic.data.sources import get_dataset
from attic.models.generator import Decoder, Encoder, ImageLoader, Mixed, NegativeELBO, generate, new_generator
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


def theirs(images, config):
    "Seconds of pythae's second epoch, and its model"
    encoder, decoder = TheirEncoder(config.width, config.z_dim), TheirDecoder(config.width, config.z_dim)
    sizes, clock = VAEConfig(input_dim=(3, 64, 64), latent_dim=config.z_dim), Clock()
    model, images = VAE(sizes, encoder=encoder, decoder=decoder), to_float(images).contiguous()
    with tempfile.TemporaryDirectory() as out:
        training = BaseTrainerConfig(output_dir=out, num_epochs=2, learning_rate=config.lr,
                                     per_device_train_batch_size=64, no_cuda=True)
        data = BaseDataset(images, torch.zeros(len(images)))
        BaseTrainer(model, data, training_config=training, callbacks=[clock]).train()
    return clock.seconds[1], model.eval()


def ours(image_set, config):
    "Seconds of fastai's second epoch, with what `fit_generator` trains, and the generator"
    seed_everything(0, 'benchmark')
    gen = new_generator(image_set.strengths.shape[1], config)
    gen.learn_statistics(image_set.strengths)
    gen.to(memory_format=torch.channels_last)
    loaders = DataLoaders(ImageLoader(image_set, train=True), ImageLoader(image_set[:64]))
    learn = Learner(loaders, gen, NegativeELBO(), cbs=Mixed())
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        with learn.no_bar(), learn.no_logging(): learn.fit(1, config.lr)
        seconds.append(time.perf_counter() - start)
    return seconds[1], gen.eval()


def child(side, n, drawn=2000):
    "Train and draw in a process of its own"
    profile = get_profile('standard')
    image_set = get_dataset('faces', profile).part('generator')[torch.arange(n)]
    wait()
    if side == 'pythae': seconds, model = theirs(image_set.images, profile.generator)
    else: seconds, model = ours(image_set, profile.generator)
    sampler, begin = NormalSampler(model) if side == 'pythae' else None, time.perf_counter()
    if sampler: sampler.sample(drawn, batch_size=256)
    else: generate(model, *model.sample(drawn, torch.Generator().manual_seed(0)))
    tell(images_per_s=n/seconds, drawn_images_per_s=drawn/(time.perf_counter() - begin))


def best(rounds):
    "The most of each speed, the least of the memory"
    of = lambda name: [o[name] for o in rounds]
    return {name: (min if name == 'memory_mb' else max)(of(name)) for name in rounds[0]}


def main(args):
    cores, rounds = os.cpu_count(), {}
    for r in range(args.rounds):
        for side in ('pythae', 'attic', 'attic_single'):
            with patch.dict(os.environ, {'ATTIC_PRECISION': 'float32'} if side == 'attic_single' else {}):
                out, = finish([start('--images', args.images, '--child', side, threads=cores)])
            rounds.setdefault(side, []).append(out)
            print(f'round {r}: {side}', out, flush=True)
    sides = {side: best(out) for side, out in rounds.items()}
    better = ratios(sides, 'pythae', ('images_per_s', 'drawn_images_per_s', 'memory_mb'))
    result = dict(about=about(), images=args.images, rounds=args.rounds, threads=cores, **sides, **better)
    save(by_precision('generator'), result)


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--images', type=int, default=2560)
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--child')
    args = p.parse_args()
    main(args) if args.child is None else child(args.child, args.images)
