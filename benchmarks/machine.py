"What benchmarks share: the machine, its peak, and where results go"
import json, os, platform, resource, time
from pathlib import Path

import torch


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
    cpu = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), platform.processor())
    return dict(cpu=cpu, cores=os.cpu_count(), peak_gflops_per_core=round(peak() / 1e9), torch=torch.__version__, date=time.strftime('%Y-%m-%d'))


def save(name, result):
    "Print a result, and keep it beside the scripts"
    result['memory_mb'] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    path = Path(__file__).parent/f'{name}.json'
    path.write_text(json.dumps(result, indent=1) + '\n')
    print(path.read_text())
