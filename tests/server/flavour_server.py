#!/usr/bin/env python3
"""The other programs read triage-server as they read gunicorn: its processes, log, command line and configuration file; the demo runs on it
alone."""
import argparse
import functools
import json
import os
import pathlib
import re
import subprocess
import sys

from served import PYTHON, Request, Server, Skip, run_cases, same, wait_until

HERE = pathlib.Path(__file__).resolve().parent


def output(asked, program, *arguments, codes=(0, 1)):
    done = subprocess.run([asked.server.parent / program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    if done.returncode not in codes:
        raise AssertionError(f'{program} {arguments}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}')
    return done.stdout


def killed_by_timeout(asked, folder, *arguments):
    """A server with one worker that is killed in a request; (the running server, the worker's pid)"""
    server = Server(str(asked.server), folder / 'site', '--timeout', '1', *arguments, workers=1)
    pid = int(re.search(r'Booting worker with pid: (\d+)', server.text())[1])
    Request(server.port, '/sleep?s=60')
    wait_until('the worker is replaced', lambda: server.text().count('Booting worker') == 2)
    return server, pid


def looked_at(asked, folder):
    server, pid = killed_by_timeout(asked, folder, '--graceful-timeout', '7')
    try:
        found = json.loads(output(asked, 'triage', server.pid, '--format', 'json', '--show', 'stack'))
        hop = next(hop for hop in found['stack']['hops'] if hop['role'] == 'server')
        same('flavour and version', (hop['flavour'], hop['version'], hop['worker_class']), ('reference', '0.1.0', 'sync'))
        settings = {name: (hop['settings'][name]['value'], hop['settings'][name]['where']) for name in ('graceful_timeout', 'timeout', 'boot_timeout')}
        same('settings', settings, {'graceful_timeout': (7, 'command line'), 'timeout': (1, 'command line'), 'boot_timeout': (120, 'default of 0.1.0')})
        found = json.loads(output(asked, 'triage', server.pid, '--format', 'json'))
        said = [(one['rule'], one['message']) for one in found['findings'] if one['rule'].startswith('death.')]
        same('the verdict', said, [('death.timeout', f'triage-server worker {pid} was killed by its master: it gave no heartbeat for 1 s')])
    finally:
        server.stop()
    left = json.loads(output(asked, 'triage', '--from', server.log, '--format', 'json'))
    same('from the log alone', [(one['rule'], one['sure'], one['subject']['server'], one['subject']['pid']) for one in left['findings'] if one['rule'].startswith('death.')], [('death.timeout', 'certain', 'reference', pid)])


def like_gunicorn(asked, folder):
    server, pid = killed_by_timeout(asked, folder, '--like', 'gunicorn-20.1')
    try:
        found = json.loads(output(asked, 'triage', server.pid, '--format', 'json'))
        same('a death', [(one['rule'], one['sure'], one['subject']['pid']) for one in found['findings'] if one['rule'].startswith('death.')], [('death.timeout', 'certain', pid)])
    finally:
        server.stop()


UNIT = '''[Unit]
Description=app
[Service]
ExecStart=/usr/bin/triage-server -c /srv/app/triage-server.json --suspend-gard app:application
[Install]
WantedBy=multi-user.target
'''
FILE = '''// of the reference server
{
  "bind": ["127.0.0.1:8001"],
  "timeout": 60,
  "worker_class": "event",
  "wrkers": 3
}
'''
NGINX = 'events {}\nhttp { server { listen 80; location / { proxy_pass http://127.0.0.1:8001; proxy_read_timeout 20s; } } }\n'


def configured(asked, folder):
    for name, text in (('app.service', UNIT), ('triage-server.json', FILE), ('nginx.conf', NGINX)):
        (folder / name).write_text(text)
    found = [(pathlib.Path(one['subject']['where']).name, one['rule'], one['message'])
             for one in json.loads(output(asked, 'triage-lint', '--format', 'json', '--select', 'gunicorn.*,parse.*', folder))['findings'] if one['truth'] == 'yes']
    same('what is misspelt', sorted(found), [
        ('app.service:4:65', 'gunicorn.unknown-option', "--suspend-gard is no option of triage-server; did you mean '--suspend-guard'?: it exits with 2 and prints its usage"),
        ('triage-server.json:6:3', 'parse.syntax-error', f"{folder}/triage-server.json:6:3: there is no setting 'wrkers'; did you mean 'workers'? (triage-server configuration)")])
    (folder / 'triage-server.json').write_text(FILE.replace('wrkers', 'workers'))
    outcomes = output(asked, 'triage-timeouts', folder)
    for wanted in ('triage-server 0.1.0', 'worker_class           event', 'graceful_timeout       30s    default of triage-server 0.1.0', 'from 20 s        504 at 20 s (goes on for nobody)'):
        if wanted not in outcomes:
            raise AssertionError(f'{wanted!r} is not in:\n{outcomes}')


def demo(asked, folder):
    if os.getuid() != 0:
        raise Skip('the demo makes a cgroup: root only')
    done = subprocess.run([PYTHON, '-B', HERE.parent / 'demo/demo.py', '--triage', asked.server.parent / 'triage', '--server', asked.server], capture_output=True, text=True, timeout=150)
    wanted = '3 of 3' if 'out of memory: left out' in done.stdout else '4 of 4'
    if done.returncode or f'{wanted} deaths told right' not in done.stdout:
        raise AssertionError(f'exit {done.returncode}: {done.stdout[-3000:]}{done.stderr[-1000:]}')


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    asked.server = pathlib.Path(asked.server).resolve()
    cases = [demo, looked_at, like_gunicorn, configured]
    return run_cases([(case.__name__, functools.partial(case, asked)) for case in cases if re.search(asked.only, case.__name__)], together=2)


if __name__ == '__main__':
    sys.exit(main())
