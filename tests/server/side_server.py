#!/usr/bin/env python3
"""The same script on a real gunicorn 20.1 and on triage-server --like gunicorn-20.1: what can be seen from outside has to be the same. Each script returns
what it saw; the log's lines are compared with their levels, pids replaced, in an order of their own where two processes write at once."""
import argparse
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from served import LOOPBACK, PYTHON, Request, Server, Skip, alive, children, connect, exchange, get, run_cases, same, statuses, wait_until

LEFT_OUT = ('Current configuration', 'Arbiter booted', 'Starting ', 'Listening at', 'Using worker', ' workers', 'Ignored premature', 'Closing connection', 'worker: SIGWINCH')


def seen_log(server):
    """Lines that both say in these words; of workers that end together the order is the scheduler's."""
    lines = [f'{level} {message}' for level, message in server.messages() if not any(word in message for word in LEFT_OUT)]
    # A worker that gets SIGTERM again while it ends already may die of it in Python's last moments: a race of the interpreter (#2908).
    return sorted(line for line in lines if 'terminated due to signal 15' not in line)


def both(script):
    def case(asked, folder):
        version = subprocess.run(['gunicorn', '--version'], capture_output=True, text=True).stdout if any(os.access(f'{place}/gunicorn', os.X_OK) for place in os.environ['PATH'].split(':')) else ''
        if '(version 20.1' not in version:
            raise Skip('no gunicorn 20.1 is installed')
        got = {}
        for name, program, more in (('gunicorn', 'gunicorn', []), ('ours', asked.server, ['--like', 'gunicorn-20.1'])):
            made = []

            def start(*arguments, **options):
                made.append(Server(program, folder / f'{name}-{len(made)}', *more, *arguments, **options))
                return made[-1]
            try:
                got[name] = script(start, folder / name)
            finally:
                for server in made:
                    server.stop()
        same('ours and gunicorn', got['ours'], got['gunicorn'])
    case.__name__ = script.__name__
    return case


def ended(server, number, seconds=40):
    server.signal(number)
    return server.wait_end(seconds)


@both
def term_with_nobody(start, folder):
    server = start()
    pids = server.workers()
    code = ended(server, signal.SIGTERM)
    return code, [alive(pid) for pid in pids], server.pidfile.exists(), get(server.port, '/'), seen_log(server)


@both
def term_while_a_request_runs(start, folder):
    server = start('--graceful-timeout', '20')
    request = in_the_application(server, '/sleep?s=1.5')
    code = ended(server, signal.SIGTERM)
    request.join(10)
    return code, request.answer, seen_log(server)


@both
def term_and_graceful_timeout(start, folder):
    server = start('--graceful-timeout', '1')
    request = in_the_application(server, '/sleep?s=30')
    began = time.monotonic()
    code = ended(server, signal.SIGTERM)
    took = time.monotonic() - began
    request.join(10)
    return code, request.answer, 0.9 < took < 4


@both
def int_while_a_request_runs(start, folder):
    server = start()
    request = in_the_application(server, '/sleep?s=20')
    began = time.monotonic()
    code = ended(server, signal.SIGINT)
    request.join(10)
    return code, request.answer, time.monotonic() - began < 10, seen_log(server)


@both
def quit_with_nobody(start, folder):
    server = start()
    return ended(server, signal.SIGQUIT), server.pidfile.exists(), seen_log(server)


@both
def more_and_fewer(start, folder):
    server = start(workers=1)
    counts = []
    for number, wanted in ((signal.SIGTTIN, 2), (signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
        server.signal(number)
        counts.append(len(server.settled(wanted)))
    server.signal(signal.SIGTTOU)   # never below one
    server.says('Handling signal: ttou', 3)
    counts.append(len(server.settled(1)))
    return counts, seen_log(server)


@both
def the_oldest_goes_first(start, folder):
    server = start(workers=1)
    first = server.settled(1)
    server.signal(signal.SIGTTIN)
    server.settled(2)
    server.signal(signal.SIGTTOU)
    return server.settled(1) == first


@both
def reload_replaces_all(start, folder):
    server = start()
    old = server.settled(2)
    server.signal(signal.SIGHUP)
    server.settled(2, without=old)
    return [alive(pid) for pid in old], get(server.port, '/'), int(server.pidfile.read_text()) == server.pid, seen_log(server)


@both
def reload_lets_a_request_finish(start, folder):
    server = start('--graceful-timeout', '1')
    request = in_the_application(server, '/sleep?s=4')
    server.signal(signal.SIGHUP)
    server.says('Hang up')
    request.join(10)
    return request.answer   # graceful_timeout is not enforced at a reload


@both
def a_silent_worker_is_killed(start, folder):
    server = start('-t', '2', workers=1)
    old = server.settled(1)
    began = time.monotonic()
    request = Request(server.port, '/sleep?s=60')
    request.join(20)
    took = time.monotonic() - began
    server.settled(1, without=old)
    return request.answer, 1.5 < took < 6, seen_log(server)


@both
def a_stopped_worker_is_killed_twice(start, folder):
    server = start('-t', '2', workers=1)
    old = server.settled(1)
    os.kill(old[0], signal.SIGSTOP)
    server.says('terminated due to signal 9')
    server.settled(1, without=old)
    return seen_log(server)


@both
def a_silent_client_costs_the_worker(start, folder):
    server = start('-t', '2', workers=1)
    old = server.settled(1)
    with connect(server.port) as link:
        server.says('WORKER TIMEOUT')
        link.settimeout(10)
        return link.recv(10), bool(server.settled(1, without=old)), seen_log(server)


@both
def killed_from_outside(start, folder):
    server = start(workers=1)
    codes = []
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        old = server.settled(1)
        os.kill(old[0], number)
        codes.append(bool(server.settled(1, without=old)))
    return codes, seen_log(server)


@both
def exits_of_its_own(start, folder):
    server = start(workers=1)
    old = server.settled(1)
    answer = get(server.port, '/exit?code=7')
    server.settled(1, without=old)
    return answer, seen_log(server)


@both
def exit_3_halts_the_server(start, folder):
    server = start()
    answer = get(server.port, '/exit?code=3')
    return answer, server.wait_end(), server.pidfile.exists(), [line for line in seen_log(server) if 'Worker exiting' not in line]


@both
def no_such_symbol(start, folder):
    server = start(app='nosuchmodule:application', workers=1, ready=False)
    return server.wait_end(), [line for line in seen_log(server) if 'Exception in worker' not in line and not line.startswith('ERROR')]


@both
def recycled(start, folder):
    server = start('--max-requests', '3', workers=1)
    old = server.settled(1)
    answers = [get(server.port, '/') for _ in range(3)]
    server.settled(1, without=old)
    return answers, get(server.port, '/'), seen_log(server)


@both
def winch_without_daemon(start, folder):
    server = start()
    server.signal(signal.SIGWINCH)
    server.says('SIGWINCH ignored. Not daemonized')
    return len(server.settled(2)), [line for line in seen_log(server) if 'winch' in line.lower()]


@both
def logs_are_reopened(start, folder):
    server = start()
    moved = server.log.with_suffix('.1')
    server.log.rename(moved)
    server.signal(signal.SIGUSR1)
    wait_until('the file is there anew', server.log.exists)
    server.signal(signal.SIGTTIN)
    server.says('Handling signal: ttin')
    return 'Handling signal: ttin' in moved.read_text(), len(server.settled(3))


@both
def upgraded(start, folder):
    """USR2: the new master beside the old, the pidfiles, the promotion when the old one goes."""
    server = start()
    seen = []
    second = pathlib.Path(str(server.pidfile) + '.2')
    server.signal(signal.SIGUSR2)
    wait_until('the second pidfile', lambda: second.exists() and second.read_text().strip())
    new = int(second.read_text())
    wait_until('its workers', lambda: len([pid for pid in children(new) if server.serves(pid)]) == 2)
    seen.append((server.pidfile.exists(), int(server.pidfile.read_text()) == server.pid, new != server.pid, get(server.port, '/')))
    server.signal(signal.SIGUSR2)
    server.says('USR2 signal ignored. Child exists.')
    os.kill(new, signal.SIGUSR2)
    server.says('USR2 signal ignored. Parent exists.')
    try:
        seen.append(ended(server, signal.SIGTERM))
        server.says('Master has been promoted.')
        wait_until('its pidfile', lambda: server.pidfile.exists() and int(server.pidfile.read_text()) == new and not second.exists())
        seen.append(get(server.port, '/'))
    finally:
        os.kill(new, signal.SIGTERM)
    wait_until('it ends', lambda: not alive(new))
    return seen, server.pidfile.exists(), [line for line in seen_log(server) if 'USR2' in line or 'promoted' in line or 'Shutting' in line]


@both
def unix_socket(start, folder):
    path = str(folder) + '.sock'
    server = start(bind=f'unix:{path}')
    mode = oct(os.stat(path).st_mode & 0o777)
    answer = get(path, '/')
    code = ended(server, signal.SIGTERM)
    return mode, answer, code, os.path.exists(path)


@both
def unix_socket_with_umask(start, folder):
    path = str(folder) + '.sock'
    server = start('--umask', '0o027', bind=f'unix:{path}')
    return oct(os.stat(path).st_mode & 0o777)


@both
def unix_socket_of_an_upgrade(start, folder):
    path = str(folder) + '.sock'
    server = start(bind=f'unix:{path}')
    second = pathlib.Path(str(server.pidfile) + '.2')
    server.signal(signal.SIGUSR2)
    wait_until('the second pidfile', lambda: second.exists() and second.read_text().strip())
    new = int(second.read_text())
    try:
        wait_until('its workers', lambda: len([pid for pid in children(new) if server.serves(pid)]) == 2)
        ended(server, signal.SIGTERM)
        return os.path.exists(path), get(path, '/')
    finally:
        os.kill(new, signal.SIGTERM)
        wait_until('it ends', lambda: not alive(new))


@both
def pidfile_of_the_living(start, folder):
    server = start()
    other = start('--pid', str(server.pidfile), ready=False)
    return other.wait_end(), 'Already running on PID' in other.output(), int(server.pidfile.read_text()) == server.pid


@both
def address_in_use(start, folder):
    server = start()
    other = start(bind=f'{LOOPBACK}:{server.port}', ready=False)
    return other.wait_end(), sorted(re.sub(r'\d{2,}', 'N', line) for line in other.text().splitlines() if 'Connection in use' in line or 'Retrying' in line or "Can't connect" in line).__len__()


@both
def master_is_killed(start, folder):
    server = start('-t', '2')
    pids = server.settled(2)
    os.kill(server.pid, signal.SIGKILL)
    wait_until('the workers leave', lambda: not any(alive(pid) for pid in pids))
    return server.pidfile.exists(), server.text().count('Parent changed, shutting down')


@both
def access_log(start, folder):
    path = str(folder) + '.access'
    server = start('--access-logfile', path, '--access-logformat', '%(h)s %(l)s %(u)s "%(r)s" %(s)s "%(f)s" "%(a)s" %(m)s %(U)s %(q)s %(H)s %({x-one}i)s %({nosuch}i)s %%', workers=1)
    exchange(server.port, b'GET /sleep?s=0 HTTP/1.1\r\nHost: a\r\nUser-Agent: "me"\r\nReferer: /from\r\nX-One: 1\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n')
    exchange(server.port, b'GET /hello/%41%20b HTTP/1.0\r\n\r\n')
    wait_until('both lines', lambda: pathlib.Path(path).read_text().count('\n') == 2)
    return pathlib.Path(path).read_text()


@both
def thread_pool_hides_the_stuck(start, folder):
    server = start('-k', 'gthread', '--threads', '1', '-t', '4', workers=1)
    held = Request(server.port, '/sleep?s=9')  # its heartbeat comes once a second: a timeout near that would be a race of its own
    held.join(30)
    return held.answer, 'WORKER TIMEOUT' in server.text()


def in_the_application(server, path):
    """A request that a worker sleeps in. Says what became of it if none does."""
    request = Request(server.port, path)

    def read():
        if busy(server):
            return True
        if not request.is_alive():
            raise AssertionError(f'{path} ended with {request.answer!r} before a worker was seen in it')
        return False
    wait_until('it is read', read)
    return request


def busy(server):
    """One of the workers has a connection that it reads no more: it sleeps in the application."""
    for pid in children(server.pid):
        try:
            call = pathlib.Path(f'/proc/{pid}/syscall').read_text().split()[0]
        except OSError:
            continue
        if call in ('35', '230'):   # nanosleep, clock_nanosleep on x86-64; Python's sleep is the latter
            return True
        if call == '270' and any(os.readlink(f'/proc/{pid}/fd/{fd}').startswith('socket:') and fd not in ('5',) for fd in os.listdir(f'/proc/{pid}/fd')) and accepted(pid):
            return True
    return False


def accepted(pid):
    """It has a TCP connection that is established."""
    inodes = set()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            target = os.readlink(f'/proc/{pid}/fd/{fd}')
        except OSError:
            continue
        if target.startswith('socket:['):
            inodes.add(target[8:-1])
    return any(line.split()[9] in inodes and line.split()[3] == '01' for line in pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:])


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    cases = [case for name, case in list(globals().items()) if callable(case) and getattr(case, '__qualname__', '').startswith('both.')]
    return run_cases([(case.__name__, functools.partial(case, asked)) for case in cases if re.search(asked.only, case.__name__)], together=4)


if __name__ == '__main__':
    sys.exit(main())
