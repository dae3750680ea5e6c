#!/usr/bin/env python3
"""HTTP/1.1 on the wire, against each kind of worker: gunicorn's corpus, what a smuggler sends, slow and half-closed clients, and what is kept alive."""
import argparse
import functools
import json
import os
import pathlib
import re
import socket
import sys
import time

from served import Server, Skip, connect, exchange, run_cases, same, statuses, wait_until

KINDS = {'sync': ['-k', 'sync'], 'gthread': ['-k', 'gthread', '--threads', '4'], 'event': ['-k', 'event']}
CORPUS = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'corpus' / 'http-requests.json'


def started(asked, folder, kind, *more, **options):
    return Server(asked.server, folder / 'server', *KINDS[kind], '--body-timeout', '1', '--header-timeout', '2', *more, **options)


def corpus(asked, folder, kind):
    if not CORPUS.exists():
        raise Skip('no shared/corpus/http-requests.json beside the sources')
    cases = [case for case in json.loads(CORPUS.read_text()) if not case['cfg']]
    server = started(asked, folder, kind)
    try:
        taken, refused = [], []
        for case in cases:
            answer, _ = exchange(server.port, case['data'].encode('latin-1'), seconds=3, half_close=True)
            first = statuses(answer)[:1]
            # The application may have none of it (CONNECT, OPTIONS *: 404), which is an answer and no refusal.
            good = bool(first) and (first[0] < 400 or first[0] == 404)
            if case['kind'] == 'invalid' and good:
                taken.append(case['name'])
            if case['kind'] == 'valid' and not good:
                refused.append(case['name'])
            if case['kind'] == 'invalid' and first and not 400 <= first[0] < 600:
                taken.append(case['name'])
        same('invalid ones taken', taken, [])
        same('valid ones refused', refused, ['valid/099'])
    finally:
        server.stop()


HEAD = b'POST /echo HTTP/1.1\r\nHost: a\r\n'
REFUSED = [
    (b'GET / HTTP/1.1\nHost: a\n\n', 400), (b'GET / HTTP/1.1\rHost: a\r\r', 400), (b'GET / HTTP/1.1\r\nHost: a\n\r\n', 400), (b'GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n', 400),
    (b'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400), (b'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400), (b'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n', 400),
    (b'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400), (b'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505), (b'GET / HTTP/1.1.1\r\nHost: a\r\n\r\n', 400), (b'GET /\r\n\r\n', 400), (b'\x16\x03\x01\x02\x00\x01', 400),
    (b'GET /' + b'a' * 5000 + b' HTTP/1.1\r\nHost: a\r\n\r\n', 414), (b'GET / HTTP/1.1\r\nX: ' + b'a' * 9000 + b'\r\n\r\n', 431), (b'GET / HTTP/1.1\r\n' + b'X: a\r\n' * 101 + b'\r\n', 431),
    (HEAD + b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400), (HEAD + b'Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello', 400), (HEAD + b'Content-Length: -5\r\n\r\n', 400),
    (HEAD + b'Content-Length: 99999999999999999999\r\n\r\n', 400), (HEAD + b'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n', 501), (HEAD + b'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n', 400),
    (b'POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400), (HEAD + b'Expect: 200-maybe\r\n\r\n', 417),
    (HEAD + b'Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n', 400), (HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n', 400), (HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n', 400),
]


def refusals(asked, folder, kind):
    """Each is answered by its status and the close, whether it comes in one piece or byte by byte, and nothing after it is read as a request."""
    server = started(asked, folder, kind)
    try:
        for data, status in REFUSED:
            answer, end = exchange(server.port, data + b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
            same(f'{data[:60]} ended', (statuses(answer), end), ([status], 'closed'))
            if len(data) > 300:
                continue
            with connect(server.port, 5) as link:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                got = b''
                try:
                    for at in range(len(data)):
                        link.sendall(data[at:at + 1])
                    while piece := link.recv(4096):
                        got += piece
                except (BrokenPipeError, ConnectionResetError):
                    pass
                if got:
                    same(f'{data[:60]} byte by byte', statuses(got), [status])
    finally:
        server.stop()


def bodies(asked, folder, kind):
    server = started(asked, folder, kind)
    try:
        def ask(data, **more):
            answer, end = exchange(server.port, data, **more)
            return statuses(answer), answer.partition(b'\r\n\r\n')[2], end
        close = b'Connection: close\r\n'
        same('counted', ask(HEAD + close + b'Content-Length: 5\r\n\r\nhello')[0], [200])
        chunked = ask(HEAD + close + b'Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n')
        same('chunked', (chunked[0], b'hello' in chunked[1] and b' world' in chunked[1]), ([200], True))
        old = ask(b'POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello')
        same('HTTP/1.0', old[:2], ([200], b'hello'))
        same('HEAD', ask(b'HEAD /hello HTTP/1.1\r\nHost: a\r\n' + close + b'\r\n')[:2], ([200], b''))
        same('204 has no body', ask(b'GET /status?code=204 HTTP/1.1\r\nHost: a\r\n' + close + b'\r\n')[:2], ([204], b''))
        same('absolute-form', ask(b'GET http://a/hello HTTP/1.1\r\nHost: b\r\n' + close + b'\r\n')[0], [200])
        same('half-closed', ask(b'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n', half_close=True)[0], [200])
        same('cut short', ask(HEAD + b'Content-Length: 50\r\n\r\nhello', half_close=True)[0], [400])
        same('a head cut short', ask(b'GET /hello HTT', half_close=True)[0], [400])
        same('a head that does not come', ask(b'GET /hello HTT', seconds=8)[::2], ([408], 'closed'))
        same('a body that does not come', ask(HEAD + b'Content-Length: 50\r\n\r\nhello', seconds=8)[::2], ([408], 'closed'))
        same('nothing at all', ask(b'', seconds=8)[::2], ([], 'closed'))
        with connect(server.port, 5) as link:
            link.sendall(HEAD + close + b'Content-Length: 5\r\nExpect: 100-continue\r\n\r\n')
            got = link.recv(100)
            same('it is told to go on', got, b'HTTP/1.1 100 Continue\r\n\r\n')
            link.sendall(b'hello')
            rest = b''
            while piece := link.recv(4096):
                rest += piece
            same('and answered', (statuses(rest), b'hello' in rest), ([200], True))
        big = ask(b'GET /stream?bytes=300000 HTTP/1.1\r\nHost: a\r\n' + close + b'\r\n')
        same('chunks out', (big[0], big[1].count(b'x'), big[1][-5:]), ([200], 300000, b'0\r\n\r\n'))
    finally:
        server.stop()


def kept_alive(asked, folder, kind):
    server = started(asked, folder, kind, '--keep-alive', '1', workers=1)
    try:
        two = b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n'
        answer, end = exchange(server.port, two * 3 + b'GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        same('pipelined', statuses(answer), [200] if kind == 'sync' else [200] * 4)
        answer, _ = exchange(server.port, b'GET /pid HTTP/1.0\r\nConnection: keep-alive\r\n\r\n' * 2, seconds=4)
        same('HTTP/1.0 that asks for it', statuses(answer), [200] if kind == 'sync' else [200] * 2)
        answer, end = exchange(server.port, b'GET /pid HTTP/1.0\r\n\r\n' * 2)
        same('HTTP/1.0 that does not', (statuses(answer), end), ([200], 'closed'))
        if kind == 'sync':
            return
        began = time.monotonic()
        answer, end = exchange(server.port, two, seconds=10)
        same('an idle one is closed', (statuses(answer), end), ([200], 'closed'))
        if time.monotonic() - began < 0.8:
            raise AssertionError('it was closed before keepalive had passed')
        answer, end = exchange(server.port, two * 400 + b'GET /pid HTTP/1.1\r\nConnection: close\r\n\r\n', seconds=10)
        same('many at once', len(statuses(answer)), 401)
        post = b'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
        answer, end = exchange(server.port, post + two + post + b'GET /pid HTTP/1.1\r\nConnection: close\r\n\r\n', seconds=10)
        same('bodies between', statuses(answer), [200] * 4)
        # A body that the application leaves unread is no request.
        answer, end = exchange(server.port, b'POST /pid HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n\r\nGET /first HTTP/1.1\r\n\r\n..' + b'GET /pid HTTP/1.1\r\nConnection: close\r\n\r\n', seconds=10)
        same('an unread body', statuses(answer), [200] * 2)
    finally:
        server.stop()


def slow_reader(asked, folder, kind):
    """Who takes nothing is let go, and nobody else waits for him in the loop and the pool."""
    server = started(asked, folder, kind, '--write-timeout', '1', workers=1)
    try:
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(('127.0.0.1', server.port))
            link.settimeout(20)
            link.sendall(b'GET /stream?bytes=100000000 HTTP/1.1\r\nHost: a\r\n\r\n')
            wait_until('the answer begins', lambda: link.recv(1, socket.MSG_PEEK))
            if kind != 'sync':
                same('others', statuses(exchange(server.port, b'GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')[0]), [200])
            wait_until('it is let go', lambda: server_has_no_connection(server, link))
        same('and others are served', statuses(exchange(server.port, b'GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', seconds=10)[0]), [200])
        if 'WORKER TIMEOUT' in server.text():
            raise AssertionError('a slow reader is no hung worker')
    finally:
        server.stop()


def server_has_no_connection(server, link):
    """The kernel's table no longer has the server's end as ESTABLISHED."""
    mine = link.getsockname()[1]
    for line in pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:]:
        words = line.split()
        if int(words[2].split(':')[1], 16) == mine and int(words[1].split(':')[1], 16) == server.port and words[3] == '01':
            return False
    return True


def with_host(asked, folder, kind):
    server = started(asked, folder, kind, '--require-host')
    try:
        same('without', statuses(exchange(server.port, b'GET /pid HTTP/1.1\r\n\r\n')[0]), [400])
        same('HTTP/1.0 needs none', statuses(exchange(server.port, b'GET /pid HTTP/1.0\r\n\r\n')[0]), [200])
    finally:
        server.stop()


def files(asked, folder, kind):
    """builtin:static: what lies below its folder and nothing else, however it is asked for."""
    root = folder / 'root'
    (root / 'sub').mkdir(parents=True)
    (folder / 'secret.txt').write_text('secret')
    big = bytes(range(256)) * 4096
    (root / 'big.png').write_bytes(big)
    (root / 'index.html').write_text('<p>first</p>')
    (root / 'sub' / 'a b.txt').write_text('spaced')
    (root / 'out').symlink_to('../secret.txt')
    (root / 'far').symlink_to(folder / 'secret.txt')
    (root / 'near.txt').symlink_to('sub/a b.txt')
    os.mkfifo(root / 'pipe')
    server = started(asked, folder, kind, '--app-argument', str(root), app='builtin:static')
    try:
        def ask(path, method='GET'):
            answer, _ = exchange(server.port, f'{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'.encode(), seconds=10)
            head, _, body = answer.partition(b'\r\n\r\n')
            named = re.search(rb'(?im)^content-type: ([^\r]*)', head)
            return int(head.split()[1]), named[1].decode() if named else '', body
        same('the index', ask('/'), (200, 'text/html', b'<p>first</p>'))
        same('an encoded name', ask('/sub/a%20b.txt'), (200, 'text/plain', b'spaced'))
        same('a link within', ask('/near.txt'), (200, 'text/plain', b'spaced'))
        status, kind_of, body = ask('/big.png')
        same('a megabyte', (status, kind_of, body == big), (200, 'image/png', True))
        status, _, body = ask('/big.png', 'HEAD')
        same('HEAD has no body', (status, body), (200, b''))
        for path in ('/none', '/sub', '/../secret.txt', '/%2e%2e/secret.txt', '/sub/../../secret.txt', '/out', '/far', '/pipe', '//etc/passwd', '/sub%2f..%2f..%2fsecret.txt'):
            status, _, body = ask(path)
            same(path, (status, b'secret' in body or b'root:' in body), (404, False))
        for path in ('/%', '/%0', '/%zz', '/%00'):
            same(path, ask(path)[0], 400)
        same('POST', ask('/index.html', 'POST')[0], 405)
    finally:
        server.stop()


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    cases = [(f'{case.__name__} [{kind}]', functools.partial(case, asked, kind=kind)) for case in (corpus, refusals, bodies, kept_alive, slow_reader, with_host, files) for kind in KINDS]
    return run_cases([case for case in cases if re.search(asked.only, case[0])], together=4)


if __name__ == '__main__':
    sys.exit(main())
