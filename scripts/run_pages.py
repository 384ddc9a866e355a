"""Run pages and keep what they show: `python scripts/run_pages.py nbs/models/03_ranker.ipynb ...` (or all pages).

Cells marked `#| slow` train for minutes what ships with attic: they keep their outputs, and only `--slow` runs them.
The site shows what a page printed when it was last run. Progress bars and standard error are for the person who waits:
they go; then `nbdev_clean` takes out what changes from run to run. A page that fails stays as it was.
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
LARGE = 100_000  # characters of an encoded picture


def is_debris(output):
    "Whether an output is standard error or a progress bar: something that only mattered while the page ran."
    data = output.get('data', {})
    html = ''.join(data.get('text/html', ''))
    plain = ''.join(data.get('text/plain', ''))
    if output.get('name') == 'stderr' or '\r' in ''.join(output.get('text', '')): return True
    return '<progress' in html or 'progress-bar' in html or plain == '<IPython.core.display.HTML object>'


def is_slow(cell):
    "Whether a cell is marked as slow."
    return any(line.replace(' ', '') == '#|slow' for line in cell.source.splitlines())


def shrink(output):
    "Store a picture with a palette of 256 colours where nothing is lost by it, or where it is large: pages stay light."
    png = ''.join(output.get('data', {}).get('image/png', ''))
    if not png: return output
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert('RGB')
    if not picture.getcolors(256) and len(png) < LARGE: return output
    small = io.BytesIO()
    picture.quantize(256).save(small, 'PNG', optimize=True)
    encoded = base64.b64encode(small.getvalue()).decode() + '\n'
    if len(encoded) < len(png): output['data']['image/png'] = encoded
    return output


def run_page(path, slow=False):
    "Execute one page in its folder, and write it back without debris."
    print(path.relative_to(ROOT), flush=True)
    os.chdir(ROOT/'nbs')
    nb = read_nb(path)
    for cell in nb.cells:  # a cell that shows nothing now must not keep what it showed before
        if 'outputs' in cell and (slow or not is_slow(cell)): cell['outputs'] = []
    shell = CaptureShell(path=ROOT/'nbs', mpl_format='png')
    shell.run_all(nb, exc_stop=True, preproc=lambda cell: is_slow(cell) and not slow)
    for cell in nb.cells:
        if 'outputs' in cell: cell['outputs'] = [shrink(o) for o in cell['outputs'] if not is_debris(o)]
    write_nb(nb, path)


def is_page(path):
    "Whether nbdev takes a notebook for a page: no part of its path is hidden."
    return not any(part.startswith(('.', '_')) for part in path.relative_to(ROOT).parts)


def main(args):
    "Run each page in a process of its own: no page sees what another imported."
    slow, names = [a for a in args if a == '--slow'], [a for a in args if a != '--slow']
    pages = [Path(n).resolve() for n in names] or sorted(filter(is_page, (ROOT/'nbs').rglob('*.ipynb')))
    for page in pages:
        done = subprocess.run([sys.executable, __file__, '--one', page, *slow])
        if done.returncode: sys.exit(f'{page.relative_to(ROOT)} failed, and is as it was')
    subprocess.run(['nbdev_clean'], cwd=ROOT, check=True)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--one']: run_page(Path(sys.argv[2]).resolve(), '--slow' in sys.argv)
    else: main(sys.argv[1:])
