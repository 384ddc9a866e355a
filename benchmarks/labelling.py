"""The labelling page under load: `python benchmarks/labelling.py`, or `--annotators 8 --pairs 20` for a quick look.

A real server process on loopback, and many annotators at once. Each goes through pages of five pairs as a browser
would: the page, its ten images the first time, the answers. `--pause` is how long an annotator looks at a page (people
take half a minute and more; 0 is as fast as it goes). Each third page is sent twice, as from two tabs. At the end the
database must hold exactly what was sent: nothing lost, nothing twice.

Server time is what the server says of itself (`Server-Timing`), from a request's arrival to its answer. Round trip is
what the annotator saw: it includes waiting for other requests, and server and annotators share the cores.
"""
import argparse, asyncio, json, random, re, subprocess, sys, tempfile, time

import httpx2, numpy as np, torch

from attic.labels.answers import export_answers
from attic.labels.batch import write_batch
from machine import about, memory, save

SERVER = """from attic.app.labelling import Options, serve
serve({!r}, port=0, options=Options(votes={}), no_browser=True)"""


def start(folder, votes):
    "A server process, and the link that it prints"
    command = [sys.executable, '-c', SERVER.format(str(folder), votes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, next(line.split()[-1] for line in process.stdout if line.strip().startswith('label '))


def values(html, name):
    "What hidden fields of a page hold"
    return re.findall(rf'name="{name}" value="([^"]*)"', html)


async def ask(browser, times, kind, method, url, **options):
    "One request; appends its kind, the server's milliseconds and the annotator's to `times`"
    start = time.perf_counter()
    r = await browser.request(method, url, **options)
    r.raise_for_status()
    server_ms = sum(float(x.headers['server-timing'].split('dur=')[1]) for x in [*r.history, r])
    times.append((kind, server_ms, 1000*(time.perf_counter() - start)))
    return r


def fill(page, choices, number):
    "The form that an annotator sends: a choice for each pair, and a rationale that nobody else gives"
    form = dict(pair=list(choices), token=values(page.text, 'token'))
    for pair, choice in choices.items():
        form |= {f'choice-{pair}': choice, f'confidence-{pair}': '2', f'rationale-{pair}': f'{number} on {pair}'}
    return form


async def annotate(link, number, pause, times):
    "One annotator, from the link to the end; returns what was sent: rationale -> whether it was called unclear"
    sent, chance = {}, random.Random(number)
    async with httpx2.AsyncClient(follow_redirects=True, timeout=60) as browser:
        page = await ask(browser, times, 'first page', 'GET', f'{link}&worker=annotator{number}')
        while pairs := values(page.text, 'pair'):
            for src in re.findall(r'src="(/images/[^"]+)"', page.text):
                await ask(browser, times, 'image', 'GET', str(page.url.join(src)))
            await asyncio.sleep(pause * chance.uniform(0.5, 1.5))
            choices = {pair: chance.choice(('left', 'equal', 'right', 'illegible')) for pair in pairs}
            url, form = str(page.url.join('/label')), fill(page, choices, number)
            tabs = range(1 + (chance.random() < 1/3))
            pages = await asyncio.gather(*[ask(browser, times, 'page', 'POST', url, data=form) for _ in tabs])
            page = pages[-1]
            sent |= {f'{number} on {pair}': choice == 'illegible' for pair, choice in choices.items()}
    return sent


async def crowd(link, annotators, pause, times):
    "All annotators at once; returns what all of them sent"
    sent = {}
    for one in await asyncio.gather(*[annotate(link, n, pause, times) for n in range(annotators)]): sent |= one
    return sent


def summary(values):
    "Median and 95th percentile"
    return dict(median=round(float(np.median(values)), 1), p95=round(float(np.percentile(values, 95)), 1))


def noise_batch(folder, pairs):
    "A batch of random images"
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2*pairs, 3, 64, 64), dtype=torch.uint8, generator=rng)
    return write_batch(folder, images[:pairs], images[pairs:], 'masculine')


def compare(stored, sent):
    "How many answers are lost, and how many stored twice; raise `AssertionError` unless exactly what was sent is there"
    lost, twice = len(set(sent) - set(stored.rationale)), int(stored.duplicated(['worker', 'pair']).sum())
    assert len(stored) == len(sent) and not lost and not twice, (len(stored), len(sent), lost, twice)
    assert all(sent[r] == (not legible) for r, legible in zip(stored.rationale, stored.legible))
    return dict(lost=lost, twice=twice)


def load(annotators, pairs, pause):
    "Load a server; what was stored against what was sent, and milliseconds"
    with tempfile.TemporaryDirectory() as d:
        batch, times = noise_batch(f'{d}/load', pairs), []
        process, link = start(batch.path, annotators)
        try:
            begin = time.perf_counter()
            sent = asyncio.run(crowd(link, annotators, pause, times))
            seconds = time.perf_counter() - begin
        finally:
            process.kill()
            process.wait()
        stored = export_answers(batch)
    assert len(sent) == annotators * pairs, (len(sent), annotators, pairs)
    out = dict(answers=len(stored), **compare(stored, sent), seconds=round(seconds, 1), requests=len(times))
    for kind in ('first page', 'page', 'image'):
        server_ms, trip_ms = zip(*[ms for k, *ms in times if k == kind])
        out[kind] = dict(server_ms=summary(server_ms), round_trip_ms=summary(trip_ms))
    return out


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--annotators', type=int, default=50)
    parser.add_argument('--pairs', type=int, default=40)
    parser.add_argument('--pause', type=float, default=5, help='mean seconds that an annotator looks at a page')
    parser.add_argument('--dry', action='store_true', help='print only, keep the committed result')
    args = parser.parse_args()
    settings = dict(annotators=args.annotators, pairs=args.pairs, pause=args.pause)
    result = dict(benchmark='labelling', **settings) | load(**settings)
    if args.dry: print(json.dumps(result, indent=1))
    else: save('labelling', result | about() | dict(memory_mb=memory()))
