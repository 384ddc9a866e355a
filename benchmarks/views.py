"""Does a window over the maps help? Held-out loss of rankers that see the whole image, and of DeepSTN, on validation
pairs of every attribute of both rendered worlds. No test pair is looked at. This chose the default of the profiles.

    python benchmarks/views.py [--seeds 2]

Results go to benchmarks/views.json.
"""
import argparse
from pathlib import Path

import pandas as pd

from attic.config import get_profile
from attic.core import device_facts, write_json
from attic.data.sources import get_dataset
from attic.methods.methods import Experiment
from attic.models.deepstn import fit_deepstn
from attic.models.features import load_features
from attic.models.linear import fit_linear
from attic.models.ranker import differences, ranknet_loss
from attic.worlds.population import WORLDS


def losses(ex):
    "RankNet's loss on validation pairs, and what was chosen"
    net = load_features(side=ex.dataset.side)
    given = (*ex.real[:2], ex.valid, ex.ranking, net)
    whole, deepstn = fit_linear(*given), fit_deepstn(*given)
    def loss(ranker): return ranknet_loss(differences(ranker, *ex.valid), ex.valid[1].target).item()
    return dict(whole=loss(whole), deepstn=loss(deepstn), window=deepstn.view.window, with_whole=deepstn.view.whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=2)
    parser.add_argument('--out', type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    profile, lines = get_profile('standard'), []
    for world in WORLDS:
        dataset = get_dataset(world, profile)
        for attr in dataset.attrs:
            for seed in range(args.seeds):
                ex = Experiment(dataset, attr, profile, seed)
                lines.append(dict(world=world, attribute=attr, seed=seed) | losses(ex))
                print(lines[-1], flush=True)
    print(pd.DataFrame(lines).groupby('world')[['whole', 'deepstn']].mean().round(4))
    write_json(args.out / 'views.json', dict(lines=lines, **device_facts('cpu')))


if __name__ == '__main__': main()
