"""What `attic sort` takes for a small folder and a large one: `python benchmarks/folder_size.py FOLDER`

We sort the first 300, 5,000 and 50,000 images of a folder, each in a server and a cache of its own, from nothing. A
visitor answers from the first pair on, while images are still being read, and goes on when all are. Measured are:

- seconds until there is a page, a first pair, and the whole folder
- milliseconds until an answer is confirmed and the next pairs are known, while we read and after (medians)
- milliseconds of a fit (the last one), and the largest memory that the server had

Results go to `benchmarks/folder_size.json`, or with `--dry` only to the terminal.
"""
import argparse, os, re, shutil, subprocess, sys, tempfile, time
from pathlib import Path
from statistics import median

import httpx

from attic.data.decode import list_images
from machine import save
from startup import hardware, used

SIZES = '300,5000,50000'
ANSWERS = 100 # after everything was read
EVERY = 2. # seconds between answers while we read


class Visitor:
    "Somebody who answers the page of `attic sort`"
    def __init__(self, link):
        self.base, self.times = link.split('/?')[0], []
        self.http = httpx.Client(follow_redirects=True, timeout=600)
        self.token = re.search('data-token="([^"]+)"', self.http.get(link).text)[1]

    def state(self): return self.http.get(f'{self.base}/state').json()

    def answer(self, pair, choice):
        "Answer a pair; returns the next ones"
        form = dict(token=self.token, word='word', ticket=pair['ticket'], choice=choice, seconds='1')
        start = time.perf_counter()
        reply = self.http.post(f'{self.base}/answer', data=form | dict(client=f'client-{time.time_ns()}'))
        self.times.append(1000*(time.perf_counter() - start))
        return reply.raise_for_status().json()['queue']


def start_sort(folder, out):
    "A server of its own, with an empty cache: process, and link to its page"
    command = [sys.executable, '-m', 'attic.app.cli', 'sort', folder, 'word', '--out', out, '--port', '0']
    process = subprocess.Popen([*command, '--no-browser'], stdout=subprocess.PIPE, text=True,
                               env=os.environ | dict(ATTIC_CACHE=f'{out}/cache'))
    return process, re.search(r'http\S+', process.stdout.readline())[0]


def by_name(pair): return 'more' if pair['a'] < pair['b'] else 'less' # has nothing to do with pictures


def visit(link, process, start):
    "Answer until everything is read, then `ANSWERS` times more"
    visitor = Visitor(link)
    found = dict(page=time.perf_counter() - start)
    while (state := visitor.state())['folder']['stage'] not in ('ready', 'failed'):
        if state['queue']:
            found.setdefault('first_pair', time.perf_counter() - start)
            visitor.answer(state['queue'][0], by_name(state['queue'][0]))
        time.sleep(EVERY if state['queue'] else .05)
    if error := state['folder']['error']: raise SystemExit(error)
    found |= dict(all_read=time.perf_counter() - start, answers_while_reading=len(visitor.times))
    found.setdefault('first_pair', found['all_read'])
    reading, visitor.times = visitor.times, []
    queue = visitor.state()['queue']
    for _ in range(ANSWERS): queue = visitor.answer(queue[0], by_name(queue[0]))
    while (learnt := visitor.state()['learnt'])['busy']: time.sleep(.05)
    return found | dict(ms_while_reading=median(reading) if reading else None, ms_after=median(visitor.times),
                        ms_worst=max(visitor.times), ms_fit=learnt['ms'], memory_mb=used(process.pid)[1],
                        images=learnt['of'], answers=learnt['n'])


def measure(files):
    "A server of its own for these images"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)/'images'
        folder.mkdir()
        for i, f in enumerate(files): shutil.copy(f, folder/f'{i:06}{f.suffix}')
        start = time.perf_counter()
        process, link = start_sort(folder, f'{scratch}/sorted')
        try: return visit(link, process, start)
        finally:
            process.kill()
            process.wait()


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path, help='with images, at any depth')
    p.add_argument('--sizes', default=SIZES, help='how many images to sort, separated by commas')
    p.add_argument('--dry', action='store_true', help='print only, keep the committed result')
    args = p.parse_args()
    files, results = list(list_images(args.folder.resolve())[0].values()), []
    for n in map(int, args.sizes.split(',')):
        if n > len(files): raise SystemExit(f'{args.folder} has {len(files):,} images, not {n:,}')
        results.append({k: v and round(v, 1) for k, v in measure(files[:n]).items()})
        print(results[-1], flush=True)
    if not args.dry: save('folder_size', dict(results=results, every=EVERY, **hardware()))


if __name__ == '__main__': main()
