"""Make `README.md` from `nbs/index.ipynb`, and `CONTRIBUTING.md` from its guide: `python scripts/make_readme.py`.

It does what `nbdev_readme` does with Quarto: hidden cells go, the rest becomes Markdown. Pages are in `nbs/` and these
files above it, so links and pictures start from there. Every host shows a picture that is a committed file
(`![What it shows](images/result.png)`); a cell's output may not be a picture. CONTRIBUTING ends where recipes begin.
"""
import json
import re
import sys
from configparser import ConfigParser
from itertools import takewhile
from pathlib import Path, PurePosixPath
from posixpath import normpath

import yaml

ROOT = Path(__file__).resolve().parent.parent
MADE = {'README.md': 'nbs/index.ipynb', 'CONTRIBUTING.md': 'nbs/guides/contributing.ipynb'}
LAST = {'nbs/guides/contributing.ipynb': '## Recipes'} # the section that a file only links to
NOTICE = '<!-- Made from {} by scripts/make_readme.py: edit the notebook. -->'
BADGES = """
[![tests]({git_url}/actions/workflows/test.yml/badge.svg)]({git_url}/actions/workflows/test.yml)
[![docs]({git_url}/actions/workflows/docs.yml/badge.svg)]({doc_host}{doc_baseurl})
[![Python {min_python} or newer](https://img.shields.io/badge/python-{min_python}+-blue)]({git_url}/blob/{branch}/settings.ini)
[![Apache-2.0](https://img.shields.io/badge/licence-Apache--2.0-blue)]({git_url}/blob/{branch}/LICENSE)
""" # the README's alone: the site fetches nothing from elsewhere
HIDDEN = re.compile(r'^#\|\s*(hide\b|include:\s*false|default_exp|export)', re.M)


def joined(text):
    "A notebook's text, which may be stored as a list of lines."
    return ''.join(text)


def front_matter(source):
    "A raw cell of front matter as a title and a subtitle; any other raw cell gives nothing."
    if not source.startswith('---'): return
    meta = yaml.safe_load(source.split('---')[1])
    yield from (form.format(meta[key]) for key, form in (('title', '# {}'), ('description', '> {}')) if key in meta)


def show_output(output, page):
    "A saved output as Markdown: a table stays HTML, without the style that pandas writes and GitHub shows as text."
    if output.get('name') == 'stderr': return ''
    data = {k: joined(v) for k, v in output.get('data', {'text/plain': output.get('text', '')}).items()}
    if any(kind.startswith('image/') for kind in data):
        sys.exit(f'{page.name}: a cell has a picture among its outputs; link to a file in nbs/images/ instead')
    if data.get('text/plain', '').startswith(('<Axes', '<Figure')): return ''
    if 'text/markdown' in data: return relink(data['text/markdown'], page)
    if 'text/html' in data: return re.sub(r'<style.*?</style>\s*', '', data['text/html'], flags=re.S)
    return f"```text\n{data['text/plain'].rstrip()}\n```"


def show_code(cell, page):
    "A code cell and its outputs as Markdown, without directives; nothing for one that is hidden."
    source = joined(cell['source'])
    if HIDDEN.search(source): return
    echo = not re.search(r'^#\|\s*echo:\s*false', source, re.M)
    code = '\n'.join(line for line in source.splitlines() if echo and not line.startswith('#|')).strip()
    if code: yield f'```python\n{code}\n```'
    yield from (show_output(o, page) for o in cell['outputs'])


def from_root(target, page):
    "A link of the page as the file above must write it; addresses, places on the page and paths from the top stay."
    if re.match(r'[\w+.-]+:|[#/]', target): return target
    path, mark, rest = re.match(r'([^#?]*)([#?]?)(.*)', target).groups()
    return normpath((page.parent/path).as_posix()) + mark + rest


def relink(text, page):
    "Point the links and pictures of Markdown to files below the root; code stays as it is."
    parts = re.split(r'(^```.*?^```|`[^`\n]+`)', text, flags=re.M | re.S)  # every second one is code
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r'(\]\(\s*<?)([^)\s>]+)', lambda m: m[1] + from_root(m[2], page), parts[i])
        parts[i] = re.sub(r'((?:src|href)=")([^"]+)', lambda m: m[1] + from_root(m[2], page), parts[i])
    return ''.join(parts)


def show_cell(cell, page):
    "A cell as pieces of Markdown."
    source = joined(cell['source'])
    if cell['cell_type'] == 'code': return show_code(cell, page)
    return front_matter(source) if cell['cell_type'] == 'raw' else [relink(source, page)]


def badges():
    "What the settings say of tests, docs, Python and licence, as badges."
    settings = ConfigParser()
    settings.read(ROOT/'settings.ini', encoding='utf-8')
    return BADGES.strip().format(**settings['DEFAULT'])


def readme(page):
    "The text that is made of a page, given its path below the root."
    cells = json.loads((ROOT/page).read_text(encoding='utf-8'))['cells']
    last = LAST.get(str(page))
    kept = takewhile(lambda cell: not last or not joined(cell['source']).startswith(last), cells)
    pieces = [piece.strip() for cell in kept for piece in show_cell(cell, page)]
    if last: pieces.append(f'{last}\n\nYou find them, with everything else, on [the page of this guide]({page}).')
    if page.name == 'index.ipynb': pieces.insert(1, badges())
    return '\n\n'.join([NOTICE.format(page), *filter(None, pieces)]) + '\n'


if __name__ == '__main__':
    for name, page in MADE.items(): (ROOT/name).write_text(readme(PurePosixPath(page)), encoding='utf-8')
