"""The labelling page under load: `python benchmarks/labelling.py`, or `--annotators 8 --pairs 20` for a quick look.

A real server process on loopback, and many annotators at once. Each goes through pages of five pairs as a browser
would: the page, its ten images the first time, the answers. `--pause` is how long an annotator looks at a page (people
take half a minute and more; 0 is as fast as it goes). Each third page is sent twice, as from two tabs. At the end the
database must hold exactly what was sent: nothing lost, nothing twice.

Then come the faults, each on a server of its own: it is killed in full flight and started again, two servers serve one
batch, the disk is full, another program holds the database, somebody sends endless headers, guesses keys, or opens a
thousand connections and says nothing. `--faults` does only these.

Server time is what the server says of itself (`Server-Timing`), from a request's arrival to its answer. Round trip is
what the annotator saw: it includes waiting for other requests, and server and annotators share the cores.
"""
import argparse, asyncio, json, os, random, re, resource, socket, sqlite3, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import httpx2, numpy as np, torch

from attic.labels.answers import export_answers
from attic.labels.batch import write_batch
from machine import about, memory, save

SERVER = """from attic.app.labelling import Options, serve
serve({!r}, port={}, options=Options(votes={}), no_browser=True)"""

FILES = 1024  # that a server may open, as on most machines; it can't get more


class Server:
    "A server process, which can be killed and started again on the same port."
    def __init__(self, folder, votes=5, port=0): self.folder, self.votes, self.port = folder, votes, port

    def __enter__(self):
        begin, lines = time.perf_counter(), {}
        command = [sys.executable, '-c', SERVER.format(str(self.folder), self.port, self.votes)]
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=few)
        for line in self.process.stdout:
            words = line.split()
            if len(words) > 1 and words[-1].startswith('http'): lines[words[0]] = words[-1]
            if line.startswith('answers'): break
        self.link, self.overview = lines['label'], lines['overview']
        self.base, self.port = self.link.split('/?')[0], int(re.search(r':(\d+)/', self.link)[1])
        with urlopen(self.link, timeout=60) as page: page.read()
        stat = Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        self.seconds = time.perf_counter() - begin
        self.cpu_seconds = (int(stat[11]) + int(stat[12])) / os.sysconf('SC_CLK_TCK')
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def memory(self, field='VmHWM'):
        "The most memory that the process had (`VmHWM`), or has now (`VmRSS`), in MB"
        return int(re.search(rf'{field}:\s+(\d+)', Path(f'/proc/{self.process.pid}/status').read_text())[1]) // 1024


def values(html, name):
    "What hidden fields of a page hold"
    return re.findall(rf'name="{name}" value="([^"]*)"', html)


async def ask(browser, times, kind, method, url, **options):
    "One request, sent again while nobody answers; appends its kind, the server's milliseconds and the annotator's"
    for wait in (0.1,) * 200:
        start = time.perf_counter()
        try: r = await browser.request(method, url, **options)
        except httpx2.TransportError: await asyncio.sleep(wait)
        else: break
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


async def annotate(link, number, pause, times, others=()):
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
            urls = [url] * (1 + (chance.random() < 1/3)) + [f'{other}/label' for other in others]
            pages = await asyncio.gather(*[ask(browser, times, 'page', 'POST', u, data=form) for u in urls])
            page = pages[-1]
            sent |= {f'{number} on {pair}': choice == 'illegible' for pair, choice in choices.items()}
    return sent


async def crowd(link, annotators, pause, times, others=()):
    "All annotators at once; returns what all of them sent"
    sent = {}
    for one in await asyncio.gather(*[annotate(link, n, pause, times, others) for n in range(annotators)]): sent |= one
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
    "Load a server; what was stored against what was sent, milliseconds, and the server's memory"
    with tempfile.TemporaryDirectory() as d:
        batch, times = noise_batch(f'{d}/load', pairs), []
        with Server(batch.path, annotators) as server:
            begin = time.perf_counter()
            sent = asyncio.run(crowd(server.link, annotators, pause, times))
            seconds = time.perf_counter() - begin
            memory = server.memory()
            with httpx2.Client(follow_redirects=True) as boss: boss.get(server.overview).raise_for_status()
            seen = server.memory()
        stored = export_answers(batch)
    assert len(sent) == annotators * pairs, (len(sent), annotators, pairs)
    out = dict(answers=len(stored), **compare(stored, sent), seconds=round(seconds, 1), requests=len(times),
               requests_per_second=round(len(times) / seconds), start_seconds=round(server.seconds, 2),
               start_cpu_seconds=server.cpu_seconds,
               server_memory_mb=memory, after_overview_mb=seen)
    for kind in ('first page', 'page', 'image'):
        server_ms, trip_ms = zip(*[ms for k, *ms in times if k == kind])
        out[kind] = dict(server_ms=summary(server_ms), round_trip_ms=summary(trip_ms))
    return out


# --- faults: each function returns what was found, and raises `AssertionError` for what must not be

def killed(annotators=20, pairs=35, kills=3):
    "`kill -9` while everybody sends, several times; what was acknowledged is there, once"
    with tempfile.TemporaryDirectory() as d, ThreadPoolExecutor(1) as pool:
        batch, times = noise_batch(f'{d}/killed', pairs), []
        server = Server(batch.path, annotators).__enter__()
        work = pool.submit(lambda: asyncio.run(crowd(server.link, annotators, 0, times)))
        for kill in range(1, kills + 1):
            while len(times) < kill * annotators * pairs / 5 and not work.done(): time.sleep(0.01)
            assert not work.done(), 'the crowd was done before the server was killed'
            server.__exit__()
            server = Server(batch.path, annotators, server.port).__enter__()
        sent = work.result()
        server.__exit__()
        stored = export_answers(batch)
    assert len(sent) == annotators * pairs, (len(sent), annotators, pairs)
    return dict(kills=kills, answers=len(stored), **compare(stored, sent))


def two_servers(annotators=10, pairs=35):
    "Two servers on one batch, and each page sent to both at once"
    with tempfile.TemporaryDirectory() as d:
        batch = noise_batch(f'{d}/two', pairs)
        with Server(batch.path, annotators) as one, Server(batch.path, annotators) as two:
            sent = asyncio.run(crowd(one.link, annotators, 0, [], [two.base]))
        stored = export_answers(batch)
    return dict(answers=len(stored), **compare(stored, sent))


@contextmanager
def visit(pairs=20, name='ann', **options):
    "A server, a browser that is signed in, and the form that it would send"
    with tempfile.TemporaryDirectory() as d, ExitStack() as stack:
        batch = noise_batch(f'{d}/visit', pairs)
        server = stack.enter_context(Server(batch.path, **options))
        browser = stack.enter_context(httpx2.Client(follow_redirects=True, timeout=60, base_url=server.base))
        page = browser.get(f'{server.link}&worker={name}')
        yield batch, server, browser, fill(page, dict.fromkeys(values(page.text, 'pair'), 'left'), name)


def full_disk():
    "No byte can be written: the form comes back as it was, and goes through when there is room again"
    with visit() as (batch, server, browser, form):
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, hard))
        full = browser.post('/label', data=form)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        half = len(export_answers(batch))
        later = browser.post('/label', data=form)
        stored = len(export_answers(batch))
    kept = full.text.count('checked')
    assert (full.status_code, half, later.status_code, stored, kept) == (503, 0, 200, 5, 10)
    return dict(status=full.status_code, stored_then=half, fields_kept=kept, stored_later=stored)


def milliseconds(get, n=50):
    "How long requests take, one after the other"
    times = []
    for _ in range(n):
        begin = time.perf_counter()
        get()
        times.append(1000 * (time.perf_counter() - begin))
    return summary(times) | dict(max=round(max(times), 1))


def locked():
    "Another program holds the database: reading goes on, sending waits two seconds and says so"
    with visit() as (batch, server, browser, form):
        with closing(sqlite3.connect(batch.path/'answers.sqlite', isolation_level=None)) as other:
            other.execute('BEGIN IMMEDIATE')
            with ThreadPoolExecutor(50) as pool: # fifty people send at once, and one reads
                waiting = [pool.submit(browser.post, '/label', data=form) for _ in range(50)]
                time.sleep(0.2)
                read = milliseconds(lambda: browser.get('/label').raise_for_status(), 20)
                posts = [w.result() for w in waiting]
            other.execute('ROLLBACK')
        again = browser.post('/label', data=form)
    slowest = max(post.elapsed.total_seconds() for post in posts)
    assert {post.status_code for post in posts} == {503} and again.status_code == 200, again.status_code
    return dict(page_ms=read, post_seconds=round(slowest, 1), posts=len(posts))


def removed():
    "The database is moved away: nothing is acknowledged; put back, it goes on"
    with visit() as (batch, server, browser, form):
        path = batch.path/'answers.sqlite'
        path.rename(f'{path}.old')
        gone = browser.post('/label', data=form).status_code
        Path(f'{path}.old').rename(path)
        later = browser.post('/label', data=form).status_code
        stored = len(export_answers(batch))
    assert (gone, later, stored) == (503, 200, 5), (gone, later, stored)
    return dict(status=gone, stored_later=stored)


def endless_headers(most=1_000_000_000):
    "One connection, and no end of headers"
    with visit() as (batch, server, browser, form):
        before, begin, sent = server.memory('VmRSS'), time.perf_counter(), 0
        with socket.create_connection(('127.0.0.1', server.port)) as sock:
            sock.sendall(b'GET / HTTP/1.1\r\n')
            try:
                while sent < most: sent += sock.send(b'x-more: ' + b'x'*60_000 + b'\r\n')
            except ConnectionError: pass
        seconds, more = time.perf_counter() - begin, server.memory('VmRSS') - before
        browser.get('/label').raise_for_status()
    assert sent < most and more < 20, (sent, more)
    return dict(taken_mb=round(sent / 1e6, 1), seconds=round(seconds, 2), more_memory_mb=more)


def allow_files(wanted=4096):
    "Let this process open as many connections as the attacks need"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted: resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def half_open(connections):
    "Connections that send half of their headers, and what everybody else waits meanwhile"
    allow_files()
    with visit() as (batch, server, browser, form), ExitStack() as stack:
        for _ in range(connections):
            sock = stack.enter_context(socket.create_connection(('127.0.0.1', server.port)))
            sock.sendall(b'GET / HTTP/1.1\r\nhost: 127')
        fresh = milliseconds(lambda: urlopen(server.link, timeout=60).read())
        known = milliseconds(lambda: browser.get('/label').raise_for_status())
        memory = server.memory()
    return dict(new_connection_ms=fresh, page_ms=known, server_memory_mb=memory)


async def arrive(link, people, guesses):
    "Statuses of people who come with the right link, while somebody guesses from the same address"
    async with httpx2.AsyncClient(timeout=60) as eve, httpx2.AsyncClient(timeout=60) as door:
        wrong = [eve.get(link.split('key=')[0] + f'key=guess{n}') for n in range(guesses)]
        right = [door.get(f'{link}&worker=person{n}') for n in range(people)]
        found = [r.status_code for r in await asyncio.gather(*wrong, *right)]
        return found[:guesses], found[guesses:]


def one_address(people=300, guesses=500):
    "Three hundred people behind one address, and a guesser among them"
    with visit() as (batch, server, browser, form):
        wrong, right = asyncio.run(arrive(server.link, people, guesses))
        mine = browser.get(server.overview).status_code
    assert set(wrong) == {403, 429} and set(right) == {303} and mine == 200, (set(wrong), set(right), mine)
    return dict(people=people, refused=0, guesses=guesses, guesses_slowed=wrong.count(429))


def faults():
    "All faults, one after the other"
    jobs = dict(killed=killed, two_servers=two_servers, full_disk=full_disk, locked=locked, removed=removed,
                endless_headers=endless_headers, half_open_300=lambda: half_open(300),
                half_open_1100=lambda: half_open(1100), one_address=one_address)
    found = {}
    for name, job in jobs.items():
        found[name] = job()
        print(name, found[name], flush=True)
    return found


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--annotators', type=int, default=50)
    parser.add_argument('--pairs', type=int, default=40)
    parser.add_argument('--pause', type=float, default=5, help='mean seconds that an annotator looks at a page')
    parser.add_argument('--faults', action='store_true', help='only the faults, printed and not kept')
    parser.add_argument('--dry', action='store_true', help='print only, keep the committed result')
    args = parser.parse_args()
    if args.faults: sys.exit(not faults())
    settings = dict(annotators=args.annotators, pairs=args.pairs, pause=args.pause)
    result = dict(benchmark='labelling', **settings) | load(**settings)
    result['without a pause'] = load(args.annotators, args.pairs, 0)
    result['faults'] = faults()
    if args.dry: print(json.dumps(result, indent=1))
    else: save('labelling', result | about() | dict(memory_mb=memory(), load=round(os.getloadavg()[0], 1)))
