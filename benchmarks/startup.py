"""How long attic takes to answer: `python benchmarks/startup.py`, or `--rounds 1 --dry` for a quick look.

Every command runs in a process of its own, one after the other, in rounds, so whatever else the machine does falls on
all of them alike. Reported are medians over the rounds: seconds by the clock, CPU seconds (user and system), and the
most memory that the process had. `import torch` is in the same rounds: no command that needs PyTorch can be faster.
`attic label` counts until its page has answered a request with the link that the server printed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.request import urlopen

from attic.app.cli import VERBS

CLI = [sys.executable, '-m', 'attic.app.cli']
LIMITS = {'import attic': (0.3, None), 'attic --help': (1, 150), 'attic label, until its page answers': (3, None)}
LIMITS |= {f'attic {verb} --help': (1, 150) for verb in VERBS}  # seconds, MB


def used(pid):
    "CPU seconds and peak memory in MB of a running process; `getrusage` would count the memory of this one, too."
    stat = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    peak = next((int(line.split()[1]) for line in lines if line.startswith('VmHWM')), 0)
    return (int(stat[11]) + int(stat[12])) / os.sysconf('SC_CLK_TCK'), peak / 1024


def watch(process, seen):
    "Note the peak memory of a process while it runs."
    while process.poll() is None:
        try: seen.append(used(process.pid)[1])
        except (OSError, IndexError): return
        time.sleep(0.01)


def once(command):
    "Run a command to its end."
    before, start, seen = os.times(), time.perf_counter(), []
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    watcher = threading.Thread(target=watch, args=(process, seen))
    watcher.start()
    errors = process.communicate()[1]
    seconds, after = time.perf_counter() - start, os.times()
    watcher.join()
    if process.returncode: raise RuntimeError(f'{command} failed: {errors.decode()}')
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return dict(seconds=seconds, cpu=cpu, memory=max(seen, default=0))


def label(folder):
    "Start the labelling page, and wait until it answers."
    start = time.perf_counter()
    command = [*CLI, 'label', folder, '--port', '0', '--no_browser']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        link = next(line.split()[-1] for line in process.stdout if line.strip().startswith('label '))
        with urlopen(link, timeout=60) as page: page.read()
        seconds = time.perf_counter() - start
        cpu, memory = used(process.pid)
    finally:
        process.kill()
        process.wait()
    return dict(seconds=seconds, cpu=cpu, memory=memory)


def make_batch(folder):
    "A small batch to label."
    code = ("import sys, torch; from attic.labels.batch import write_batch; "
            "a, b = torch.randint(0, 256, (2, 20, 3, 64, 64), dtype=torch.uint8); "
            "write_batch(sys.argv[1], a, b, 'masculine')")
    subprocess.run([sys.executable, '-c', code, folder], check=True)


def jobs(batch):
    "What is measured: name -> a function that measures it once."
    python = lambda code: lambda: once([sys.executable, '-c', code])
    attic = lambda *args: lambda: once([*CLI, *args])
    verbs = {f'attic {verb} --help': attic(verb, '--help') for verb in VERBS}
    statements = {'python -c pass': python('pass'), **{s: python(s) for s in ('import torch', 'import attic')}}
    served = {'attic label, until its page answers': lambda: label(batch)}
    return statements | {'attic --help': attic('--help')} | verbs | served


def median(measured):
    "Medians of several measurements."
    def middle(name): return statistics.median(m[name] for m in measured)
    seconds, cpu = round(middle('seconds'), 3), round(middle('cpu'), 3)
    return dict(seconds=seconds, cpu_seconds=cpu, memory_mb=round(middle('memory')))


def measure(rounds):
    "Medians of everything, over so many rounds after one that warms the disk's cache."
    with tempfile.TemporaryDirectory() as d:
        make_batch(f'{d}/batch')
        todo = jobs(f'{d}/batch')
        for job in todo.values(): job()
        measured = {name: [] for name in todo}
        for _ in range(rounds):
            for name, job in todo.items(): measured[name].append(job())
    return {name: median(m) for name, m in measured.items()}


def over(results):
    "What is slower or larger than it may be."
    for name, (seconds, megabytes) in LIMITS.items():
        r = results[name]
        if r['seconds'] > seconds: yield f"{name}: {r['seconds']} s, more than {seconds}"
        if megabytes and r['memory_mb'] > megabytes: yield f"{name}: {r['memory_mb']} MB, more than {megabytes}"


def hardware():
    "Where a number was measured, without importing PyTorch."
    cpu = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), '')
    return dict(cpu=cpu, cores=os.cpu_count(), load=round(os.getloadavg()[0], 1), python=sys.version.split()[0],
                date=time.strftime('%Y-%m-%d'))


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--dry', action='store_true', help='print only, keep the committed result')
    args = parser.parse_args()
    results, where = measure(args.rounds), hardware()
    print(f"{'':38} {'seconds':>8} {'CPU s':>7} {'MB':>6}")
    for name, r in results.items(): print(f"{name:38} {r['seconds']:8.2f} {r['cpu_seconds']:7.2f} {r['memory_mb']:6}")
    late = list(over(results))
    print('\n'.join(late) or 'all within their limits')
    whole = dict(benchmark='startup', rounds=args.rounds, results=results, over_limit=late, **where)
    if not args.dry: Path(__file__).with_suffix('.json').write_text(json.dumps(whole, indent=1) + '\n')
