"""Check what is committed: `python scripts/check_notebooks.py`.

Every notebook below `nbs/`: no error, no standard error and no progress bar among its saved outputs, no path of somebody's
machine, no page that is too big, imports in cells of their own, no environment variable that is set for good, `run_experiment.ipynb`
ready for papermill, and everything that a module exports documented. Every other text file: no path of somebody's machine.
Exits with 1, and a list, when something is found.
"""
import ast
import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

from fastcore.docments import docments
from nbdev.showdoc import showdoc_nm

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 2_000_000
PAPERMILL = ('run_experiment.ipynb', 'streetlight.ipynb')  # pages that take parameters
# An absolute path, so nothing that could be the middle of an address or of a longer path may stand before it
MACHINE_PATH = re.compile(r'(?:(?<![\w.~$}/%-])|(?<=file://))/(?:home|work|root|tmp|Users|var/folders)/[\w.-]+|\b[A-Za-z]:\\{1,2}Users\b')
PROGRESS = re.compile(r'<progress|progress-bar|\r(?!\n)')
PICTURES = ('image/png', 'image/jpeg', 'image/gif', 'application/pdf')


def joined(text):
    "A notebook's text, which may be stored as a list of lines."
    return ''.join(text) if isinstance(text, list) else text if isinstance(text, str) else json.dumps(text)


def tracked():
    "The files that git knows, as paths below the root."
    names = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True, text=True, encoding='utf-8').stdout
    return [Path(n) for n in names.split('\0') if n and (ROOT/n).is_file()]


def output_texts(output):
    "The readable texts of a saved output, without pictures."
    data = {'text/plain': output.get('text', ''), 'trace': output.get('traceback', []), **output.get('data', {})}
    for kind, value in data.items():
        if kind not in PICTURES: yield re.sub(r'data:[\w/+.-]+;base64,[\w+/=\s]+', '', joined(value))


def machine_paths(text):
    "What is wrong with a text: paths that exist on one machine only."
    return [f'path of a machine: {p}' for p in dict.fromkeys(MACHINE_PATH.findall(text))]


def check_output(output):
    "What is wrong with one saved output."
    if output['output_type'] == 'error': yield f"error output: {output.get('ename')}: {output.get('evalue')}"
    if output.get('name') == 'stderr': yield f"stderr output: {joined(output['text']).strip()[:60]!r}"
    texts = list(output_texts(output))
    if any(map(PROGRESS.search, texts)) or any('jupyter.widget' in kind for kind in output.get('data', {})): yield 'progress bar in the output'
    for text in texts: yield from machine_paths(text)


def directives(source):
    "The names of a cell's `#|` directives, and the ones with a value as `name: value`."
    lines = [line[2:].strip() for line in source.splitlines() if line.startswith('#|')]
    return {line.split()[0].rstrip(':') for line in lines if line} | set(lines)


def parsed(source):
    "A code cell's statements; none for a cell that is not Python, such as one that starts with a cell magic."
    if source.lstrip().startswith('%%'): return []
    plain = '\n'.join('' if line.lstrip().startswith(('%', '!')) else line for line in source.splitlines())
    try: return ast.parse(plain).body
    except SyntaxError: return []


def stands_beside_imports(node):
    "Whether a statement may stand in a cell of imports: an import, a constant, a docstring, or nbdev's own call."
    if isinstance(node, (ast.Import, ast.ImportFrom)): return True
    if isinstance(node, ast.Assign): return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.Expr): return False
    return isinstance(node.value, ast.Constant) or (isinstance(node.value, ast.Call) and ast.unparse(node.value.func).endswith('nbdev_export'))


def check_imports(source):
    "Whether a cell mixes imports with work. nbdev runs cells with imports to build the pages, where nothing else has run; exported cells it runs anyway."
    nodes, kinds = parsed(source), directives(source)
    if kinds & {'export', 'exports', 'exporti', 'eval: false'}: return
    if any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in nodes) and not all(map(stands_beside_imports, nodes)):
        yield 'imports and other work in one cell'


def check_environment(source):
    "Whether a cell sets an environment variable for good. Tests run many pages in one process, so that the next page would see it."
    if re.search(r"os\.environ\[[^]]+\]\s*=[^=]", source): yield 'sets an environment variable for good: use patch.dict(os.environ, ...)'


def documented(module, name):
    "What is wrong with the documentation of one exported function or class, given its name, such as `fit` or `Ranker.fit`."
    obj = module
    for part in name.split('.'): obj = inspect.getattr_static(obj, part)
    obj = getattr(obj, '__func__', getattr(obj, 'fget', obj))  # what a classmethod, a staticmethod or a property holds
    doc = vars(obj).get('__doc__') if inspect.isclass(obj) else obj.__doc__
    if not doc or (inspect.isclass(obj) and doc.startswith(f'{obj.__name__}(')):  # a dataclass writes its signature there
        yield f'{name} has no docstring'
    docs = docments(obj if inspect.isclass(obj) else inspect.unwrap(obj), returns=False)
    yield from (f'{name}: parameter {p} has no docment' for p in parameters(obj) if not docs.get(p))


def parameters(obj):
    "The names of the parameters that a function or a class itself takes; ones it only passes on with `**` are not its own."
    if dataclasses.is_dataclass(obj): return [f.name for f in dataclasses.fields(obj) if f.init and f.name in obj.__annotations__]
    if inspect.isclass(obj): obj = vars(obj).get('__init__')
    code = getattr(inspect.unwrap(obj), '__code__', None) if obj else None
    names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount] if code else ()
    return [n for n in names if n not in ('self', 'cls')]


def check_exports(sources):
    "What is undocumented in a module's notebook, with the number of the cell; `sources` are its code cells by number."
    name = next((m[1] for s in sources.values() if (m := re.search(r'^#\|\s*default_exp\s+(\S+)', s, re.M))), None)
    if not name: return
    module = importlib.import_module(f'attic.{name}')
    for number, source in sources.items():
        if not directives(source) & {'export', 'exports'}: continue
        for node in parsed(source):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)): continue
            full = showdoc_nm(node)  # `Class.method` for a method that is patched in
            if full.split('.')[-1].startswith('_'): continue
            try: yield from ((number, said) for said in documented(module, full))
            except AttributeError: yield number, f'{full} is not in attic.{name}: export it'


def check_parameters(cells):
    "Whether exactly one cell has the tag that papermill looks for; without it papermill runs the defaults and does not say so."
    n = sum('parameters' in c['metadata'].get('tags', []) for c in cells)
    if n != 1: yield f'{n} cells are tagged `parameters`, not one'


def check_notebook(path):
    "Everything wrong with one notebook, as `(cell number or None, what)`."
    size = (ROOT/path).stat().st_size
    if size > MAX_BYTES: yield None, f'{size/1e6:.1f} MB, more than {MAX_BYTES/1e6:g} MB'
    cells = json.loads((ROOT/path).read_text(encoding='utf-8'))['cells']
    if path.name in PAPERMILL: yield from ((None, said) for said in check_parameters(cells))
    sources = {}
    for number, cell in enumerate(cells):
        source = joined(cell['source'])
        found = machine_paths(source)
        for output in cell.get('outputs', []): found += check_output(output)
        if cell['cell_type'] == 'code':
            sources[number] = source
            found += [*check_imports(source), *check_environment(source)]
        yield from ((number, said) for said in found)
    yield from check_exports(sources)


def check_text(path):
    "The machine paths in a file that is not a notebook; a file that is not text has none."
    try: return machine_paths((ROOT/path).read_text(encoding='utf-8'))
    except UnicodeDecodeError: return []


def main():
    "Check everything, and say what was found."
    files = tracked()
    notebooks = [p for p in files if p.parts[0] == 'nbs' and p.suffix == '.ipynb']
    problems = []
    for path in notebooks:
        problems += [f"{path}{'' if number is None else f', cell {number}'}: {said}" for number, said in check_notebook(path)]
    for path in files:
        if path not in notebooks: problems += [f'{path}: {said}' for said in check_text(path)]
    if not notebooks: problems.append('no notebook is committed')
    print(*problems, sep='\n', end='\n' if problems else '')
    print(f'{len(notebooks)} notebooks and {len(files) - len(notebooks)} other files, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__': sys.exit(main())
