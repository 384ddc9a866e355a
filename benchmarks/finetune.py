"""What does fine-tuning bring on your images? `python benchmarks/finetune.py FOLDER --attributes young,smiling`

As `benchmarks/features.py`: rankers learn from faultless answers about random pairs, and are tested on pairs that
differ by more than 0.3 standard deviations. Each is fitted on frozen features, and fine-tuned from
there, whatever held-out pairs say. Results are added to `benchmarks/rows/finetune.csv`.
"""
import argparse, time
from itertools import product
from pathlib import Path

import torch

from attic.models.deepstn import fit_deepstn
from attic.models.extraction import extract
from attic.models.features import load_features
from attic.models.finetune import finetune
from attic.models.ranker import differences, pair_accuracy
from features import divide, read, test_pairs, train_pairs
from validation import append, is_there


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--attributes', required=True)
    p.add_argument('--labels', default='500,2000')
    p.add_argument('--seeds', type=int, default=2)
    p.add_argument('--device', default='cpu')
    args = p.parse_args()
    torch.set_num_threads(1)
    strengths, image_set, side = read(args.folder, args.attributes)
    (learn, test), net, path = divide(image_set), load_features(side=side), Path(__file__).parent/'rows'/'finetune.csv'
    table = extract(image_set, net)
    for n, seed, attr in product(map(int, args.labels.split(',')), range(args.seeds), strengths):
        names = dict(folder=args.folder.resolve().name, attribute=attr, labels=n, seed=seed)
        if is_there(path, names): continue
        strength, start = torch.tensor(strengths[attr].values), time.perf_counter()
        asked, pairs = test_pairs(strength, test), train_pairs(strength, learn, n, seed)
        frozen = fit_deepstn(table, pairs, net=net, seed=seed)
        tuned = finetune(frozen, image_set, pairs, seed=seed, device=args.device, keep=True)
        found = {k: round(pair_accuracy(differences(r, image_set, asked), asked.target), 6)
                 for k, r in (('frozen', frozen), ('tuned', tuned))}
        seconds = round(time.perf_counter() - start)
        append(path, names | found | dict(seconds=seconds, torch=torch.__version__))
        print(names, found, flush=True)


if __name__ == '__main__': main()
