"""Build the site into `_docs/` without Quarto, and check it: `python scripts/build_docs.py` (`--quarto`: with Quarto).

nbdev processes the notebooks into `_proc/` and smalldocs renders them. Two things are then made as Quarto makes them:
pages get the names that nbdev's links use (`core.html` for `00_core.ipynb`), and equations are drawn, here as MathML,
which browsers show without a script or a download. The addresses of 0.1.0 lead to where the pages are now.
The finished site needs nothing from outside; the last step checks that, and that every link leads somewhere.
Exits with 1, and a list, when something is broken.
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
    "The last paragraph of Markdown as plain text, which introduces the picture below it; or else the heading."
    text = re.sub(r'```.*?```|<!--.*?-->|^\|.*$', '', markdown, flags=re.M | re.S)
    text = re.sub(r'!?\[([^]]*)\]\([^)]*\)', r'\1', text)
    blocks = [b.strip() for b in re.split(r'\n\s*\n', text) if b.strip()]
    if not blocks: return ''
    plain = re.sub(r'\\(?:math\w+|text|operatorname)\b|[*`#>$\\{}]', '', blocks[-1])
    return re.sub(r'\s+', ' ', plain).strip().rstrip(':')


def has_picture(cell):
    "Whether a picture is among a cell's outputs."
    return any(kind.startswith('image/') for output in cell.get('outputs', []) for kind in output.get('data', {}))


def describe_pictures(nb):
    "Describe every picture among a page's outputs to those who can't see it: by `#| fig-alt:`, or the words before it."
    words = ''
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown': words = last_words(source) or words
        elif has_picture(cell) and 'fig-alt:' not in source:
            alt = json.dumps(words, ensure_ascii=False)
            cell['source'] = f'#| fig-alt: {alt}\n#| fig-align: left\n{source}'


def plain_signatures(nb):
    "Take nbdev's links out of the signatures among a page's outputs: code shows `[name](address)` as it is written."
    def plain(block): return re.sub(r'\[(`[^`]+`)\]\([^)]*\)', r'\1', block[0])
    for cell in nb['cells']:
        for data in (o['data'] for o in cell.get('outputs', []) if 'text/markdown' in o.get('data', {})):
            text = ''.join(data['text/markdown'])
            data['text/markdown'] = re.sub(r'^```python\n.*?^```$', plain, text, flags=re.M | re.S)


def relink(text, names):
    "Point the Markdown and HTML links of `text` at notebooks' new names."
    def new(match):
        folder, name = match['folder'] or '', match['name']
        return f"{match['open']}{folder}{names.get(name, name)}.ipynb"
    opening, folder, name = r'''\]\(\s*<?|\]:\s*|href=["']''', r'''[^)\s"'#:]*/''', r'''[^)\s"'#:/]+'''
    return re.sub(rf'(?P<open>{opening})(?P<folder>{folder})?(?P<name>{name})\.ipynb', new, text)


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
    def mathml(match):
        display, tex = match[1] == 'display', html.unescape(match[2])
        if r'\tag' in tex and r'\begin{equation}' not in tex: tex = rf'\begin{{equation}}{tex}\end{{equation}}'
        try: drawn = tex2mathml.convert_with_global_state(tex, displaystyle=display)
        except LatexError as e:
            problems.append(f'{page}: equation {tex!r}: {e}')
            return match[0]
        return f'<span class="math {match[1]}">{drawn}</span>'
    text = re.sub(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', mathml, text, flags=re.S)
    return re.sub(r'<(?:link|script)[^>]*/katex@[^>]*>(?:</script>)?', '', text)


def mark_wide(text):
    "Call pictures `wide` that are over three times as wide as high: a phone scrolls them instead of shrinking them."
    def mark(match):
        width, height = Image.open(io.BytesIO(b64decode(match[2]))).size
        wide = width > max(600, 3*height)
        return match[0].replace('class="img-fluid"', 'class="img-fluid wide"') if wide else match[0]
    return re.sub(r'<img[^>]*src="data:image/(png|jpeg);base64,([^"]*)"[^>]*>', mark, text)


def link_within(text, page):
    "Make the links of a page to our own site relative."
    top = '../' * (len(page.parts) - 1) or './'
    return re.sub(rf'href="{re.escape(site_url())}(?:/([^"]*))?"', lambda m: f'href="{top}{m[1] or ""}"', text)


def finish_pages():
    """Draw equations, mark wide pictures, make links to our own site relative, and leave out the theme's web fonts.
    Returns the problems."""
    problems = []
    for path in sorted(DOCS.rglob('*.html')):
        page = path.relative_to(DOCS)
        text = mark_wide(draw_equations(path.read_text(encoding='utf-8'), page, problems))
        path.write_text(link_within(text, page), encoding='utf-8')
    for path in (DOCS/'site_libs').rglob('*.css'):
        text = path.read_text(encoding='utf-8')
        path.write_text(re.sub(r'@import url\(https?:[^)]*\);?', '', text), encoding='utf-8')
    return problems


# --- old addresses

# Where the pages of 0.1.0 are now, by their addresses without `.html`. The pages that aren't here kept their address.
MOVED = {
    'adversary': 'methods/adversary',
    'answers': 'labels/formats',
    'attic_data': 'data/download',
    'batches': 'labels/batch',
    'control': 'models/control',
    'datasets': 'data/dataset',
    'fixtures': 'tests/testing',
    'flow': 'models/flow',
    'generator': 'models/generator',
    'judge': 'models/scorer',
    'labelling': 'app/labelling',
    'loop': 'labels/human_loop',
    'methods': 'methods/methods',
    'models': 'app/rank',
    'pairs': 'data/pairs',
    'paper_data': 'data/paper',
    'people': 'app/batch_cli',
    'platforms': 'labels/templates',
    'protocol': 'methods/experiment',
    'ranker': 'models/ranker',
    'regressor': 'models/scorer',
    'report': 'report/tables',
    'stack': 'guides/speed',
    'votes': 'labels/annotators',
    'words': 'app/sort',
    'workers': 'labels/aggregate',
    'worlds_canvas': 'worlds/canvas',
    'worlds_faces': 'worlds/faces',
    'worlds_shoes': 'worlds/shoes',
}
REDIRECT = '''<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Moved</title><link rel="canonical" href="{target}">
<script>location.replace("{target}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={target}"></noscript></head>
<body><p>This page is now <a href="{target}">{target}</a>.</p></body></html>
'''


def write_redirects():
    "Let each old address lead to the new page, at the same place on it; returns the problems."
    for old, new in MOVED.items():
        page = DOCS/f'{old}.html'
        if page.exists(): yield f'{old}.html: an old address and a page of today'
        else: page.write_text(REDIRECT.format(target=f'{new}.html'), encoding='utf-8')


# --- the check

# What a reader must not meet as text: TeX, links within links (nbdev links names in backticks by itself), and
# cross-references and ids in Quarto's notation, which smalldocs does not read
AS_TEXT = re.compile('|'.join((
    r'\]\((?:[\w./]+\.(?:ipynb|html)|https?:)[^)]*\)',
    r'@(?:fig|tbl|eq|sec|lst)-[\w-]+|\{#[\w-]+\}',
    r'\\\(.*?\\\)|\\\[.*?\\\]|\$\$',
)))


class Page(HTMLParser):
    "What the check has to know of a page: its ids, what it refers to, its pictures, and what was left as text."
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
    "What is wrong with a picture: nothing describes it. `alt=\"\"` is for decoration, which our pages do not have."
    return None if attrs.get('alt', '').strip() else f"picture without a description: {attrs.get('src', '')[:60]}"


def check_css(path, text):
    "What is wrong with the addresses in a style sheet (or in a page's own styles and scripts)."
    found = re.findall(r'''url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)''', text)
    for ref in (a or b for a, b in found):
        if is_external(ref): yield f'fetched from outside: {ref}'
        elif ref.startswith(('data:', '#')): continue
        elif not (path.parent/urlsplit(ref).path).is_file(): yield f'no such file: {ref}'


def check_script(text):
    "Content networks that a script names."
    networks = r'https?://[^\s"\'`]*(?:cdn|jsdelivr|unpkg|googleapis|gstatic)[^\s"\'`]*'
    yield from (f'script names {address}' for address in set(re.findall(networks, text)))


def check_site():
    "Everything broken in `_docs/`: links, places on pages, files fetched from outside, cross-references left as text."
    pages = {p.resolve(): Page(p) for p in sorted(DOCS.rglob('*.html'))}
    problems = []
    def note(path, found): problems.extend(f'{path.relative_to(DOCS)}: {what}' for what in found if what)
    for path, page in pages.items():
        note(path, dict.fromkeys(check_ref(path, tag, ref, pages) for tag, ref in page.refs))
        note(path, map(check_picture, page.pictures))
        for text in page.styles: note(path, [*check_css(path, text), *check_script(text)])
        note(path, (f'left as text, an equation, a link in a link or a cross-reference: {r}' for r in page.unresolved))
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
    list(write_redirects())


def main(args):
    "Build, check, and say how it went."
    os.chdir(ROOT)
    process_notebooks()
    if args == ['--quarto']: return quarto()
    rename_pages()
    problems = render() + finish_pages() + list(write_redirects())
    found, n_pages = check_site()
    problems += found
    report(problems)
    print(f'_docs: {n_pages} pages, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
