"""Carry results and weights of 0.1.0 over to the keys of 0.2: `python scripts/move_results.py OLD [--data FOLDER]`.

OLD is a checkout of 0.1.0 (`git worktree add ../old 6513d91`), FOLDER the photographs behind `results/utkface.jsonl`
there.

In 0.1.0 a key was a hash of the code's text; now it is a hash of configs and VERSION numbers. A row is carried over
only if 0.1.0's own code, given the row's settings, computes the row's key: that code made it, with these settings.
`nbs/tests/01_golden.ipynb` shows that the code of 0.2 makes the same numbers, against a record made by 0.1.0.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pandas as pd
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
COST = ('n_real', 'n_synthetic', 'n_inferred', 'n_kept', 'valid_accuracy', 'tests', 'curve')
MADE_BY = ('device', 'threads', 'precision', 'torch', 'torchvision', 'fastai', 'numpy', 'zuko', 'python')

# What 0.1.0 says of its rows: reads lines of JSON, prints the key that its code gives each
OLD_KEYS = """
import json, sys
from dataclasses import replace
from unittest.mock import patch
import torch, attic.protocol as protocol
from attic.core import PROFILES
from attic.datasets import get_domain
from attic.methods import Experiment

domains = {}
def domain(row, profile):
    key = json.dumps([row['domain'], row['curation'], profile.name, profile.n_train])
    name = row['folder'] or row['domain']
    curation = [] if row['folder'] else [row['curation']]
    if key not in domains: domains[key] = get_domain(name, profile, row['attribute'], *curation)
    return domains[key]

torch.set_num_threads(1)
for line in sys.stdin:
    row = json.loads(line)
    profile = replace(PROFILES[row['profile']], steps=row['steps'])
    if row['n_train']: profile = replace(profile, n_train=row['n_train'])
    options = [row[k] for k in ('seed', 'device', 'prior', 'budget')]
    ex = Experiment(domain(row, profile), row['attribute'], profile, *options)
    with patch.object(protocol, 'precision', lambda _: row['precision']):
        print('\\nkey', protocol.row_key(ex, row['method'], row['scenario']), flush=True)
"""


# Where 0.1.0 keeps what it ships: prints JSON, 'world/part/kind' -> name of the file
OLD_WEIGHTS = """
import json
from unittest.mock import patch
from attic import flow, generator, regressor
from attic.core import PROFILES, cache_path, load_tensors, shipped_dir
from attic.datasets import get_domain

standard, names = PROFILES['standard'], {}
def cached(kind, recipe, make):
    names[f'{world}/{part}/{kind}'] = cache_path(kind, recipe).name
    return load_tensors(shipped_dir()/cache_path(kind, recipe).name)[0]

one, two, three = [patch.object(module, 'cached', cached) for module in (flow, generator, regressor)]
with one, two, three:
    for world in ('faces', 'shoes'):
        domain = get_domain(world, standard)
        for part in ('crowd', 'generator'):
            about = None, len(domain.attrs), domain.keys[part], standard
            regressor.fit_regressor(*about)
        flow.fit_flow(generator.fit_generator(*about), None, domain.keys['generator'], standard)
print('names', json.dumps(names))
"""
OLD_KINDS = dict(predictor='regressor')  # what was called otherwise in 0.1.0
OLD_TENSORS = {'strange_real': 'ood_stats'}


def ask(old, code, text=''):
    "What a program prints that runs with the code of 0.1.0"
    env = os.environ | dict(PYTHONPATH=str(old), OMP_NUM_THREADS='1')
    command = [sys.executable, '-c', code]
    return subprocess.run(command, input=text, env=env, cwd=old, check=True, capture_output=True, text=True).stdout


def settings(row, sweep, folder):
    "A row's settings, with what 0.1.0 did not write down: the folder, and of the streetlight rows the labels asked for"
    n_train = row['n_real'] if 'streetlight' in sweep else 0
    return row | dict(folder=folder if row['source'] == 'folder' else '', n_train=n_train)


def without_result(row):
    "What a row says of its run"
    return {k: v for k, v in row.items() if k not in COST}


def old_keys(old, rows):
    "The keys that 0.1.0 computes for rows"
    printed = ask(old, OLD_KEYS, '\n'.join(json.dumps(without_result(r)) for r in rows))
    return [line.split()[1] for line in printed.splitlines() if line.startswith('key ')]


class Mover:
    "Makes rows of 0.2 from rows of 0.1.0"
    def __init__(self): self.datasets = {}

    def experiment(self, row):
        "The experiment of a row, as 0.2 says it"
        from attic.config import PROFILES
        from attic.data.sources import get_dataset
        from attic.methods.methods import Experiment
        profile = PROFILES[row['profile']].replace(ranker=dict(steps=row['steps']))
        if row['n_train']: profile = profile.replace(data=dict(n_train=row['n_train']))
        name = row['folder'] or row['domain']
        known = (name, row['curation'], profile.data)
        if known not in self.datasets:
            self.datasets[known] = get_dataset(name, profile, row['attribute'], row['curation'])
        options = [row[k] for k in ('seed', 'device', 'prior', 'budget')]
        return Experiment(self.datasets[known], row['attribute'], profile, *options)

    def move(self, row, times):
        "The row under its new key"
        from attic.core import digest
        from attic.methods import experiment
        threads = row['threads'] if row['device'] == 'cpu' else None
        facts = {k: row[k] for k in ('device', 'precision', 'torch')} | dict(threads=threads)
        ex = self.experiment(row)
        with patch.object(experiment, 'device_facts', lambda _: facts):
            config = experiment.run_config(ex, row['method'], row['scenario'])
        provenance = {k: row[k] for k in MADE_BY} | times | dict(moved_from=row['key'])
        result = {k: row[k] for k in COST if k in row}
        return dict(key=digest(config), config=experiment.describe(ex, config), result=result, provenance=provenance)


def move_sweep(path, old, out, folder, mover):
    "Carry one file of 0.1.0 over; how many rows, and how many of them 0.1.0's code knows"
    from attic.store import curve_lines, row_lines, write_sweep
    name = path.relative_to(old/'results').with_suffix('')
    rows = [settings(json.loads(line), str(name), folder) for line in path.read_text(encoding='utf-8').splitlines()]
    times = json.loads(path.with_suffix('.times.json').read_text(encoding='utf-8'))
    on_cpu = [r for r in rows if r['device'] == 'cpu']
    known = [k == r['key'] for k, r in zip(old_keys(old, on_cpu), on_cpu)]
    if not all(known): raise ValueError(f"{path}: {known.count(False)} rows were not made by the code of 0.1.0")
    moved = [mover.move(r, times.get(r['key'], {})) for r in tqdm(rows, desc=str(name), leave=False)]
    lines = pd.DataFrame([line for r in moved for line in row_lines(r)])
    curves = pd.DataFrame([point for r in moved for point in curve_lines(r)])
    write_sweep(lines, curves, out/name.parent, name.name)
    return len(rows), len(known)


def move_tensors(source, target, about):
    "Carry one file of weights over; raise `ValueError` when the file that is there holds other numbers"
    from attic.store import load_tensors, save_tensors
    tensors = {OLD_TENSORS.get(k, k): v for k, v in load_tensors(source)[0].items()}
    if not target.is_file(): save_tensors(target, tensors, about)
    there, _ = load_tensors(target)
    same = tensors.keys() == there.keys() and all(v.equal(there[k]) for k, v in tensors.items())
    if not same: raise ValueError(f"{target} holds other numbers than {source}")
    return there


def move_weights(old, out):
    "Carry the networks that ship over, by asking both versions where they keep them"
    from attic.config import PROFILES
    from attic.data.sources import get_dataset
    from attic.models import flow, generator, scorer
    from attic.store import cache_path
    printed = ask(old, OLD_WEIGHTS)
    names = json.loads(next(line for line in printed.splitlines() if line.startswith('names ')).removeprefix('names '))
    standard, place = PROFILES['standard'], ''

    def cached(kind, made_from, make):
        name = names[f'{place}/{OLD_KINDS.get(kind, kind)}']
        target = out/cache_path(kind, made_from).name
        print(f'{name} -> {target.name}')
        return move_tensors(old/'attic'/'weights'/name, target, dict(kind=kind, made_from=made_from))

    one, two, three = [patch.object(module, 'cached', cached) for module in (flow, generator, scorer)]
    with one, two, three:
        for world in ('faces', 'shoes'):
            dataset = get_dataset(world, standard)
            for part in ('crowd', 'generator'):
                place = f'{world}/{part}'
                scorer.fit_predictor(dataset, part, standard.predictor)
            flow.fit_flow(generator.fit_generator(dataset, standard.generator), dataset, standard.flow)


def main(args):
    "The networks that ship, and every file of results in 0.1.0"
    old, out = Path(args.old).resolve(), Path(args.out)
    move_weights(old, Path(args.weights))
    mover = Mover()
    for path in sorted((old/'results').rglob('*.jsonl')):
        n, known = move_sweep(path, old, out, args.data, mover)
        print(f'{path.relative_to(old)}: {n} rows carried over; 0.1.0 computes the same key for {known}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('old', help='a checkout of 0.1.0')
    parser.add_argument('--data', default='', help='the folder of photographs behind results/utkface.jsonl')
    parser.add_argument('--out', default=ROOT/'results', help='where the moved results go')
    parser.add_argument('--weights', default=ROOT/'attic'/'weights', help='where the moved weights go')
    main(parser.parse_args())
