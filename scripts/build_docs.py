"""Build the site into `_docs/` without Quarto, and check it: `python scripts/build_docs.py` (`--quarto` builds it with Quarto).

nbdev processes the notebooks into `_proc/` and smalldocs renders them. Two things are then made as Quarto makes them:
pages are called what nbdev's links call them (`core.html` for `00_core.ipynb`), and equations are drawn, here as MathML,
which browsers show without a script or a download. The finished site needs nothing from outside; the last step checks that,
and that every link leads somewhere. Exits with 1, and a list, when something is broken.
"""
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from configparser import ConfigParser
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from math_core import LatexError, LatexToMathML
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PROC, DOCS = ROOT/'_proc', ROOT/'_docs'


# --- notebooks, as nbdev processes them

def process_notebooks():
    "Run nbdev's documentation processors over `nbs/` into `_proc/`."
    from nbdev.serve import proc_nbs  # here, because each worker that it spawns imports this file again
    if PROC.exists(): shutil.rmtree(PROC)
    proc_nbs(force=True)


def front_matter(nb):
    "The front matter that nbdev put into the notebook's first cell, and that cell."
    cell = nb['cells'][0] if nb['cells'] else {}
    source = ''.join(cell.get('source', ''))
    if cell.get('cell_type') != 'raw' or not source.startswith('---'): return {}, None
    return yaml.safe_load(source.split('---')[1]), cell


def page_stem(nb, default):
    "What nbdev calls the page, taken out of the front matter, where smalldocs would complain about it."
    meta, cell = front_matter(nb)
    name = meta.pop('output-file', None)
    if name: cell['source'] = f'---\n{yaml.safe_dump(meta)}---\n'
    return Path(name).stem if name else default


def drop_progress(nb):
    "Take standard error out of saved outputs: it holds progress bars."
    for cell in nb['cells']:
        if 'outputs' in cell: cell['outputs'] = [o for o in cell['outputs'] if o.get('name') != 'stderr']


def last_words(markdown):
    "The last paragraph of Markdown as plain text, which introduces the picture below it; a heading where there is nothing else."
    text = re.sub(r'```.*?```|<!--.*?-->|^\|.*$', '', markdown, flags=re.M | re.S)
    text = re.sub(r'!?\[([^]]*)\]\([^)]*\)', r'\1', text)
    blocks = [b.strip() for b in re.split(r'\n\s*\n', text) if b.strip()]
    return re.sub(r'\s+', ' ', re.sub(r'\\(?:math\w+|text|operatorname)\b|[*`#>$\\{}]', '', blocks[-1])).strip().rstrip(':') if blocks else ''


def describe_pictures(nb):
    "Give every picture among a page's outputs a text for those who do not see it: the words that introduce it, where `#| fig-alt:` says nothing else."
    words = ''
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown': words = last_words(source) or words
        elif any(kind.startswith('image/') for o in cell.get('outputs', []) for kind in o.get('data', {})) and 'fig-alt:' not in source:
            cell['source'] = f'#| fig-alt: {json.dumps(words, ensure_ascii=False)}\n#| fig-align: left\n{source}'


def plain_signatures(nb):
    "Take nbdev's links out of the signatures among a page's outputs: a block of code shows `[name](address)` as it is written."
    def plain(block): return re.sub(r'\[(`[^`]+`)\]\([^)]*\)', r'\1', block[0])
    for cell in nb['cells']:
        for data in (o['data'] for o in cell.get('outputs', []) if 'text/markdown' in o.get('data', {})):
            data['text/markdown'] = re.sub(r'^```python\n.*?^```$', plain, ''.join(data['text/markdown']), flags=re.M | re.S)


def relink(text, names):
    "Point the Markdown and HTML links of `text` at notebooks' new names."
    def new(match):
        folder, name = match['folder'] or '', match['name']
        return f"{match['open']}{folder}{names.get(name, name)}.ipynb"
    return re.sub(r'''(?P<open>\]\(\s*<?|\]:\s*|href=["'])(?P<folder>[^)\s"'#:]*/)?(?P<name>[^)\s"'#:/]+)\.ipynb''', new, text)


def rename_pages():
    "Give every processed notebook the name that nbdev's links use, and follow in links and in the sidebar."
    paths = sorted(PROC.rglob('*.ipynb'))
    notebooks = {p: json.loads(p.read_text(encoding='utf-8')) for p in paths}
    stems = {p: page_stem(nb, p.stem) for p, nb in notebooks.items()}
    names = {p.stem: stem for p, stem in stems.items()}
    for path, nb in notebooks.items():
        drop_progress(nb)
        describe_pictures(nb)
        plain_signatures(nb)
        for cell in nb['cells']:
            if cell['cell_type'] == 'markdown': cell['source'] = relink(''.join(cell['source']), names)
        path.unlink()
    for path, nb in notebooks.items():
        new = path.with_name(f'{stems[path]}.ipynb')
        if new.exists(): sys.exit(f'two notebooks make the same page: {new.relative_to(PROC)}')
        new.write_text(json.dumps(nb), encoding='utf-8')
    rename_sidebar(names)


def rename_sidebar(names):
    "Follow the new names in `_proc/_quarto.yml`, and drop what concerns running code, which smalldocs does not do."
    path = PROC/'_quarto.yml'
    def new(o):
        if isinstance(o, dict): return {k: new(v) for k, v in o.items()}
        if isinstance(o, list): return [new(v) for v in o]
        if not (isinstance(o, str) and o.endswith('.ipynb')): return o
        page = Path(o)
        return page.with_name(f'{names.get(page.stem, page.stem)}.ipynb').as_posix()
    config = new(yaml.safe_load(path.read_text(encoding='utf-8')))
    config.pop('execute', None)
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding='utf-8')


# --- pages, as smalldocs renders them

def smalldocs(*args):
    "Run smalldocs in `_proc/`; give back its exit code and what it said."
    env = {**os.environ, 'PYTHONUTF8': '1'}
    r = subprocess.run([sys.executable, '-m', 'smalldocs.cli', *args], cwd=PROC, env=env, text=True, encoding='utf-8',
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return r.returncode, r.stdout.strip().splitlines()


def render():
    "Check the project with smalldocs, render it, and move the site to `_docs/`; returns the problems."
    code, problems = smalldocs('check')
    if code > 1: sys.exit('\n'.join(problems))
    failed, said = smalldocs('render', '--quiet')
    if failed: sys.exit('\n'.join(said))
    if DOCS.exists(): shutil.rmtree(DOCS)
    shutil.move(PROC/'_docs', DOCS)
    return problems[:-1] if code else []  # the last line counts them


def site_url():
    "Where the site is published, which is how nbdev's links to our own pages begin."
    config = ConfigParser(delimiters=['='], interpolation=None)
    config.read(ROOT/'settings.ini', encoding='utf-8')
    cfg = config['DEFAULT']
    return cfg['doc_host'].rstrip('/') + '/' + cfg['doc_baseurl'].strip('/')


def draw_equations(text, page, problems):
    "Replace the TeX of a page by MathML, and take out the links to KaTeX on a content network."
    tex2mathml = LatexToMathML(fancy_error=False)  # one for each page, so that numbers start at 1
    def draw(match):
        display, tex = match[1] == 'display', html.unescape(match[2])
        if r'\tag' in tex and r'\begin{equation}' not in tex: tex = rf'\begin{{equation}}{tex}\end{{equation}}'
        try: mathml = tex2mathml.convert_with_global_state(tex, displaystyle=display)
        except LatexError as e:
            problems.append(f'{page}: equation {tex!r}: {e}')
            return match[0]
        return f'<span class="math {match[1]}">{mathml}</span>'
    text = re.sub(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', draw, text, flags=re.S)
    return re.sub(r'<(?:link|script)[^>]*/katex@[^>]*>(?:</script>)?', '', text)


def mark_wide(text):
    "Call pictures `wide` that are more than three times as wide as high: on a phone they are scrolled, and not made too small to see."
    def mark(match):
        width, height = Image.open(io.BytesIO(b64decode(match[2]))).size
        return match[0].replace('class="img-fluid"', 'class="img-fluid wide"') if width > max(600, 3*height) else match[0]
    return re.sub(r'<img[^>]*src="data:image/(png|jpeg);base64,([^"]*)"[^>]*>', mark, text)


def finish_pages():
    "Draw equations, mark wide pictures, make links to our own site relative, and leave the theme's web fonts out; returns the problems."
    problems, ours = [], re.escape(site_url())
    for path in sorted(DOCS.rglob('*.html')):
        page = path.relative_to(DOCS)
        text = mark_wide(draw_equations(path.read_text(encoding='utf-8'), page, problems))
        top = '../' * (len(page.parts) - 1) or './'
        text = re.sub(rf'href="{ours}(?:/([^"]*))?"', lambda m: f'href="{top}{m[1] or ""}"', text)
        path.write_text(text, encoding='utf-8')
    for path in (DOCS/'site_libs').rglob('*.css'):
        text = path.read_text(encoding='utf-8')
        path.write_text(re.sub(r'@import url\(https?:[^)]*\);?', '', text), encoding='utf-8')
    return problems


# --- the check

# What a reader must not meet: links within links (nbdev links names in backticks by itself), cross-references and ids in Quarto's notation, which smalldocs does not read, and TeX
AS_TEXT = re.compile(r'\]\((?:[\w./]+\.(?:ipynb|html)|https?:)[^)]*\)|@(?:fig|tbl|eq|sec|lst)-[\w-]+|\{#[\w-]+\}|\\\(.*?\\\)|\\\[.*?\\\]|\$\$')


class Page(HTMLParser):
    "What the check has to know of a page: its ids, what it refers to, its pictures, and what was left as text: cross-references, equations."
    def __init__(self, path):
        super().__init__()
        self.ids, self.refs, self.styles, self.unresolved, self.pictures = set(), [], [], [], []
        self.described = False
        self.inside = []  # the open elements whose text is not prose
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get('id'): self.ids.add(attrs['id'])
        if tag == 'img' and not self.described: self.pictures.append(attrs)
        self.described = attrs.get('role') == 'img'  # what this element says stands for the picture in it
        if tag == 'a' and attrs.get('name'): self.ids.add(attrs['name'])
        for key in ('href', 'src', 'poster', 'data', 'xlink:href'):
            if attrs.get(key): self.refs.append((tag, attrs[key]))
        if attrs.get('srcset'): self.refs += [(tag, part.split()[0]) for part in attrs['srcset'].split(', ')]
        if attrs.get('style'): self.styles.append(attrs['style'])
        if tag in ('code', 'pre', 'script', 'style'): self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag: self.inside.pop()

    def handle_data(self, data):
        if 'style' in self.inside or 'script' in self.inside: self.styles.append(data)
        elif not self.inside: self.unresolved += AS_TEXT.findall(data)


def is_external(ref):
    "Whether a reference leaves the site."
    return ref.startswith('//') or urlsplit(ref).scheme in ('http', 'https', 'ftp')


def check_ref(page, tag, ref, pages):
    "What is wrong with one reference of a page, or None."
    if is_external(ref): return None if tag in ('a', 'area') else f'<{tag}> is fetched from outside: {ref}'
    if urlsplit(ref).scheme in ('data', 'mailto'): return None
    if ref.startswith('/'): return f'path from the top of the server, which moves: {ref}'
    path, fragment = unquote(urlsplit(ref).path), unquote(urlsplit(ref).fragment)
    target = (page.parent/path).resolve() if path else page
    if target.is_dir(): target = target/'index.html'
    if not target.is_relative_to(DOCS): return f'outside the site: {ref}'
    if not target.is_file(): return f'no such file: {target.relative_to(DOCS)}'
    if fragment and target in pages and fragment not in pages[target].ids: return f'no such place on the page: {ref}'


def check_picture(attrs):
    "What is wrong with a picture: nothing that describes it. `alt=\"\"` is for decoration, which our pages do not have."
    return None if attrs.get('alt', '').strip() else f"picture without a description: {attrs.get('src', '')[:60]}"


def check_css(path, text):
    "What is wrong with the addresses in a style sheet (or in a page's own styles and scripts)."
    found = re.findall(r'''url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)''', text)
    for ref in (a or b for a, b in found):
        if is_external(ref): yield f'fetched from outside: {ref}'
        elif not ref.startswith(('data:', '#')) and not (path.parent/urlsplit(ref).path).is_file(): yield f'no such file: {ref}'


def check_script(text):
    "Content networks that a script names."
    yield from (f'script names {m}' for m in set(re.findall(r'https?://[^\s"\'`]*(?:cdn|jsdelivr|unpkg|googleapis|gstatic)[^\s"\'`]*', text)))


def check_site():
    "Everything broken in `_docs/`: links, places on pages, files fetched from outside, cross-references left as text."
    pages = {p.resolve(): Page(p) for p in sorted(DOCS.rglob('*.html'))}
    problems = []
    def note(path, said): problems.extend(f'{path.relative_to(DOCS)}: {s}' for s in said if s)
    for path, page in pages.items():
        note(path, dict.fromkeys(check_ref(path, tag, ref, pages) for tag, ref in page.refs))
        note(path, map(check_picture, page.pictures))
        for text in page.styles: note(path, [*check_css(path, text), *check_script(text)])
        note(path, (f'left as text (an equation, a link within a link, or a cross-reference that only Quarto reads): {r}' for r in page.unresolved))
    for path in DOCS.rglob('*.css'): note(path, check_css(path, path.read_text(encoding='utf-8')))
    for path in DOCS.rglob('*.js'): note(path, check_script(path.read_text(encoding='utf-8')))
    if not (DOCS/'index.html').is_file(): problems.append('index.html: the site has no first page')
    return problems, len(pages)


def report(problems):
    "Print each kind of problem once, with the pages that have it: the sidebar's are on every page."
    where = {}
    for problem in problems:
        page, said = problem.split(': ', 1)
        where.setdefault(said, []).append(page)
    for said, pages in where.items():
        print(f"{said}  [{', '.join(pages[:3])}{f' and {len(pages) - 3} more' if len(pages) > 3 else ''}]")


def quarto():
    "The published site, by Quarto, from the same processed pages."
    for path in PROC.rglob('*.ipynb'):
        nb = json.loads(path.read_text(encoding='utf-8'))
        drop_progress(nb); describe_pictures(nb)
        path.write_text(json.dumps(nb), encoding='utf-8')
    subprocess.run(['quarto', 'render', '--no-cache'], cwd=PROC, check=True)
    if DOCS.exists(): shutil.rmtree(DOCS)
    shutil.move(PROC/'_docs', DOCS)


def main(args):
    "Build, check, and say how it went."
    os.chdir(ROOT)
    process_notebooks()
    if args == ['--quarto']: return quarto()
    rename_pages()
    problems = render() + finish_pages()
    found, n_pages = check_site()
    problems += found
    report(problems)
    print(f'_docs: {n_pages} pages, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
