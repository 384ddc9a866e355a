"""Five minutes with `attic sort`, as a person spends them: `python benchmarks/five_minutes.py FOLDER`

FOLDER has `strengths.csv` (see nbs/data/04_folder.ipynb). For each attribute we start `attic sort` on 300 random images
of it, with an empty cache. A simulated person opens the page, takes `--seconds-each` for an answer, and errs as people
do (`--noise`, see nbs/labels/08_votes.ipynb). Five minutes after the start we press Ctrl+C, and compare `order.csv`
with the truth: over all pairs, and over those more than 0.3 standard deviations apart. Several attributes run at the
same time. Results go to `benchmarks/five_minutes.json`.
"""
import argparse, hashlib, shutil, signal, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from attic.config import CROWDS
from attic.data.folder import read_strengths
from attic.models.order import order_accuracy
from folder_size import Visitor, start_sort
from machine import save
from startup import hardware

IMAGES, SECONDS = 300, 300


def sort_for(seconds, folder, out, truth, seconds_each, noise):
    "Seconds until the first pair, and the number of answers"
    start, g, n = time.perf_counter(), np.random.default_rng(0), 0
    process, link = start_sort(folder, out)
    visitor = Visitor(link)
    while not (queue := visitor.state()['queue']): time.sleep(.05)
    first = time.perf_counter() - start
    while time.perf_counter() + seconds_each < start + seconds:
        time.sleep(seconds_each)
        a, b = truth[queue[0]['a']], truth[queue[0]['b']]
        queue, n = visitor.answer(queue[0], 'more' if a - b + g.logistic(0, noise) > 0 else 'less'), n + 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    return dict(first_pair=round(first, 1), answers=n)


def measure(files, strengths, attribute, seconds_each, noise):
    "One attribute"
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch)/'photos', Path(scratch)/'sorted'
        folder.mkdir()
        for f in files: shutil.copy(f, folder)
        strengths = pd.Series(strengths/strengths.std(), [f.name for f in files])
        truth = {hashlib.sha256(f.read_bytes()).hexdigest()[:32]: strengths[f.name] for f in files}
        told = sort_for(SECONDS, folder, out, truth, seconds_each, noise)
        order = pd.read_csv(out/'word'/'order.csv')
    true = strengths[order.file].to_numpy()
    shares = {name: round(order_accuracy(order.strength.to_numpy(), true, gap), 4)
              for name, gap in (('all', 0.), ('apart', .3))}
    return dict(attribute=attribute) | told | dict(images=len(order)) | shares


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--attributes', default='young,masculine,smiling')
    p.add_argument('--seconds-each', type=float, default=3., help='seconds for an answer')
    p.add_argument('--noise', type=float, default=CROWDS['fitted'].noise, help='of the person, in standard deviations')
    args = p.parse_args()
    strengths, paths = read_strengths(args.folder, args.attributes)
    chosen = np.random.default_rng(0).permutation(len(paths))[:IMAGES]
    files = [paths[k] for k in chosen]
    options = dict(seconds_each=args.seconds_each, noise=args.noise)
    def measured(attribute): return measure(files, strengths[attribute].to_numpy()[chosen], attribute, **options)
    with ThreadPoolExecutor(8) as pool: rows = list(pool.map(measured, args.attributes.split(',')))
    save('five_minutes', dict(rows=rows, seconds=SECONDS) | options | hardware())


if __name__ == '__main__': main()
