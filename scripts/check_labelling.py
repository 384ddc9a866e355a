"""Use the labelling page in a real browser: `python scripts/check_labelling.py`.

First eight annotators at once load a server of their own (as `benchmarks/labelling.py` does with fifty): no answer may be lost or stored twice.
Then it starts the server on a batch of rendered faces, and goes through the page in headless Chromium as people do: with the mouse, with the keyboard, without JavaScript,
on a phone, in the dark, with the page reloaded and the server killed in between. Exits with 1 when something does not work. `--pictures FOLDER` also keeps pictures: the page, in the dark, on a phone, the end, the overview. `--figure FILE` only takes the paper's Fig. 10.

The browser's part needs `pip install playwright` and a Chromium: `$CHROMIUM`, or one that is on the path. Without one it says that it skipped
that part, and does not count it as failed. `.ci/run` runs it.
"""
import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin

from attic.batches import write_batch
from attic.core import PROFILES
from attic.datasets import domain_pairs, get_domain
from attic.labelling import AnswerStore, as_choice, export_answers, side_of

SERVER = "from attic.labelling import attic_label; attic_label({!r}, port={}, no_browser=True, rationale='required', code='THANKS42')"


sys.path.append(str(Path(__file__).resolve().parent.parent/'benchmarks'))
from labelling import load  # noqa: E402  (after the path to it)


def browser_path():
    "The browser's program, or None."
    names = [os.environ.get('CHROMIUM'), 'chromium', 'chromium-browser', 'google-chrome']
    return next((p for n in names if n and (p := shutil.which(n))), None)


def faces_batch(folder, n=12):
    "A batch of rendered faces, two of them with known answers."
    faces = get_domain('faces', PROFILES['smoke'])
    pairs, bank = domain_pairs(faces, 'masculine', 'train', n=n), faces.part('train')
    truth = [('less', 'equal', 'more')[int(2*t)] for t in pairs.target]
    return write_batch(folder, bank.images[pairs.a], bank.images[pairs.b], 'masculine', 'Which face is more masculine?', gold={i: truth[i] for i in (3, 8)}, repeats=2)


class Server:
    "A server process, which can be killed and started again on the same port."
    def __init__(self, folder): self.folder, self.port = folder, 0

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, '-c', SERVER.format(str(self.folder), self.port)], stdout=subprocess.PIPE, text=True)
        lines = {}
        for line in self.process.stdout:
            words = line.split()
            if len(words) > 1 and words[-1].startswith('http'): lines[words[0]] = words[-1]
            if line.startswith('answers'): break
        self.link, self.overview = lines['label'], lines['overview']
        self.port = int(re.search(r':(\d+)/', self.link)[1])
        return self

    def __exit__(self, *error): self.process.kill(); self.process.wait()


def by_mouse(page, choice=0, sure=0, why='a square jaw'):
    "Fill in a page by clicking, and send it."
    for card in page.locator('.card').all():
        card.locator('.choice .options label').nth(choice).click()
        card.locator('.sure label').nth(sure).click()
        card.locator('textarea').fill(why)
    page.locator('.send button').click()
    page.wait_for_load_state()


def by_keyboard(page, why='a longer chin'):
    "Fill in a page without a mouse, and send it."
    for i, _ in enumerate(page.locator('.card').all()):
        page.wait_for_timeout(900 if i == 0 else 250)  # people look before they answer
        page.keyboard.press('3')
        page.keyboard.press('s')
        page.keyboard.type(why)
        page.keyboard.press('Control+Enter')
    page.wait_for_timeout(100)
    page.keyboard.press('Control+Enter')
    page.wait_for_function("document.body.textContent.includes('Saved.') || document.body.textContent.includes('Thank you')")


def pairs_of(page):
    "The names of the pairs on a page."
    return [c.get_attribute('id') for c in page.locator('.card').all()]


class Check:
    "Says what works, and remembers what does not."
    def __init__(self): self.failed = 0

    def __call__(self, what, ok):
        print(('ok      ' if ok else 'FAILED  ') + what, flush=True)
        self.failed += not ok


def save(png, path, source=''):
    "Write a picture with 256 colours, and a line about where it comes from."
    about = PngImagePlugin.PngInfo()
    if source: about.add_text('Source', source)
    Image.open(io.BytesIO(png)).convert('RGB').quantize(256, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=about)


def keep(page, folder, name):
    "Keep a picture of a page."
    if folder: save(page.screenshot(), Path(folder)/name)


def look_and_answer(browser, server, check, pictures):
    "One annotator at a desk: mouse, reload, keyboard, gaps."
    errors = []
    context = browser.new_context(viewport=dict(width=1100, height=960))
    page = context.new_page()
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.on('request', lambda r: errors.append(r.url) if not r.url.startswith((f'http://127.0.0.1:{server.port}/', 'data:')) else None)
    page.goto(server.link)
    page.fill('#worker', 'ann')
    page.click('button')
    page.wait_for_load_state('load')
    check('the key is not in the address bar', 'key=' not in page.url)
    check('five pairs, all images shown', page.evaluate("[...document.images].filter(i => i.naturalWidth == 64).length") == 10)
    page.locator('.card').first.locator('.choice label').first.click()
    page.locator('.card').first.locator('.sure label').nth(1).click()
    keep(page, pictures, 'labelling_page.png')
    page.reload()
    first = pairs_of(page)
    check('a page without answers is not accepted, and says what is missing', (page.click('.send button'), page.locator('[role=alert]').inner_text())[1].count('Please') == 5)
    by_mouse(page)
    check('answered by mouse', len(export_answers(server.folder)) == 5)
    second = pairs_of(page)
    page.reload()
    check('a reload resumes where one was', pairs_of(page) == second and not set(first) & set(second))
    by_keyboard(page)
    answers = export_answers(server.folder).tail(5)
    check('answered by keyboard', len(export_answers(server.folder)) == 10 and set(answers.confidence) == {2} and set(answers.rationale) == {'a longer chin'})
    check('seconds are measured pair by pair', answers.seconds.gt(0).all() and answers.seconds.nunique() > 1)
    check('nothing from elsewhere, no error', not errors)
    return context, page


def resume(context, page, server, check, pictures):
    "The server is killed, and the same browser goes on; a second tab sends the same page."
    waiting = pairs_of(page)
    page.goto(page.url.split('?')[0])
    check('after kill -9 of the server the page goes on where it was', pairs_of(page) == waiting)
    other = context.new_page()
    other.goto(page.url)
    by_mouse(page)
    by_mouse(other, choice=1)
    check('a second tab stores nothing twice, and says so', len(export_answers(server.folder)) == 14 and 'had been sent before' in other.locator('main').inner_text())
    check('the completion code is shown', 'THANKS42' in page.locator('main').inner_text())
    keep(page, pictures, 'labelling_end.png')
    page.goto(server.overview)
    check('the overview shows one person and two downloads', page.locator('tbody tr').count() == 1 and page.locator('[download]').count() == 2)


def other_ways(browser, server, check, pictures):
    "A phone, the dark, and no JavaScript."
    phone = browser.new_context(viewport=dict(width=390, height=844), device_scale_factor=2, has_touch=True, is_mobile=True).new_page()
    phone.goto(server.link + '&worker=bob')
    phone.locator('.choice label').first.tap()
    keep(phone, pictures, 'labelling_phone.png')
    check('a phone needs no sideways scrolling', phone.evaluate('document.documentElement.scrollWidth <= innerWidth'))
    check('a finger has room on every choice', all(l.bounding_box()['height'] >= 36 for l in phone.locator('.card label:has(input)').all()))
    phone.set_viewport_size(dict(width=320, height=640))
    check('nor does the smallest one', phone.evaluate('document.documentElement.scrollWidth <= innerWidth'))
    dark = browser.new_context(viewport=dict(width=1100, height=960), color_scheme='dark').new_page()
    dark.goto(server.link + '&worker=cem')
    dark.keyboard.press('1')
    dark.keyboard.press('v')
    keep(dark, pictures, 'labelling_dark.png')
    check('dark where the reader wants it dark', sum(map(int, re.findall(r'\d+', dark.evaluate('getComputedStyle(document.body).backgroundColor'))[:3])) < 150)
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(server.link + '&worker=dee')
    before = len(export_answers(server.folder))
    by_mouse(plain)
    check('works without JavaScript', len(export_answers(server.folder)) == before + 5)
    check('and then promises no shortcuts', not plain.locator('kbd').first.is_visible())


def figure(browser, folder, path):
    "The paper's Fig. 10: a page of five pairs, as an annotator finds it."
    batch = faces_batch(folder)
    with Server(folder) as server:
        page = browser.new_page(viewport=dict(width=1000, height=2400))
        page.goto(server.link + '&worker=annotator')
        page.wait_for_load_state('networkidle')
        save(page.locator('main').screenshot(), path, f'the first page of batch {batch.id}, in Chromium {browser.version}')


def overview(browser, folder, pictures):
    "The overview after some invented people have answered: four who look, and one who always clicks left."
    batch = faces_batch(folder, 24)
    store, truth = AnswerStore(batch), dict(zip(batch.pairs.pair, ('more', 'less', 'less', 'equal', 'more')*6))
    truth |= {p: g for p, g in zip(batch.pairs.pair, batch.pairs.gold) if g} | {p: truth[r] for p, r in zip(batch.pairs.pair, batch.pairs.repeat_of) if r}
    for i, who in enumerate(('left', 'ann', 'bob', 'cem', 'dee')):
        worker = batch.pseudonym(who)
        store.give(worker)
        names = store.waiting(worker, 99)[:26 - 3*i]
        said = [as_choice('left', side_of(worker, p)) if who == 'left' else ('equal' if (n + i) % 11 == 0 else truth[p]) for n, p in enumerate(names)]
        store.add(worker, [dict(pair=p, choice=c, confidence=1 + n % 2, legible=1, rationale='', seconds=1.1 if who == 'left' else 4.5 + i + n % 3, side=side_of(worker, p)) for n, (p, c) in enumerate(zip(names, said))])
    store.close()
    with Server(folder) as server:
        page = browser.new_page(viewport=dict(width=1000, height=790))
        page.goto(server.overview)
        keep(page, pictures, 'labelling_overview.png')


def crowd(check, annotators=8, pairs=20):
    "Some annotators at once, a third of whose pages are sent twice."
    try: told = load(annotators, pairs, pause=1)
    except AssertionError as e: return check(f'{annotators} annotators at once: {e}', False)
    check(f"{annotators} annotators at once: {told['answers']} answers, none lost, none twice; {told['page']['server_ms']['median']} ms a page", told['answers'] == annotators * pairs)


def main(args):
    "All of it; returns the exit status."
    check = Check()
    if not args.figure: crowd(check)
    skipped = in_browser(check, args)
    if skipped: print(f'SKIPPED: the labelling page was NOT tried in a browser, since {skipped}')
    if args.figure: return 0
    print(f'{check.failed} failed' if check.failed else 'nothing else failed' if skipped else 'all work')
    return int(check.failed > 0)


def in_browser(check, args):
    "What only a browser shows; returns why it was skipped, or ''."
    try: from playwright.sync_api import sync_playwright
    except ImportError: return "Playwright is not installed. To try it: pip install -e '.[dev]'"
    if not browser_path(): return 'there is no Chromium on the path. To try it: install one, or set $CHROMIUM to its program'
    with tempfile.TemporaryDirectory() as d, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path(), args=['--no-sandbox'] if hasattr(os, 'geteuid') and os.geteuid() == 0 else [])
        if args.figure: return figure(browser, f'{d}/masculine', args.figure) or ''
        if args.pictures:
            Path(args.pictures).mkdir(parents=True, exist_ok=True)
            overview(browser, f'{d}/overview', args.pictures)
        server = Server(faces_batch(f'{d}/masculine').path)
        with server: desk = look_and_answer(browser, server, check, args.pictures)
        with server:
            resume(*desk, server, check, args.pictures)
            other_ways(browser, server, check, args.pictures)
        browser.close()
    return ''


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pictures', default='', help='a folder for pictures')
    parser.add_argument('--figure', default='', help='take only Fig. 10, into this file')
    sys.exit(main(parser.parse_args()))
