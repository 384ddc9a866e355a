"""Measure how the pages read: `python scripts/measure_prose.py`, or `... nbs/data nbs/00_core.ipynb` for some of them.

Prints one line per page and a total, from markdown and docstrings; `--show` adds the stilted sentences. It never fails:
compare the numbers with fastcore, nbdev and claudette. They have "you/we/our" 34 to 51 times in 1,000 words,
contractions 7 to 20 times, a stilted turn in 1 to 2 % of sentences, and export cells with a median of 5 to 8 lines.
"""
import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
MAX_LINE = 120
WORD = re.compile(r"[A-Za-z][\w'’-]*")
PERSON = re.compile(r"\b(?:you|we|our|ours|your|yours|us)\b", re.I)
CONTRACTION = re.compile(r"""
    \b(?: \w+(?:n['’]t|['’](?:re|ll|ve|d|m)) | (?:it|that|there|here|what|let|he|she|who|where)['’]s )\b
""", re.I | re.X)
STILTED = re.compile(r"""
    \b(?: whose | (?:of|to|for|in|by|from|with|on|at)\ which | so\ that | nobody | (?-i:none) | neither | nor | shall
    | besides
    | it\ is\ (?:[\w-]+\ ){1,4}that      # it is the ranker that
    | asked\ (?:for|to|of|about) | for\ one\b(?!\ [a-z]) | that\ of | those\ of | of\ what | upon | hence | thus
    | what\ is\ (?:asked|no|not|to|said|left|there|in|of|wrong|missing|known|read|told) )\b
    # inverted: Nor is it ..., Only then does the ...
    | ^(?:Nor|Neither|Never|Only|So|Such|Rarely|Seldom)\ (?:[\w-]+\ ){0,4}?
       (?:is|are|was|were|does|do|did|has|have|can|may)\ (?:an?|the|it|they|we|you)\b
    | ^(?:And|But)\ (?:what|who|which)\b  # And what is no proper face is ...
""", re.I | re.X)


def source_of(cell):
    "A cell's text."
    return ''.join(cell['source'])


def is_export(source):
    "Whether nbdev writes a cell to the library."
    return bool(re.search(r'^#\|\s*(?:export|exports|exporti)\s*$', source, re.M))


def docstrings(source):
    "The docstrings of a code cell."
    try: tree = ast.parse(source)
    except SyntaxError: return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
    docs = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
    return [doc for doc in docs if doc]


def plain(markdown):
    "Markdown without code, formulas, tables, links' addresses and marks; a heading or an item ends like a sentence."
    text = re.sub(r'^---\n.*?\n---$', ' ', markdown, flags=re.S | re.M)
    text = re.sub(r'```.*?```|\$\$.*?\$\$|<!--.*?-->|<[^>]+>', ' ', text, flags=re.S)
    text = re.sub(r'^\s*(?:\||:::|!\[).*$', ' ', text, flags=re.M)
    text = re.sub(r'!?\[([^]]*)\]\([^)]*\)', r'\1', text)
    text = re.sub(r'`[^`\n]*`|\$[^$\n]*\$', 'code', text)
    text = re.sub(r'^#+ .*$|^> ?', ' ', text, flags=re.M)
    text = re.sub(r'^\s*(?:[-*]|\d+\.) ', '\n\n', text, flags=re.M)
    return re.sub(r'[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}', '', text)


def sentences(text):
    "The sentences of plain text that have at least three words."
    blocks = [' '.join(block.split()) for block in re.split(r'\n\s*\n', text)]
    parts = re.split(r'(?<=[.!?:;])\s+|\n', '\n'.join(blocks))
    return [s for s in parts if len(WORD.findall(s)) > 2]


def shows(cell):
    "Whether a cell shows a picture or a result: an output, or an image in its markdown."
    if cell['cell_type'] == 'code': return bool(cell.get('outputs'))
    return bool(re.search(r'!\[|<img', source_of(cell)))


def measure(path):
    "What we count on one page."
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    code = [source_of(c) for c in cells if c['cell_type'] == 'code']
    texts = [plain(source_of(c)) for c in cells if c['cell_type'] == 'markdown']
    texts += [plain(doc) for source in code for doc in docstrings(source)]
    said = [s for text in texts for s in sentences(text)]
    return dict(
        sentences=len(said),
        words=sum(len(WORD.findall(s)) for s in said),
        person=sum(len(PERSON.findall(s)) for s in said),
        contractions=sum(len(CONTRACTION.findall(s)) for s in said),
        stilted=[s for s in said if STILTED.search(s)],
        long_lines=sum(len(line) > MAX_LINE for source in code for line in source.splitlines()),
        exports=[body_lines(source) for source in code if is_export(source)],
        first=next((i for i, cell in enumerate(cells) if shows(cell)), None))


def body_lines(source):
    "The lines of a cell, without directives and blank lines."
    return sum(bool(line.strip()) and not line.startswith('#|') for line in source.splitlines())


def total(pages):
    "The sum of some pages' measures."
    adds = ('sentences', 'words', 'person', 'contractions', 'stilted', 'long_lines', 'exports')
    sums = {key: pages[0][key] for key in adds}
    for page in pages[1:]: sums |= {key: sums[key] + page[key] for key in adds}
    firsts = [page['first'] for page in pages if page['first'] is not None]
    return sums | dict(first=median(firsts) if firsts else None)


def row(name, m):
    "One line of the table."
    words, n = max(m['words'], 1), max(m['sentences'], 1)
    cells = [f"{m['words']/n:.1f}", f"{1000*m['person']/words:.1f}", f"{1000*m['contractions']/words:.1f}",
             f"{100*len(m['stilted'])/n:.1f}", str(m['long_lines']),
             f"{median(m['exports']):g}" if m['exports'] else '-', '-' if m['first'] is None else f"{m['first']:g}"]
    return f'{name:36}' + ''.join(f'{c:>10}' for c in cells)


def pages_below(names):
    "The committed notebooks in some folders, or all."
    listed = subprocess.run(['git', 'ls-files', 'nbs/*.ipynb'], cwd=ROOT, check=True, capture_output=True, text=True)
    pages = [Path(name) for name in listed.stdout.splitlines()]
    return [page for page in pages if not names or any(map(page.is_relative_to, names))]


def main(args):
    "Print the table; with `--show` also the stilted sentences."
    pages = pages_below([a for a in args if a != '--show'])
    if not pages: sys.exit('no page is there')
    measures = [measure(ROOT/page) for page in pages]
    heads = ('words', 'you/we', "n't, 's", 'stilted', 'lines', 'lines an', 'first')
    units = ('/sentence', '/1000', '/1000', '%', '> 120', 'export', 'result')
    for names in (heads, units): print(' '*36 + ''.join(f'{n:>10}' for n in names))
    for page, m in zip(pages, measures):
        print(row(str(page.relative_to('nbs')), m))
        if '--show' in args: print(*(f'    {s}' for s in m['stilted']), sep='\n')
    print(row(f'{len(pages)} pages', total(measures)))


if __name__ == '__main__': main(sys.argv[1:])
