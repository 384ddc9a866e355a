# Sweeps. `snakemake -c2 rows` runs what is missing, one single-threaded process for each core.
# `snakemake -c2 tables curves` also draws the pages that show rows, `figures` those that look into runs as well.
# `--config seeds=5 data=PATH ...` says what to run. A run is there when a row in `results/` or in `out` has its key,
# on the hardware that the row names. `attic.store.pack_rows` packs a finished sweep into `out/NAME.csv`.
# `| cat` hides the progress bars of jobs side by side.
import os
import re
from dataclasses import replace
from functools import lru_cache

import pandas as pd

from attic.config import get_profile
from attic.core import FACES, SHOES, check_choice, digest, parse_names
from attic.data.sources import get_dataset
from attic.methods.experiment import cannot_run, run_config
from attic.methods.methods import METHODS, SCENARIOS, Experiment
from attic.store import load_rows

DEFAULTS = dict(profile='standard', seeds=5, methods='all', scenarios='Normal,Auto', data='world', budget='bought',
                prior='flow', device='auto', out='runs', attributes=','.join((*FACES, *SHOES)),
                columns='', skip_missing='', # of a folder: which columns are attributes; leave out rows that lack values
                annotator='crowd', # who labels: the profile's crowd, 'fitted' or 'sharp'
                votes=5, # answers about a pair
                features='', side='') # of the ranker: which network, and at how many pixels it sees images
for name in config: check_choice(name, DEFAULTS, 'config')
OPTIONS = {k: str(v) for k, v in (DEFAULTS | config).items()}

OUT, DATA = OPTIONS['out'], OPTIONS['data']
PROFILE = get_profile(OPTIONS['profile']).choose(features=OPTIONS['features'], side=int(OPTIONS['side'] or 0),
                                                 annotator=OPTIONS['annotator'], votes=int(OPTIONS['votes']))
ATTRIBUTES = [a.strip() for a in OPTIONS['attributes'].split(',')]
SEEDS = range(int(OPTIONS['seeds']))
WANTED = [(m, s) for m in parse_names(OPTIONS['methods'], METHODS, 'method')
          for s in parse_names(OPTIONS['scenarios'], SCENARIOS, 'scenario') if s in METHODS[m].scenarios]
CHOICES = dict(attributes=OPTIONS['columns'], skip_missing=bool(OPTIONS['skip_missing'])) # about a folder of images
FLAGS = [f'--{k}={OPTIONS[k]}' for k in ('data', 'profile', 'budget', 'prior', 'annotator', 'votes', 'device', 'out')]
FLAGS += [f'--{k}={OPTIONS[k]}' for k in ('features', 'side') if OPTIONS[k]]
FLAGS += [f"--attributes={CHOICES['attributes']}"]*bool(CHOICES['attributes'])
FLAGS += ['--skip_missing']*CHOICES['skip_missing']
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

wildcard_constraints: seed=r'\d+', attr=r'[^/]+', kind='faces|shoes|own'

# What is there, and what is missing

THERE = pd.concat([load_rows(d) for d in ('results', OUT)], ignore_index=True)
KEYS = set(THERE.get('key', []))

def hardware(facts):
    "The facts of hardware and PyTorch as they enter a key: a GPU has no threads"
    return facts | dict(threads=None if pd.isna(facts['threads']) else int(facts['threads']))

MADE_ON = THERE[['device', 'threads', 'precision', 'torch']].drop_duplicates().to_dict('records') if KEYS else []
MADE_ON = [hardware(facts) for facts in MADE_ON]

def kind(attr):
    "Attributes of one kind share a dataset"
    if DATA not in ('world', 'paper'): return 'own'
    return 'faces' if attr in FACES else 'shoes'

@lru_cache(maxsize=None)
def dataset(kind_of):
    return get_dataset(DATA, PROFILE, next(a for a in ATTRIBUTES if kind(a) == kind_of), **CHOICES)

# A folder is not its name: other images, strengths or choices have other fingerprints, and so other jobs
PRINTS = digest([dataset(k).fingerprints for k in sorted({kind(a) for a in ATTRIBUTES})], n=8)
NAME = re.sub(r'[^\w.-]+', '_', os.path.basename(os.path.realpath(DATA)))[:40]
RANKER = re.sub(r'[^\w.-]+', '_', OPTIONS['features'] + OPTIONS['side'])
SINGLE = '' if OPTIONS['votes'] == '5' else f"votes{OPTIONS['votes']}"
SWEEP = '-'.join(filter(None, [PROFILE.name, NAME, PRINTS, RANKER, OPTIONS['budget'], OPTIONS['prior'], SINGLE]))
JOBS = f"{OUT}/sweep/{SWEEP}/{OPTIONS['scenarios']}"

def missing(attr, seed):
    "Runs of an attribute and seed without a row: method -> hashes of all that decides them but the hardware"
    ex = Experiment(dataset(kind(attr)), attr, PROFILE, seed, prior=OPTIONS['prior'], budget=OPTIONS['budget'])
    lack = {}
    for method, scenario in WANTED:
        if cannot_run(ex, method, scenario): continue
        run = run_config(ex, method, scenario)
        there = any(digest(replace(run, hardware=facts)) in KEYS for facts in MADE_ON)
        if not there: lack.setdefault(method, []).append(digest(replace(run, hardware={})))
    return lack

MISSING = {(attr, str(seed)): missing(attr, seed) for seed in SEEDS for attr in ATTRIBUTES}
ROWS = [f'{JOBS}/{attr}-{seed}.json' for (attr, seed), lack in MISSING.items() if lack]

def missing_runs(w): return MISSING.get((w.attr, w.seed)) or {}

rule rows:
    input: ROWS

rule shared:
    # generators and predictors, once for a dataset; the seed and the attribute do not matter
    output: f'{OUT}/sweep/{SWEEP}/{{kind}}.json'
    params: attr=lambda w: next(a for a in ATTRIBUTES if kind(a) == w.kind), flags=lambda w: FLAGS
    shell: "attic run {params.attr:q} {params.flags:q} --prepare --done {output:q} | cat"

rule run:
    # the methods that one attribute is missing with one seed; `attic run` finds rows that `out` has by their keys
    input: lambda w: f'{OUT}/sweep/{SWEEP}/{kind(w.attr)}.json'
    output: f'{JOBS}/{{attr}}-{{seed}}.json'
    params:
        methods=lambda w: ','.join(missing_runs(w)) or OPTIONS['methods'], scenarios=OPTIONS['scenarios'],
        flags=lambda w: FLAGS,
        runs=lambda w: digest(missing_runs(w)) # another config or VERSION makes other runs: the job is done again
    shell:
        "attic run {wildcards.attr:q} --seed {wildcards.seed} --methods {params.methods:q} "
        "--scenarios {params.scenarios:q} {params.flags:q} --done {output:q} | cat"

# Pages

def pages(folder):
    "The marks that the pages of a folder leave when they were run"
    return [f'{OUT}/pages/{folder}/{p[:-6]}' for p in sorted(os.listdir(f'nbs/{folder}')) if p.endswith('.ipynb')]

rule page:
    # one page of the site, run in place; what it draws is in `figures/`
    input: 'nbs/{page}.ipynb', ROWS
    output: touch(OUT + '/pages/{page}')
    params: rows=digest(sorted(KEYS)) # other rows, another page
    shell: "python scripts/run_pages.py --one {input[0]:q}"

rule tables:
    input: pages('tables')
    shell: "nbdev_clean"

rule curves:
    # Figures 5, 8 and 9 need only rows; the others look into runs, and do those that are not in the cache
    input: [p for p in pages('figures') if p.rsplit('/', 1)[1][:5] in ('fig05', 'fig08', 'fig09')]
    shell: "nbdev_clean"

rule figures:
    input: pages('figures')
    shell: "nbdev_clean"
