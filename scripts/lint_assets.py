"""Lint the CSS and JavaScript that ship: `python scripts/lint_assets.py`, or with FILES for just those.

[Biome](https://biomejs.dev) does it, with the rules in `biome.jsonc`. The script looks for `$BIOME`, then for `biome`
on the path, then runs the version below with npx, which fetches it once and works offline afterwards. Without any of
them it says that it skipped, and exits with 0. It finds lines over 120 characters itself. Biome must first find a
planted mistake in each language; only then does its silence count.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BIOME = '@biomejs/biome@2.6.8'
ROOT = Path(__file__).resolve().parent.parent
LONGEST = 120
PLANTED = { # file -> a mistake, and the rule that finds it
    'planted.js': ('count = 1\n', 'noUndeclaredVariables'),
    'planted.css': ('p { colour: red; }\n', 'noUnknownProperty'),
}


def assets():
    "The style sheets and scripts that git knows, or would add."
    found = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.css', '*.js'],
                           cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT/f for f in found.stdout.split('\n') if f]


def long_lines(path):
    "Where a file has lines that are too long."
    lines = path.read_text(encoding='utf-8').splitlines()
    lengths = enumerate(map(len, lines), 1)
    return [f'{path}:{n}: {length} characters, over {LONGEST}' for n, length in lengths if length > LONGEST]


def find_biome():
    "A command that runs Biome, or None."
    own = os.environ.get('BIOME') or shutil.which('biome')
    if own: return [own]
    npx = shutil.which('npx')
    command = [npx, '--yes', '--prefer-offline', BIOME]
    works = npx and subprocess.run([*command, '--version'], capture_output=True).returncode == 0
    return command if works else None


def lint(biome, *arguments, folder=ROOT, **options):
    "Run Biome's linter in a folder; returns the finished process."
    return subprocess.run([*biome, 'lint', '--error-on-warnings', *arguments], cwd=folder, text=True, **options)


def misses(biome):
    "The planted mistakes that Biome does not find."
    with tempfile.TemporaryDirectory() as d:
        folder = Path(d)/'attic/app/static'  # what `biome.jsonc` includes
        folder.mkdir(parents=True)
        shutil.copy(ROOT/'biome.jsonc', d)
        for name, (text, _) in PLANTED.items(): (folder/name).write_text(text)
        report = lint(biome, '--reporter=github', folder=d, capture_output=True).stdout
    return [name for name, (_, rule) in PLANTED.items() if rule not in report]


def main(files):
    "Lint; returns the exit status."
    paths = [Path(f).resolve() for f in files] or assets()
    problems = [p for path in paths if ROOT/'attic' in path.parents for p in long_lines(path)]
    print(*problems, sep='\n', end='\n' if problems else '')
    biome = find_biome()
    if not biome:
        print(f'SKIPPED: {len(paths)} CSS and JavaScript files were NOT linted, since there is no Biome.',
              'To lint them: install Node.js, or set $BIOME to the program.')
        return int(bool(problems))
    missed = misses(biome)
    if missed:
        print(f'Biome does not find the mistakes in {", ".join(missed)}: its rules, or this script, are broken')
        return 1
    failed = lint(biome, *map(str, paths)).returncode != 0
    return int(failed or bool(problems))


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
