#!/usr/bin/env python3
"""Servers other than gunicorn, as Debian packages them, lose a worker in every way they can: what `triage watch` says as it happens, and what
the files alone tell afterwards. What a log cannot tell is unknown there, and never another cause."""
import argparse
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading

from harness import LOOPBACK, Cgroup, Nginx, Process, PYTHON, Skip, alive, children, deaths, free_port, get, kernel_log, kernel_names_our_pids, mark_kernel_log, report, run_cases, wait_until

MIB = 1 << 20

WSGI = '''import ctypes, os, time
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/sleep':
        time.sleep(60)
    elif path == '/crash':
        ctypes.string_at(0)
    elif path == '/exit':
        os._exit(3)
    elif path == '/oom':
        kept = []
        while True:
            kept.append(b'x' * (1 << 20))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'ok']
'''

ASGI = '''import ctypes, os, time
async def app(scope, receive, send):
    if scope['type'] != 'http':
        return
    path = scope['path']
    if path == '/crash':
        ctypes.string_at(0)
    elif path == '/exit':
        os._exit(3)
    elif path == '/oom':
        kept = []
        while True:
            kept.append(b'x' * (1 << 20))
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'ok'})
'''

RACK = '''run lambda { |env|
  case env['PATH_INFO']
  when '/sleep' then sleep 60
  when '/crash' then Process.kill(:SEGV, $$); sleep 5
  when '/exit' then exit!(3)
  when '/oom'
    kept = []
    loop { kept << 'x' * (1 << 20) }
  end
  [200, { 'content-type' => 'text/plain' }, ['ok']]
}
'''

TASKS = '''import ctypes, os, time
from celery import Celery
app = Celery('tasks', broker=os.environ['BROKER'], backend=os.environ['BROKER'])

@app.task
def run(path):
    if path == '/sleep':
        time.sleep(60)
    elif path == '/crash':
        ctypes.string_at(0)
    elif path == '/exit':
        os._exit(3)
    elif path == '/oom':
        kept = []
        while True:
            kept.append(b'x' * (1 << 20))
    return 'ok'
'''

APACHE = '''ServerRoot {folder}
PidFile {folder}/apache.pid
Mutex file:{folder} default
Listen {host}:{port}
ServerName localhost
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
StartServers 2
MinSpareServers 1
MaxSpareServers 2
MaxRequestWorkers 2
User www-data
Group www-data
ErrorLog {folder}/error.log
LogLevel warn wsgi:info
WSGISocketPrefix {folder}/wsgi
WSGIScriptAlias / {folder}/app.wsgi
WSGIApplicationGroup %{{GLOBAL}}
{daemon}
<Directory {folder}>
Require all granted
</Directory>
'''

PHP = '''<?php
$path = $_SERVER['REQUEST_URI'];
if ($path === '/sleep') { sleep(60); }
if ($path === '/crash') { posix_kill(getmypid(), 11); sleep(5); }
if ($path === '/oom') { ini_set('memory_limit', '-1'); $kept = []; while (true) { $kept[] = str_repeat('x', 1 << 20); } }
echo 'ok';
'''


def fastcgi(port, script, path, seconds=60):
    """A request to php-fpm: what came back, or 'closed' / 'refused'."""
    def record(kind, body):
        return struct.pack('>BBHHBB', 1, kind, 1, len(body), 0, 0) + body

    def pair(name, value):
        return bytes([len(name), len(value)]) + name.encode() + value.encode()
    parameters = {'SCRIPT_FILENAME': str(script), 'REQUEST_METHOD': 'GET', 'REQUEST_URI': path, 'SCRIPT_NAME': '/index.php', 'QUERY_STRING': '', 'SERVER_PROTOCOL': 'HTTP/1.1'}
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds) as link:
            link.sendall(record(1, struct.pack('>HB5x', 1, 0)) + record(4, b''.join(pair(*one) for one in parameters.items())) + record(4, b'') + record(5, b''))
            answer = b''
            while piece := link.recv(4096):
                answer += piece
                if b'ok' in answer:
                    return 200
        return 'closed'
    except ConnectionRefusedError:
        return 'refused'
    except OSError:
        return 'closed'


def program(name):
    found = shutil.which(name, path='/usr/bin:/usr/sbin:/bin:/sbin')
    if not found:
        raise Skip(f'{name} is not installed')
    return found


class Server:
    """One server with two workers. `fit`: is this command line a worker's? The log is everything it wrote, `text` what was said so far."""

    def __init__(self, kind, folder, cgroup=None, broken=False):
        self.kind, self.folder, self.port, self.broker = kind, folder / 'site', free_port(), None
        self.environment = dict(os.environ, LC_ALL='C.UTF-8', PYTHONDONTWRITEBYTECODE='1')
        self.folder.mkdir()
        os.chmod(folder, 0o755)
        self.log = self.folder / 'error.log'
        self.fit = lambda line: True
        command = getattr(self, kind)(broken)
        with open(self.log, 'ab') as out:
            self.process = Process(command, cgroup, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment)
        self.pid = self.process.pid
        self.command = ' '.join(map(str, command))

    def uwsgi(self, broken):
        (self.folder / 'app.py').write_text('import nosuchmodule\n' if broken else WSGI)
        return [program('uwsgi'), '--plugin', 'python3', '--http-socket', f'{LOOPBACK}:{self.port}', '--wsgi-file', 'app.py', '--master', '--processes', '2', '--harakiri', '2']

    def unicorn(self, broken):
        (self.folder / 'config.ru').write_text("require 'nosuchlibrary'\n" if broken else RACK)
        (self.folder / 'conf.rb').write_text(f"worker_processes 2\nlisten '{LOOPBACK}:{self.port}'\ntimeout 3\n")
        return [program('unicorn'), '-c', 'conf.rb', 'config.ru']

    def puma(self, broken):
        (self.folder / 'config.ru').write_text("require 'nosuchlibrary'\n" if broken else RACK)
        (self.folder / 'conf.rb').write_text(f"workers 2\nthreads 1, 1\nbind 'tcp://{LOOPBACK}:{self.port}'\nworker_timeout 6\n")
        return [program('puma'), '-C', 'conf.rb', 'config.ru']

    def uvicorn(self, broken):
        (self.folder / 'app.py').write_text('import nosuchmodule\n' if broken else ASGI)
        self.fit = lambda line: 'spawn_main' in line
        return [PYTHON, '-m', 'uvicorn', 'app:app', '--workers', '2', '--host', LOOPBACK, '--port', str(self.port)] if program('uvicorn') else []

    def hypercorn(self, broken):
        (self.folder / 'app.py').write_text('import nosuchmodule\n' if broken else ASGI)
        program('hypercorn')
        self.fit = lambda line: 'resource_tracker' not in line
        return [PYTHON, '-m', 'hypercorn', 'app:app', '--workers', '2', '--bind', f'{LOOPBACK}:{self.port}']

    def celery(self, broken):
        if subprocess.run([PYTHON, '-c', 'import celery, redis'], capture_output=True).returncode:
            raise Skip('python3-celery or python3-redis is not installed')
        store = next((found for found in map(shutil.which, ('redis-server', 'valkey-server')) if found), None)
        if not store:
            raise Skip('no redis-server or valkey-server here')
        self.broker = Process([store, '--port', str(self.port), '--bind', LOOPBACK, '--save', '', '--appendonly', 'no'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (self.folder / 'tasks.py').write_text('import nosuchmodule\n' if broken else TASKS)
        self.environment['BROKER'] = f'redis://{LOOPBACK}:{self.port}/0'
        return [PYTHON, '-m', 'celery', '-A', 'tasks', 'worker', '-c', '2', '-l', 'INFO', '--time-limit', '2', '--without-mingle', '--without-gossip']

    def apache(self, broken, daemon='WSGIDaemonProcess site processes=2 threads=1 request-timeout=2 shutdown-timeout=1 display-name=%{GROUP}\nWSGIProcessGroup site'):
        modules = next((folder for folder in map(pathlib.Path, ('/usr/lib/apache2/modules',)) if (folder / 'mod_wsgi.so').exists()), None)
        if not modules:
            raise Skip('apache2-bin or libapache2-mod-wsgi-py3 is not installed')
        (self.folder / 'app.wsgi').write_text('import nosuchmodule\n' if broken else WSGI)
        (self.folder / 'apache.conf').write_text(APACHE.format(folder=self.folder, host=LOOPBACK, port=self.port, modules=modules, daemon=daemon))
        if daemon:
            self.fit = lambda line: line.startswith('(wsgi:')
        return [program('apache2'), '-f', str(self.folder / 'apache.conf'), '-DFOREGROUND']

    def embedded(self, broken):
        """mod_wsgi in Apache's own children."""
        return self.apache(broken, '')

    def phpfpm(self, broken):
        php = next((found for found in (shutil.which(f'php-fpm{version}', path='/usr/sbin') for version in ('8.2', '8.4', '8.3')) if found), None)
        if not php:
            raise Skip('php-fpm is not installed')
        (self.folder / 'index.php').write_text(PHP)
        user = 'user = www-data\ngroup = www-data\n' if os.getuid() == 0 else ''
        (self.folder / 'fpm.conf').write_text(f'[global]\ndaemonize = no\nerror_log = {self.folder}/error.log\n{"nosuch = 1" if broken else ""}\n[www]\n{user}listen = {LOOPBACK}:{self.port}\npm = dynamic\npm.max_children = 2\n'
                                              'pm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = 2\nrequest_terminate_timeout = 2\n')
        return [php, '-F', '-y', str(self.folder / 'fpm.conf')]

    def ask(self, path):
        if self.kind == 'celery':
            done = subprocess.run([PYTHON, '-c', f'import tasks; tasks.run.delay({path!r}).get(timeout=20)'], cwd=self.folder, env=self.environment, capture_output=True)
            return 200 if done.returncode == 0 else 'closed'
        return fastcgi(self.port, self.folder / 'index.php', path) if self.kind == 'phpfpm' else get(self.port, path)

    def workers(self):
        def line(pid):
            try:
                return pathlib.Path(f'/proc/{pid}/cmdline').read_text(errors='replace').replace('\0', ' ')
            except OSError:
                return ''
        return [pid for pid in children(self.pid) if self.fit(line(pid))]

    def wait_ready(self):
        def answer():
            if self.process.process.poll() is not None:
                raise AssertionError(f'{self.kind} ended: {self.text()[-800:]}')
            if self.kind == 'celery' and ' ready.' not in self.text():
                return False
            return len(self.workers()) == 2 and self.ask('/ok') == 200
        wait_until(f'{self.kind} answers', answer, 40)

    def text(self):
        return self.log.read_text(errors='replace')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The supervisor of uvicorn 0.17 waits for a worker that is dead; INT ends uWSGI, which takes TERM for a reload.
        if self.process.process.poll() is None and self.kind == 'uwsgi':
            self.process.process.send_signal(signal.SIGINT)
        self.process.stop(4)
        if self.broker:
            self.broker.stop(2)


class Watching:
    """`triage watch` on one server."""

    def __init__(self, asked, server, folder):
        self.out = folder / 'watch.jsonl'
        with open(self.out, 'wb') as out, open(folder / 'watch.err', 'wb') as err:
            self.process = Process([asked.triage, 'watch', str(server.pid), '--for', '90s', '--format', 'jsonl'], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        wait_until('the watch is attached', lambda: any(row.get('event') == 'attached' for row in self.rows()), 30)
        self.bpf = any('by BPF' in row.get('text', '') for row in self.rows() if row.get('event') == 'attached')

    def rows(self):
        rows = []
        for line in self.out.read_text(errors='replace').splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                pass   # being written
        return rows

    def said(self, pid):
        """The last word on this pid."""
        last = None
        for row in self.rows():
            if row.get('type') == 'finding' and (row.get('subject') or {}).get('host_pid') == pid:
                last = (row['rule'], row['sure'])
        return last


def lost(server, fault):
    """The worker that this fault ends. `fault`: a path to ask for, or a signal for one of them."""
    before = server.workers()
    if isinstance(fault, str):
        threading.Thread(target=server.ask, args=(fault,), daemon=True).start()
        return wait_until(f'a worker ends by {fault}', lambda: next((pid for pid in before if not alive(pid)), 0), 30)
    os.kill(before[0], fault)
    wait_until('the worker is dead', lambda: not alive(before[0]), 30)
    return before[0]


def dies(kind, fault, live, files, asked, folder):
    """`live`: the rule that the watch ends with; `files`: the rules that may be sure from the files alone ('' none need be)."""
    mark = f'{os.getpid()}-{folder.name}'
    memory = fault == '/oom'
    if memory:
        kernel_log()
        if not kernel_names_our_pids():
            raise Skip('in a pid namespace: the kernel log names other pids than the server')
    cgroup = Cgroup(220 * MIB) if memory else None
    try:
        if memory:
            mark_kernel_log(f'{mark} begins')
        with Server(kind, folder, cgroup) as server:
            server.wait_ready()
            watching = Watching(asked, server, folder)
            try:
                if not watching.bpf:
                    raise Skip('no BPF here: who sends a signal is not seen')
                pid = lost(server, fault)
                wait_until(f'the watch says {live} of {pid}; it says {watching.said(pid)}; the log {server.text()[-600:]}', lambda: (watching.said(pid) or ('',))[0] == live, 25)
            finally:
                watching.process.stop()
            if memory:
                wait_until('the kernel log has it', lambda: any(f'Killed process {pid} ' in line for line in kernel_log().splitlines()))
                whole = kernel_log('-x', '--time-format', 'iso').splitlines(keepends=True)
                begin = next(number for number, line in enumerate(whole) if f'{mark} begins' in line)
                (server.folder / 'dmesg.txt').write_text(''.join(whole[begin:]))
            (server.folder / 'cmdline').write_text(server.command + '\n')
            wanted = lambda: {rule for rule, sure in deaths(report(asked.triage, '--from', server.folder)).get(pid, []) if sure in ('certain', 'likely')}
            if files and '' not in files:
                wait_until(f'the files tell {files} of {pid}: {wanted()}; the log {server.text()[-600:]}', lambda: wanted() and wanted() <= files, 10)
            elif not wanted() <= files:
                raise AssertionError(f'the files say {wanted()} of {pid}, and cannot tell; the log {server.text()[-600:]}')
    finally:
        if cgroup:
            cgroup.remove()


def does_not_boot(kind, asked, folder):
    with Server(kind, folder, broken=True) as server:
        asking = kind == 'apache'   # mod_wsgi loads the application for its first request

        def told():
            if asking:
                server.ask('/ok')
            if not server.log.exists():
                return False
            try:
                found = report(asked.triage, '--from', server.folder)
            except AssertionError:
                return False   # nothing in it yet that could be understood
            return any(one['rule'].startswith('boot.') and one['sure'] != 'unknown' for one in found['findings'])
        wait_until('a failed boot is told', told, 20)


def full(asked, folder):
    """php-fpm says that its children are all busy."""
    with Server('phpfpm', folder) as server:
        server.wait_ready()
        for _ in range(6):
            threading.Thread(target=server.ask, args=('/sleep',), daemon=True).start()
        wait_until('it says so', lambda: 'max_children' in server.text(), 20)
        found = report(asked.triage, '--from', server.folder)
        if not any(one['rule'] == 'worker.saturated' and one['sure'] == 'certain' for one in found['findings']):
            raise AssertionError(f'not told: {[one["rule"] for one in found["findings"]]}')


def busy(kind, asked, folder):
    """Every worker at a request, more of them in the queue: told by a look at the living processes, whatever the log says."""
    with Server(kind, folder) as server:
        server.wait_ready()
        for _ in range(6):
            threading.Thread(target=server.ask, args=('/sleep',), daemon=True).start()

        def told():
            found = report(asked.triage, str(server.pid))
            return [one['sure'] for one in found['findings'] if one['rule'] == 'worker.saturated']
        wait_until('it is told', told, 12)


def masterless(kind, asked, folder):
    """The master is killed; its workers go on, as they do with this server, and are found."""
    with Server(kind, folder) as server:
        server.wait_ready()
        workers = server.workers()
        os.kill(server.pid, signal.SIGKILL)
        server.process.process.wait()
        try:
            def told():
                found = report(asked.triage)
                gone = [one for one in found['findings'] if one['rule'] == 'master.gone' and any(str(workers[0]) in row.get('text', '') for row in one.get('because', []))]
                return gone and gone[0]['sure'] == 'certain' and gone[0]['subject']['server'] == {'phpfpm': 'php-fpm', 'embedded': 'apache'}.get(kind, kind)
            wait_until('its orphans are found', told, 15)
        finally:
            for pid in workers:
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)


def left_dead(kind, fault, rules, asked, folder):
    """The server neither logs a worker's end nor waits for it: what the zombie still holds is told."""
    with Server(kind, folder) as server:
        server.wait_ready()
        dead = lost(server, fault)
        if not os.path.exists(f'/proc/{dead}'):
            raise Skip('this version waits for its workers')
        wait_until('its end is told', lambda: {rule for rule, _ in deaths(report(asked.triage, str(server.pid))).get(dead, [])} & rules, 12)


def quiet(kind, asked, folder):
    """A server that has just replaced a process is as it should be: what its processes share by themselves is no finding."""
    with Server(kind, folder) as server:
        server.wait_ready()

        def faults():
            return sorted({one['rule'] for one in report(asked.triage, str(server.pid))['findings'] if one['rule'].startswith('fork.') and one['sure'] != 'unknown'})
        before = faults()
        lost(server, signal.SIGKILL)
        wait_until('it is replaced', lambda: len(server.workers()) == 2, 20)
        if before or faults():
            raise AssertionError(f'false alarms: {before}, then {faults()}')


def settings(asked, folder):
    """What a running php-fpm is set to is read from the file that its title names."""
    with Server('phpfpm', folder) as server:
        server.wait_ready()
        hops = [hop for hop in report(asked.triage, str(server.pid), '--show', 'stack')['stack']['hops'] if hop.get('flavour') == 'php-fpm']
        read = {name: (hops[0]['settings'].get(name) or {}).get('value') for name in ('timeout', 'workers', 'graceful_timeout')} if hops else {}
        if read != {'timeout': 2, 'workers': 2, 'graceful_timeout': 0}:
            raise AssertionError(f'settings: {read}')


def nginx_worker(asked, folder):
    """nginx logs the signal that ended a worker of its own."""
    proxy = Nginx(folder / 'site', free_port(), answers=False)
    try:
        pid = wait_until('nginx has a worker', lambda: next(iter(children(proxy.process.pid)), 0))
        os.kill(pid, signal.SIGSEGV)
        wait_until('its end is told', lambda: ('death.crashed', 'certain') in deaths(report(asked.triage, '--from', folder / 'site')).get(pid, []), 15)
    finally:
        proxy.process.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--triage', required=True)
    asked = parser.parse_args()
    killed, unknown = signal.SIGKILL, {''}
    rows = [
        ('uwsgi', '/sleep', 'death.timeout', {'death.timeout'}), ('uwsgi', killed, 'death.killed-by-other', unknown | {'death.killed-by-other'}), ('uwsgi', '/crash', 'death.crashed', {'death.crashed'}),
        ('uwsgi', '/exit', 'death.exited', unknown | {'death.exited'}), ('uwsgi', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
        ('phpfpm', '/sleep', 'death.timeout', {'death.timeout'}), ('phpfpm', killed, 'death.killed-by-other', unknown | {'death.killed-by-other'}), ('phpfpm', '/crash', 'death.crashed', {'death.crashed'}),
        ('phpfpm', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
        ('unicorn', '/sleep', 'death.timeout', {'death.timeout'}), ('unicorn', killed, 'death.killed-by-other', unknown | {'death.killed-by-other'}), ('unicorn', '/crash', 'death.crashed', {'death.crashed'}),
        ('unicorn', '/exit', 'death.exited', {'death.exited'}), ('unicorn', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
        ('puma', signal.SIGSTOP, 'death.timeout', {'death.timeout'}), ('puma', killed, 'death.killed-by-other', unknown), ('puma', '/crash', 'death.crashed', unknown | {'death.crashed'}),
        ('puma', '/exit', 'death.exited', unknown), ('puma', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
        ('hypercorn', killed, 'death.killed-by-other', unknown), ('hypercorn', '/crash', 'death.crashed', unknown | {'death.crashed'}), ('hypercorn', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
        ('celery', '/sleep', 'death.timeout', {'death.timeout'}), ('celery', killed, 'death.killed-by-other', unknown | {'death.killed-by-other'}), ('celery', '/exit', 'death.exited', {'death.exited'}), ('celery', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
        ('apache', '/sleep', 'death.timeout', {'death.timeout'}), ('apache', killed, 'death.killed-by-other', unknown | {'death.killed-by-other'}), ('apache', '/crash', 'death.crashed', unknown | {'death.crashed'}), ('apache', '/exit', 'death.exited', unknown),
        ('apache', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}), ('embedded', killed, 'death.killed-by-other', unknown), ('embedded', '/crash', 'death.crashed', {'death.crashed'}),
        ('uvicorn', killed, 'death.killed-by-other', unknown), ('uvicorn', '/crash', 'death.crashed', unknown | {'death.crashed'}), ('uvicorn', '/oom', 'death.oom-cgroup', {'death.oom-cgroup'}),
    ]
    word = lambda fault: fault.strip('/') if isinstance(fault, str) else signal.Signals(fault).name
    cases = [(f'{kind}: {word(fault)} is {live}', functools.partial(dies, kind, fault, live, files, asked)) for kind, fault, live, files in rows]
    cases += [(f'{kind}: does not boot', functools.partial(does_not_boot, kind, asked)) for kind in ('uwsgi', 'phpfpm', 'unicorn', 'puma', 'uvicorn', 'hypercorn', 'celery', 'apache')]
    cases += [(f'{kind}: no worker is free', functools.partial(busy, kind, asked)) for kind in ('unicorn', 'embedded')]
    cases += [(f'{kind}: workers without their master', functools.partial(masterless, kind, asked)) for kind in ('phpfpm', 'uvicorn', 'hypercorn', 'embedded')]
    cases += [(f'{kind}: a zombie that nobody waits for, {word(fault)}', functools.partial(left_dead, kind, fault, rules, asked)) for kind in ('uvicorn',)
              for fault, rules in ((killed, {'death.killed-by-other', 'death.unknown'}), ('/exit', {'death.exited'}))]
    cases += [(f'{kind}: shares nothing that it should not', functools.partial(quiet, kind, asked)) for kind in ('celery', 'uwsgi', 'puma', 'unicorn', 'phpfpm')]
    cases.append(('php-fpm: its settings', functools.partial(settings, asked)))
    cases.append(('php-fpm: all children busy', functools.partial(full, asked)))
    cases.append(('nginx: a worker of its own crashes', functools.partial(nginx_worker, asked)))
    return run_cases(cases)


sys.exit(main())
