"""Images a second, and memory, when features are computed: `python benchmarks/extraction.py FOLDER`

We compute features of the first 1,000 and 10,000 images of a folder, from an empty store, each in a process of its own,
with two threads and at the default size. Results go to `benchmarks/extraction.json`.
"""
import argparse, json, subprocess, sys, time
from pathlib import Path

import torch

from attic.data.decode import list_images
from attic.models.extraction import extract_files
from attic.models.features import load_features
from attic.store import fresh_cache
from machine import about, memory, save

THREADS = 2


def measure(folder, n):
    "Seconds, and megabytes at most, before and after"
    torch.set_num_threads(THREADS)
    net, files = load_features(), list(list_images(folder)[0].values())[:n]
    before = memory()
    with fresh_cache():
        start = time.perf_counter()
        extract_files(files, net)
        seconds = time.perf_counter() - start
    return dict(images=len(files), per_second=round(len(files)/seconds), before_mb=before, most_mb=memory())


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--images', default='1000,10000')
    p.add_argument('--one', action='store_true', help='measure here, and print')
    args = p.parse_args()
    if args.one: return print(json.dumps(measure(args.folder.resolve(), int(args.images))))
    again = [sys.executable, __file__, args.folder, '--one', '--images']
    rows = [json.loads(subprocess.check_output([*again, n], text=True)) for n in args.images.split(',')]
    save('extraction', dict(rows=rows, threads=THREADS, about=about()))


if __name__ == '__main__': main()
