"""Make `README.md` from `nbs/index.ipynb`: `python scripts/make_readme.py`.

What `nbdev_readme` does where Quarto is installed, without Quarto: hidden cells go, the rest is Markdown. The page stands in
`nbs/` and the README above it, so links and pictures are made to start from there. A picture is a committed file
(`![What it shows](images/result.png)`), never the output of a cell, so that the README shows it on every host.
"""
import json
import re
import sys
from pathlib import Path, PurePosixPath
from posixpath import normpath

import yaml

ROOT = Path(__file__).resolve().parent.parent
INDEX, README = ROOT/'nbs'/'index.ipynb', ROOT/'README.md'
NOTICE = '<!-- Made from nbs/index.ipynb by scripts/make_readme.py: edit the notebook. -->'
HIDDEN = re.compile(r'^#\|\s*(hide\b|include:\s*false|default_exp|export)', re.M)


def joined(text):
    "A notebook's text, which may be stored as a list of lines."
    return ''.join(text)


def front_matter(source):
    "A raw cell of front matter as a title and a subtitle; any other raw cell gives nothing."
    if not source.startswith('---'): return
    meta = yaml.safe_load(source.split('---')[1])
    yield from (form.format(meta[key]) for key, form in (('title', '# {}'), ('description', '> {}')) if key in meta)


def show_output(output):
    "A saved output as Markdown: a table stays HTML, without the style that pandas writes and GitHub shows as text."
    if output.get('name') == 'stderr': return ''
    data = {k: joined(v) for k, v in output.get('data', {'text/plain': output.get('text', '')}).items()}
    if any(kind.startswith('image/') for kind in data):
        sys.exit('index.ipynb: a cell has a picture among its outputs; link to a file in nbs/images/ instead')
    if 'text/markdown' in data: return relink(data['text/markdown'])
    if 'text/html' in data: return re.sub(r'<style.*?</style>\s*', '', data['text/html'], flags=re.S)
    return f"```text\n{data['text/plain'].rstrip()}\n```"


def show_code(cell):
    "A code cell and its outputs as Markdown, without directives; nothing for one that is hidden."
    source = joined(cell['source'])
    if HIDDEN.search(source): return
    echo = not re.search(r'^#\|\s*echo:\s*false', source, re.M)
    code = '\n'.join(line for line in source.splitlines() if echo and not line.startswith('#|')).strip()
    if code: yield f'```python\n{code}\n```'
    yield from map(show_output, cell['outputs'])


def from_root(target):
    "A link of the page as the README must write it; addresses, places on the page and paths from the top stay."
    if re.match(r'[\w+.-]+:|[#/]', target): return target
    path, mark, rest = re.match(r'([^#?]*)([#?]?)(.*)', target).groups()
    return normpath((PurePosixPath('nbs')/path).as_posix()) + mark + rest


def relink(text):
    "Point the links and pictures of Markdown to files below the root; code stays as it is."
    parts = re.split(r'(^```.*?^```|`[^`\n]+`)', text, flags=re.M | re.S)  # every second one is code
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r'(\]\(\s*<?)([^)\s>]+)', lambda m: m[1] + from_root(m[2]), parts[i])
        parts[i] = re.sub(r'((?:src|href)=")([^"]+)', lambda m: m[1] + from_root(m[2]), parts[i])
    return ''.join(parts)


def show_cell(cell):
    "A cell as pieces of Markdown."
    source = joined(cell['source'])
    if cell['cell_type'] == 'code': return show_code(cell)
    return front_matter(source) if cell['cell_type'] == 'raw' else [relink(source)]


def readme(nb):
    "The README's text."
    pieces = [piece.strip() for cell in nb['cells'] for piece in show_cell(cell)]
    return '\n\n'.join([NOTICE, *filter(None, pieces)]) + '\n'


if __name__ == '__main__': README.write_text(readme(json.loads(INDEX.read_text(encoding='utf-8'))), encoding='utf-8')
