# Sweeps: `snakemake -c2 rows` runs what is missing, one single-threaded process for each core.
# What to run is in `config`, and can be set on the command line: `snakemake -c8 rows --config profile=standard seeds=5`.
import os
from attic.core import FACES, SHOES, code_version
from attic.methods import METHODS as KNOWN
from attic.protocol import _CODE

PROFILE, SEEDS = config.get('profile', 'quick'), int(config.get('seeds', 2))
METHODS, SCENARIOS = config.get('methods', 'all'), config.get('scenarios', 'Normal,Auto')
ATTRIBUTES = config.get('attributes', ','.join((*FACES, *SHOES))).split(',')
DOMAIN, OUT = config.get('domain', 'world'), config.get('out', 'runs')
SWEEP = f'{OUT}/sweep/{PROFILE}-{os.path.basename(os.path.normpath(DOMAIN))}'
FLAGS = f"--domain '{DOMAIN}' --profile {PROFILE} --out {OUT}"
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

wildcard_constraints: seed=r'\d+', attr=r'[^/]+', kind='faces|shoes|own'

def kind(attr): return 'own' if DOMAIN not in ('world', 'paper') else 'faces' if attr in FACES else 'shoes'

CODE = code_version(*_CODE, *sorted({c for m in KNOWN.values() for c in m.code})) # a change of it runs jobs again

rule rows:
    input: expand(f'{SWEEP}/{SCENARIOS}/{{attr}}-{{seed}}.json', seed=range(SEEDS), attr=ATTRIBUTES)

rule shared:
    # generators and regressors, once for a domain; the seed and the attribute do not matter
    output: f'{SWEEP}/{{kind}}.json'
    params: attr=lambda w: next(a for a in ATTRIBUTES if kind(a) == w.kind)
    shell: "attic_run {params.attr} {FLAGS} --prepare --done {output}"

rule run:
    # all methods for one attribute and seed; finished rows are found by their keys, and not done again
    input: lambda w: f'{SWEEP}/{kind(w.attr)}.json'
    output: f'{SWEEP}/{SCENARIOS}/{{attr}}-{{seed}}.json'
    params: methods=METHODS, scenarios=SCENARIOS, code=CODE
    shell: "attic_run {wildcards.attr} --seed {wildcards.seed} --methods '{params.methods}' --scenarios '{params.scenarios}' {FLAGS} --done {output}"
