"""Run pages and keep what they show: `python scripts/run_pages.py nbs/05_ranker.ipynb ...` (all pages without arguments).

Cells marked `#| slow`, which train for many minutes what ships with attic, are not run, and keep what they showed; `--slow` runs them too.

What the site shows is what a page printed when it was last run. Progress bars and standard error are for the person who waits,
so they are taken out; then `nbdev_clean` takes out what changes from run to run. A page that fails is left as it was.
"""
import base64
import io
import os
import subprocess
import sys
from pathlib import Path

from execnb.nbio import read_nb, write_nb
from execnb.shell import CaptureShell
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def is_debris(output):
    "Whether an output is standard error or a progress bar: something that only mattered while the page ran."
    data = output.get('data', {})
    html = ''.join(data.get('text/html', ''))
    plain = ''.join(data.get('text/plain', ''))
    bar = '\r' in ''.join(output.get('text', ''))
    return output.get('name') == 'stderr' or bar or '<progress' in html or 'progress-bar' in html or plain == '<IPython.core.display.HTML object>'


def is_slow(cell):
    "Whether a cell is marked as slow."
    return any(line.replace(' ', '') == '#|slow' for line in cell.source.splitlines())


def shrink(output):
    "Store a large picture with 256 colours: a page must stay light."
    png = output.get('data', {}).get('image/png')
    if png and len(png) > 150_000:
        small = io.BytesIO()
        Image.open(io.BytesIO(base64.b64decode(''.join(png)))).convert('RGB').quantize(256).save(small, 'PNG', optimize=True)
        if small.tell() < 0.75 * len(png): output['data']['image/png'] = base64.b64encode(small.getvalue()).decode() + '\n'
    return output


def run_page(path, slow=False):
    "Execute one page in its folder, and write it back without debris."
    print(path.relative_to(ROOT), flush=True)
    os.chdir(ROOT/'nbs')
    nb = read_nb(path)
    for cell in nb.cells:  # a cell that shows nothing now must not keep what it showed before
        if 'outputs' in cell and (slow or not is_slow(cell)): cell['outputs'] = []
    CaptureShell(path=ROOT/'nbs', mpl_format='png').run_all(nb, exc_stop=True, preproc=lambda cell: is_slow(cell) and not slow)
    for cell in nb.cells:
        if 'outputs' in cell: cell['outputs'] = [shrink(o) for o in cell['outputs'] if not is_debris(o)]
    write_nb(nb, path)


def main(args):
    "Each page in a process of its own, so that none sees what another imported."
    slow, names = [a for a in args if a == '--slow'], [a for a in args if a != '--slow']
    pages = [Path(n).resolve() for n in names] or sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if not any(q.startswith(('.', '_')) for q in p.relative_to(ROOT).parts))
    for page in pages:
        if subprocess.run([sys.executable, __file__, '--one', page, *slow]).returncode: sys.exit(f'{page.relative_to(ROOT)} failed, and is as it was')
    subprocess.run(['nbdev_clean'], cwd=ROOT, check=True)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--one']: run_page(Path(sys.argv[2]).resolve(), '--slow' in sys.argv)
    else: main(sys.argv[1:])
