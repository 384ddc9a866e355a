"""Use the labelling page in a real browser: `python scripts/check_labelling.py`.

First eight annotators load a server of their own (as `benchmarks/labelling.py` does with fifty): no answer may be lost
or stored twice. Then the script starts the server on a batch of rendered faces, and goes through the page in headless
Chromium as people do: with the mouse, with the keyboard, without JavaScript, on a phone, in the dark, after a reload,
and after it has killed the server. It exits with 1 when something doesn't work. `--pictures FOLDER` also keeps
pictures: the page, in the dark, on a phone, the end, the overview. `--figure FILE` only takes the paper's Fig. 10.

The browser's part needs `pip install playwright` and a Chromium: `$CHROMIUM`, or one on the path. Without one the
script says that it skipped that part, and doesn't count it as failed. `.ci/run` runs it.
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

from attic.config import PROFILES
from attic.data.dataset import dataset_pairs
from attic.data.sources import get_dataset
from attic.labels.answers import AnswerStore, as_choice, export_answers, side_of
from attic.labels.batch import write_batch

sys.path.append(str(Path(__file__).resolve().parent.parent/'benchmarks'))
from labelling import load  # noqa: E402  (after the path to it)

SERVER = """from attic.app.labelling import Options, serve
serve({!r}, port={}, options=Options(rationale='required', code='THANKS42'), no_browser=True)"""


def browser_path():
    "The browser's program, or None."
    names = [os.environ.get('CHROMIUM'), 'chromium', 'chromium-browser', 'google-chrome']
    return next((p for n in names if n and (p := shutil.which(n))), None)


def faces_batch(folder, n=12):
    "A batch of rendered faces, two of them with known answers."
    faces = get_dataset('faces', PROFILES['smoke'])
    pairs, images = dataset_pairs(faces, 'masculine', 'train', n=n), faces.part('train').images
    truth = [('less', 'equal', 'more')[int(2*t)] for t in pairs.target]
    return write_batch(folder, images[pairs.a], images[pairs.b], 'masculine', 'Which face is more masculine?',
                       gold={i: truth[i] for i in (3, 8)}, repeats=2, secret='00'*16)  # the same pages each time


class Server:
    "A server process, which can be killed and started again on the same port."
    def __init__(self, folder): self.folder, self.port = folder, 0

    def __enter__(self):
        command = [sys.executable, '-c', SERVER.format(str(self.folder), self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = {}
        for line in self.process.stdout:
            words = line.split()
            if len(words) > 1 and words[-1].startswith('http'): lines[words[0]] = words[-1]
            if line.startswith('answers'): break
        self.link, self.overview = lines['label'], lines['overview']
        self.port = int(re.search(r':(\d+)/', self.link)[1])
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()


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
    page.wait_for_function("/Saved\\.|Thank you/.test(document.body.textContent)")


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
    image = Image.open(io.BytesIO(png)).convert('RGB').quantize(256, dither=Image.Dither.NONE)
    image.save(path, optimize=True, pnginfo=about)


def keep(page, folder, name):
    "Keep a picture of a page."
    if folder: save(page.screenshot(), Path(folder)/name)


def watch(page, server):
    "Errors on a page, and requests to anywhere but the server; the list grows"
    errors, home = [], (f'http://127.0.0.1:{server.port}/', 'data:')
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.on('request', lambda r: errors.append(r.url) if not r.url.startswith(home) else None)
    return errors


def answers_of(server):
    "What the server has stored."
    return export_answers(server.folder)


def sign_in(page, server, check):
    "From the link to the first page of pairs."
    page.goto(server.link)
    page.fill('#worker', 'ann')
    page.click('button')
    page.wait_for_load_state('load')
    check('the key is not in the address bar', 'key=' not in page.url)
    loaded = page.evaluate('[...document.images].filter(i => i.naturalWidth == 64).length')
    check('five pairs, all images shown', loaded == 10)


def desk_visit(browser, server, check, pictures):
    "One annotator at a desk: mouse, reload, keyboard, gaps; returns the browser's context and the page"
    context = browser.new_context(viewport=dict(width=1100, height=960))
    page = context.new_page()
    errors = watch(page, server)
    sign_in(page, server, check)
    page.locator('.card').first.locator('.choice label').first.click()
    page.locator('.card').first.locator('.sure label').nth(1).click()
    keep(page, pictures, 'labelling_page.png')
    page.reload()
    first = pairs_of(page)
    page.click('.send button')
    gaps = page.locator('[role=alert]').inner_text().count('Please')
    check('a page without answers is not accepted, and says what is missing', gaps == 5)
    by_mouse(page)
    check('answered by mouse', len(answers_of(server)) == 5)
    second = pairs_of(page)
    page.reload()
    check('a reload resumes where one was', pairs_of(page) == second and not set(first) & set(second))
    by_keyboard(page)
    answers = answers_of(server).tail(5)
    typed = set(answers.confidence) == {2} and set(answers.rationale) == {'a longer chin'}
    check('answered by keyboard', len(answers_of(server)) == 10 and typed)
    check('seconds are measured pair by pair', answers.seconds.gt(0).all() and answers.seconds.nunique() > 1)
    check('nothing from elsewhere, no error', not errors)
    return context, page


def resume(context, page, server, check, pictures):
    "The server was killed, and the same browser goes on; a second tab sends the same page."
    waiting = pairs_of(page)
    page.goto(page.url.split('?')[0])
    check('after kill -9 of the server the page goes on where it was', pairs_of(page) == waiting)
    other = context.new_page()
    other.goto(page.url)
    by_mouse(page)
    by_mouse(other, choice=1)
    noticed = 'had been sent before' in other.locator('main').inner_text()
    check('a second tab stores nothing twice, and says so', len(answers_of(server)) == 14 and noticed)
    check('the completion code is shown', 'THANKS42' in page.locator('main').inner_text())
    keep(page, pictures, 'labelling_end.png')
    page.goto(server.overview)
    rows, downloads = page.locator('tbody tr').count(), page.locator('[download]').count()
    check('the overview shows one person and two downloads', (rows, downloads) == (1, 2))


def on_a_phone(browser, server, check, pictures):
    "Touch, and a narrow screen."
    size = dict(width=390, height=844)
    context = browser.new_context(viewport=size, device_scale_factor=2, has_touch=True, is_mobile=True)
    phone = context.new_page()
    phone.goto(server.link + '&worker=bob')
    phone.locator('.choice label').first.tap()
    keep(phone, pictures, 'labelling_phone.png')
    fits = 'document.documentElement.scrollWidth <= innerWidth'
    check('a phone needs no sideways scrolling', phone.evaluate(fits))
    heights = [label.bounding_box()['height'] for label in phone.locator('.card label:has(input)').all()]
    check('a finger has room on every choice', min(heights) >= 36)
    phone.set_viewport_size(dict(width=320, height=640))
    check('nor does the smallest one', phone.evaluate(fits))


def in_the_dark(browser, server, check, pictures):
    "A reader who prefers dark pages."
    dark = browser.new_context(viewport=dict(width=1100, height=960), color_scheme='dark').new_page()
    dark.goto(server.link + '&worker=cem')
    dark.keyboard.press('1')
    dark.keyboard.press('v')
    keep(dark, pictures, 'labelling_dark.png')
    background = dark.evaluate('getComputedStyle(document.body).backgroundColor')
    check('dark where the reader wants it dark', sum(map(int, re.findall(r'\d+', background)[:3])) < 150)


def without_javascript(browser, server, check):
    "A browser that runs no scripts."
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(server.link + '&worker=dee')
    before = len(answers_of(server))
    by_mouse(plain)
    check('works without JavaScript', len(answers_of(server)) == before + 5)
    check('and then promises no shortcuts', not plain.locator('kbd').first.is_visible())


def figure(browser, folder, path):
    "The paper's Fig. 10: a page of five pairs, as an annotator finds it."
    batch = faces_batch(folder)
    with Server(folder) as server:
        page = browser.new_page(viewport=dict(width=1000, height=2400))
        page.goto(server.link + '&worker=annotator')
        page.wait_for_load_state('networkidle')
        source = f'the first page of batch {batch.id}, in Chromium {browser.version}'
        save(page.locator('main').screenshot(), path, source)


def invented_truth(batch):
    "Answers that the invented people of `overview` agree on: pair -> choice."
    truth = dict(zip(batch.pairs.pair, ('more', 'less', 'less', 'equal', 'more')*6))
    for row in batch.pairs.itertuples():
        if row.gold: truth[row.pair] = row.gold
        if row.repeat_of: truth[row.pair] = truth[row.repeat_of]
    return truth


def invented_row(name, person, worker, n, pair, truth):
    "The n-th answer of an invented person: 'left' always clicks left, the others are mostly right."
    side = side_of(worker, pair)
    if name == 'left': choice, seconds = as_choice('left', side), 1.1
    else: choice, seconds = 'equal' if (n + person) % 11 == 0 else truth[pair], 4.5 + person + n % 3
    return dict(pair=pair, choice=choice, confidence=1 + n % 2, legible=1, rationale='', seconds=seconds, side=side)


def overview(browser, folder, pictures):
    "The overview after some invented people have answered: four who look, and one who always clicks left."
    batch = faces_batch(folder, 24)
    store, truth = AnswerStore(batch), invented_truth(batch)
    for person, name in enumerate(('left', 'ann', 'bob', 'cem', 'dee')):
        worker = batch.pseudonym(name)
        store.give(worker)
        pairs = enumerate(store.waiting(worker, 99)[:26 - 3*person])
        store.add(worker, [invented_row(name, person, worker, n, pair, truth) for n, pair in pairs])
    store.close()
    with Server(folder) as server:
        page = browser.new_page(viewport=dict(width=1000, height=790))
        page.goto(server.overview)
        keep(page, pictures, 'labelling_overview.png')


def crowd(check, annotators=8, pairs=20):
    "Some annotators at once, who send a third of their pages twice."
    try: result = load(annotators, pairs, pause=1)
    except AssertionError as e: return check(f'{annotators} annotators at once: {e}', False)
    answers, ms = result['answers'], result['page']['server_ms']['median']
    text = f'{annotators} annotators at once: {answers} answers, none lost, none twice; {ms} ms a page'
    check(text, answers == annotators * pairs)


def main(args):
    "All of it; returns the exit status."
    check = Check()
    if not args.figure: crowd(check)
    skipped = in_browser(check, args)
    if skipped: print(f'SKIPPED: the labelling page was NOT tried in a browser, since {skipped}')
    if args.figure: return 0
    if check.failed: print(f'{check.failed} failed')
    else: print('nothing else failed' if skipped else 'all work')
    return int(check.failed > 0)


def visits(browser, folder, check, pictures):
    "Everything that people do, with one server that is killed in between."
    server = Server(faces_batch(folder).path)
    with server: context, page = desk_visit(browser, server, check, pictures)
    with server:
        resume(context, page, server, check, pictures)
        on_a_phone(browser, server, check, pictures)
        in_the_dark(browser, server, check, pictures)
        without_javascript(browser, server, check)


def in_browser(check, args):
    "What only a browser shows; returns why it was skipped, or ''."
    try: from playwright.sync_api import sync_playwright
    except ImportError: return "Playwright is not installed. To try it: pip install -e '.[dev]'"
    if not browser_path():
        return 'there is no Chromium on the path. To try it: install one, or set $CHROMIUM to its program'
    root = hasattr(os, 'geteuid') and os.geteuid() == 0
    with tempfile.TemporaryDirectory() as d, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path(), args=['--no-sandbox'] if root else [])
        if args.figure:
            figure(browser, f'{d}/masculine', args.figure)
            return ''
        if args.pictures:
            Path(args.pictures).mkdir(parents=True, exist_ok=True)
            overview(browser, f'{d}/overview', args.pictures)
        visits(browser, f'{d}/masculine', check, args.pictures)
        figure(browser, f'{d}/figure', f'{d}/fig10.png')
        check("the paper's Fig. 10 is a page of five pairs", Image.open(f'{d}/fig10.png').height > 1500)
        browser.close()
    return ''


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pictures', default='', help='a folder for pictures')
    parser.add_argument('--figure', default='', help='take only Fig. 10, into this file')
    sys.exit(main(parser.parse_args()))
