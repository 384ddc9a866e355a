"What benchmarks share: the machine, its peak, processes of their own, and where results go"
import json, os, platform, resource, subprocess, sys, time
from pathlib import Path

import torch

from attic.core import precision


def peak(n=1536, rounds=6):
    "Measured peak of one thread in FLOP/s: the best of some large matrix products"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a, b, best = torch.randn(n, n), torch.randn(n, n), 0
    for _ in range(rounds):
        start = time.perf_counter(); a @ b
        best = max(best, 2*n**3 / (time.perf_counter() - start))
    torch.set_num_threads(threads)
    return best


def about():
    "Where a number was measured"
    names = [line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')]
    made_by = dict(precision=precision('cpu'), torch=torch.__version__, date=time.strftime('%Y-%m-%d'))
    cpu = names[0] if names else platform.processor()
    return dict(cpu=cpu, cores=os.cpu_count(), peak_gflops_per_core=round(peak() / 1e9)) | made_by


def start(*args, threads):
    "Start this script again in a process of its own, which says `ready` when it has loaded what it needs"
    env = os.environ | dict(OMP_NUM_THREADS=str(threads))
    job = subprocess.Popen([sys.executable, sys.argv[0], *map(str, args)], env=env, text=True, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while (line := job.stdout.readline()).strip() != 'ready':
        if not line: raise RuntimeError(f'{args} ended with {job.wait()}')
    return job


def finish(jobs):
    "Let processes go, all at once, and collect what they measured"
    for j in jobs: j.stdin.write('go\n'); j.stdin.flush()
    return [json.loads(j.communicate()[0].strip().splitlines()[-1]) for j in jobs]


def wait():
    "In such a process: say that everything is loaded, and wait to be let go"
    print('ready', flush=True); sys.stdin.readline()


def tell(**measured):
    "In such a process: print what was measured, and the most memory that it had"
    print('\n' + json.dumps(measured | dict(memory_mb=memory())), flush=True)


def ratios(sides, base, names):
    "attic against the other side"
    return dict(ratios={n: sides['attic'][n] / sides[base][n] for n in names})


def memory(): return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def by_precision(name):
    "The name of what depends on whether the processor has bfloat16"
    return name if precision('cpu') == 'bfloat16' else f'{name}-single'


def save(name, result):
    "Print a result, and keep it beside the scripts"
    path = Path(__file__).parent/f'{name}.json'
    path.write_text(json.dumps(result, indent=1) + '\n')
    print(path.read_text())
