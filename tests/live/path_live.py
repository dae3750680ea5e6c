#!/usr/bin/env python3
"""The way from a real nginx (as www-data) to a real gunicorn, broken in each way that a path or a port can be: the rule, the wall that is named,
and that the printed fix, applied, makes the finding go away. And healthy twins that must stay silent."""
import argparse
import functools
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys

from harness import LOOPBACK, PYTHON, Gunicorn, Nginx, Process, Request, Skip, alive, first_in_a_pid_namespace, free_port, get, report, run_cases, same, triage, wait_until

WALKER = 'www-data'


def open_folder(folder):
    """The test's own folder must be no wall."""
    try:
        pwd.getpwnam(WALKER)
    except KeyError:
        raise Skip(f'no user {WALKER} here') from None
    if os.getuid() != 0:
        raise Skip('nginx changes its user only as root')
    folder.chmod(0o755)
    run = folder / 'run'
    run.mkdir()
    return run


def of_path(asked, socket):
    """The findings about this socket."""
    return about(report(asked.triage), socket)


def about(found, socket):
    return [finding for finding in found['findings'] if finding['rule'].startswith('socket.') and (finding.get('subject') or {}).get('where', '').endswith(str(socket))]


def one(asked, socket, rule):
    found = of_path(asked, socket)
    same('rules', [finding['rule'] for finding in found], [rule])
    return found[0]


def apply(finding, starts_with):
    """Runs the command of the printed step that begins so."""
    steps = [step['text'] for step in finding['fix'] if step['text'].startswith(starts_with)]
    if len(steps) != 1:
        raise AssertionError(f'no step {starts_with!r} in {[step["text"] for step in finding["fix"]]}')
    command = steps[0].partition(': ')[2]
    if command.startswith('setfacl') and not shutil.which('setfacl'):
        raise Skip('setfacl is not installed')
    subprocess.run(['sh', '-c', command], check=True, capture_output=True)


class Stack:
    """gunicorn on a unix socket and nginx before it."""

    def __init__(self, folder, *arguments):
        self.run = open_folder(folder)
        self.socket = self.run / 'app.sock'
        self.server = Gunicorn(folder / 'site', *arguments, socket=self.socket)
        try:
            self.proxy = Nginx(folder / 'nginx', f'unix:{self.socket}', WALKER)
        except BaseException:
            self.server.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.server.stop()

    def status(self):
        return get(self.proxy.port, '/ok', 10)

    def kill_server(self):
        workers = self.server.workers()
        for pid in [self.server.pid] + workers:
            os.kill(pid, signal.SIGKILL)
        self.server.process.process.wait()
        wait_until('its workers are gone', lambda: not any(alive(pid) for pid in workers))


def healthy(asked, folder):
    with Stack(folder) as stack:
        same('status', stack.status(), 200)
        same('findings', of_path(asked, stack.socket), [])


def folder_is_the_wall(asked, folder):
    with Stack(folder) as stack:
        stack.run.chmod(0o700)
        same('status', stack.status(), 502)
        finding = one(asked, stack.socket, 'socket.permission')
        same('sure', finding['sure'], 'certain')
        if f'the wall is the folder {stack.run} (0700 root:root)' not in finding['message']:
            raise AssertionError(finding['message'])
        if not any('chmod 777 on the socket does not help' in row['because'] for row in finding['ruled_out']):
            raise AssertionError(f'not ruled out: {finding["ruled_out"]}')
        steps = [row['rows'] for row in finding['because'] if row.get('rows')]
        if not steps or not steps[0][-2].endswith(f'DENIED  {stack.run}  <-- here') or not steps[0][-1].endswith(f'ok      {stack.socket}'):
            raise AssertionError(f'the walk is not shown: {steps}')
        apply(finding, 'or through its group')
        same('status after the fix', stack.status(), 200)
        same('findings after the fix', of_path(asked, stack.socket), [])


def folder_opened_by_acl(asked, folder):
    """Looks like the wall, and is none: 0700, and an ACL lets nginx pass."""
    with Stack(folder) as stack:
        stack.run.chmod(0o700)
        finding = one(asked, stack.socket, 'socket.permission')
        apply(finding, 'let www-data pass that folder alone')
        same('status', stack.status(), 200)
        same('findings', of_path(asked, stack.socket), [])


def acl_is_the_wall(asked, folder):
    """0777 for everybody, and an ACL that names nginx with nothing."""
    if not shutil.which('setfacl'):
        raise Skip('setfacl is not installed')
    with Stack(folder) as stack:
        stack.run.chmod(0o777)
        subprocess.run(['setfacl', '-m', f'u:{WALKER}:-', str(stack.run)], check=True)
        same('status', stack.status(), 502)
        finding = one(asked, stack.socket, 'socket.permission')
        apply(finding, 'let www-data pass that folder alone')
        same('status after the fix', stack.status(), 200)
        same('findings after the fix', of_path(asked, stack.socket), [])


def socket_is_the_wall(asked, folder):
    with Stack(folder, '--umask', '0077') as stack:
        same('status', stack.status(), 502)
        finding = one(asked, stack.socket, 'socket.permission')
        if 'the socket itself is the wall (0700 root:root)' not in finding['message']:
            raise AssertionError(finding['message'])
        apply(finding, 'let www-data write')
        same('status after the fix', stack.status(), 200)
        same('findings after the fix', of_path(asked, stack.socket), [])


def behind_a_link(asked, folder):
    """The path leads over a link into a folder that is the wall."""
    run = open_folder(folder)
    real = folder / 'private'
    real.mkdir()
    run.rmdir()
    run.symlink_to(real)
    server = Gunicorn(folder / 'site', socket=run / 'app.sock')
    try:
        proxy = Nginx(folder / 'nginx', f'unix:{run}/app.sock', WALKER)
        try:
            same('findings', of_path(asked, run / 'app.sock'), [])
            real.chmod(0o700)
            same('status', get(proxy.port, '/ok', 10), 502)
            finding = one(asked, run / 'app.sock', 'socket.permission')
            if f'the wall is the folder {real} ' not in finding['message']:
                raise AssertionError(finding['message'])
        finally:
            proxy.stop()
    finally:
        server.stop()


def removed(asked, folder):
    with Stack(folder) as stack:
        stack.socket.unlink()
        same('status', stack.status(), 502)
        finding = one(asked, stack.socket, 'socket.missing')
        if 'still listens, but its file was removed' not in finding['message']:
            raise AssertionError(finding['message'])


def never_made(asked, folder):
    run = open_folder(folder)
    proxy = Nginx(folder / 'nginx', f'unix:{run}/deep/app.sock', WALKER)
    try:
        finding = one(asked, run / 'deep' / 'app.sock', 'socket.missing')
        if f'already {run}/deep does not exist' not in finding['message']:
            raise AssertionError(finding['message'])
    finally:
        proxy.stop()


def left_behind(asked, folder):
    with Stack(folder) as stack:
        stack.kill_server()
        same('status', stack.status(), 502)
        finding = one(asked, stack.socket, 'socket.refused')
        if 'left behind by a server that is gone' not in finding['message']:
            raise AssertionError(finding['message'])


def left_behind_with_words(asked, folder):
    """No server runs any more, and what nginx logged when it was asked is evidence still."""
    with Stack(folder) as stack:
        stack.kill_server()
        same('status', stack.status(), 502)
        finding = one(asked, stack.socket, 'socket.refused')
        same('sure', finding['sure'], 'certain')
        if not any('Connection refused' in witness['text'] for witness in finding['because']):
            raise AssertionError(f'nginx\'s own words are no evidence: {finding["because"]}')


def left_behind_unasked(asked, folder):
    """nginx has not tried yet: that no network namespace of the host has a listener on the file settles it."""
    with Stack(folder) as stack:
        stack.kill_server()
        # Finding and gaps of one report, and more than one try: other tests make and end namespaces meanwhile.
        for _ in range(5):
            found = report(asked.triage)
            findings = about(found, stack.socket)
            same('rules', [finding['rule'] for finding in findings], ['socket.refused'])
            finding = findings[0]
            unseen = [gap['reason'] for gap in found['gaps'] if gap['wanted'].startswith('whether anybody listens on')]
            if not unseen:
                break
            same('sure', finding['sure'], 'unknown')
        else:
            raise Skip(f'not every namespace of the host can be seen here: {unseen[0]}')
        same('sure', finding['sure'], 'certain')
        if 'no listener of any network namespace' not in finding['sure_because']:
            raise AssertionError(finding['sure_because'])


ANSWERS = """import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
    link = listener.accept()[0]
    link.recv(4096)
    link.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n')
    link.close()
"""


def listens_in_another_network_namespace(asked, folder):
    """Looks left behind from here, and is not: whoever listens lives in a network namespace of his own, and a file has none."""
    if subprocess.run(['unshare', '-n', 'true'], capture_output=True).returncode:
        raise Skip('no network namespace of our own can be made here')
    path = open_folder(folder) / 'app.sock'
    server = Process(['unshare', '-n', PYTHON, '-c', ANSWERS, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until('it listens', path.exists)
        path.chmod(0o777)
        proxy = Nginx(folder / 'nginx', f'unix:{path}', WALKER)
        try:
            wait_until('nginx is answered', lambda: get(proxy.port, '/ok', 10) == 200)
            same('findings', [(finding['rule'], finding['sure']) for finding in of_path(asked, path)], [])
        finally:
            proxy.stop()
    finally:
        server.stop()


def stolen(asked, folder):
    with Stack(folder) as stack:
        thief = Gunicorn(folder / 'other', socket=stack.socket)
        try:
            finding = one(asked, stack.socket, 'socket.stolen')
            for pid in (thief.pid, stack.server.pid):
                if f'(pid {pid})' not in finding['message']:
                    raise AssertionError(f'{pid} is not named: {finding["message"]}')
        finally:
            thief.stop()


HOLDS = """import os, signal, socket, subprocess, sys, time
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
if sys.argv[3] == 'serves':
    os.set_inheritable(listener.fileno(), True)
    subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], close_fds=False)
while True:
    signal.pause()
"""


def held(asked, folder, how):
    """The findings about a listener that PID 1 of a namespace has open, while a request waits in it."""
    open_folder(folder)
    port = free_port()
    outer, first = first_in_a_pid_namespace(HOLDS, LOOPBACK, port, how)
    inside = ['nsenter', '-t', str(first), '-p', '-m']
    try:
        proxy = Nginx(folder / 'nginx', f'{LOOPBACK}:{port}', WALKER, inside=inside, answers=False)
        try:
            wait_until('PID 1 listens', lambda: any(line.split()[3] == '0A' and line.split()[1].endswith(f':{port:04X}') for line in open('/proc/net/tcp').readlines()[1:]))
            Request(proxy.port, '/ok')
            program = folder / 'look'
            program.write_text(f'#!/bin/sh\nexec {" ".join(inside)} {os.path.realpath(asked.triage)} "$@"\n')
            program.chmod(0o755)
            address = f'{LOOPBACK}:{port}'

            def queued():
                rows = triage(program, '--show', 'evidence')[1].splitlines()
                seen = [json.loads(row) for row in rows]
                return any(row['word'] == 'listener.seen' and row['f.address'] == address and row['f.queue'] > 0 for row in seen)
            wait_until('the request waits in the queue', queued)
            return [(finding['rule'], finding['sure']) for finding in report(program)['findings'] if (finding.get('subject') or {}).get('where') == address]
        finally:
            proxy.stop()
    finally:
        os.kill(first, signal.SIGKILL)
        outer.stop()


def held_by_process_1(asked, folder):
    same('findings', held(asked, folder, 'alone'), [('socket.held-by-supervisor', 'certain')])


def held_by_a_service_too(asked, folder):
    """The service has it open as well: it is busy, not absent."""
    same('findings', held(asked, folder, 'serves'), [])


def nobody_on_the_port(asked, folder):
    port = free_port()
    open_folder(folder)
    server = Gunicorn(folder / 'site')
    try:
        proxy = Nginx(folder / 'nginx', f'127.0.0.1:{port}', WALKER)
        try:
            same('status', get(proxy.port, '/ok', 10), 502)
            same('sure', one(asked, f'127.0.0.1:{port}', 'socket.refused')['sure'], 'certain')
        finally:
            proxy.stop()
    finally:
        server.stop()


def members(asked, folder, described, location='', living=1):
    """[(level, message)] about an upstream of so many living members and one that is dead. `described`: its lines, with L1, L2... and D."""
    open_folder(folder)
    servers = [Gunicorn(folder / f'site{i}', workers=1) for i in range(living)]
    try:
        dead = free_port()
        for i, server in enumerate(servers, 1):
            described = described.replace(f'L{i}', f'127.0.0.1:{server.port}')
        proxy = Nginx(folder / 'nginx', 'app', WALKER, http='upstream app { ' + described.replace('D', f'127.0.0.1:{dead}') + ' }', location=location)
        try:
            answers = [get(proxy.port, '/ok', 10) for _ in range(4)]
            found = of_path(asked, f'127.0.0.1:{dead}')
            for server in servers:
                same('findings about the living', of_path(asked, f'127.0.0.1:{server.port}'), [])
            return answers, [(one['rule'], one['level'], one['message'].partition('): ')[2].partition(';')[0].replace(str(dead), 'D').replace(str(servers[0].port), 'L')) for one in found]
        finally:
            proxy.stop()
    finally:
        for server in servers:
            server.stop()


def one_of_several_is_dead(asked, folder):
    answers, found = members(asked, folder, 'server L1; server D max_fails=0;')
    same('answers', answers, [200] * 4)
    same('findings', found, [('socket.refused', 'warning', '127.0.0.1:L of upstream app takes the requests')])


def one_is_dead_and_no_other_is_asked(asked, folder):
    answers, found = members(asked, folder, 'server L1; server D max_fails=0;', location='proxy_next_upstream off;')
    same('answers', sorted(answers), [200, 200, 502, 502])
    same('findings', found, [('socket.refused', 'error', 'requests whose turn it is get 502, for proxy_next_upstream gives them to no other member of upstream app')])


def the_backup_is_dead(asked, folder):
    answers, found = members(asked, folder, 'server L1; server L2; server D backup;', living=2)
    same('answers', answers, [200] * 4)
    same('findings', found, [('socket.refused', 'warning', 'it is a backup of upstream app, whose primary members take the requests: clients get 502 only when those fail too')])


def only_the_backup_lives(asked, folder):
    answers, found = members(asked, folder, 'server D; server L1 backup;')
    same('answers', answers, [200] * 4)
    same('findings', found, [('socket.refused', 'warning', 'no primary member of upstream app that can be seen answers')])


def another_network_namespace(asked, folder):
    """The server listens on the very address that nginx dials, inside of a namespace of its own."""
    open_folder(folder)
    if subprocess.run(['unshare', '-n', 'sh', '-c', 'ip link set lo up'], capture_output=True).returncode:
        raise Skip('no network namespace of our own can be made here')
    port = free_port()
    shutil.copy(pathlib.Path(__file__).resolve().parent / 'faulty.py', folder / 'faulty.py')
    log = folder / 'error.log'
    server = Process(['unshare', '-n', 'sh', '-c', f'ip link set lo up && exec {PYTHON} -m gunicorn -b 127.0.0.1:{port} --error-logfile {log} faulty'], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until('gunicorn has booted', lambda: log.exists() and 'Booting worker' in log.read_text())
        proxy = Nginx(folder / 'nginx', f'127.0.0.1:{port}', WALKER)
        try:
            same('status', get(proxy.port, '/ok', 10), 502)
            finding = one(asked, f'127.0.0.1:{port}', 'socket.refused')
            if f'(pid {server.pid}) listens there in another network namespace' not in finding['message']:
                raise AssertionError(finding['message'])
        finally:
            proxy.stop()
    finally:
        server.stop()


def url(asked, folder):
    """Asked for one URL, only what stands on its way is judged; and with --send the outcome is tried once."""
    with Stack(folder) as stack:
        address = f'http://127.0.0.1:{stack.proxy.port}/report'
        found = report(asked.triage, address)
        same('findings', [finding['rule'] for finding in found['findings'] if finding['rule'].startswith('socket.')], [])
        stack.run.chmod(0o700)
        found = report(asked.triage, address, '--send')
        same('findings', [finding['rule'] for finding in found['findings'] if finding['rule'].startswith('socket.')], ['socket.permission'])
        if not any(f'/report takes server' in row['text'] for row in found['findings'][0]['because']):
            raise AssertionError(f'the way is not told: {found["findings"][0]["because"]}')
        seen = [json.loads(line) for line in triage(asked.triage, address, '--send', '--show', 'evidence')[1].splitlines()]
        same('the answer', [fact['f.status'] for fact in seen if fact['word'] == 'request.sent'], [502])


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked = asked.parse_args()
    cases = [healthy, folder_is_the_wall, folder_opened_by_acl, acl_is_the_wall, socket_is_the_wall, behind_a_link, removed, never_made, left_behind, left_behind_with_words, left_behind_unasked, listens_in_another_network_namespace, stolen, held_by_process_1, held_by_a_service_too, nobody_on_the_port, one_of_several_is_dead, one_is_dead_and_no_other_is_asked, the_backup_is_dead, only_the_backup_lives, another_network_namespace, url]
    return run_cases([(case.__name__, functools.partial(case, asked)) for case in cases], together=3)


if __name__ == '__main__':
    sys.exit(main())
