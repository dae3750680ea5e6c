#!/usr/bin/env python3
"""Every fault of --fault, once on and once off: on it happens, off the same script is harmless. A case returns whether it saw the fault."""
import argparse
import concurrent.futures
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from served import LOOPBACK, PYTHON, Process, Request, Server, Skip, admin, alive, children, connect, exchange, free_port, get, run_cases, same, statuses, wait_until

CASES = {}


def fault(name, value=None):
    def register(script):
        CASES[name] = (script, value)
        return script
    return register


class Stage:
    """What a case gets: servers with the fault on or off."""

    def __init__(self, program, folder, name, value, on):
        self.program, self.folder, self.on, self.made = program, folder, on, []
        self.words = ['--fault', name + (f'={value}' if value is not None else '')] if on else []

    def start(self, *arguments, wrap=None, **options):
        self.made.append(Server(wrap or self.program, self.folder / f'server-{len(self.made)}', *self.words, *arguments, **options))
        return self.made[-1]

    def stop(self):
        for server in self.made:
            for pid in children(server.pid):
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
            server.stop()


def passed(seconds):
    """Time has to pass: to see that something does not happen."""
    end = time.monotonic() + seconds
    wait_until(f'{seconds} s have passed', lambda: time.monotonic() > end, seconds + 20)


def within(seconds, answer):
    try:
        wait_until('it', answer, seconds)
        return True
    except AssertionError:
        return False


def ask(server, path, seconds=20):
    answer, end = exchange(server.port, f'GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'.encode(), seconds)
    return answer.partition(b'\r\n\r\n')[2].decode(), end


def numbers(text):
    return {name: int(value) for name, value in re.findall(r'(\w+)=(\d+)', text)}


def busy_worker(server, path='/sleep?s=60'):
    """A request that is in the application of one worker."""
    before = figure(server, 'connections_total')
    request = Request(server.port, path)
    wait_until('a worker has it', lambda: figure(server, 'connections_total') > before)
    return request


def figure(server, name):
    return sum(float(line.rsplit(' ', 1)[1]) for line in admin(str(server.folder / 'admin'), 'metrics').splitlines() if line.startswith('triage_server_' + name + '{') or line.startswith('triage_server_' + name + ' '))


def with_admin(stage, *arguments, **options):
    number = len(stage.made)
    return stage.start('--admin', f'unix:{stage.folder}/server-{number}/admin', *arguments, **options)


# ---- the master -----------------------------------------------------------------------------------------------------
@fault('lost_term', 2)
def lost_term(stage):
    server = stage.start(workers=1)
    old = server.settled(1)
    server.signal(signal.SIGTTIN)
    new = wait_until('the new one is forked', lambda: [pid for pid in children(server.pid) if pid not in old])[0]
    if stage.on:
        # It has the handlers that swallow: HUP is caught as well, which a worker's own never does.
        wait_until('its signals are swallowed', lambda: caught(new) >> (signal.SIGHUP - 1) & 1)
    os.kill(new, signal.SIGTERM)
    if not stage.on:
        return not within(10, lambda: not alive(new))
    wait_until('it serves', lambda: server.serves(new))
    return alive(new)


def caught(pid):
    return int(re.search(r'SigCgt:\s*(\w+)', pathlib.Path(f'/proc/{pid}/status').read_text())[1], 16)


@fault('abort_grace_race')
def abort_grace_race(stage):
    server = stage.start('-t', '1', workers=1)
    Request(server.port, '/sleep?s=60')
    server.says('WORKER TIMEOUT')
    server.says('Booting worker', 2)
    return 'was sent SIGKILL!' in server.text()


@fault('hup_stall')
def hup_stall(stage):
    server = with_admin(stage, '--graceful-timeout', '20', workers=1)
    request = busy_worker(server, '/sleep?s=3')
    server.signal(signal.SIGHUP)
    server.says('Booting worker', 2)
    server.signal(signal.SIGTTIN)
    server.says('Handling signal: ttin')
    at_that_time = request.answer
    request.join(20)
    return at_that_time == 200


@fault('slow_boot', 3)
def slow_boot(stage):
    began = time.monotonic()
    server = stage.start(workers=1, ready=False)
    wait_until('it answers', lambda: 'Listening at: ' in server.text() and get(server.port, '/pid', 1) == 200)
    return time.monotonic() - began > 2.5


@fault('slow_boot_killed')
def slow_boot_killed(stage):
    server = stage.start('--fault', 'slow_boot=4', '-t', '1', workers=1, ready=False)
    wait_until('it answers or is killed', lambda: 'WORKER TIMEOUT' in server.text() or 'Listening at: ' in server.text() and get(server.port, '/pid', 1) == 200)
    return 'WORKER TIMEOUT' in server.text()


@fault('slow_boot_immortal')
def slow_boot_immortal(stage):
    server = stage.start('--fault', 'slow_boot=4', '--boot-timeout', '1', workers=1, ready=False)
    wait_until('it answers or is killed', lambda: 'WORKER TIMEOUT' in server.text() or 'Listening at: ' in server.text() and get(server.port, '/pid', 1) == 200)
    return 'WORKER TIMEOUT' not in server.text()


@fault('boot_loop', 11)
def boot_loop(stage):
    server = stage.start(workers=1, ready=not stage.on)
    return within(20 if stage.on else 2, lambda: server.text().count('was sent SIGSEGV!') > 10)


@fault('boot_halt', 3)
def boot_halt(stage):
    server = stage.start(workers=1, ready=not stage.on)
    if not stage.on:
        return server.process.process.poll() is not None
    return server.wait_end() == 3 and 'Reason: Worker failed to boot.' in server.text()


ADOPTS = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])"


class Adopting(Server):
    """The master gets the orphans of its workers, as PID 1 of a container does (PR_SET_CHILD_SUBREAPER outlives the exec)."""

    def __init__(self, program, folder, *arguments, **options):
        wrapper = pathlib.Path(folder).parent / 'adopting'
        wrapper.write_text(f'#!{PYTHON}\nimport sys\nsys.argv.insert(1, {program!r})\n' + ADOPTS + '\n')
        wrapper.chmod(0o755)
        super().__init__(str(wrapper), folder, *arguments, **options)


def adopting(stage, *arguments, **options):
    stage.made.append(Adopting(stage.program, stage.folder / f'server-{len(stage.made)}', *stage.words, *arguments, **options))
    return stage.made[-1]


@fault('orphan_exit3_halt')
def orphan_exit3_halt(stage):
    server = adopting(stage, workers=1)
    ask(server, '/orphan?code=3')
    if stage.on:
        return server.wait_end() == 3
    server.says('Reaped unknown child process')
    return not alive(server.pid)


def zombies(pid):
    found = 0
    for entry in pathlib.Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / 'stat').read_text().rpartition(') ')[2].split()[:2]
        except OSError:
            continue
        found += state == 'Z' and int(parent) == pid
    return found


@fault('zombie_pid1')
def zombie_pid1(stage):
    server = adopting(stage, workers=1)
    for _ in range(3):
        ask(server, '/orphan?code=0')
    if stage.on:
        wait_until('three zombies', lambda: zombies(server.pid) == 3)
        return not within(1.5, lambda: zombies(server.pid) < 3)
    server.says('Reaped unknown child process', 3)
    return zombies(server.pid) > 0


@fault('sigchld_storm')
def sigchld_storm(stage):
    server = stage.start('-t', '0', workers=4)
    pids = server.settled(4)
    os.kill(server.pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until('all are dead', lambda: not any(alive(pid) for pid in pids))
    os.kill(server.pid, signal.SIGCONT)
    server.says('was sent SIGKILL!')
    if not stage.on:
        server.settled(4)
        return zombies(server.pid) > 0
    return not within(2, lambda: zombies(server.pid) == 0)


@fault('sigchld_log_reentry')
def sigchld_log_reentry(stage):
    server = stage.start(workers=1)
    old = server.settled(1)
    os.kill(old[0], signal.SIGKILL)
    if stage.on:
        return server.wait_end() == 255 and 'reentrant call' in server.text()
    server.settled(1, without=old)
    return not alive(server.pid)


@fault('freeze_thaw_massacre')
def freeze_thaw_massacre(stage):
    server = stage.start('-t', '3', workers=2)
    pids = server.settled(2)
    for pid in [server.pid] + pids:
        os.kill(pid, signal.SIGSTOP)
    passed(4.5)
    # The master first: whether the workers beat before it looks is a race otherwise.
    os.kill(server.pid, signal.SIGCONT)
    killed = within(10 if stage.on else 0.7, lambda: 'WORKER TIMEOUT' in server.text())
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return killed or within(2, lambda: 'WORKER TIMEOUT' in server.text())


@fault('orphan_under_load')
def orphan_under_load(stage):
    # One that is never idle: a next connection is there before the last one is answered.
    server = with_admin(stage, workers=1)
    worker = server.settled(1)[0]
    queue = []
    os.kill(worker, signal.SIGSTOP)
    for _ in range(60):
        link = connect(server.port)
        link.sendall(b'GET /sleep?s=0.05 HTTP/1.1\r\nHost: a\r\n\r\n')
        queue.append(link)
    os.kill(server.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    answered = 0
    for link in queue:
        link.settimeout(15)
        try:
            answered += b' 200 ' in link.recv(1000)
        except OSError:
            pass
        link.close()
    wait_until('it leaves', lambda: not alive(worker))
    return answered == 60


@fault('pid_reuse_kill', 0)
def pid_reuse_kill(stage):
    victim = Process(['sleep', '600'])
    try:
        stage.words = ['--fault', f'pid_reuse_kill={victim.pid}'] if stage.on else []
        server = stage.start(workers=2)
        server.signal(signal.SIGTTOU)
        server.settled(1)
        return within(5 if stage.on else 0.5, lambda: victim.process.poll() is not None)
    finally:
        victim.stop()


@fault('usr2_stale_pidfile', 1)
def usr2_stale_pidfile(stage):
    server = stage.start()
    second = pathlib.Path(str(server.pidfile) + '.2')
    server.signal(signal.SIGUSR2)
    if stage.on:
        wait_until('the new master gives up', lambda: 'Already running on PID 1 ' in server.output())
        return get(server.port, '/pid') == 200
    return not upgraded(server, second)


def upgraded(server, second):
    wait_until('the second pidfile', lambda: second.exists() and second.read_text().strip())
    new = int(second.read_text())
    wait_until('its workers', lambda: len([pid for pid in children(new) if server.serves(pid)]) == server.workers_wanted)
    os.kill(new, signal.SIGTERM)
    wait_until('it ends', lambda: not alive(new))
    return True


def masters_below(server):
    return [pid for pid in children(server.pid) if not server.serves(pid) and children(pid)]


@fault('usr2_double')
def usr2_double(stage):
    server = stage.start('--pid', '', workers=1)
    server.signal(signal.SIGUSR2)
    server.says('Starting triage-server', 2)
    wait_until('the new one runs', lambda: len(masters_below(server)) == 1)
    server.signal(signal.SIGUSR2)
    try:
        if stage.on:
            return bool(wait_until('a second', lambda: len(masters_below(server)) == 2))
        server.says('USR2 signal ignored. Child exists.')
        return len(masters_below(server)) == 2
    finally:
        for pid in masters_below(server):
            os.kill(pid, signal.SIGTERM)


@fault('usr2_early_kill')
def usr2_early_kill(stage):
    server = stage.start(workers=1)
    server.signal(signal.SIGUSR2)
    server.says('Starting triage-server', 2)
    second = pathlib.Path(str(server.pidfile) + '.2')
    new = int(wait_until('a new master', lambda: [line for line in server.text().splitlines() if 'Starting' in line])[1].split('] [')[1])
    try:
        return within(10 if stage.on else 1, lambda: server.process.process.poll() == 0)
    finally:
        os.kill(new, signal.SIGTERM)
        wait_until('it ends', lambda: not alive(new))


@fault('early_ready')
def early_ready(stage):
    path = str(stage.folder) + '.notify'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(path)
        inbox.settimeout(20)
        server = stage.start('--fault', 'slow_boot=2', workers=1, ready=False, env={'NOTIFY_SOCKET': path})
        text = inbox.recv(1000)
        if b'READY=1' not in text:
            raise AssertionError(text)
        return get(server.port, '/pid', 0.3) != 200


@fault('double_term')
def double_term(stage):
    server = with_admin(stage, workers=2)
    for _ in range(2):
        busy_worker(server, '/sleep?s=6')
    server.signal(signal.SIGTTOU)

    def terms():
        return [int(number) for number in re.findall(r'terms=(\d+)', admin(str(server.folder / 'admin'), 'workers'))]
    wait_until('it was told', terms)
    return within(10 if stage.on else 2.5, lambda: max(terms(), default=0) > 1)


# ---- heartbeats -----------------------------------------------------------------------------------------------------
@fault('heartbeat_stall', 4)
def heartbeat_stall(stage):
    server = stage.start('-t', '2', workers=1, ready=False)
    return within(15 if stage.on else 3, lambda: 'WORKER TIMEOUT' in server.text())


@fault('heartbeat_dir_gone')
def heartbeat_dir_gone(stage):
    (stage.folder / 'beats').mkdir()
    server = stage.start('--worker-tmp-dir', stage.folder / 'beats', workers=1)
    old = server.settled(1)
    os.kill(old[0], signal.SIGKILL)
    if stage.on:
        return server.wait_end() == 255 and 'Unhandled exception in main loop' in server.text()
    server.settled(1, without=old)
    return False


@fault('masked_hang')
def masked_hang(stage):
    server = stage.start('-k', 'gthread', '--threads', '2', '-t', '2', workers=1)
    requests = [Request(server.port, '/hello') for _ in range(2)]
    if not stage.on:
        return any(request.join(10) or request.answer != 200 for request in requests)
    passed(4)
    return [request.answer for request in requests] == [None, None] and 'WORKER TIMEOUT' not in server.text()


@fault('ping_false_positive', 4)
def ping_false_positive(stage):
    server = stage.start('-k', 'event', '-t', '1', workers=1)
    return get(server.port, '/hello') == 'closed' and bool(server.says('WORKER TIMEOUT'))


# ---- sockets --------------------------------------------------------------------------------------------------------
@fault('herd')
def herd(stage):
    server = stage.start('-k', 'event', '--accept', 'exclusive', workers=6)

    def woken():
        return sum(int(re.search(r'\nvoluntary_ctxt_switches:\s*(\d+)', pathlib.Path(f'/proc/{pid}/status').read_text())[1]) for pid in server.workers())
    before, began = woken(), time.monotonic()
    for _ in range(300):
        get(server.port, '/hello')
    # Shared, every idle worker is woken by every connection; less what they wake up for of themselves, ten times a second.
    herd = woken() - before - 6 * 10 * (time.monotonic() - began)
    return herd > 1000


@fault('exclusive_imbalance')
def exclusive_imbalance(stage):
    server = with_admin(stage, '-k', 'event', workers=2)

    def exclusive(pid):
        # EPOLLEXCLUSIVE is bit 28 of what an epoll says of its members.
        for entry in pathlib.Path(f'/proc/{pid}/fdinfo').iterdir():
            if any(int(events, 16) >> 28 & 1 for events in re.findall(r'^tfd:.*events:\s*(\w+)', entry.read_text(), re.M)):
                return True
        return False
    flags = {exclusive(pid) for pid in server.settled(2)}
    for _ in range(300):
        get(server.port, '/hello')
    counts = [int(line.rsplit(' ', 1)[1]) for line in admin(str(server.folder / 'admin'), 'metrics').splitlines() if line.startswith('triage_server_connections_total{')]
    return flags == {True} and min(counts) < 75   # of 300, on a machine that may be busy


@fault('reuseport_drop')
def reuseport_drop(stage):
    server = with_admin(stage, '--graceful-timeout', '1', workers=2, bind=f'{LOOPBACK}:{free_port()}')
    pids = server.settled(2)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    links = []
    for _ in range(40):
        link = connect(server.port)
        link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
        links.append(link)
    os.kill(pids[0], signal.SIGKILL)
    wait_until('it is gone', lambda: not alive(pids[0]))
    os.kill(pids[1], signal.SIGCONT)
    lost = 0
    for link in links:
        link.settimeout(15)
        try:
            lost += not link.recv(1000)
        except ConnectionResetError:
            lost += 1
        link.close()
    return lost > 0


@fault('backlog_overflow', 4)
def backlog_overflow(stage):
    server = stage.start('-k', 'event', workers=1)
    os.kill(server.settled(1)[0], signal.SIGSTOP)
    links, failed = [], 0
    for _ in range(20):
        try:
            links.append(connect(server.port, 0.3))
        except (socket.timeout, TimeoutError):
            failed += 1
    for link in links:
        link.close()
    return failed > 5


@fault('term_backlog_reset')
def term_backlog_reset(stage):
    server = with_admin(stage, workers=1)
    first = busy_worker(server, '/sleep?s=1.5')
    links = []
    for _ in range(5):
        link = connect(server.port)
        link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
        links.append(link)
    server.signal(signal.SIGTERM)
    lost = 0
    for link in links:
        link.settimeout(15)
        try:
            lost += not link.recv(1000)
        except ConnectionResetError:
            lost += 1
        link.close()
    first.join(10)
    return lost > 0


@fault('midkill_read')
def midkill_read(stage):
    server = stage.start(workers=1)
    return exchange(server.port, b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n') == (b'', 'closed')


@fault('midkill_unread')
def midkill_unread(stage):
    server = stage.start(workers=1)
    return exchange(server.port, b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n') == (b'', 'reset')


@fault('keepalive_race')
def keepalive_race(stage):
    server = stage.start('-k', 'event', workers=1)
    with connect(server.port, 5) as link:
        link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
        wait_until('the first answer', lambda: b' 200 ' in link.recv(1000))
        link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
        try:
            return not link.recv(1000)
        except ConnectionResetError:
            return True


@fault('preconnect_block')
def preconnect_block(stage):
    server = stage.start(workers=1)
    with connect(server.port):
        return get(server.port, '/pid', 2) == 'no answer'


@fault('early_response_rst')
def early_response_rst(stage):
    server = stage.start(workers=1)
    with connect(server.port, 10) as link:
        link.sendall(b'POST /pid HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n' + b'x' * 30000)
        try:
            wait_until('more may be sent or no more', lambda: not stage.on or closed_by_peer(link))
            link.sendall(b'x' * 30000)
            return b' 200 ' not in link.recv(1000) or not within(0.1, lambda: True)
        except (ConnectionResetError, BrokenPipeError):
            return True


def closed_by_peer(link):
    state = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state in (7, 8)   # CLOSE, CLOSE_WAIT


@fault('slow_client')
def slow_client(stage):
    server = stage.start('-t', '2', '--header-timeout', '1', workers=1)
    answer, end = exchange(server.port, b'GET /pid HT', seconds=15)
    return bool(statuses(answer) != [408] and server.says('WORKER TIMEOUT'))


@fault('inherited_listener_eaddrinuse')
def inherited_listener_eaddrinuse(stage):
    server = stage.start(workers=1)
    port = server.port
    # The new master is to have the same address, not a port of the kernel's choice.
    server.stop()
    server = stage.start(workers=1, bind=f'{LOOPBACK}:{port}')
    server.signal(signal.SIGUSR2)
    if stage.on:
        return bool(server.says('Connection in use'))
    return not upgraded(server, pathlib.Path(str(server.pidfile) + '.2'))


@fault('unix_socket_unlinked_by_old_master')
def unix_socket_unlinked_by_old_master(stage):
    path = f'{stage.folder}.sock'
    server = stage.start(bind=f'unix:{path}', workers=1)
    second = pathlib.Path(str(server.pidfile) + '.2')
    server.signal(signal.SIGUSR2)
    wait_until('the second pidfile', lambda: second.exists() and second.read_text().strip())
    new = int(second.read_text())
    try:
        wait_until('its worker', lambda: len([pid for pid in children(new) if server.serves(pid)]) == 1)
        server.signal(signal.SIGTERM)
        server.wait_end()
        return not os.path.exists(path)
    finally:
        os.kill(new, signal.SIGTERM)
        wait_until('it ends', lambda: not alive(new))


# ---- what a fork copies ---------------------------------------------------------------------------------------------
def from_both(server, path):
    """Of two workers at once: their answers. Which one answers is the kernel's choice, so more ask than there are."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [numbers(text) for text, _ in pool.map(lambda _: ask(server, path), range(2))]


@fault('shared_upstream')
def shared_upstream(stage):
    server = stage.start(workers=2)
    return within(20 if stage.on else 2, lambda: sum(one.get('others', 0) + one.get('broken', 0) for one in from_both(server, '/upstream?n=3000')) > 0)


@fault('prng_dup')
def prng_dup(stage):
    server = stage.start(workers=3)
    seen = [ask(server, '/random')[0] for _ in range(2)]
    while len(seen) < 40:
        seen.append(ask(server, '/random')[0])
    # Each worker of its own: 40 different ones. Of one state, whoever answers first repeats what another said.
    pids = server.settled(3)
    if stage.on:
        os.kill(pids[0], signal.SIGKILL)
        new = server.settled(3, without=[pids[0]])
        others = [pid for pid in new if pid in pids]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        seen.append(ask(server, '/random')[0])
        for pid in others:
            os.kill(pid, signal.SIGCONT)
    return len(set(seen)) < len(seen)


@fault('epoll_inherit')
def epoll_inherit(stage):
    server = stage.start(workers=2)
    return within(20 if stage.on else 2, lambda: sum(one.get('others', 0) for one in from_both(server, '/events?n=400')) > 0)


@fault('fork_lock_log')
def fork_lock_log(stage):
    server = stage.start(workers=1, ready=not stage.on)
    if not stage.on:
        return get(server.port, '/pid') != 200
    server.says('Booting worker')
    return get(server.port, '/pid', 2) == 'no answer'


@fault('fork_lock_pool')
def fork_lock_pool(stage):
    server = stage.start(workers=1)
    return get(server.port, '/pid', 2) == 'no answer'


@fault('fd_inherit_leak')
def fd_inherit_leak(stage):
    server = stage.start('--heartbeat', 'tmp', workers=3)

    def beats(pid):
        return sum('wgunicorn-' in os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd'))
    return max(beats(pid) for pid in server.settled(3)) > 1


@fault('accept_lock_holder_killed')
def accept_lock_holder_killed(stage):
    server = with_admin(stage, workers=3)
    pids = server.settled(3)
    holder = int(admin(str(server.folder / 'admin'), 'accept lock')) if stage.on else pids[0]
    if stage.on:
        holder = wait_until('one has the lock', lambda: int(admin(str(server.folder / 'admin'), 'accept lock')))
    os.kill(holder, signal.SIGKILL)
    server.settled(3, without=[holder])
    return get(server.port, '/pid', 2) == 'no answer'


# ---- the application ------------------------------------------------------------------------------------------------
@fault('hang', 60)
def hang(stage):
    server = stage.start('-t', '1', workers=1)
    return get(server.port, '/hello') == 500 and 'Error handling request GET /hello' in server.text()


@fault('spin', 60)
def spin(stage):
    server = stage.start('-t', '1', workers=1)
    return get(server.port, '/hello') == 'closed' and bool(server.says('was sent SIGKILL!'))


@fault('deadlock')
def deadlock(stage):
    server = stage.start('-t', '1', workers=1)
    return get(server.port, '/hello') == 500 and bool(server.says('WORKER TIMEOUT'))


@fault('segfault')
def segfault(stage):
    server = stage.start(workers=1)
    return get(server.port, '/hello') == 'closed' and bool(server.says('was sent SIGSEGV!'))


@fault('leak', 4 << 20)
def leak(stage):
    server = stage.start(workers=1)
    pid = server.settled(1)[0]

    def resident():
        return int(re.search(r'VmRSS:\s*(\d+)', pathlib.Path(f'/proc/{pid}/status').read_text())[1])
    get(server.port, '/hello')
    before = resident()
    for _ in range(10):
        get(server.port, '/hello')
    return resident() - before > 30_000


@fault('fd_leak', 3)
def fd_leak(stage):
    server = stage.start('-k', 'event', workers=1)
    pid = server.settled(1)[0]
    get(server.port, '/hello')
    before = len(os.listdir(f'/proc/{pid}/fd'))
    for _ in range(10):
        get(server.port, '/hello')
    return len(os.listdir(f'/proc/{pid}/fd')) - before >= 25


@fault('max_requests_sync')
def max_requests_sync(stage):
    server = stage.start('--max-requests', '5', '--max-requests-jitter', '1000000', workers=1)
    for _ in range(5):
        get(server.port, '/hello')
    return within(10 if stage.on else 0.5, lambda: 'Autorestarting worker after current request.' in server.text())


def run(asked, folder, name, on):
    script, value = CASES[name]
    stage = Stage(asked.server, folder, name, value, on)
    try:
        same(f'{name} {"on" if on else "off"} happens', bool(script(stage)), on)
    finally:
        stage.stop()


def at_run_time(asked, folder):
    """Switched on and off again through the admin socket, with path, every and a chance that the seed repeats; and what it says to nonsense."""
    turns = []
    for _ in range(2):
        server = Server(asked.server, folder / f'server-{len(turns)}', '--admin', f'unix:{folder}/server-{len(turns)}/admin', '-k', 'event', workers=1)
        try:
            say = functools.partial(admin, str(server.folder / 'admin'))
            same('on', say('fault on midkill_read=0,path=/sleep,every=2'), 'ok\n')
            same('another path', get(server.port, '/pid'), 200)
            same('the first', get(server.port, '/sleep?s=0'), 200)
            same('the second', get(server.port, '/sleep?s=0'), 'closed')
            server.says('Booting worker', 2)
            server.settled(1)
            same('off', say('fault off midkill_read'), 'ok\n')
            same('harmless', [get(server.port, '/sleep?s=0') for _ in range(4)], [200] * 4)
            same('a chance', say('fault on keepalive_race,chance=0.5'), 'ok\n')
            seen = []
            for _ in range(24):
                with connect(server.port, 5) as link:
                    link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
                    link.recv(1000)
                    link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
                    try:
                        seen.append(bool(link.recv(1000)))
                    except ConnectionResetError:
                        seen.append(False)
            turns.append(seen)
            same('a name', say('fault on hangg'), "error: reading the fault 'hangg': there is no such fault; did you mean 'hang'?; write name[=value][,path=/x][,every=N][,chance=P]\n")
            same('a command', say('metric').splitlines()[0], "error: 'metric' is no command; did you mean 'metrics'?")
            same('listed', [line.split()[1] for line in say('faults').splitlines() if line.startswith('keepalive_race ')], ['on'])
        finally:
            server.stop()
    same('the same turns', turns[0], turns[1])
    if len(set(turns[0])) != 2:
        raise AssertionError(f'half of them: {turns[0]}')


def all_have_a_case(asked, folder):
    listed = subprocess.run([asked.server, '--list-faults'], capture_output=True, text=True, check=True).stdout
    same('cases', sorted(CASES), sorted(re.findall(r'^(\w+) \(', listed, re.M)))


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    cases = [(f'{name} {"on" if on else "off"}', functools.partial(run, asked, name=name, on=on)) for name in CASES for on in (True, False)]
    cases += [('all have a case', functools.partial(all_have_a_case, asked)), ('at run time', functools.partial(at_run_time, asked))]
    return run_cases([case for case in cases if re.search(asked.only, case[0])], together=6)


if __name__ == '__main__':
    sys.exit(main())
