#!/usr/bin/env python3
"""`--syscalls` and the second look beside real gunicorns: descriptors that the kernel refuses, a Redis connection that --preload workers really
share (with replies that reach the wrong one), descriptors that grow. Each with a twin that looks like it and is healthy."""
import argparse
import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading

from harness import LOOPBACK, Gunicorn, Process, Request, Skip, connect, free_port, get, report, run_cases, triage, wait_until
from now_live import Peer, same, says
from watch_live import Watch


def watch(asked, server):
    on = Watch(asked, '', server.pid, arguments=('--syscalls',))
    try:
        wait_until('it says whether it follows system calls', lambda: on.events('syscalls') or [line for line in on.lines if line['type'] == 'gap' and 'system calls' in line['wanted']])
        if not on.events('syscalls'):
            raise Skip('system calls may not be followed here')
    except BaseException:
        on.stop()
        raise
    return on


def about(on, rule, host_pid):
    return [line for line in on.findings(host_pid) if line['rule'] == rule]


def told(on, rule, host_pid):
    """The amended finding; its provisional line came before, with the same id."""
    wait_until(f'{rule} about {host_pid}', lambda: [one for one in about(on, rule, host_pid) if not one['provisional']], 30)
    both = about(on, rule, host_pid)
    same('lines about it', [(one['provisional'], one['amends']) for one in both], [(True, None), (False, both[0]['id'])])
    same('their id', both[0]['id'], both[1]['id'])
    return both[1]


def silent(on, asked, rules=('limit.descriptors', 'fork.shared-connection', 'fork.shared-epoll')):
    """Ends the watch; nothing was said of these until then."""
    on.process.process.terminate()
    on.process.process.wait(30)
    wait_until('its last word has come', lambda: on.events('detached'))
    same('findings', [(one['rule'], one['message']) for one in on.findings() if one['rule'] in rules], [])


# ---- descriptors ------------------------------------------------------------------------------------------------------
def out_of_descriptors(asked, folder):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = Gunicorn(folder / 'site', '-k', 'gthread', '--threads', '2', workers=1)
    on = None
    try:
        on = watch(asked, server)
        worker = server.workers()[0]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (48, hard))
        get(server.port, '/open?n=80', 20)  # what it got until then it keeps
        found = told(on, 'limit.descriptors', worker)
        same('sure', found['sure'], 'certain')
        says(found, 'ran out of file descriptors', 'failed', 'with EMFILE')
        evidence = ' '.join(row['text'] for row in found['because'])
        if 'openat failed' not in evidence or 'RLIMIT_NOFILE' not in evidence:
            raise AssertionError(f'the call and its limit are not named: {evidence}')
    finally:
        if on:
            on.stop()
        server.stop()


def dies_of_it(asked, folder):
    """A sync worker asks for a descriptor before it looks for a connection: refused there, it ends. Its calls are told all the same."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = Gunicorn(folder / 'site', workers=1)
    on = None
    try:
        on = watch(asked, server)
        worker = server.workers()[0]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, hard))  # not one more than it has
        request = Request(server.port, '/ok')
        server.wait_dead(worker)
        found = told(on, 'limit.descriptors', worker)
        same('sure', found['sure'], 'certain')
        says(found, 'ran out of file descriptors', 'with EMFILE')
        if 'accept4 failed' not in ' '.join(row['text'] for row in found['because']):
            raise AssertionError(f'the call is not named: {found["because"]}')
        wait_until('its successor has answered', lambda: request.answer == 200)
    finally:
        if on:
            on.stop()
        server.stop()


def refused_by_the_kernel(asked, folder):
    """Without BPF no system call is seen: that is said, and deaths are told all the same."""
    server = Gunicorn(folder / 'site')
    on = None
    try:
        on = Watch(asked, 'bpf', server.pid, arguments=('--syscalls',))
        wait_until('the gap is told', lambda: [line for line in on.lines if line['type'] == 'gap' and 'system calls' in line['wanted']])
        same('follows', on.events('syscalls'), [])
        worker = server.workers()[0]
        os.kill(worker, signal.SIGKILL)
        on.verdict(worker)
    finally:
        if on:
            on.stop()
        server.stop()


def nothing_is_left(asked, folder):
    """Killed, not ended: programs, maps and rings go with it."""
    bpftool = shutil.which('bpftool', path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if not bpftool:
        raise Skip('bpftool is not installed')

    def of_ours(kind, ids):
        rows = json.loads(subprocess.run([bpftool, '-j', kind, 'show'], capture_output=True, text=True, check=True).stdout)
        return {row['id'] for row in rows} & ids

    def held(pid, word):
        texts = [open(f'/proc/{pid}/fdinfo/{fd}').read() for fd in os.listdir(f'/proc/{pid}/fdinfo')]
        return {int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith(word)}
    server = Gunicorn(folder / 'site')
    on = None
    try:
        on = watch(asked, server)
        programs, maps = held(on.process.pid, 'prog_id:'), held(on.process.pid, 'map_id:')
        if len(programs) < 6 or len(maps) < 8:
            raise AssertionError(f'it holds {len(programs)} programs and {len(maps)} maps: what is counted here is wrong')
        on.process.process.kill()
        on.process.process.wait(20)
        wait_until('the kernel has taken them back', lambda: not of_ours('prog', programs) and not of_ours('map', maps))
    finally:
        if on:
            on.stop()
        server.stop()


def many_and_none_refused(asked, folder):
    server = Gunicorn(folder / 'site', workers=1)
    on = None
    try:
        on = watch(asked, server)
        same('opened', get(server.port, '/open?n=80', 20), 200)
        silent(on, asked)
    finally:
        if on:
            on.stop()
        server.stop()


# ---- the second look --------------------------------------------------------------------------------------------------
def while_looking(asked, server, step, *arguments):
    """One look with a window, during which step() is called again and again; -> its findings."""
    got = []
    look = threading.Thread(target=lambda: got.append(report(asked.triage, server.pid, *arguments)))
    look.start()
    while look.is_alive():
        step()
        look.join(0.01)
    if not got:
        raise AssertionError('the look failed; see above')
    return got[0]


def of(found, rule):
    return [one for one in found['findings'] if one['rule'] == rule]


def descriptors_grow(asked, folder):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = Gunicorn(folder / 'site', workers=1)
    try:
        worker = server.workers()[0]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (4000, hard))
        same('opened', get(server.port, '/open?n=120', 20), 200)
        # It has many of one file, but no more of them: as a pool has.
        same('findings', of(report(asked.triage, server.pid, '--for', '500ms'), 'limit.descriptors'), [])

        found = of(while_looking(asked, server, lambda: get(server.port, '/open?n=1', 20), '--for', '4s'), 'limit.descriptors')
        same('found', len(found), 1)
        same('who', found[0]['subject']['host_pid'], worker)
        same('sure', found[0]['sure'], 'likely')
        says(found[0], 'opens file descriptors and does not close them', 'of 4000', 'at this pace the limit comes in', 'faulty.py')
    finally:
        server.stop()


def grown_since_a_bundle(asked, folder):
    """What the first step of every advice kept ("collect a bundle first") tells a later look whether it goes on."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = Gunicorn(folder / 'site', workers=1)
    try:
        worker = server.workers()[0]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (400, hard))
        same('opened', get(server.port, '/open?n=150', 20), 200)
        bundle, printed = folder / 'before.tar.zst', folder / 'before.ndjson'
        triage(asked.triage, 'bundle', server.pid, '-o', bundle)
        printed.write_text(triage(asked.triage, server.pid, '--show', 'evidence')[1])
        same('nothing grew', of(report(asked.triage, server.pid, '--against', bundle), 'limit.descriptors'), [])
        same('opened', get(server.port, '/open?n=100', 20), 200)
        for earlier in bundle, printed:
            found = of(report(asked.triage, server.pid, '--against', earlier), 'limit.descriptors')
            same('who', [(one['subject']['host_pid'], one['sure']) for one in found], [(worker, 'likely')])
            says(found[0], 'opens file descriptors and does not close them', 'of 400', 'at this pace the limit comes in')
    finally:
        server.stop()


# ---- a connection that was opened before the fork -------------------------------------------------------------------
class Redis:
    def __init__(self, folder):
        program = shutil.which('redis-server') or shutil.which('valkey-server')
        if not program:
            raise Skip('redis-server is not installed')
        self.port = free_port()
        self.process = Process([program, '--port', str(self.port), '--bind', LOOPBACK, '--save', '', '--appendonly', 'no', '--dir', str(folder)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            try:
                with connect(self.port, 5) as link:
                    link.sendall(b'PING\r\n')
                    return link.recv(16).startswith(b'+PONG')
            except OSError:
                return False
        try:
            wait_until('redis answers', answers)
        except BaseException:
            self.process.stop()
            raise

    def stop(self):
        self.process.stop()


# Two requests meet: whoever asked first waits until the other one has read. Every step is a line in a file, so nothing depends on who is quicker.
CLIENT = """import fcntl, os, socket, time
from urllib.parse import parse_qs
WHERE = os.path.join(os.path.dirname(__file__), 'steps')
LINK

def steps(pair):
    with open(WHERE) as lines:
        return [line.split() for line in lines if line.split()[1:2] == [pair]]

def note(*words):
    with open(WHERE, 'a') as out:
        out.write(' '.join(words) + chr(10))

def until(answer):
    end = time.monotonic() + 20
    while not answer() and time.monotonic() < end:
        time.sleep(0.005)

def application(environ, start_response):
    asked = parse_qs(environ['QUERY_STRING'])
    if 'pair' not in asked:
        start_response('200 OK', [])
        return [b'fine']
    pair, me = asked['pair'][0], str(os.getpid())
    link = connection()
    with open(WHERE) as alone:  # so that the lines stand in the order of the questions
        fcntl.flock(alone, fcntl.LOCK_EX)
        link.sendall(b'ECHO %05d' % (os.getpid() % 100000) + b'\\r\\n')
        note('wrote', pair, me)
    until(lambda: len([one for one in steps(pair) if one[0] == 'wrote']) == 2)
    if steps(pair)[0][2] == me:
        until(lambda: any(one[0] == 'read' for one in steps(pair)))
    got = link.recv(11, socket.MSG_WAITALL)
    note('read', pair, me, got[4:9].decode())
    start_response('200 OK', [])
    return [got]
"""
BEFORE = """link = socket.create_connection(('127.0.0.1', PORT), timeout=20)
def connection():
    return link"""
AFTER = """link = None
def connection():
    global link
    link = link or socket.create_connection(('127.0.0.1', PORT), timeout=20)
    return link"""


class Pairs:
    """A server whose two workers ask Redis at the same time, and its log of who got whose reply."""

    def __init__(self, folder, redis, link, *arguments):
        self.steps, self.number = folder / 'site' / 'steps', 0
        (folder / 'site').mkdir()
        self.steps.write_text('')
        (folder / 'site' / 'pairs.py').write_text(CLIENT.replace('LINK', link).replace('PORT', str(redis.port)))
        self.server = Gunicorn(folder / 'site', *arguments, app='pairs')

    def ask(self):
        self.number += 1
        both = [threading.Thread(target=get, args=(self.server.port, f'/?pair={self.number}', 60)) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()

    def wrong(self):
        """How many replies reached another worker than the one that had asked, by the application's own log."""
        rows = [line.split() for line in self.steps.read_text().splitlines() if line.startswith('read')]
        if len(rows) < 2 * self.number:
            raise AssertionError(f'{len(rows)} replies to {2 * self.number} questions: {self.steps.read_text()[-300:]}')
        return sum(f'{int(row[2]) % 100000:05d}' != row[3] for row in rows)


def replies_are_mixed(asked, folder):
    redis = Redis(folder)
    pairs = on = None
    try:
        pairs = Pairs(folder, redis, BEFORE, '--preload')
        on = watch(asked, pairs.server)
        says(on.events('syscalls')[0] | {'message': on.events('syscalls')[0]['text']}, '1 connection')
        pairs.ask()
        same('replies that reached the wrong worker', pairs.wrong(), 2)
        found = told(on, 'fork.shared-connection', pairs.server.pid)
        same('sure', found['sure'], 'certain')
        says(found, 'gunicorn share a connection', f'{LOOPBACK}:{redis.port}', '2 of them used it', '1 write while another waited for its reply')
        # A look with a window proves it, too.
        seen = of(while_looking(asked, pairs.server, pairs.ask, '--syscalls', '--for', '2s'), 'fork.shared-connection')
        same('found', [(one['sure'], one['truth']) for one in seen], [('certain', 'yes')])
        if pairs.wrong() != 2 * pairs.number:
            raise AssertionError(f'{pairs.wrong()} wrong replies to {2 * pairs.number} questions')
    finally:
        if on:
            on.stop()
        if pairs:
            pairs.server.stop()
        redis.stop()


def a_connection_each(asked, folder):
    redis = Redis(folder)
    pairs = on = None
    try:
        pairs = Pairs(folder, redis, AFTER, '--preload')
        on = watch(asked, pairs.server)
        for _ in range(3):
            pairs.ask()
        same('replies that reached the wrong worker', pairs.wrong(), 0)
        silent(on, asked)
    finally:
        if on:
            on.stop()
        if pairs:
            pairs.server.stop()
        redis.stop()


def shared_and_unused(asked, folder):
    """It stays what a look without --syscalls calls it: likely. A watch says nothing of it."""
    peer = Peer()
    server = on = None
    try:
        (folder / 'site').mkdir()
        (folder / 'site' / 'idle.py').write_text(f"import socket\nlink = socket.create_connection(('127.0.0.1', {peer.port}))\nfrom faulty import application\n")
        server = Gunicorn(folder / 'site', '--preload', app='idle')
        on = watch(asked, server)
        found = of(while_looking(asked, server, lambda: get(server.port, '/ok', 20), '--syscalls', '--for', '1s'), 'fork.shared-connection')
        same('sure', [one['sure'] for one in found], ['likely'])
        if 'nobody used it' not in found[0]['sure_because']:
            raise AssertionError(f'that nobody used it is not said: {found[0]["sure_because"]}')
        silent(on, asked)
    finally:
        if on:
            on.stop()
        if server:
            server.stop()
        peer.close()


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked = asked.parse_args()
    cases = [replies_are_mixed, a_connection_each, shared_and_unused, out_of_descriptors, dies_of_it, many_and_none_refused, descriptors_grow, grown_since_a_bundle, refused_by_the_kernel,
             nothing_is_left]
    return run_cases([(case.__name__, functools.partial(case, asked)) for case in cases], together=2)


if __name__ == '__main__':
    sys.exit(main())
