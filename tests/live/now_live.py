#!/usr/bin/env python3
"""What is wrong right now on a real gunicorn, without a death: no free worker, a full queue, descriptors and memory near their limit, what was
opened before the fork and is shared. Each with a twin that looks like it and is healthy."""
import argparse
import functools
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import threading

from harness import HERE, LOOPBACK, PYTHON, Cgroup, Gunicorn, Nginx, Request, Skip, connect, first_in_a_pid_namespace, free_port, get, report, run_cases, same, serves, triage, unpacked, wait_until, without_titles

MIB = 1 << 20


def findings(asked, server, *rules):
    """The findings of these rules about this server, the first of each group."""
    return [one for one in report(asked.triage, server.pid)['findings'] if one['rule'] in rules and one.get('group') in (None, '', one['id'])]


def one(asked, server, rule):
    found = findings(asked, server, rule)
    same('rules', [each['rule'] for each in found], [rule])
    return found[0]


def says(finding, *parts):
    for part in parts:
        if part not in finding['message']:
            raise AssertionError(f'{part!r} is not in {finding["message"]!r}')


def until(asked, server, rule):
    """The finding once it is there: a connection has to be a second old, and a loaded machine takes its time."""
    return wait_until(f'{rule} is found', lambda: findings(asked, server, rule))[0]


# ---- nobody free ----------------------------------------------------------------------------------------------------
def all_workers_busy(asked, folder):
    server = Gunicorn(folder / 'site', '--timeout', '60', '--graceful-timeout', '1')
    try:
        held = [server.ask('/sleep?s=40') for _ in range(2)]
        same('two workers have one each', len({pid for _, pid in held}), 2)
        waiting = [Request(server.port, '/ok') for _ in range(3)]
        finding = until(asked, server, 'worker.saturated')
        same('sure', finding['sure'], 'certain')
        says(finding, 'wait in its queue' if '3 connections' in finding['message'] else 'in its queue', 'each of its 2 workers has a connection that it does not answer')
        same('none has been answered', [request.answer for request in waiting], [None] * 3)
    finally:
        server.stop()


def one_worker_free(asked, folder):
    server = Gunicorn(folder / 'site', '--timeout', '60', '--graceful-timeout', '1')
    try:
        server.ask('/sleep?s=40')
        same('the other one answers', get(server.port, '/ok', 10), 200)
        same('findings', findings(asked, server, 'worker.saturated', 'socket.backlog-full'), [])
    finally:
        server.stop()


def busy_is_not_stuck(asked, folder):
    """Many quick requests over a unix socket: the queue is never empty, every worker always has one, and nothing is wrong."""
    path = folder / 'app.sock'
    server = Gunicorn(folder / 'site', socket=path)
    over = threading.Event()

    def ask():
        while not over.is_set():
            get(path, '/ok', 10)
    clients = [threading.Thread(target=ask, daemon=True) for _ in range(12)]
    try:
        for client in clients:
            client.start()
        for _ in range(10):
            same('findings', findings(asked, server, 'worker.saturated', 'socket.backlog-full', 'worker.hung'), [])
    finally:
        over.set()
        for client in clients:
            client.join(15)
        server.stop()


def idle_clients_hold_the_workers(asked, folder):
    server = Gunicorn(folder / 'site', '--timeout', '60', '--graceful-timeout', '1')
    try:
        silent = [connect(server.port) for _ in range(2)]
        waiting = Request(server.port, '/ok')
        finding = until(asked, server, 'worker.saturated')
        says(finding, 'idle connections hold the workers')
        for link in silent:
            link.close()
        wait_until('the request is answered', lambda: waiting.answer)
        same('findings after', findings(asked, server, 'worker.saturated'), [])
    finally:
        server.stop()


def all_threads_busy(asked, folder):
    """Their heartbeats stay young: no log and no timeout tells of it."""
    server = Gunicorn(folder / 'site', '-k', 'gthread', '--threads', '2', '--timeout', '60', '--graceful-timeout', '1', workers=1)
    try:
        for _ in range(2):
            server.ask('/sleep?s=40')
        more = [Request(server.port, '/ok') for _ in range(2)]
        says(until(asked, server, 'worker.saturated'), 'one for each thread')
        same('none has been answered', [request.answer for request in more], [None] * 2)
    finally:
        server.stop()


def queue_is_full(asked, folder):
    path = folder / 'app.sock'
    server = Gunicorn(folder / 'site', '--backlog', '2', '--timeout', '60', '--graceful-timeout', '1', workers=1, socket=path)
    links = []
    try:
        server.ask('/sleep?s=40')

        def refused():
            link = socket.socket(socket.AF_UNIX)
            link.setblocking(False)
            try:
                link.connect(str(path))
            except BlockingIOError:
                link.close()
                return True
            links.append(link)
            return False
        wait_until('the queue takes no more', refused)
        finding = one(asked, server, 'socket.backlog-full')
        same('sure', finding['sure'], 'certain')
        root = until(asked, server, 'worker.saturated')
        same('its root', one(asked, server, 'socket.backlog-full')['caused_by'], root['id'])
    finally:
        for link in links:
            link.close()
        server.stop()


# ---- stuck ---------------------------------------------------------------------------------------------------------
def waits_for_a_peer(asked, folder):
    """Before its master ends it: on whom it waits, and how long it has left."""
    peer = Peer()
    server = Gunicorn(folder / 'site', '--timeout', '10', '--graceful-timeout', '1', packages=without_titles(folder))
    try:
        same('findings', findings(asked, server, 'worker.hung'), [])
        _, pid = server.ask(f'/peer?port={peer.port}')
        finding = until(asked, server, 'worker.hung')
        same('who', finding['subject']['host_pid'], pid)
        says(finding, 'it waits in application (', f') for 127.0.0.1:{peer.port}, which does not answer', 'its master')
        same('what it does', finding['was_doing']['syscall'], 'recvfrom')
    finally:
        server.stop()
        peer.close()


def master_is_gone(asked, folder):
    """Its workers go on serving for a while; nobody logs it."""
    server = Gunicorn(folder / 'site', '--timeout', '120')
    workers = server.workers()
    try:
        same('findings', findings(asked, server, 'master.gone'), [])
        os.kill(server.pid, signal.SIGKILL)
        server.process.process.wait()
        if not all(serves(pid) for pid in workers):
            raise Skip('the workers noticed too soon')
        found = [one for one in report(asked.triage, workers[0])['findings'] if one['rule'] == 'master.gone']
        if not found and not all(serves(pid) for pid in workers):
            raise Skip('the workers noticed too soon')
        same('rules', len(found), 1)
        same('sure', found[0]['sure'], 'certain')
        says(found[0], f'master {server.pid} disappeared; 2 workers live on without it and hold its socket')
    finally:
        server.stop()


# ---- what it was started with --------------------------------------------------------------------------------------
def pid_file_is_stale(asked, folder):
    file = folder / 'app.pid'
    server = Gunicorn(folder / 'site', '--pid', str(file), workers=1, packages=without_titles(folder))
    try:
        same('findings', findings(asked, server, 'reload.stale-code'), [])
        right = file.read_text()
        for text, part in ((f'{os.getpid()}\n', 'which is another process'), ('no number', 'there is no pid in'), (None, 'is not there any more')):
            if text is None:
                file.unlink()
            else:
                file.write_text(text)
            finding = one(asked, server, 'reload.stale-code')
            same('sure', finding['sure'], 'certain')
            says(finding, part, f'its master is {server.pid}')
        file.write_text(right)
        same('findings after', findings(asked, server, 'reload.stale-code'), [])
    finally:
        server.stop()


ASYNC = """async def app(scope, receive, send):
    raise RuntimeError('nobody asked it')
"""
PLAIN = """from faulty import application
def app(environ, start_response):
    return application(environ, start_response)
"""


def of_application(asked, folder, code):
    (folder / 'site').mkdir()
    (folder / 'site' / 'served.py').write_text(code)
    server = Gunicorn(folder / 'site', workers=1, app='served:app', ready=False, packages=without_titles(folder))
    try:
        wait_until('its worker serves', lambda: any(serves(pid) for pid in server.workers()))
        return findings(asked, server, 'worker.class-mismatch')
    finally:
        server.stop()


def asgi_on_a_wsgi_class(asked, folder):
    """Before any request: its own file makes it."""
    found = of_application(asked, folder, ASYNC)
    same('findings', [(one['rule'], one['sure']) for one in found], [('worker.class-mismatch', 'likely')])
    says(found[0], 'served:app is an ASGI application')


def wsgi_on_a_wsgi_class(asked, folder):
    same('findings', of_application(asked, folder, PLAIN), [])


# ---- PID 1 ---------------------------------------------------------------------------------------------------------
# Orphans: a child forks and ends, so that PID 1 inherits what it forked. `reap`: PID 1 waits for whatever ends.
FIRST = """import os, signal, sys
if sys.argv[1] == 'reaps':
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
server = os.fork()
if server == 0:
    os.execv(sys.argv[2], sys.argv[2:])
for _ in range(3):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
while True:
    if sys.argv[1] == 'reaps':
        os.wait()
    else:
        signal.pause()
"""


def of_first(asked, folder, how):
    (folder / 'faulty.py').write_bytes((HERE / 'faulty.py').read_bytes())
    port = free_port()
    outer, first = first_in_a_pid_namespace(FIRST, how, PYTHON, '-m', 'gunicorn', '-w', '1', '--chdir', folder, '-b', f'{LOOPBACK}:{port}', 'faulty')
    try:
        wait_until('gunicorn answers', lambda: get(port, '/ok', 10) == 200, 40)

        def zombies():
            return [pid for pid in os.listdir('/proc') if pid.isdigit() and dead_child(pid, first)]
        wait_until('the orphans have ended', lambda: (len(zombies()) == 0) == (how == 'reaps'))
        return [one for one in report(asked.triage)['findings'] if one['rule'] == 'worker.zombies' and one['subject']['host_pid'] == first]
    finally:
        os.kill(first, signal.SIGKILL)  # and with it all of its namespace
        outer.stop()


def dead_child(pid, parent):
    try:
        with open(f'/proc/{pid}/stat', 'rb') as stat:
            state, ppid = stat.read().rpartition(b') ')[2].split()[:2]
    except OSError:
        return False
    return state == b'Z' and int(ppid) == parent


def first_process_never_waits(asked, folder):
    found = of_first(asked, folder, 'never')
    same('findings', [one['sure'] for one in found], ['likely'])
    says(found[0], 'PID 1 (python3', '3 zombies')
    if not any('--init' in step['text'] for step in found[0]['fix']):
        raise AssertionError(found[0]['fix'])


def first_process_waits(asked, folder):
    same('findings', of_first(asked, folder, 'reaps'), [])


# ---- a queue for each worker ---------------------------------------------------------------------------------------
OWN_QUEUE = """import socket
def post_fork(server, worker):
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(('127.0.0.1', HERE))
    own.listen(64)
    worker.sockets = [own]
"""


def with_own_queues(folder):
    port = free_port()
    folder.joinpath('own.py').write_text(OWN_QUEUE.replace('HERE', str(port)))
    server = Gunicorn(folder / 'site', '-c', str(folder / 'own.py'), '--timeout', '60', '--graceful-timeout', '1', ready=False)
    server.port = port
    wait_until('both workers serve', lambda: len([pid for pid in server.workers() if serves(pid)]) == 2 and get(port, '/ok', 10) == 200, 40)
    return server


def one_queue_is_stuck(asked, folder):
    server = with_own_queues(folder)
    links = []
    try:
        _, stuck = server.ask('/sleep?s=50')

        def uneven():
            for _ in range(4):  # the kernel spreads them by their ports
                links.append(Request(server.port, '/ok'))
            return findings(asked, server, 'socket.uneven')
        finding = wait_until('socket.uneven is found', uneven, 40)[0]
        same('sure', finding['sure'], 'certain')
        says(finding, f'wait for process {stuck} at 127.0.0.1:{server.port}')
    finally:
        server.stop()


def both_queues_are_served(asked, folder):
    server = with_own_queues(folder)
    try:
        asked_for = [Request(server.port, '/ok') for _ in range(12)]
        wait_until('all are answered', lambda: all(each.answer == 200 for each in asked_for), 40)
        same('findings', findings(asked, server, 'socket.uneven'), [])
    finally:
        server.stop()


# ---- limits ---------------------------------------------------------------------------------------------------------
def descriptors_near_the_limit(asked, folder):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = Gunicorn(folder / 'site', workers=1)
    try:
        same('findings', findings(asked, server, 'limit.descriptors'), [])
        worker = server.workers()[0]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (64, before[1]))
        more = 60 - len(os.listdir(f'/proc/{worker}/fd'))
        same('opened', get(server.port, f'/open?n={more}', 10), 200)
        finding = one(asked, server, 'limit.descriptors')
        same('who', finding['subject']['host_pid'], worker)
        same('level', finding['level'], 'warning')
        says(finding, 'has nearly used up', 'of 64', 'faulty.py')
    finally:
        server.stop()


def memory_near_the_limit(asked, folder):
    cgroup = Cgroup(200 * MIB)
    try:
        server = Gunicorn(folder / 'site', cgroup=cgroup, workers=1)
        try:
            same('findings', findings(asked, server, 'memory.headroom'), [])
            same('kept', get(server.port, '/keep?mib=162', 20), 200)
            finding = one(asked, server, 'memory.headroom')
            says(finding, 'of 200 MiB', 'not one more such fits')
        finally:
            server.stop()
    finally:
        cgroup.remove()


def memory_grows(asked, folder):
    """Against an earlier look: nothing at first, then a worker that keeps what it took."""
    cgroup = Cgroup(200 * MIB)
    try:
        server = Gunicorn(folder / 'site', cgroup=cgroup, workers=1)
        try:
            earlier = folder / 'earlier.tar.zst'
            same('exit', triage(asked.triage, 'bundle', '-o', earlier, server.pid)[0], 0)

            def grown():
                return [one for one in report(asked.triage, server.pid, '--against', earlier)['findings'] if one['rule'] == 'memory.growth']
            same('nothing grew', grown(), [])
            same('kept', get(server.port, '/keep?mib=64', 20), 200)
            found = grown()
            same('findings', [(one['sure'], one['subject']['host_pid']) for one in found], [('likely', server.workers()[0])])
            says(found[0], 'grew from', 'the limit of its cgroup, 200 MiB')
        finally:
            server.stop()
    finally:
        cgroup.remove()


def handlers_taken_away(asked, folder):
    """By the application, as it is imported in the worker; one that leaves them alone is not told of."""
    for name, code, wanted in (('ignored', 'signal.signal(signal.SIGTERM, signal.SIG_IGN)', [('SIGTERM', 'is ignored')]),
                               ('default', 'signal.signal(signal.SIGABRT, signal.SIG_DFL)', [('SIGABRT', 'default action')]),
                               ('kept', '', [])):
        site = folder / name
        site.mkdir()
        (site / 'served.py').write_text('import signal\n' + code + '\n' + PLAIN)
        server = Gunicorn(site, '--graceful-timeout', '1', workers=1, app='served:app', ready=False)
        try:
            wait_until('it answers', lambda: server.booted() and get(server.port, '/ok', 10) == 200, 40)
            found = findings(asked, server, 'worker.handler-overridden')
            same(f'{name}: findings', len(found), len(wanted))
            for one, parts in zip(found, wanted):
                same('sure', one['sure'], 'certain')
                says(one, *parts)
        finally:
            server.stop()


def recorded_in_swap(asked, folder, pressure):
    """A recording of a real gunicorn, made by hand into one on a host with swap: 200 MiB of its worker are out, and so much pressure."""
    server = Gunicorn(folder / 'site', workers=1)
    try:
        worker = server.workers()[0]
        bundle = folder / 'incident.tar.zst'
        same('exit', triage(asked.triage, 'bundle', '-o', bundle, server.pid)[0], 0)
    finally:
        server.stop()
    tree = folder / 'tree'
    tree.mkdir()
    subprocess.run(['tar', '-xf', str(unpacked(bundle, folder)), '-C', str(tree)], check=True)

    def edit(name, pattern, text):
        file = next(tree.rglob(name), None)
        if file is None:
            raise Skip(f'this kernel has no /{name}')
        file.chmod(0o644)
        before = file.read_text()
        after = re.sub(pattern, text, before, flags=re.M)
        if before == after:
            raise AssertionError(f'{name} is as it was: {before[:300]}')
        file.write_text(after)
    next(tree.rglob('evidence.ndjson')).unlink()  # so that the files are looked at anew
    edit(f'proc/{worker}/smaps_rollup', r'^Swap: .*', 'Swap:             204800 kB')
    edit('proc/meminfo', r'^SwapTotal: .*', 'SwapTotal:       1048577 kB')
    try:
        edit('proc/pressure/memory', r'^some avg10=\S+', f'some avg10={pressure}')
    except Skip:
        pressures = tree / next(tree.rglob('proc/meminfo')).parent.relative_to(tree) / 'pressure'
        pressures.mkdir(exist_ok=True)
        (pressures / 'memory').write_text(f'some avg10={pressure} avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n')
    return [one for one in report(asked.triage, '--from', tree)['findings'] if one['rule'] == 'memory.swapping']


def swapped_out_and_missed(asked, folder):
    found = recorded_in_swap(asked, folder, '7.25')
    same('sure', [one['sure'] for one in found], ['certain'])
    says(found[0], '200 MiB')


def swapped_out_and_not_missed(asked, folder):
    """That is what swap is for."""
    same('findings', recorded_in_swap(asked, folder, '0.01'), [])


# ---- opened before the fork -----------------------------------------------------------------------------------------
SHARING = """import select, socket
link = socket.create_connection(('127.0.0.1', PORT))
events = select.epoll()
from faulty import application
"""
OWN = """import socket
from faulty import application as inner
link = None
def application(environ, start_response):
    global link
    link = link or socket.create_connection(('127.0.0.1', PORT))
    return inner(environ, start_response)
"""


class Peer:
    """Stands in for a database: takes connections and says nothing."""

    def __init__(self):
        self.listener, self.taken = socket.create_server((LOOPBACK, 0)), []
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            while True:
                self.taken.append(self.listener.accept()[0])
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for link in self.taken:
            link.close()


def with_peer(folder, code, *arguments):
    peer = Peer()
    (folder / 'site').mkdir()
    (folder / 'site' / 'peered.py').write_text(code.replace('PORT', str(peer.port)))
    try:
        return peer, Gunicorn(folder / 'site', *arguments, app='peered')
    except BaseException:
        peer.close()
        raise


def shared_before_the_fork(asked, folder):
    peer, server = with_peer(folder, SHARING, '--preload')
    try:
        finding = one(asked, server, 'fork.shared-connection')
        says(finding, 'the master and 2 workers have one and the same socket', f'127.0.0.1:{peer.port}')
        says(one(asked, server, 'fork.shared-epoll'), 'one and the same epoll set')
    finally:
        server.stop()
        peer.close()


def one_connection_each(asked, folder):
    peer, server = with_peer(folder, OWN)
    try:
        wait_until('both workers have opened theirs', lambda: get(server.port, '/ok', 10) == 200 and len(peer.taken) >= 2)
        same('findings', findings(asked, server, 'fork.shared-connection', 'fork.shared-epoll'), [])
    finally:
        server.stop()
        peer.close()


# ---- the proxy gives up ----------------------------------------------------------------------------------------------
def proxy_gives_up_first(asked, folder):
    """nginx waits 1 s, the worker may take 60: the verdict names both, and where nginx's stands."""
    # Without a title over its command line: its timeout is read from there.
    server = Gunicorn(folder / 'site', '--timeout', '60', '--graceful-timeout', '1', packages=without_titles(folder))
    try:
        proxy = Nginx(folder / 'nginx', server.port, read='1s')
        try:
            same('status', get(proxy.port, '/sleep?s=4', 20), 504)
            finding = until(asked, server, 'proxy.gave-up-first')
        finally:
            proxy.stop()
    finally:
        server.stop()
    same('sure', finding['sure'], 'certain')
    says(finding, 'its read timeout of 1 s', 'would have at 60 s')
    if not any('nginx.conf' in (witness['where'] or '') for witness in finding['because']):
        raise AssertionError(f'the setting is no evidence: {finding["because"]}')
    if not (finding['prediction'] or '').startswith('a GET whose work takes 0 - 1 s: 200; 1 - 60 s: 504 at 1 s (goes on for nobody, up to 59 s)'):
        raise AssertionError(finding['prediction'])
    row = next(witness for witness in finding['because'] if 'timed out' in (witness['text'] or ''))
    if 'is the interval from 1 s: 504 at 1 s, by proxy_read_timeout 1s (' not in (row['note'] or ''):
        raise AssertionError(row)


# ---- frozen ---------------------------------------------------------------------------------------------------------
HIERARCHIES = {  # where its groups are, the file that freezes and what it takes, and what stands there only in that version
    'v1': ('/sys/fs/cgroup/freezer', 'freezer.state', 'FROZEN', 'THAWED', 'tasks'),
    'v2': ('/sys/fs/cgroup', 'cgroup.freeze', '1', '0', 'cgroup.controllers'),
}


def frozen_with_its_group(asked, folder, version):
    """docker pause, a checkpoint: the states look asleep. The printed command thaws it, and the finding goes."""
    base, switch, frozen, thawed, mark = HIERARCHIES[version]
    if not (pathlib.Path(base) / mark).exists():
        raise Skip(f'no cgroup hierarchy of this kind is mounted at {base}')
    group = pathlib.Path(base) / f'triage-frozen-{os.getpid()}'
    try:
        group.mkdir()
    except OSError as error:
        raise Skip(f'no cgroup of our own: {error}') from None
    server = Gunicorn(folder / 'site', '--timeout', '60')
    pids = [server.pid, *server.workers()]
    try:
        for pid in pids:
            (group / 'cgroup.procs').write_text(str(pid))
        same('before', findings(asked, server, 'worker.frozen'), [])
        try:
            (group / switch).write_text(frozen)
        except OSError as error:
            raise Skip(f'nothing is frozen here: {error}') from None
        finding = until(asked, server, 'worker.frozen')
        same('sure', finding['sure'], 'certain')
        says(finding, 'frozen with its whole cgroup')
        steps = [step['text'] for step in finding['fix'] if step['text'].startswith('if nobody froze it')]
        command = steps[0].partition(': ')[2].partition(' (a container')[0]
        subprocess.run(['sh', '-c', command], check=True)
        wait_until('it runs again', lambda: not findings(asked, server, 'worker.frozen'))
        same('it answers', get(server.port, '/ok', 10), 200)
    finally:
        (group / switch).write_text(thawed)
        server.stop()
        wait_until('the group is empty', lambda: not (group / 'cgroup.procs').read_text())
        group.rmdir()


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked = asked.parse_args()
    cases = [pid_file_is_stale, asgi_on_a_wsgi_class, wsgi_on_a_wsgi_class, first_process_never_waits, first_process_waits, one_queue_is_stuck, both_queues_are_served, waits_for_a_peer, master_is_gone, all_workers_busy, one_worker_free, busy_is_not_stuck, idle_clients_hold_the_workers, all_threads_busy, queue_is_full, descriptors_near_the_limit, memory_near_the_limit, memory_grows, handlers_taken_away, swapped_out_and_missed, swapped_out_and_not_missed, shared_before_the_fork, one_connection_each, proxy_gives_up_first]
    named = [(case.__name__, functools.partial(case, asked)) for case in cases]
    named += [(f'frozen_with_its_group [{version}]', functools.partial(frozen_with_its_group, asked, version=version)) for version in HIERARCHIES]
    return run_cases(named, together=3)


if __name__ == '__main__':
    sys.exit(main())
