"""Use the page of `attic sort` in a real browser: `python scripts/check_sort.py`.

First fifty people answer at once, on a server of their own, and send every third answer twice: none may be lost or
stored twice. Then the script goes through the page in headless Chromium as people do: with keys, with the mouse, with
a finger on a narrow screen, in two tabs, in the dark, after a reload, and after it has killed the server in the middle
of an answer. It computes the contrast of every text. It exits with 1 when something doesn't work. `--pictures FOLDER`
keeps pictures of the page.

The browser's part needs `pip install playwright` and a Chromium: `$CHROMIUM`, or one on the path. Without one the
script says that it skipped that part, and doesn't count it as failed. `.ci/run` runs it.
"""
import argparse
import hashlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import httpx
from check_labelling import Check, browser_path, save, watch
from PIL import Image

from attic.core import SHOES
from attic.worlds.shoes import shoes

PEOPLE, EACH = 50, 8
CALM = "(e => e.dataset.key && e.ariaBusy != 'true')(document.getElementById('pair'))"  # a pair can be answered
SLOW = """(() => { const decode = HTMLImageElement.prototype.decode
HTMLImageElement.prototype.decode = function() {
  return new Promise(done => setTimeout(done, 1000)).then(() => decode.call(this))
} })()"""  # every picture comes a second later
KEPT = "Object.keys(localStorage).some(k => k.startsWith('attic:'))"  # an answer that the server hasn't confirmed

# For every visible text: its contrast with what is behind it, where that is a plain colour
CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number)
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4
  const light = c => [.2126, .7152, .0722].reduce((sum, w, i) => sum + w * linear(c[i] / 255), 0)
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor)
      if (c.length < 4 || c[3] > .99) return c
    }
    return [255, 255, 255]
  }
  const bad = []
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim())
    if (!own || !e.checkVisibility({opacityProperty: true}) || e.matches('.hidden, :disabled *, :disabled')) continue
    const s = getComputedStyle(e), svg = e instanceof SVGElement
    const [a, b] = [light(parse(svg ? s.fill : s.color)), light(behind(e))].sort((x, y) => y - x)
    const ratio = (a + .05) / (b + .05), large = parseFloat(s.fontSize) >= 24
    const name = `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 20)}`
    if (ratio < (large ? 3 : 4.5)) bad.push(`${name}: ${ratio.toFixed(2)}`)
  }
  return bad
}"""


class Photos(type(Path())):
    "A folder of rendered shoes, and how sporty each is drawn, by the hash of its file."
    def fill(self, n=48):
        self.mkdir(parents=True)
        images, strengths = shoes(n, 11)
        self.sporty = {}
        for i, (im, strength) in enumerate(zip(images, strengths[:, SHOES.index('sporty')].tolist())):
            path = self/f'shoe {i:02}.png'
            Image.fromarray(im.permute(1, 2, 0).numpy()).resize((256, 256)).save(path)
            self.sporty[hashlib.sha256(path.read_bytes()).hexdigest()[:32]] = strength
        return self


class Server:
    "A server process, which can be killed and started again on the same port."
    def __init__(self, folder, out, words='sporty', *options):
        self.folder, self.out, self.port = folder, out, 0
        self.words, self.options = words, options

    def __enter__(self):
        command = [sys.executable, '-m', 'attic.app.cli', 'sort', str(self.folder), self.words, '--out', str(self.out),
                   '--port', str(self.port), '--no-browser', *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.link = re.search(r'http\S+', self.process.stdout.readline())[0]
        self.process.stdout.readline()
        self.port = int(re.search(r':(\d+)/', self.link)[1])
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()

    def answers(self, word='sporty'):
        "What is stored: client, pair, person, choice, how."
        con = sqlite3.connect(f'file:{self.out}/sort.sqlite?mode=ro', uri=True)
        try:
            sql = 'SELECT client, pair, person, choice, how FROM answers WHERE word = ? AND undone = 0 ORDER BY id'
            return con.execute(sql, (word,)).fetchall()
        finally: con.close()


def one_person(link, k, sent, times, errors):
    "Somebody who answers, and sends every third answer twice."
    base = link.split('/?')[0]
    try:
        with httpx.Client(follow_redirects=True, timeout=60) as visitor:
            page = visitor.get(f'{link}&name=person%20{k}').text
            token = re.search('data-token="([^"]+)"', page)[1]
            queue = visitor.get(f'{base}/state').json()['queue']
            for i in range(EACH):
                client = f'person-{k}-answer-{i}'
                form = dict(token=token, word='sporty', ticket=queue[0]['ticket'], choice='more', seconds='1')
                for _ in range(2 if i % 3 == 0 else 1):
                    start = time.perf_counter()
                    reply = visitor.post(f'{base}/answer', data=form | dict(client=client))
                    times.append(1000*(time.perf_counter() - start))
                queue = reply.raise_for_status().json()['queue']
                sent.append(client)
                time.sleep(.5)
    except Exception as e: errors.append(f'person {k}: {e!r}')


def crowd(check, folder, out):
    "Fifty people at once."
    sent, times, errors = [], [], []
    with Server(folder, out) as server:
        common = sent, times, errors
        people = [threading.Thread(target=one_person, args=(server.link, k, *common)) for k in range(PEOPLE)]
        for p in people: p.start()
        for p in people: p.join()
        stored = server.answers()
    clients = [row[0] for row in stored]
    lost, twice = len(set(sent) - set(clients)), len(stored) - len({row[1:3] for row in stored})
    ok = not errors and len(clients) == PEOPLE*EACH and not lost and not twice
    said = f'{len(clients)} answers, {lost} lost, {twice} twice; {median(times):.0f} ms an answer'
    check(f'{PEOPLE} people at once: {said}', ok)
    print(*errors[:3], sep='\n', end='\n' if errors else '')


def until(page, script, what, check=None, seconds=60):
    "Wait until a script is true: the page's policy forbids the browser's own way, which evaluates text."
    end = time.monotonic() + seconds
    while not (ok := page.evaluate(script)) and time.monotonic() < end: time.sleep(.005)
    if check: check(what, bool(ok))
    elif not ok: raise TimeoutError(what)
    return ok


def pair(page):
    "The key of the pair that shows."
    return page.evaluate("() => document.getElementById('pair').dataset.key || ''")


def shown(page):
    "Wait for a pair that can be answered."
    until(page, f'() => {CALM}', 'a pair shows')
    return pair(page)


def press(page, key):
    "Answer with a key; returns milliseconds until the next pair shows."
    before, start = shown(page), time.perf_counter()
    page.keyboard.press(key)
    until(page, f"() => document.getElementById('pair').dataset.key != '{before}'", f'the next pair after {key}')
    return 1000*(time.perf_counter() - start)


def idle(page):
    "Wait until the server has confirmed every answer, and the next pair is there: keys before it don't count."
    until(page, f'() => !{KEPT} && {CALM}', 'every answer is confirmed')


def settled(page):
    "Wait until the order has learnt everything."
    until(page, "async () => { const r = await (await fetch('/state')).json(); "
          "return r.folder.stage == 'ready' && !r.learnt.busy }", 'the order is fitted')
    page.wait_for_timeout(700)


def at_a_desk(browser, server, check):
    "Keys, mouse, undo, reload, two tabs; returns the browser's context and the page."
    context = browser.new_context(viewport=dict(width=1280, height=800))
    page = context.new_page()
    errors = watch(page, server)
    page.goto(server.link)
    start = time.perf_counter()
    shown(page)
    print(f'the first pair: {time.perf_counter() - start:.1f} s after the page')
    check('the key is not in the address bar', 'key=' not in page.url)
    settled(page)
    times = [press(page, key) for key in ('ArrowLeft', 'ArrowRight', 'ArrowDown', 'x', ' ')*2]
    choices = [row[3] for row in server.answers()]
    check('← → ↓ X and space answer', choices == ['more', 'less', 'equal', 'skip', 'equal']*2)
    quick = sorted(times)[len(times) // 4]  # a busy machine slows some keys, a slow page all of them
    check(f'the next pair is there in {median(times):.0f} ms, and in {quick:.0f} for the quickest quarter', quick < 100)
    undone = [press(page, 'Backspace') for _ in range(4)]
    check('Backspace takes back four answers', len(undone) == 4 and len(server.answers()) == 6)
    for _ in range(4): press(page, 'ArrowLeft')
    before = shown(page)
    page.reload()
    check('a reload shows the same pair', shown(page) == before)
    page.click('#left')
    until(page, f"() => document.getElementById('pair').dataset.key != '{before}'", 'a click answers', check)
    two_tabs(context, page, server, check)
    check('nothing from elsewhere, no error', not errors)
    print(*errors[:3], sep='\n', end='\n' if errors else '')
    return context, page


def two_tabs(context, page, server, check):
    "The same pair in two tabs."
    other = context.new_page()
    other.goto(page.url)
    same, n = shown(other) == shown(page), len(server.answers())
    press(page, 'ArrowLeft')
    press(other, 'ArrowRight')
    said = other.locator('#notice').inner_text()
    once = len(server.answers()) == n + 1
    check('a second tab stores nothing twice, and says so', same and once and 'another tab' in said)
    other.close()


def in_the_strip(page, server, check):
    "Where a picture stands, and what happens when it's wrong."
    settled(page)
    items = page.locator('#strip li')
    check('the strip shows the folder', 12 <= items.count() <= 60)
    items.nth(2).click()
    found = "document.getElementById('where-title').textContent.includes('of 48')"
    why = "document.getElementById('where-heat').checkVisibility()"
    until(page, f'() => {found} && {why}', 'a click says where a picture stands, and why', check)
    page.locator('[data-to=higher]').click()
    asked = "() => document.getElementById('notice').textContent.includes('questions about this picture')"
    until(page, asked, 'what stands wrong becomes a question', check)
    press(page, 'ArrowRight')
    page.wait_for_timeout(700)
    a, b = items.nth(1).bounding_box(), items.nth(9).bounding_box()
    page.mouse.move(a['x'] + 20, a['y'] + 20)
    page.mouse.down()
    page.mouse.move(b['x'] + 20, b['y'] + 20, steps=8)
    page.mouse.up()
    until(page, asked, 'dragging does the same', check)
    check('and opens no dialog', not page.locator('#where').is_visible())
    press(page, 'ArrowLeft')
    check('flagged answers are stored as such', [row[4] for row in server.answers()][-1] == 'flagged')


def stored(server, n, check, what, seconds=60):
    "Wait until the server has stored so many answers, and then a moment more: none may be stored twice."
    end = time.monotonic() + seconds
    while len(server.answers()) < n and time.monotonic() < end: time.sleep(.05)
    time.sleep(.3)
    check(what, len(server.answers()) == n)


def killed(page, server, check, manner=''):
    "An answer while the server is dead."
    n = len(server.answers())
    server.process.kill()
    server.process.wait()
    page.keyboard.press('ArrowLeft')
    said = "() => document.getElementById('notice').textContent.includes('Not saved yet')"
    until(page, said, f'without a server it says that the answer is not saved{manner}', check)
    with server:
        stored(server, n + 1, check, f'and sends it when the server is back, once{manner}')
        idle(page)
        press(page, 'ArrowLeft')
        stored(server, n + 2, check, f'after kill -9 the page goes on{manner}')
        idle(page)
    page.keyboard.press('ArrowRight')  # the server doesn't hear it
    until(page, f"() => {KEPT}", 'the page keeps the answer')
    with server:
        page.reload()
        shown(page)
        stored(server, n + 3, check, f'an answer survives its tab, too{manner}')


def slowly(context, server, check):
    "A server is killed, and pictures take a second: a key counts once the next pair is there, and the page says when."
    page = context.new_page()
    page.add_init_script(SLOW)
    with server:
        page.goto(server.link)
        idle(page)
        killed(page, server, check, ', slowly')
    page.close()


def on_a_phone(browser, server, check, pictures):
    "Touch, and a narrow screen."
    size = dict(width=390, height=844)
    context = browser.new_context(viewport=size, device_scale_factor=2, has_touch=True, is_mobile=True)
    phone = context.new_page()
    phone.goto(server.link)
    before = shown(phone)
    phone.locator('#right').tap()
    until(phone, f"() => document.getElementById('pair').dataset.key != '{before}'", 'a finger answers', check)
    settled(phone)
    fits = '() => document.documentElement.scrollWidth <= innerWidth'
    check('a phone needs no sideways scrolling', phone.evaluate(fits))
    strip = "(e => e.scrollWidth <= e.clientWidth && e.children.length > 4)(document.getElementById('strip'))"
    check('nor does its strip', phone.evaluate(f'() => {strip}'))
    boxes = [phone.locator(f'#{i}').bounding_box() for i in ('left', 'right', 'undo', 'equal', 'skip')]
    check('pictures and buttons are on the first screen', all(b['y'] + b['height'] <= 844 for b in boxes))
    check('a finger has room on every button', min(min(b['width'], b['height']) for b in boxes) >= 44)
    if pictures: keep(phone, pictures, 'sort_phone.png')
    phone.set_viewport_size(dict(width=320, height=640))
    check('nor does the smallest one', phone.evaluate(fits))
    phone.locator('#strip li').first.tap()
    stands = "() => document.getElementById('where').open"
    until(phone, stands, 'a tap in the strip says where a picture stands', check)
    context.close()


def contrasts(page, check, pictures):
    "Light and dark."
    for scheme in ('light', 'dark'):
        page.emulate_media(color_scheme=scheme)
        page.locator('[data-save=all]').hover()
        page.wait_for_timeout(300)
        bad = page.evaluate(CONTRAST)
        page.mouse.move(640, 650)
        check(f'every text has enough contrast, {scheme}', not bad)
        print(*bad[:8], sep='\n', end='\n' if bad else '')
        if pictures: keep(page, pictures, f'sort_page{"_dark" if scheme == "dark" else ""}.png')
    background = page.evaluate('() => getComputedStyle(document.body).backgroundColor')
    check('dark where the reader wants it dark', sum(map(int, re.findall(r'\d+', background)[:3])) < 150)
    page.emulate_media(color_scheme='light')


def by_keyboard_alone(page, check):
    "Everything can be reached with the tabulator."
    reached = set()
    page.evaluate('() => document.activeElement.blur()')
    for _ in range(70):
        page.keyboard.press('Tab')
        reached.add(page.evaluate("() => document.activeElement.id || document.activeElement.closest('[id]')?.id"))
    wanted = {'left', 'right', 'undo', 'equal', 'skip', 'strip'}
    check('keys alone reach pictures, buttons and strip', wanted <= reached)


def take_away(page, server, check):
    "Save, and look at what was written."
    page.locator('[data-save=all]').click()
    said = "document.getElementById('saved').textContent"
    until(page, f"() => {said}.startsWith('Saved')", 'saving works', check)
    files = {p.name for p in (server.out/'sporty').iterdir()}
    check('order, gallery, answers and ranker are there',
          files >= {'order.csv', 'gallery.html', 'answers.csv', 'pairs.csv', 'sporty.safetensors', 'sporty.json'})
    on_paper(page.context.new_page(), server.out/'sporty'/'gallery.html', check)


def on_paper(page, gallery, check):
    "Print the gallery from the disk: all pictures, none cut by the end of a page."
    page.goto(gallery.as_uri())
    shown, printed = page.locator('li img').count(), page.pdf().count(b'/Subtype /Image')
    check(f'the gallery prints {printed} of {shown} pictures', printed == shown > 40)
    page.emulate_media(media='print')
    whole = "() => [...document.querySelectorAll('li')].every(e => getComputedStyle(e).breakInside == 'avoid')"
    check('and cuts none', page.evaluate(whole))
    page.close()


def keep(page, folder, name):
    "Keep a picture of a page."
    save(page.screenshot(), Path(folder)/name)


def visits(browser, folder, out, check, pictures):
    "Everything that people do, with servers that are killed in between."
    with Server(folder, out, 'sporty,calm') as server:
        context, page = at_a_desk(browser, server, check)
        in_the_strip(page, server, check)
        killed(page, server, check)
    slowly(context, server, check)
    with server:
        page.goto(server.link)
        shown(page)
        tabs = page.locator('.words a').all_inner_texts()
        check('two words share the page', tabs == ['sporty', 'calm'])
        for _ in range(60 if pictures else 30): truthful(page, folder)
        settled(page)
        by_keyboard_alone(page, check)
        keys_go_on(page, server, check)
        page.evaluate('() => document.activeElement.blur()')
        contrasts(page, check, pictures)
        in_pictures(page, pictures)
        take_away(page, server, check)
        on_a_phone(browser, server, check, pictures)
        context.close()


def truthful(page, folder):
    "Answer a pair by how sporty the shoes were drawn."
    shown(page)
    sources = page.evaluate("() => ['left', 'right'].map(s => document.getElementById(`${s}-image`).src)")
    a, b = (folder.sporty[source.split('/')[-2]] for source in sources)
    press(page, 'ArrowLeft' if a > b else 'ArrowRight')


def keys_go_on(page, server, check):
    "What has the focus takes space and Enter, and no other key; the count follows each answer."
    count = "document.getElementById('count-number').textContent"
    n = int(page.evaluate(f'() => {count}'))
    page.click('.take summary')
    for k in range(5):
        press(page, 'ArrowLeft')
        until(page, f"() => {count} == '{n + k + 1}'", 'the count follows', seconds=5)
    press(page, 'Backspace')
    page.click('.take summary')
    page.click('#new-word')
    page.keyboard.press('Escape')
    press(page, 'x')
    check('keys go on after a click elsewhere', len(server.answers()) == n + 5)
    page.evaluate('() => document.activeElement.blur()')
    fits = "(e => e.scrollHeight <= e.clientHeight)(document.querySelector('.knows'))"
    until(page, f'() => {fits}', 'what is known fits beside the pictures', check, seconds=5)


def in_pictures(page, pictures):
    "Where a picture stands."
    if not pictures: return
    page.locator('#strip li').nth(3).click()
    page.wait_for_timeout(800)
    keep(page, pictures, 'sort_where.png')
    page.keyboard.press('Escape')


def in_browser(check, args, folder, out):
    "What only a browser shows; returns why it was skipped, or ''."
    try: from playwright.sync_api import sync_playwright
    except ImportError: return "Playwright is not installed. To try it: pip install -e '.[dev]'"
    if not browser_path():
        return 'there is no Chromium on the path. To try it: install one, or set $CHROMIUM to its program'
    root = hasattr(os, 'geteuid') and os.geteuid() == 0
    if args.pictures: Path(args.pictures).mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path(), args=['--no-sandbox'] if root else [])
        visits(browser, folder, out, check, args.pictures)
        browser.close()
    return ''


def main(args):
    "All of it; returns the exit status."
    check = Check()
    with tempfile.TemporaryDirectory() as d:
        folder = Photos(d, 'shoes').fill()
        crowd(check, folder, Path(d)/'crowd')
        skipped = in_browser(check, args, folder, Path(d)/'sorted')
    if skipped: print(f'SKIPPED: the sorting page was NOT tried in a browser, since {skipped}')
    if check.failed: print(f'{check.failed} failed')
    else: print('nothing else failed' if skipped else 'all work')
    return int(check.failed > 0)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pictures', default='', help='a folder for pictures')
    sys.exit(main(parser.parse_args()))
