"""Carry the results of 0.1.0 over to the keys of 0.2: `python scripts/move_results.py OLD [--data FOLDER]`.

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


def settings(row, sweep, folder):
    "A row's settings, with what 0.1.0 did not write down: the folder, and of the streetlight rows the labels asked for"
    n_train = row['n_real'] if 'streetlight' in sweep else 0
    return row | dict(folder=folder if row['source'] == 'folder' else '', n_train=n_train)


def without_result(row):
    "What a row says of its run"
    return {k: v for k, v in row.items() if k not in COST}


def old_keys(old, rows):
    "The keys that 0.1.0 computes for rows"
    env = os.environ | dict(PYTHONPATH=str(old), OMP_NUM_THREADS='1')
    lines = '\n'.join(json.dumps(without_result(r)) for r in rows)
    command = [sys.executable, '-c', OLD_KEYS]
    done = subprocess.run(command, input=lines, env=env, cwd=old, check=True, capture_output=True, text=True)
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith('key ')]


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


def main(args):
    "Every file of results in 0.1.0"
    old, out = Path(args.old).resolve(), Path(args.out)
    mover = Mover()
    for path in sorted((old/'results').rglob('*.jsonl')):
        n, known = move_sweep(path, old, out, args.data, mover)
        print(f'{path.relative_to(old)}: {n} rows carried over; 0.1.0 computes the same key for {known}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('old', help='a checkout of 0.1.0')
    parser.add_argument('--data', default='', help='the folder of photographs behind results/utkface.jsonl')
    parser.add_argument('--out', default=ROOT/'results', help='where the moved results go')
    main(parser.parse_args())
