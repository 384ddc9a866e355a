"""The labelling page under load: `python benchmarks/labelling.py`, or `--annotators 8 --pairs 20` for a quick look.

A real server process on loopback, and so many annotators at once, each of whom goes through pages of five pairs as a browser would: the page, its
ten images the first time, the answers. `--pause` is how long an annotator looks at a page (people take half a minute and more; 0 is as fast as
it goes). Every third page is sent twice, as from two tabs. At the end the database must hold exactly what was sent: nothing lost, nothing twice.

Server time is what the server says of itself (`Server-Timing`), from a request's arrival to its answer; round trip is what the annotator saw,
with the waiting for other requests, and with the two cores shared between the server and those who load it.
"""
import argparse, asyncio, json, random, re, subprocess, sys, tempfile, time
from pathlib import Path

import httpx2, numpy as np, torch

from attic.batches import write_batch
from attic.labelling import export_answers
from machine import about, memory, save

SERVER = "from attic.labelling import attic_label; attic_label({!r}, port=0, no_browser=True, votes={})"


def serve(folder, votes):
    "A server process, and the link that it prints"
    p = subprocess.Popen([sys.executable, '-c', SERVER.format(str(folder), votes)], stdout=subprocess.PIPE, text=True)
    return p, next(line.split()[-1] for line in p.stdout if line.strip().startswith('label '))


def values(html, name):
    "What hidden fields of a page hold"
    return [m[1] or m[2] for m in re.finditer(rf'name="{name}" value="([^"]*)"|value="([^"]*)" name="{name}"', html)]


async def annotate(link, number, pause, times):
    "One annotator, from the link to the end; returns what was sent"
    sent, chance = {}, random.Random(number)
    async with httpx2.AsyncClient(follow_redirects=True, timeout=60) as browser:
        async def ask(kind, method, url, **how):
            start = time.perf_counter()
            r = await browser.request(method, url, **how)
            r.raise_for_status()
            times.append((kind, sum(float(x.headers['server-timing'].split('dur=')[1]) for x in [*r.history, r]), 1000*(time.perf_counter() - start)))
            return r
        page = await ask('first page', 'GET', f'{link}&worker=annotator{number}')
        while values(page.text, 'pair'):
            images = re.findall(r'src="(/images/[^"]+)"', page.text)
            for src in images: await ask('image', 'GET', str(page.url.join(src)))
            await asyncio.sleep(pause * chance.uniform(0.5, 1.5))
            pairs = values(page.text, 'pair')
            said = {p: chance.choice(('left', 'equal', 'right', 'illegible')) for p in pairs}
            form = {'pair': pairs, 'token': values(page.text, 'token')} | {f'choice-{p}': s for p, s in said.items()} | {f'confidence-{p}': '2' for p in pairs} | {f'rationale-{p}': f'{number} on {p}' for p in pairs}
            twice = [ask('page', 'POST', str(page.url.join('/label')), data=form) for _ in range(1 + (chance.random() < 1/3))]
            page = (await asyncio.gather(*twice))[-1]
            sent |= {(f'{number} on {p}'): s == 'illegible' for p, s in said.items()}
    return sent


async def crowd(link, annotators, pause, times):
    "All annotators at once"
    done = await asyncio.gather(*[annotate(link, n, pause, times) for n in range(annotators)])
    return {k: v for one in done for k, v in one.items()}


def load(annotators, pairs, pause):
    "Load a server; what was stored against what was sent, and milliseconds"
    with tempfile.TemporaryDirectory() as d:
        images = torch.randint(0, 256, (2*pairs, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        batch, times = write_batch(f'{d}/load', images[:pairs], images[pairs:], 'masculine'), []
        server, link = serve(batch.path, annotators)
        try:
            start = time.perf_counter()
            sent = asyncio.run(crowd(link, annotators, pause, times))
            seconds = time.perf_counter() - start
        finally: server.kill(); server.wait()
        stored = export_answers(batch)
    lost, twice = len(set(sent) - set(stored.rationale)), int(stored.duplicated(['worker', 'pair']).sum())
    assert len(stored) == len(sent) == annotators * pairs and not lost and not twice, (len(stored), len(sent), lost, twice)
    assert all(sent[r] == (not ok) for r, ok in zip(stored.rationale, stored.legible))
    out = dict(answers=len(stored), lost=lost, twice=twice, seconds=round(seconds, 1), requests=len(times))
    for kind in ('first page', 'page', 'image'):
        server_ms, trip = (np.array([t[i] for t in times if t[0] == kind]) for i in (1, 2))
        out[kind] = dict(server_ms=dict(median=round(float(np.median(server_ms)), 1), p95=round(float(np.percentile(server_ms, 95)), 1)), round_trip_ms=dict(median=round(float(np.median(trip)), 1), p95=round(float(np.percentile(trip, 95)), 1)))
    return out


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--annotators', type=int, default=50)
    parser.add_argument('--pairs', type=int, default=40)
    parser.add_argument('--pause', type=float, default=5, help='mean seconds that an annotator looks at a page')
    parser.add_argument('--dry', action='store_true', help='print only, keep the committed result')
    args = parser.parse_args()
    result = dict(benchmark='labelling', annotators=args.annotators, pairs=args.pairs, pause=args.pause, **load(args.annotators, args.pairs, args.pause))
    if args.dry: print(json.dumps(result, indent=1))
    else: save('labelling', result | about() | dict(memory_mb=memory()))
