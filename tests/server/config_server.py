#!/usr/bin/env python3
"""Where settings come from and which one counts; --check-config, which asks and leaves nothing behind; applications from shared objects with their hooks;
what is observed (admin socket, Prometheus, JSON, statsd); sockets that systemd hands over."""
import argparse
import functools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from served import LOOPBACK, PYTHON, Process, Request, Server, Skip, admin, alive, children, connect, exchange, free_port, get, run_cases, same, statuses, wait_until

HERE = pathlib.Path(__file__).resolve().parent


def run(asked, folder, *arguments, env=None):
    folder.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('GUNICORN_', 'WEB_', 'PORT'))}
    environment.update(env or {})
    done = subprocess.run([asked.server, *map(str, arguments)], capture_output=True, text=True, cwd=folder, env=environment, timeout=30)
    return done.returncode, done.stdout, done.stderr


def value(asked, folder, name, *arguments, env=None):
    code, out, err = run(asked, folder, '--print-config', *arguments, env=env)
    same('exit', (code, err), (0, ''))
    return re.search(rf'^{name} += (.*)$', out, re.M)[1]


def precedence(asked, folder):
    (folder / 'triage-server.json').write_text('{ "workers": 3, "timeout": 7, // of a file\n "bind": ["127.0.0.1:1", "unix:/x"] }\n')
    (folder / 'other.json').write_text('{ "keepalive": 9 }')
    same('file', value(asked, folder, 'workers'), '3')
    same('WEB_CONCURRENCY loses to the file', value(asked, folder, 'workers', env={'WEB_CONCURRENCY': '5'}), '3')
    same('and counts without one', value(asked, folder / 'empty', 'workers', env={'WEB_CONCURRENCY': '5'}), '5')
    same('environment over file', value(asked, folder, 'workers', env={'GUNICORN_CMD_ARGS': '--workers=4'}), '4')
    same('command line over both', value(asked, folder, 'workers', '-w', 6, env={'GUNICORN_CMD_ARGS': '--workers=4'}), '6')
    same('the last one counts', value(asked, folder, 'workers', '-w', 6, '-w', 8), '8')
    same('a list', value(asked, folder, 'bind'), '127.0.0.1:1,unix:/x')
    same('with -c the usual file is not read', (value(asked, folder, 'workers', '-c', 'other.json'), value(asked, folder, 'keepalive', '-c', 'other.json')), ('1', '9'))
    same('PORT', value(asked, folder / 'empty', 'bind', env={'PORT': '9001'}), '0.0.0.0:9001')
    same('threads make sync gthread', value(asked, folder, 'worker_class', '--threads', 2), 'gthread')
    same('no- before a switch', value(asked, folder, 'drain_backlog', '--no-drain-backlog'), 'false')


def misspelt(asked, folder):
    (folder / 'c.json').write_text('{\n  "timout": 30\n}\n')
    same('in a file', run(asked, folder, '-c', 'c.json', 'builtin:hello'), (1, '', "\nError: c.json:2:3: there is no setting 'timout'; did you mean 'timeout'?\n"))
    same('on the command line', run(asked, folder, '--wrokers', '2', 'builtin:hello'), (2, '', "triage-server: there is no option --wrokers; did you mean 'workers'?\n"))
    (folder / 'd.json').write_text('{ "workers": "many" }')
    code, out, err = run(asked, folder, '-c', 'd.json', 'builtin:hello')
    same('a value', (code, 'd.json:1:14' in err and 'not a whole number' in err), (1, True))
    same('no application', run(asked, folder / 'empty')[0], 1)
    same('no file', run(asked, folder, '-c', 'nosuch.json', 'builtin:hello')[0], 1)


def checked(asked, folder):
    def check(*arguments):
        before = sorted(path.name for path in folder.iterdir())
        code, out, err = run(asked, folder, '--check-config', '-b', f'{LOOPBACK}:0', *arguments)
        same('nothing is left behind', sorted(path.name for path in folder.iterdir()), before)
        return code, err
    same('good', check('builtin:hello'), (0, ''))
    same('good with a socket and logs', check('-b', f'unix:{folder}/a.sock', '--error-logfile', folder / 'e.log', '--pid', folder / 'p', 'builtin:hello'), (0, ''))
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        code, err = check('-b', f'{LOOPBACK}:{taken.getsockname()[1]}', 'builtin:hello')
        same('in use', (code, 'Address already in use' in err), (1, True))
    for words, says in ((['-u', 'no-such-user'], "No such user: 'no-such-user'"), (['--error-logfile', '/nosuch/e.log'], 'errorlog'), (['--worker-tmp-dir', '/nosuch'], "Can't create workertmp"), (['-b', 'unix:/nosuch/x.sock'], '/nosuch'),
                        (['-b', '127.0.0.1:http'], 'not a valid port number'), (['--fault', 'hangg'], "did you mean 'hang'?")):
        code, err = check(*words, 'builtin:hello')
        same(words, (code, says in err), (1, True))
    code, err = check('nosuch:application')
    same('no module', (code, 'ModuleNotFoundError' in err), (1, True))
    crash = built(folder, 'crash', '#include <csignal>\nstruct X { X() { raise(SIGSEGV); } } x;\n')
    code, err = check(f'{crash}:application')
    same('a constructor that crashes', (code, 'ended in SIGSEGV' in err, 'runs its constructors' in err), (1, True, True))


def built(folder, name, text):
    compiler = next((one for one in ('g++', 'c++', 'clang++') if subprocess.run(['which', one], capture_output=True).returncode == 0), None)
    if not compiler:
        raise Skip('no C++ compiler')
    source, out = folder / f'{name}.cpp', folder / f'{name}.so'
    source.write_text(text)
    subprocess.run([compiler, '-std=c++20', '-shared', '-fPIC', '-I', str(HERE.parent.parent / 'lib'), '-o', str(out), str(source)], check=True)
    return str(out)


APP = '''#include <fcntl.h>
#include <unistd.h>
#include <cstring>
#include <string>
#include "prefork/app.hpp"
static void say(const char* text) { int fd = open("%s", O_WRONLY | O_CREAT | O_APPEND, 0644); (void)!write(fd, text, strlen(text)); (void)!write(fd, "\\n", 1); close(fd); }
static void handle(prefork::Exchange& exchange) {
  const prefork::Field fields[] = {{"Content-Type", "text/plain"}, {"X-Made-By", "app"}};
  exchange.begin(201, fields, 2);
  exchange.write("VERSION ");
  exchange.write(exchange.request->path);
}
extern "C" const prefork::App application{.handle = handle, .load = [](const char* argument) { say((std::string("load ") + argument).c_str()); return 0; }, .on_starting = [] { say("on_starting"); }, .when_ready = [] { say("when_ready"); },
  .on_reload = [] { say("on_reload"); }, .post_fork = [](int) { say("post_fork"); }, .post_worker_init = [](int) { say("post_worker_init"); }, .worker_abort = [] { say("worker_abort"); },
  .pre_request = [](const prefork::Request&) { say("pre_request"); }, .post_request = [](const prefork::Request&, int) { say("post_request"); }, .worker_exit = [](int) { say("worker_exit"); }, .child_exit = [](int) { say("child_exit"); }, .on_exit = [] { say("on_exit"); }};
extern "C" const prefork::App other{.abi = 99, .handle = handle};
extern "C" const prefork::App broken{.handle = handle, .load = [](const char*) { return 7; }};
'''


def shared_object(asked, folder):
    said = folder / 'said'
    app = built(folder, 'app', APP.replace('%s', str(said)).replace('VERSION', 'one'))
    server = Server(asked.server, folder / 'server', '--app-argument', 'x', app=f'{app}:application', workers=1)
    try:
        answer, _ = exchange(server.port, b'GET /here HTTP/1.1\r\nConnection: close\r\n\r\n')
        same('answer', (statuses(answer), b'X-Made-By: app' in answer, b'one ' in answer and b'/here' in answer), ([201], True, True))
        built(folder, 'new', APP.replace('%s', str(said)).replace('VERSION', 'two'))
        os.rename(folder / 'new.so', app)
        old = server.settled(1)
        server.signal(signal.SIGHUP)
        server.settled(1, without=old)
        same('a reload takes the new object', b'two ' in exchange(server.port, b'GET /here HTTP/1.1\r\nConnection: close\r\n\r\n')[0], True)
        server.signal(signal.SIGTERM)
        same('end', server.wait_end(), 0)
        words = said.read_text().split('\n')
        same('hooks of a worker', words[:4], ['load x', 'post_worker_init', 'pre_request', 'post_request'])
        same('of both', sorted(set(words[4:])), ['', 'load x', 'post_request', 'post_worker_init', 'pre_request', 'worker_exit'])
    finally:
        server.stop()
    said.unlink()
    server = Server(asked.server, folder / 'preloaded', '--preload', app=f'{app}:application', workers=1)
    try:
        get(server.port, '/')
        server.signal(signal.SIGTERM)
        same('end', server.wait_end(), 0)
        same('all hooks', said.read_text().split(), ['load', 'on_starting', 'when_ready', 'post_fork', 'post_worker_init', 'pre_request', 'post_request', 'worker_exit', 'child_exit', 'on_exit'])
    finally:
        server.stop()
    for symbol, code, text in (('nosuch', 4, "Failed to find attribute 'nosuch'"), ('other', 4, 'was compiled for interface 99'), ('broken', 3, 'returned 7')):
        server = Server(asked.server, folder / symbol, app=f'{app}:{symbol}', workers=1, ready=False)
        try:
            same(symbol, (server.wait_end(), text in server.output() + server.text()), (code, True))
        finally:
            server.stop()


def observed(asked, folder):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind((LOOPBACK, 0))
        statsd.settimeout(10)
        server = Server(asked.server, folder / 'server', '--admin', f'unix:{folder}/server/admin', '--log-format', 'json', '--access-logfile', folder / 'access', '--statsd-host', f'{LOOPBACK}:{statsd.getsockname()[1]}', '--statsd-prefix', 'me', workers=1,
                        bind=f'{LOOPBACK}:{free_port()}', ready=False)
        try:
            wait_until('it answers', lambda: get(server.port, '/hello', 2) == 200)
            get(server.port, '/nosuch?"')
            got = b' '.join(statsd.recv(1000) for _ in range(6)).decode()
            same('statsd', sorted(re.findall(r'me\.gunicorn\.(request\.status\.\d+|requests):1\|c', got)), ['request.status.200', 'request.status.404', 'requests', 'requests'])
            wait_until('both are logged', lambda: (folder / 'access').exists() and (folder / 'access').read_text().count('\n') == 2)
            lines = [json.loads(line) for line in (folder / 'access').read_text().splitlines()]
            same('access as JSON', [(line['method'], line['target'], line['status']) for line in lines], [('GET', '/hello', 200), ('GET', '/nosuch?"', 404)])
            messages = [json.loads(line)['message'] for line in server.text().splitlines()]
            same('errors as JSON', any(message.startswith('Booting worker with pid: ') for message in messages), True)
            figures = admin(f'{folder}/server/admin', 'metrics')
            worker = children(server.pid)[0]
            same('figures', [line for line in figures.splitlines() if line.startswith(('triage_server_requests_total', 'triage_server_workers '))], ['triage_server_workers 1', f'triage_server_requests_total{{pid="{worker}"}} 2'])
            # Prometheus asks in HTTP.
            with connect(f'{folder}/server/admin', 5) as link:
                link.sendall(b'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
                text = b''
                while piece := link.recv(65536):
                    text += piece
            same('in HTTP', (statuses(text), b'# TYPE triage_server_requests_total counter' in text), ([200], True))
            same('who may ask', oct(os.stat(folder / 'server/admin').st_mode & 0o777), '0o700')
            same('config', 'workers = 1\n' in admin(f'{folder}/server/admin', 'config'), True)
        finally:
            server.stop()
        same('the socket is gone', (folder / 'server/admin').exists(), False)


def handed_over(asked, folder):
    """systemd's protocol: descriptor 3, LISTEN_PID and LISTEN_FDS, READY=1 once a worker serves."""
    path = str(folder) + '.notify'
    with socket.socket() as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        inbox.bind(path)
        inbox.settimeout(20)
        port = listener.getsockname()[1]
        script = f'import os, sys\nos.dup2({listener.fileno()}, 3)\nos.set_inheritable(3, True)\nos.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET={path!r})\nos.execv(sys.argv[1], sys.argv[1:])\n'
        process = Process([PYTHON, '-c', script, asked.server, '-w', '1', '--error-logfile', str(folder / 'log'), '--pid', str(folder / 'pid'), 'builtin:hello'], pass_fds=[listener.fileno()])
        try:
            same('ready', inbox.recv(1000), b'READY=1\nSTATUS=Gunicorn arbiter booted')
            same('answers there', get(port, '/'), 200)
            # An upgrade keeps it, which gunicorn's does not (OSError: Socket operation on non-socket).
            os.kill(process.pid, signal.SIGUSR2)
            second = pathlib.Path(str(folder / 'pid') + '.2')
            new = int(wait_until('the new master', lambda: second.exists() and second.read_text().strip()))
            wait_until('its worker', lambda: children(new))
            os.kill(process.pid, signal.SIGTERM)
            same('end', process.process.wait(20), 0)
            try:
                same('and the new one answers', get(port, '/'), 200)
            finally:
                os.kill(new, signal.SIGTERM)
                wait_until('it ends', lambda: not alive(new))
        finally:
            process.stop()


def owned(asked, folder):
    if os.geteuid() != 0:
        raise Skip('only root starts workers as somebody else')
    os.chmod(folder, 0o755)
    server = Server(asked.server, folder / 'server', '-u', 'nobody', '-g', 'nogroup', '--umask', '0o007', '--heartbeat', 'tmp', bind=f'unix:{folder}/s.sock', workers=1)
    try:
        seen = os.stat(folder / 's.sock')
        same('the socket', (oct(seen.st_mode & 0o777), seen.st_uid, seen.st_gid), ('0o770', 65534, 65534))
        status = pathlib.Path(f'/proc/{server.settled(1)[0]}/status').read_text()
        same('the worker', re.search(r'Uid:\s*(\d+)\s+(\d+)\s+(\d+)\s', status).groups() + (re.search(r'Groups:[ \t]*(.*)', status)[1].strip(),), ('65534', '65534', '65534', ''))
        same('it answers', get(server.port, '/hello'), 200)
    finally:
        server.stop()


def in_the_background(asked, folder):
    pidfile = folder / 'pid'
    port = free_port()
    code, _, _ = run(asked, folder, '-D', '-b', f'{LOOPBACK}:{port}', '--pid', pidfile, '--error-logfile', folder / 'log', '-w', 2, 'builtin:hello')
    same('it returns', code, 0)
    pid = int(wait_until('the pidfile', lambda: pidfile.exists() and pidfile.read_text().strip()))
    try:
        wait_until('it answers', lambda: get(port, '/') == 200)
        os.kill(pid, signal.SIGWINCH)
        wait_until('no workers', lambda: not children(pid))
        same('said', 'graceful stop of workers' in (folder / 'log').read_text(), True)
        os.kill(pid, signal.SIGHUP)
        wait_until('workers again', lambda: len(children(pid)) == 2)
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until('it ends', lambda: not alive(pid))
    same('no pidfile', pidfile.exists(), False)


def broken_reload(asked, folder):
    """A new file that cannot be used: we stay as we were, gunicorn goes (--like)."""
    for like, ends in (('', False), ('gunicorn-23', True)):
        place = folder / (like or 'own')
        place.mkdir()
        (place / 'c.json').write_text('{ "timeout": 4 }')
        server = Server(asked.server, place, '-c', place / 'c.json', *(['--like', like] if like else []), workers=1)
        try:
            pids = server.settled(1)
            (place / 'c.json').write_text('{ "timout": 4 }')
            server.signal(signal.SIGHUP)
            if ends:
                same('it ends', server.wait_end(), 1)
                wait_until('and its workers notice', lambda: not any(alive(pid) for pid in pids))
                continue
            server.says('The new configuration is not used')
            same('as before', (server.settled(1), get(server.port, '/hello')), (pids, 200))
            (place / 'c.json').write_text('{ "workers": 2 }')
        finally:
            server.stop()


def read_by_triage(asked, folder):
    """The error log is gunicorn's to the letter: triage reads it as it reads gunicorn's."""
    triage = pathlib.Path(asked.server).with_name('triage')
    if not triage.exists():
        raise Skip('triage is not built')
    for like in ('gunicorn-20.1', 'gunicorn-23', 'gunicorn-26', ''):
        server = Server(asked.server, folder / (like or 'own'), *(['--like', like] if like else []), '-t', '1', '--log-level', 'info', '--fault', 'segfault,path=/echo', workers=1)
        try:
            old = server.settled(1)
            get(server.port, '/sleep?s=60')
            second = server.settled(1, without=old)
            get(server.port, '/echo')
            server.settled(1, without=second)
        finally:
            server.stop()
        done = subprocess.run([str(triage), '--from', str(server.log), '--format', 'json'], capture_output=True, text=True, timeout=60)
        found = {(one['rule'], one['subject'].get('pid')) for one in json.loads(done.stdout)['findings']}
        same(f'{like or "ours"}: timed out', ('death.timeout', old[0]) in found, True)
        same(f'{like or "ours"}: crashed', ('death.crashed', second[0]) in found, True)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    asked.server = os.path.abspath(asked.server)
    cases = [precedence, misspelt, checked, shared_object, observed, handed_over, owned, in_the_background, broken_reload, read_by_triage]
    return run_cases([(case.__name__, functools.partial(case, asked)) for case in cases if re.search(asked.only, case.__name__)], together=4)


if __name__ == '__main__':
    sys.exit(main())
