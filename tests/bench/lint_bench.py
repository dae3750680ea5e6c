#!/usr/bin/env python3
"""triage-lint over one nginx.conf and 200 sites against `nginx -t` on the same tree: whole processes, interleaved in one run, as a ratio."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from undisturbed import Undisturbed  # noqa: E402

WANTED = 1.0
SITES = 200
MAIN = '''worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    types {{ text/html html; text/css css; application/javascript js; }}
    default_type application/octet-stream;
    log_format main '$remote_addr $request $status us=$upstream_status urt=$upstream_response_time';
    access_log {folder}/access.log main;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 65;
    include sites-enabled/*.conf;
}}
'''
SITE = '''upstream app{i} {{
    server 127.0.0.1:{port};
    keepalive 16;
}}
server {{
    listen 127.0.0.1:25080;
    server_name site{i}.example.com www.site{i}.example.com;
    root /var/www/site{i};
    client_max_body_size 10m;
    location / {{
        proxy_pass http://app{i};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_connect_timeout 5s;
        proxy_read_timeout 60s;
    }}
    location /static/ {{
        alias /var/www/site{i}/static/;
        expires 30d;
    }}
    location ~ \\.(png|jpg|gif)$ {{
        expires 7d;
        access_log off;
    }}
}}
'''


def seconds(command, folder):
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    spent = time.monotonic() - began
    if done.returncode not in (0, 1) or (done.returncode == 1 and 'nginx' in command[0]):
        raise SystemExit(f'{command[0]}: {done.returncode} {done.stderr.decode(errors="replace")[:400]}')
    return spent


def spread(values):
    return f'{statistics.median(values) * 1000:.1f} ms [{min(values) * 1000:.1f}..{max(values) * 1000:.1f}]'


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--lint', required=True)
    asked.add_argument('--rounds', type=int, default=31)
    asked = asked.parse_args()
    nginx = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin:/sbin')
    if not nginx:
        print('needs nginx')
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    try:
        (folder / 'sites-enabled').mkdir()
        (folder / 'nginx.conf').write_text(MAIN.format(folder=folder))
        for i in range(SITES):
            (folder / 'sites-enabled' / f'site{i:03}.conf').write_text(SITE.format(i=f'{i:03}', port=8000 + i))
        ours, theirs = [], []
        with Undisturbed() as how:
            for _ in range(asked.rounds):
                theirs.append(seconds([nginx, '-t', '-q', '-c', str(folder / 'nginx.conf')], folder))
                ours.append(seconds([os.path.abspath(asked.lint), '.'], folder))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        print(f'one nginx.conf and {SITES} sites, {how.how}: triage-lint {spread(ours)}, nginx -t {spread(theirs)}: {ratio:.2f} of its time (wanted: below {WANTED:.2f})')
        return 0 if ratio < WANTED else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
