"Everything about the distribution is in `settings.ini`; this reads it."
import shlex
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages

config = ConfigParser(delimiters=['='], interpolation=None)
config.read('settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
words = lambda key: shlex.split(cfg.get(key, ''))

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0',
    long_description=Path('README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    packages=find_packages(include=['attic', 'attic.*']),
    package_data={'attic': ['weights/*.safetensors', 'weights/*.json', 'app/static/*']},
    python_requires=f">={cfg['min_python']}", install_requires=words('requirements'),
    extras_require={'dev': words('dev_requirements'), 'crowd': words('crowd_requirements'),
                    'clip': words('clip_requirements')},
    entry_points={'console_scripts': words('console_scripts'),
                  'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
    classifiers=['License :: OSI Approved :: Apache Software License', 'Programming Language :: Python :: 3',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence'], zip_safe=False)
