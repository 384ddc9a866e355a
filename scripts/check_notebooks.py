"""Check what is committed: `python scripts/check_notebooks.py`, or `... nbs/models scripts` for files below some paths.

- Every notebook below `nbs/`: at most 1 MB; saved outputs without errors, standard error, progress bars or paths of a
  machine; imports in cells of their own; no environment variable that is set for good; `run_experiment.ipynb` ready for
  papermill; everything that a module exports documented.
- The site: every page in the sidebar of `_quarto.yml`, in the order of the numbers in its folder, each number once.
- Every Python file and code cell: no nested comprehension, no loop that assigns to an attribute, no chained conditional
  expression, no name that 0.2 gave up. `ruff check`, with ruff.toml, does the rest.
- The library: packages import in one direction, only `attic.report` plots, only pages of the app know a web server.
- Every other text file: no path of a machine, no command that 0.2 gave up.

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

import yaml
from fastcore.docments import docments
from nbdev.showdoc import showdoc_nm

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1_000_000
PAPERMILL = ('run_experiment.ipynb', 'streetlight.ipynb')  # pages that take parameters
# An absolute path, so nothing that could be the middle of an address or of a longer path may stand before it
MACHINE_PATH = re.compile(r'(?:(?<![\w.~$}/%-])|(?<=file://))/(?:home|work|root|tmp|Users|var/folders)/[\w.-]+|\b[A-Za-z]:\\{1,2}Users\b')
PROGRESS = re.compile(r'<progress|progress-bar|\r(?!\n)')
PICTURES = ('image/png', 'image/jpeg', 'image/gif', 'application/pdf')


def joined(text):
    "A notebook's text, which may be stored as a list of lines."
    if isinstance(text, str): return text
    return ''.join(text) if isinstance(text, list) else json.dumps(text)


def tracked():
    "The files that git knows, as paths below the root."
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True, encoding='utf-8')
    return [Path(name) for name in listed.stdout.split('\0') if name and (ROOT/name).is_file()]


def output_texts(output):
    "The readable texts of a saved output, without pictures."
    data = {'text/plain': output.get('text', ''), 'trace': output.get('traceback', []), **output.get('data', {})}
    for kind, value in data.items():
        if kind not in PICTURES: yield re.sub(r'data:[\w/+.-]+;base64,[\w+/=\s]+', '', joined(value))


def old_commands(text):
    "What is wrong with a text: commands that are now verbs of `attic`."
    return [f'{c} is now a verb of `attic`' for c in dict.fromkeys(OLD_COMMAND.findall(text))]


def machine_paths(text):
    "What is wrong with a text: paths that exist on one machine only."
    return [f'path of a machine: {p}' for p in dict.fromkeys(MACHINE_PATH.findall(text))]


def check_output(output):
    "What is wrong with one saved output."
    if output['output_type'] == 'error': yield f"error output: {output.get('ename')}: {output.get('evalue')}"
    if output.get('name') == 'stderr': yield f"stderr output: {joined(output['text']).strip()[:60]!r}"
    texts = list(output_texts(output))
    widget = any('jupyter.widget' in kind for kind in output.get('data', {}))
    if widget or any(map(PROGRESS.search, texts)): yield 'progress bar in the output'
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
    if isinstance(node.value, ast.Call): return ast.unparse(node.value.func).endswith('nbdev_export')
    return isinstance(node.value, ast.Constant)


def check_imports(source):
    """Whether a cell mixes imports with work. To build the pages nbdev runs the cells that import, before anything else
    has run; cells that it exports it runs in any case."""
    nodes, kinds = parsed(source), directives(source)
    if kinds & {'export', 'exports', 'exporti', 'eval: false'}: return
    if any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in nodes) and not all(map(stands_beside_imports, nodes)):
        yield 'imports and other work in one cell'


def check_environment(source):
    "Whether a cell sets an environment variable for good. Tests run many pages in one process: the next would see it."
    if re.search(r"os\.environ\[[^]]+\]\s*=[^=]", source):
        yield 'sets an environment variable for good: use patch.dict(os.environ, ...)'


def documented(module, name):
    "What is wrong with the documentation of an exported function or class, given its name, such as `Ranker.fit`."
    obj = module
    for part in name.split('.'): obj = inspect.getattr_static(obj, part)
    obj = getattr(obj, '__func__', getattr(obj, 'fget', obj))  # what a classmethod, a staticmethod or a property holds
    doc = vars(obj).get('__doc__') if inspect.isclass(obj) else obj.__doc__
    signature = inspect.isclass(obj) and doc and doc.startswith(f'{obj.__name__}(')  # which a dataclass writes there
    if not doc or signature: yield f'{name} has no docstring'
    docs = docments(obj if inspect.isclass(obj) else inspect.unwrap(obj), returns=False)
    yield from (f'{name}: parameter {p} has no docment' for p in parameters(obj) if not docs.get(p))


def parameters(obj):
    "The names of the parameters that a function or a class itself takes, without those it passes on with `**`."
    if dataclasses.is_dataclass(obj):
        return [f.name for f in dataclasses.fields(obj) if f.init and f.name in obj.__annotations__]
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


# --- code: the rules that ruff doesn't have, and names that 0.2 gave up

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
MAX_CLAUSES = 2  # `for` clauses of one comprehension
# What an old name became. None of these is an identifier any more; as words in strings and prose they are free.
RENAMED = dict(line.split() for line in """
    one_of check_choice
    start_from seed_everything
    atomic atomic_write
    code_version VERSION
    Bank ImageSet
    Domain Dataset
    get_domain get_dataset
    domain_pairs dataset_pairs
    draw_pairs sample_pairs
    draw_pair generate_pair
    machine_correlation score_correlation
    mistakes score_errors
    picked selection_prob
    looks unsupervised_attributes
    LOOKS N_UNSUPERVISED
    Regressor AttributePredictor
    fit_regressor fit_predictor
    strangeness ood_score
    strange_real ood_stats
    unseen image_ood_penalty
    unheard attr_ood_penalty
    Judge Probe
    fit_judge fit_probe
    Published AtticObjective,Attribute2Image
    Answerable UndecidedObjective
    AtticPlusObjective UndecidedObjective
    Created Proposal
    Asked ProposalRequest
    ASKINGS STRATEGIES
    onlook label_quality
    firm hard_labels
    travel y_history
    plot_games plot_training
    tent interp_weights
    Ready PretrainedBackbone
    KeepInside CropPenalty
    unlikeliness latent_nll
    halved to_half
    lower_bound elbo
    obedience controllability
    crew_skill worker_noise
    lacking needing_votes
    PeopleExperiment Experiment
    fit_stack fit_ranker
    fit_together fit_ranker
    attic_run attic.app.cli
    attic_learn attic.app.cli
    attic_label attic.app.cli
    attic_rank attic.app.cli
    attic_batch attic.app.cli
    attic_data attic.app.cli
""".strip().splitlines())
# Words that say too little to be the name of a parameter, and of a function or a class
VAGUE = {'told', 'said', 'how', 'look', 'see', 'eye', 'judge', 'machine', 'goal', 'play', 'game', 'outside', 'alone',
         'pace', 'likely', 'doubt', 'alike', 'band', 'against', 'strange', 'crew', 'bank', 'domain'}
VAGUE_FUNCTIONS = VAGUE | {'found', 'names', 'short', 'one', 'groups', 'recipe', 'draw'}
OLD_COMMAND = re.compile(r'\battic_(?:run|learn|label|rank|batch|data)\b')


def is_plain_target(node):
    "Whether a loop may assign to this: a name, or a tuple of names."
    if isinstance(node, ast.Starred): node = node.value
    if isinstance(node, ast.Tuple): return all(map(is_plain_target, node.elts))
    return isinstance(node, ast.Name)


def below(node):
    "Everything below a node of the syntax tree, without the node."
    for child in ast.iter_child_nodes(node): yield from ast.walk(child)


def unreadable(node):
    "What makes one node hard to read."
    if isinstance(node, COMPREHENSIONS):
        if any(isinstance(n, COMPREHENSIONS) for n in below(node)): yield 'a comprehension in a comprehension'
        if len(node.generators) > MAX_CLAUSES: yield f'a comprehension with more than {MAX_CLAUSES} `for` clauses'
    if isinstance(node, ast.IfExp) and any(isinstance(n, ast.IfExp) for n in below(node)):
        yield 'a conditional expression in a conditional expression'
    if isinstance(node, (ast.For, ast.AsyncFor)) and not is_plain_target(node.target):
        yield f'the loop assigns to {ast.unparse(node.target)}'
    for clause in getattr(node, 'generators', []):
        if not is_plain_target(clause.target): yield f'the comprehension assigns to {ast.unparse(clause.target)}'


def identifiers(node):
    "The names that one node uses or defines, each with what it defines by it."
    if isinstance(node, ast.Name): yield node.id, None
    if isinstance(node, ast.Attribute): yield node.attr, None
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)): yield node.name, 'function'
    if isinstance(node, ast.keyword) and node.arg: yield node.arg, None
    if isinstance(node, ast.arg): yield node.arg, 'parameter'
    if isinstance(node, ast.alias): yield from ((name, None) for name in (node.name, node.asname) if name)


def given_up(node):
    "What is wrong with the names of one node."
    for name, role in identifiers(node):
        if name in RENAMED: yield f'`{name}` is now {RENAMED[name]}'
        elif role == 'parameter' and name in VAGUE: yield f'`{name}` says too little for a parameter'
        elif role == 'function' and name in VAGUE_FUNCTIONS: yield f'`{name}` says too little for a function'


def check_code(source):
    "What a cell or a file has that ruff has no rule for, with the line."
    for statement in parsed(source):
        for node in ast.walk(statement):
            for what in (*unreadable(node), *given_up(node)): yield f'line {node.lineno}: {what}'


def check_snakefile(text):
    "The names that a Snakefile uses and that 0.2 gave up; it isn't quite Python, so every word counts."
    words = set(re.findall(r'\w+', re.sub(r'#.*', '', text)))
    yield from (f'`{name}` is now {new}' for name, new in RENAMED.items() if name in words)


# --- the library: who may import whom

# From the bottom to the top: a module imports from its own package and from those before it
LAYERS = ('core', 'config', 'store', 'worlds', 'data', 'testing', 'models', 'labels', 'methods', 'report', 'app', 'all')
# What only some modules may import
RESERVED = {
    ('matplotlib', 'seaborn', 'IPython'): 'attic.report',
    ('uvicorn', 'fasthtml', 'starlette'): 'attic.app',
}
# These import a web server: a job without a page must not
HEAVY = ('attic.app.server', 'attic.app.labelling', 'attic.app.sort_page')


def module_name(path):
    "The dotted name of a file of the library."
    parts = path.with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def import_source(node, path):
    "The dotted name of the module that an `ImportFrom` of a file names; a file of a package starts from that package."
    if not node.level: return node.module
    package = path.parts[:-1]
    return '.'.join((*package[:len(package) + 1 - node.level], *filter(None, [node.module])))


def imported(tree, path, modules):
    "The modules that the syntax tree of a file imports, with the line; of ours the module that holds what is imported."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from ((node.lineno, alias.name) for alias in node.names)
        if not isinstance(node, ast.ImportFrom): continue
        source = import_source(node, path)
        for alias in node.names:
            inner = f'{source}.{alias.name}'
            yield node.lineno, inner if inner in modules else source


def at_once(tree):
    "The part of a file that runs when it is imported: what stands in no function."
    body = [node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return ast.Module(body, [])


def layer(module):
    "How high a module of ours stands; `attic` itself, which holds the version, is below everything."
    parts = module.split('.')
    return LAYERS.index(parts[1]) if len(parts) > 1 else -1


def within(module, package):
    "Whether a module is in a package, or is it."
    return module == package or module.startswith(f'{package}.')


def check_import(module, target):
    "What is wrong with one import of a module."
    for names, home in RESERVED.items():
        if target.split('.')[0] in names and not within(module, home): yield f'imports {target}, which only {home} may'
    if within(target, 'attic') and layer(target) > layer(module): yield f'imports {target}, which stands above it'


def check_module(path, library):
    "What is wrong with the imports of a file of the library, with the line."
    module, tree = module_name(path), ast.parse((ROOT/path).read_text(encoding='utf-8'))
    for line, target in imported(tree, path, library):
        yield from ((line, what) for what in check_import(module, target))
    for line, target in imported(at_once(tree), path, library):
        if target in HEAVY and module not in HEAVY:
            yield line, f'imports {target} and with it a web server: import it in the function that needs it'


def our_imports(path, library):
    "The modules of the library that a file of it imports, other than itself."
    tree = ast.parse((ROOT/path).read_text(encoding='utf-8'))
    return {target for _, target in imported(tree, path, library) if target in library} - {module_name(path)}


def find_circle(graph):
    "Some modules that import each other in a circle, in order; None where there is no circle."
    def visit(module, path):
        if module in path: return [*path[path.index(module):], module]
        if module in done: return None
        circles = (visit(target, [*path, module]) for target in sorted(graph[module]))
        circle = next(filter(None, circles), None)
        done.add(module)
        return circle
    done = set()
    return next(filter(None, (visit(module, []) for module in sorted(graph))), None)


def check_library(files):
    "What is wrong with who imports whom, as `(file, what)`."
    ours = [p for p in files if p.parts[0] == 'attic' and p.suffix == '.py' and p.name != '_modidx.py']
    library = {module_name(p): p for p in ours}
    homeless = [m for m in library if m != 'attic' and m.split('.')[1] not in LAYERS]
    if homeless: yield from ((library[m], f'{m} has no place among the layers') for m in homeless)
    else: yield from ((p, f'line {line}: {what}') for p in ours for line, what in check_module(p, library))
    graph = {module: our_imports(path, library) for module, path in library.items()}
    circle = find_circle(graph)
    if circle: yield Path('attic'), f"modules import each other in a circle: {' -> '.join(circle)}"


# --- the site: which pages there are, and in which order

def page_number(path):
    "The number that a page's name begins with, or None."
    match = re.match(r'(\d+)_', path.name)
    return int(match[1]) if match else None


def sidebar_pages(contents):
    "The pages of a sidebar in order, as paths below `nbs/`."
    for entry in contents:
        if isinstance(entry, dict): yield from sidebar_pages(entry['contents'])
        else: yield Path(entry)


def check_order(paths, where):
    "What is wrong with the numbers of pages in their order: in each folder they rise."
    folders = {}
    for path in paths:
        number = page_number(path)
        if number is None: continue
        before = folders.get(path.parent)
        if before and number == page_number(before): yield f'{where}: {before} and {path} have the same number'
        elif before and number < page_number(before): yield f'{where}: {path} stands after {before}'
        folders[path.parent] = path


def check_pages(notebooks):
    "What is wrong with the pages as a whole: two with one number, or a sidebar that is not the same list."
    pages = sorted(p.relative_to('nbs') for p in notebooks)
    config = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))
    listed = list(sidebar_pages(config['website']['sidebar']['contents']))
    yield from check_order(pages, 'nbs')
    yield from check_order([p for p in listed if p in pages], '_quarto.yml')
    yield from (f'{p} is twice in the sidebar' for p in dict.fromkeys(listed) if listed.count(p) > 1)
    yield from (f'{p} is not in the sidebar' for p in pages if p not in listed)
    yield from (f'the sidebar has {p}, which is no page' for p in listed if p not in pages)


# --- everything

def check_parameters(cells):
    "Whether exactly one cell has the tag that papermill looks for; without it papermill silently runs the defaults."
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
        found = machine_paths(source) + old_commands(source)
        for output in cell.get('outputs', []): found += check_output(output)
        if cell['cell_type'] == 'code':
            sources[number] = source
            found += [*check_imports(source), *check_environment(source), *check_code(source)]
        yield from ((number, said) for said in found)
    yield from check_exports(sources)


# Where old commands are named on purpose
OLD_WORDS_ALLOWED = ('CHANGELOG.md', 'scripts/build_docs.py', 'scripts/check_notebooks.py')


def check_text(path):
    "What is wrong with a file that is not a notebook; a file that is not text has nothing wrong."
    try: text = (ROOT/path).read_text(encoding='utf-8')
    except UnicodeDecodeError: return []
    found = machine_paths(text)
    if path.parts[0] != 'attic' and path.as_posix() not in OLD_WORDS_ALLOWED: found += old_commands(text)
    if path.name == 'Snakefile': found += check_snakefile(text)
    if path.suffix == '.py' and path.parts[0] != 'attic': found += check_code(text)
    return found


def is_below(path, folders):
    "Whether a path is one of `folders`, or in one of them."
    return any(path.is_relative_to(folder) for folder in folders)


def find_problems(files):
    "Everything that is wrong, as `(file, what)`."
    notebooks = [p for p in files if p.parts[0] == 'nbs' and p.suffix == '.ipynb']
    if not notebooks: yield Path('nbs'), 'no notebook is committed'
    for path in notebooks:
        for number, what in check_notebook(path):
            yield path, what if number is None else f'cell {number}, {what}'
    for path in files:
        if path not in notebooks: yield from ((path, what) for what in check_text(path))
    yield from ((Path('_quarto.yml'), what) for what in check_pages(notebooks))
    yield from check_library(files)


def main(below):
    "Check everything, and print what was found; `below` are the paths that somebody asks about."
    files = tracked()
    problems = [f'{path}: {what}' for path, what in find_problems(files) if not below or is_below(path, below)]
    print(*problems, sep='\n', end='\n' if problems else '')
    print(f'{len(files)} files, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__': sys.exit(main([Path(arg) for arg in sys.argv[1:]]))
