"""Use the labelling page behind a real nginx with TLS: `python scripts/check_nginx.py`.

The script starts nginx with `scripts/nginx.conf`, the configuration that the guide shows, with a certificate of its own
and free ports in place of those in the file. Then it labels through it: once with the public name passed on in `Host`,
and once without that line, as nginx does by default, each time also in headless Chromium where Playwright and a
Chromium are installed. It exits with 1 when something doesn't work. Without nginx or
openssl (Debian: `apt install nginx-light openssl`) it says that it skipped, and doesn't count it as failed.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2

from attic.labels.answers import export_answers

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent/'benchmarks'))
from check_labelling import browser_path, by_mouse  # noqa: E402  (after the path to them)
from labelling import fill, noise_batch, values  # noqa: E402

NAME = 'labels.example.org'
MAIN = """daemon off; pid {d}/nginx.pid; error_log {d}/error.log;
events {{}}
http {{ access_log off; {temporary}
{server} }}"""
FOLDERS = ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')


def find(program):
    "Where a program is, or None; Debian keeps nginx out of the users' path."
    return shutil.which(program) or shutil.which(program, path='/usr/sbin')


def free_port():
    "A port that nobody listens on."
    with socket.create_server(('127.0.0.1', 0)) as sock: return sock.getsockname()[1]


def certificate(folder):
    "A certificate for the name, signed by itself: the files of certificate and key."
    files = [f'{folder}/cert.pem', f'{folder}/key.pem']
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', f'/CN={NAME}',
                    '-addext', f'subjectAltName=DNS:{NAME}', '-out', files[0], '-keyout', files[1]],
                   check=True, capture_output=True)
    return files


def configuration(folder, port, behind, host):
    "The guide's configuration, with free ports and a certificate that exists; `host`: pass on the public name."
    cert, key = certificate(folder)
    text = (HERE/'nginx.conf').read_text()
    for old, new in {'listen 443 ssl': f'listen 127.0.0.1:{port} ssl', '127.0.0.1:8000': f'127.0.0.1:{behind}',
                     f'/etc/letsencrypt/live/{NAME}/fullchain.pem': cert,
                     f'/etc/letsencrypt/live/{NAME}/privkey.pem': key}.items():
        assert old in text, f'scripts/nginx.conf has no {old!r}'
        text = text.replace(old, new)
    if not host: text = re.sub(r'.*proxy_set_header Host.*\n', '', text)
    temporary = ' '.join(f'{name}_temp_path {folder}/{name};' for name in FOLDERS)
    return MAIN.format(d=folder, temporary=temporary, server=text)


@contextmanager
def running(command, **options):
    "A process that is stopped at the end."
    process = subprocess.Popen(command, text=True, **options)
    try: yield process
    finally:
        process.terminate()
        process.wait()


def wait_for(port):
    "Wait until somebody listens on a port."
    for _ in range(100):
        try: return socket.create_connection(('127.0.0.1', port)).close()
        except OSError: time.sleep(0.1)
    raise RuntimeError(f'nobody listens on port {port}')


@contextmanager
def proxied(folder, batch, host):
    "A labelling page behind nginx: the port of nginx, that of the page, and the links that the page prints."
    port, behind = free_port(), free_port()
    (folder/'nginx.conf').write_text(configuration(folder, port, behind, host))
    public = f'https://{NAME}' + ('' if port == 443 else f':{port}')
    label = [sys.executable, '-m', 'attic.app.cli', 'label', str(batch.path), '--port', str(behind), '--url', public,
             '--no_browser']
    nginx = [find('nginx'), '-p', str(folder), '-c', str(folder/'nginx.conf')]
    with running(label, stdout=subprocess.PIPE) as page, running(nginx, stderr=subprocess.DEVNULL):
        links = {}
        for line in page.stdout:
            words = line.split()
            if len(words) > 1 and words[-1].startswith('http'): links[words[0]] = words[-1]
            if line.startswith('answers'): break
        wait_for(port)
        yield port, behind, public, links


class ToNginx(httpx2.HTTPTransport):
    "Requests for the public name go to this machine, as after a look into the DNS."
    def handle_request(self, request):
        about = dict(headers=request.headers, extensions=request.extensions | dict(sni_hostname=NAME))
        here = request.url.copy_with(host='127.0.0.1')
        return super().handle_request(httpx2.Request(request.method, here, stream=request.stream, **about))


def browser(folder):
    "A browser that trusts the certificate, and knows where the name is."
    import ssl
    trusting = ssl.create_default_context(cafile=f'{folder}/cert.pem')
    return httpx2.Client(transport=ToNginx(verify=trusting), follow_redirects=True, timeout=30)


def in_chromium(link, why, check):
    "Label a page as people do, in a browser that takes this machine for the public name."
    try: from playwright.sync_api import sync_playwright
    except ImportError: return print('SKIPPED: Playwright is not installed, so no browser was tried')
    if not browser_path(): return print('SKIPPED: there is no Chromium, so no browser was tried')
    options = [f'--host-resolver-rules=MAP {NAME} 127.0.0.1', *(['--no-sandbox'] if os.geteuid() == 0 else [])]
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser_path(), args=options)
        page = chromium.new_context(ignore_https_errors=True).new_page()
        page.goto(f'{link}&worker=chromium')
        by_mouse(page)
        saved, secure = 'Saved' in page.locator('main').inner_text(), page.context.cookies()[0]['secure']
        check(f'{why}: Chromium signs in and sends a page, with a Secure cookie', saved and secure)
        chromium.close()


def label(folder, batch, host, check):
    "Sign in, answer a page, look at the overview, and try what must not work."
    how = 'Host passed on' if host else "nginx's own Host"
    with proxied(folder, batch, host) as (port, behind, public, links), browser(folder) as ann:
        before = len(export_answers(batch))
        check(f'{how}: printed links have the public address', links['label'].startswith(f'{public}/?key='))
        page = ann.get(f"{links['label']}&worker={how}")
        cookie = page.history[0].headers['set-cookie'].lower()
        check(f'{how}: the cookie is Secure', 'secure' in cookie and 'httponly' in cookie)
        form = fill(page, dict.fromkeys(values(page.text, 'pair'), 'left'), 'ann')
        evil = ann.post(f'{public}/label', data=form, headers={'origin': 'https://evil.example'})
        check(f'{how}: a form from another site is refused', evil.status_code == 403)
        plain = ann.post(f'{public}/label', data=form, headers={'origin': public.replace('https', 'http')})
        check(f'{how}: so is one from the same name without TLS', plain.status_code == 403)
        saved = ann.post(f'{public}/label', data=form, headers={'origin': public, 'sec-fetch-site': 'same-origin'})
        stored = len(export_answers(batch)) - before
        check(f'{how}: answers are stored', saved.status_code == 200 and stored == len(form['pair']))
        in_chromium(links['label'], how, check)
        boss = ann.get(links['overview'])
        check(f'{how}: the overview shows public links', f'{public}/?key=' in boss.text)
        foreign = httpx2.get(f'http://127.0.0.1:{behind}/page.css', headers={'host': 'evil.example'})
        check(f'{how}: other names are refused', foreign.status_code == 400)


def main():
    "All of it; returns the exit status."
    missing = [program for program in ('nginx', 'openssl') if not find(program)]
    if missing: return print(f"SKIPPED: the page was NOT tried behind nginx, since {' and '.join(missing)} is missing")
    failed = []
    def check(what, ok):
        print(('ok      ' if ok else 'FAILED  ') + what, flush=True)
        if not ok: failed.append(what)
    for host in (True, False):
        with tempfile.TemporaryDirectory() as d:
            if os.geteuid() == 0: os.chmod(d, 0o755)  # nginx's workers are another user
            label(Path(d), noise_batch(f'{d}/batch', 20), host, check)
    print(f'{len(failed)} failed' if failed else 'all work')
    return int(bool(failed))


if __name__ == '__main__': sys.exit(main())
