"""Does `--profile profiles/kubernetes` ask for what a cluster has? Run a sweep of two jobs through it, check its rows.

`pip install snakemake-executor-plugin-kubernetes snakemake-storage-plugin-fs`, then `python scripts/try_kubernetes.py`.
There is no cluster. A small server answers as the API of Kubernetes does, and runs the command of each pod in an empty
folder of its own on this machine, with the environment that the pod asks for. This tests the profile, and that a job
finds all it needs in the shared volume. It tests neither the image nor a cluster. Everything is in a temporary folder.
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).resolve().parent.parent
SECRETS, JOBS = {}, {}  # name -> data; name -> (specification, process)


class Api(BaseHTTPRequestHandler):
    "The part of the API that Snakemake talks to"
    def log_message(self, *args): pass

    def answer(self, body, code=200):
        "Send JSON"
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json'); self.send_header('Content-Length', str(len(data)))
        self.end_headers(); self.wfile.write(data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        name = body['metadata']['name']
        if self.path.endswith('/secrets'): SECRETS[name] = body.get('data') or {}
        else: JOBS[name] = body, start(name, body['spec']['template']['spec']['containers'][0])
        self.answer(body, 201)

    def do_GET(self):
        job = re.search(r'/jobs/([\w-]+)/status', self.path)
        if job: return self.answer(status(job[1]))
        if '/log' in self.path: return self.answer('')
        self.answer(dict(kind='PodList', apiVersion='v1', items=[]))

    def do_DELETE(self): self.answer(dict(kind='Status', status='Success'))


def start(name, container):
    "Run a container's command in an empty folder"
    work = SCRATCH/'pods'/name; work.mkdir(parents=True)
    env = {k: os.environ[k] for k in ('PATH', 'HOME')}
    for e in container.get('env') or []: env[e['name']] = secret(e['valueFrom']['secretKeyRef'])
    with open(SCRATCH/f'{name}.log', 'w') as log:
        return subprocess.Popen([*container['command'], *container['args']], cwd=work, env=env, stdout=log, stderr=log)


def secret(ref):
    "What a secret holds"
    return base64.b64decode(SECRETS[ref['name']][ref['key']]).decode()


def status(name):
    "A job as the API describes it"
    body, process = JOBS[name]
    code = process.poll()
    if code is None: return body | dict(status={'active': 1})
    return body | dict(status={'failed' if code else 'succeeded': 1})


def kubeconfig(server):
    "The configuration of a cluster with this server"
    return {'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'here', 'users': [{'name': 'me', 'user': {}}],
            'clusters': [{'name': 'here', 'cluster': {'server': server}}],
            'contexts': [{'name': 'here', 'context': {'cluster': 'here', 'user': 'me'}}]}


def main():
    "Serve, run the sweep, look at the rows."
    server = ThreadingHTTPServer(('127.0.0.1', 0), Api)
    Thread(target=server.serve_forever, daemon=True).start()
    where = f'http://127.0.0.1:{server.server_port}'
    config = SCRATCH/'kubeconfig'
    config.write_text(json.dumps(kubeconfig(where)))
    shared = SCRATCH/'shared'; shared.mkdir()
    env = os.environ | dict(KUBECONFIG=str(config), ATTIC_CACHE=str(shared/'cache'))
    storage = ['--kubernetes-persistent-volumes', f'attic:{shared}', '--default-storage-prefix', str(shared/'storage')]
    sweep = ['--config', 'profile=smoke', 'seeds=1', 'attributes=young,open', f'out={shared}/runs']
    subprocess.run(['snakemake', '--profile', 'profiles/kubernetes', *storage, '--seconds-between-status-checks', '2',
                    'rows', *sweep], cwd=ROOT, env=env, check=True)
    from attic.store import load_rows
    rows = load_rows(shared/'runs')
    runs = rows.groupby('attribute').key.nunique().to_dict()
    assert runs == {'young': 17, 'open': 17}, runs
    print(rows.key.nunique(), f'rows from {len(JOBS)} jobs')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        SCRATCH = Path(folder)
        try: main()
        except subprocess.CalledProcessError as e:
            for log in SCRATCH.glob('*.log'): print(log.read_text()[-2000:])
            sys.exit(str(e))
