# Sweeps: `snakemake -c2 rows` runs what is missing, one single-threaded process for each core; `snakemake -c2 tables curves` also
# draws the pages that show them, `figures` those that look into games as well. What to run is in `config`: `snakemake -c8 rows --config seeds=5`.
# A run is not missing when its row is in `results/` or in `out`, and was made by the code as it is now. `| cat`: of jobs beside each
# other nobody wants to see progress bars.
import os
import pandas as pd
from attic.core import FACES, SHOES, code_version, digest
from attic.methods import METHODS as KNOWN, SCENARIOS as SCENES
from attic.protocol import _CODE, _code, load_rows, names

PROFILE, SEEDS = config.get('profile', 'standard'), int(config.get('seeds', 5))
METHODS, SCENARIOS = config.get('methods', 'all'), config.get('scenarios', 'Normal,Auto')
ATTRIBUTES = config.get('attributes', ','.join((*FACES, *SHOES))).split(',')
DOMAIN, OUT = config.get('domain', 'world'), config.get('out', 'runs')
BUDGET, PRIOR = config.get('budget', 'bought'), config.get('prior', 'flow')
NAME = os.path.basename(os.path.realpath(DOMAIN))
SWEEP = f'{OUT}/sweep/{PROFILE}-{NAME}-{BUDGET}-{PRIOR}'
FLAGS = f"--domain '{DOMAIN}' --profile {PROFILE} --budget {BUDGET} --prior {PRIOR} --device {config.get('device', 'auto')} --out {OUT}" + (' --stack' if config.get('stack') else '')
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

wildcard_constraints: seed=r'\d+', attr=r'[^/]+', kind='faces|shoes|own'

def kind(attr): return 'own' if DOMAIN not in ('world', 'paper') else 'faces' if attr in FACES else 'shoes'

CODE = code_version(*_CODE, *sorted({c for m in KNOWN.values() for c in m.code})) # a change of it runs jobs again
WANTED = [(m, s) for m in names(METHODS, KNOWN, 'method') for s in names(SCENARIOS, SCENES, 'scenario') if s in KNOWN[m].scenarios]

THERE = pd.concat([load_rows(d) for d in ('results', OUT)])

def finished(rows):
    "Which of these rows count: domain, attribute, seed, method, scenario, code"
    if rows.empty: return set()
    return set(rows[(rows.profile == PROFILE) & (rows.budget == BUDGET) & (rows.prior == PRIOR)][['domain', 'attribute', 'seed', 'method', 'scenario', 'code']].itertuples(index=False, name=None))

def lacking(have):
    "Jobs that have something to do, an attribute and a seed each, and the methods that they lack"
    name = lambda attr: {'world': kind(attr), 'paper': 'lfw' if attr in FACES else 'zap50k'}.get(DOMAIN, NAME)
    jobs = {(attr, str(seed)): [m for m, s in WANTED if (name(attr), attr, seed, m, s, _code(m)) not in have] for seed in range(SEEDS) for attr in ATTRIBUTES}
    return {job: ','.join(dict.fromkeys(methods)) for job, methods in jobs.items() if methods}

LACKING = lacking(finished(THERE))
ROWS = [f'{SWEEP}/{SCENARIOS}/{attr}-{seed}.json' for attr, seed in LACKING]

rule rows:
    input: ROWS

rule shared:
    # generators and regressors, once for a domain; the seed and the attribute do not matter
    output: f'{SWEEP}/{{kind}}.json'
    params: attr=lambda w: next(a for a in ATTRIBUTES if kind(a) == w.kind)
    shell: "attic_run {params.attr} {FLAGS} --prepare --done {output} | cat"

rule run:
    # the methods that one attribute lacks with one seed; rows that are finished in `out` are found by their keys
    input: lambda w: f'{SWEEP}/{kind(w.attr)}.json'
    output: f'{SWEEP}/{SCENARIOS}/{{attr}}-{{seed}}.json'
    params: methods=lambda w: LACKING.get((w.attr, w.seed), METHODS), scenarios=SCENARIOS, code=CODE
    shell: "attic_run {wildcards.attr} --seed {wildcards.seed} --methods '{params.methods}' --scenarios '{params.scenarios}' {FLAGS} --done {output} | cat"

def pages(folder): return [f'{OUT}/pages/{folder}/{p[:-6]}' for p in sorted(os.listdir(f'nbs/{folder}')) if p.endswith('.ipynb')]

rule page:
    # one page of the site, run in place; what it draws is in `figures/`
    input: 'nbs/{page}.ipynb', ROWS
    output: touch(OUT + '/pages/{page}')
    params: rows=digest(sorted(set(THERE.get('key', [])))) # other rows, another page
    shell: "python scripts/run_pages.py --one nbs/{wildcards.page}.ipynb"

rule tables:
    input: pages('tables')
    shell: "nbdev_clean"

rule curves:
    # Figures 5, 8 and 9, which need nothing but rows; the others look into games, and play those that are not in the cache
    input: [p for p in pages('figures') if p.rsplit('/', 1)[1][:5] in ('fig05', 'fig08', 'fig09')]
    shell: "nbdev_clean"

rule figures:
    input: pages('figures')
    shell: "nbdev_clean"
