#!/usr/bin/env python3
"""What --like changes, version by version, against what was measured of those gunicorns (docs/server.md has the table); and the thread pool's watchdog."""
import argparse
import functools
import os
import re
import signal
import socket
import sys
import time

from served import Request, Server, alive, children, connect, exchange, get, run_cases, same, statuses, wait_until

VERSIONS = ('gunicorn-20.1', 'gunicorn-23', 'gunicorn-26', '')


def started(asked, folder, like, *more, **options):
    return Server(asked.server, folder / 'server', *(['--like', like] if like else []), *more, **options)


def lines(server, *words):
    return [f'{level} {message}' for level, message in server.messages() if any(word in message for word in words)]


def killed(asked, folder, like):
    """SIGKILL and SIGTERM from outside, and an exit of its own."""
    server = started(asked, folder, like, workers=1)
    try:
        for act in (lambda pid: os.kill(pid, signal.SIGKILL), lambda pid: os.kill(pid, signal.SIGBUS), lambda pid: get(server.port, '/exit?code=7')):
            old = server.settled(1)
            act(old[0])
            server.settled(1, without=old)
        got = [re.sub(r'code 1\d\d', 'SIGBUS', line) for line in lines(server, 'terminated due', 'was sent', 'exited with')]
        same('the log', got, {
            'gunicorn-20.1': ['WARNING Worker with pid N was terminated due to signal 9', 'WARNING Worker with pid N was terminated due to signal 7'],
            'gunicorn-23': ['ERROR Worker (pid:N) was sent SIGKILL! Perhaps out of memory?', 'ERROR Worker (pid:N) was sent SIGBUS!', 'ERROR Worker (pid:N) exited with code 7', 'ERROR Worker (pid:N) exited with code 7.'],
            'gunicorn-26': ['ERROR Worker (pid:N) was sent SIGKILL! Perhaps out of memory?', 'WARNING Worker (pid:N) was sent SIGBUS!', 'ERROR Worker (pid:N) exited with code 7.'],
            '': ['ERROR Worker (pid:N) was sent SIGKILL! Perhaps out of memory?', 'WARNING Worker (pid:N) was sent SIGBUS!', 'ERROR Worker (pid:N) exited with code 7.']}[like])
    finally:
        server.stop()


def timed_out(asked, folder, like):
    """A request over the timeout: what its client and the log get."""
    server = started(asked, folder, like, '-t', '2', workers=1)
    try:
        old = server.settled(1)
        answer = get(server.port, '/sleep?s=60')
        server.settled(1, without=old)
        same('the client', answer, 'closed' if like == 'gunicorn-20.1' else 500)
        same('the log', lines(server, 'TIMEOUT', 'Error handling', 'exited with', 'exiting'), {
            'gunicorn-20.1': ['CRITICAL WORKER TIMEOUT (pid:N)', 'INFO Worker exiting (pid: N)'],
            'gunicorn-23': ['CRITICAL WORKER TIMEOUT (pid:N)', 'ERROR Error handling request /sleep?s=60', 'INFO Worker exiting (pid: N)'],
            'gunicorn-26': ['CRITICAL WORKER TIMEOUT (pid:N)', 'ERROR Error handling request GET /sleep?s=60', 'INFO Worker exiting (pid: N)'],
            '': ['CRITICAL WORKER TIMEOUT (pid:N)', 'ERROR Error handling request GET /sleep?s=60', 'INFO Worker exiting (pid: N)', 'ERROR Worker (pid:N) exited with code 1.']}[like])
    finally:
        server.stop()


def silent_client(asked, folder, like):
    """A connection without a byte, and a sync worker."""
    server = started(asked, folder, like, '-t', '2', '--header-timeout', '1', workers=1)
    try:
        with connect(server.port, 20) as link:
            if not like:
                same('another', get(server.port, '/pid', 5), 200)
                return
            server.says('WORKER TIMEOUT')
            same('told', link.recv(100)[:12], b'' if like == 'gunicorn-20.1' else b'HTTP/1.1 500')
            server.says('Worker exiting')
            same('the log', lines(server, 'no URI'), [] if like == 'gunicorn-20.1' else ['ERROR Error handling request (no URI read)'])
    finally:
        server.stop()


def slow_boot(asked, folder, like):
    server = started(asked, folder, like, '-t', '2', '--fault', 'slow_boot=5', workers=1, ready=False)
    try:
        wait_until('it serves or is killed', lambda: 'WORKER TIMEOUT' in server.text() or 'Listening at: ' in server.text() and get(server.port, '/pid', 1) == 200)
        same('killed', 'WORKER TIMEOUT' in server.text(), like == 'gunicorn-20.1')
    finally:
        server.stop()


def refused(asked, folder, like):
    server = started(asked, folder, like)
    try:
        got = [statuses(exchange(server.port, data)[0])[0] for data in (b'GET /' + b'a' * 5000 + b' HTTP/1.1\r\n\r\n', b'GET / HTTP/1.1\r\nX: ' + b'a' * 9000 + b'\r\n\r\n', b'GET / HTTP/2.0\r\n\r\n', b'GET / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n')]
        same('statuses', got, [400, 400, 400, 501] if like else [414, 431, 505, 501])
    finally:
        server.stop()


def reload_with_a_busy_worker(asked, folder, like):
    """26 blocks in it: a signal that comes meanwhile waits for the old worker."""
    server = started(asked, folder, like, workers=1)
    try:
        request = Request(server.port, '/sleep?s=3')
        old = server.settled(1)[0]
        # The request is in the application once the kernel's table shows the worker asleep in it.
        wait_until('it is read', lambda: open(f'/proc/{old}/syscall').read().split()[0] in ('35', '230'))
        server.signal(signal.SIGHUP)
        server.says('Booting worker', 2)
        server.signal(signal.SIGTTIN)
        server.says('Handling signal: ttin')
        at_that_time = request.answer
        request.join(10)
        same('the old request was over when the next signal was handled', at_that_time == 200, like == 'gunicorn-26')
        same('and is answered', request.answer, 200)
    finally:
        server.stop()


def watchdog(asked, folder, like):
    """Two threads, one or both stuck: `pool` kills only when both are, `any` for one, `off` never."""
    for how, stuck, killed_then in (('off', 2, False), ('pool', 1, False), ('pool', 2, True), ('any', 1, True)):
        server = Server(asked.server, folder / f'{how}-{stuck}', '-k', 'gthread', '--threads', '2', '-t', '2', '--thread-watchdog', how, workers=1)
        try:
            for _ in range(stuck):
                Request(server.port, '/sleep?s=60')
            if killed_then:
                server.says('WORKER TIMEOUT')
                continue
            end = time.monotonic() + 5
            wait_until('five seconds', lambda: time.monotonic() > end)
            same(f'{how}, {stuck} stuck', 'WORKER TIMEOUT' in server.text(), False)
        finally:
            server.stop()


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    cases = [(f'{case.__name__} [{like or "ours"}]', functools.partial(case, asked, like=like)) for case in (killed, timed_out, silent_client, slow_boot, refused, reload_with_a_busy_worker) for like in VERSIONS]
    cases.append(('watchdog', functools.partial(watchdog, asked, like='')))
    return run_cases([case for case in cases if re.search(asked.only, case[0])], together=6)


if __name__ == '__main__':
    sys.exit(main())
