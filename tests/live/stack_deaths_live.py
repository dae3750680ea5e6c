#!/usr/bin/env python3
"""What `triage watch` says a worker was doing as it died, against what it did: the function and line of a worker that its master, an operator, the OOM
killer or a fault ended; equality with faulthandler for every CPython of this machine; 120 deaths at once."""
import argparse
import functools
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import watch_live
from harness import HERE, LOOPBACK, Cgroup, Gunicorn, Process, PYTHON, Skip, get, run_cases, same, wait_until, without_titles

MIB = 1 << 20
SOURCE = (HERE / 'doomed.py').read_text().splitlines()


def line_of(mark):
    return next(number for number, line in enumerate(SOURCE, 1) if line.endswith(f'# mark: {mark}'))


class Doomed(Gunicorn):
    """A gunicorn with doomed.py; `python`: the interpreter that runs it."""

    def __init__(self, folder, *arguments, **more):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / 'doomed.py', folder / 'doomed.py')
        super().__init__(folder, *arguments, app='doomed', **more)


class Site:
    def __init__(self, asked, folder, *arguments, without='', requests=False, **more):
        self.server = Doomed(folder / 'site', *arguments, **more)
        try:
            self.watch = watch_live.Watch(asked, without, self.server.pid, arguments=['--requests'] if requests else [])
            refused = [line for line in self.watch.lines if line['type'] == 'gap' and ('as it is killed' in line['wanted'] or '--requests' in line['wanted'])]
            if refused and not without:
                raise Skip(f'no stacks here: {refused[0]["reason"]}')
        except BaseException:
            self.server.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watch.stop()
        self.server.stop()

    def doing(self, pid, rule):
        found = self.watch.verdict(pid)
        same(f'the rule about {pid}', found['rule'], rule)
        return found['was_doing']


def expect(doing, *frames):
    """The innermost frames, as (function, mark)."""
    got = [(frame['function'], frame['line']) for frame in doing['frames'][:len(frames)]]
    same('innermost frames', got, [(function, line_of(mark)) for function, mark in frames])
    if not doing['python'][0].startswith(frames[0][0] + ' ('):
        raise AssertionError(f'the first line is not the application: {doing["python"]}')
    if not re.search(r'called by \d+ frames of .*gunicorn', '\n'.join(doing['python'])):
        raise AssertionError(f"the server's frames are not folded: {doing['python']}")


def at_a_timeout(site, folder):
    with site(folder, '--timeout', '2') as on:
        request, pid = on.server.ask('/slow')
        doing = on.doing(pid, 'death.timeout')
        expect(doing, ('Report.slow', 'slow'), ('numbers', 'numbers'))
        same('the call', doing['syscall'], 'clock_nanosleep')
        found = on.watch.verdict(pid)
        if 'it sleeps in Report.slow (' not in found['message'] or not any('do not sleep in a request' in step['text'] for step in found['fix']):
            raise AssertionError(f'no cause is named: {found["message"]} {found["fix"]}')


def waiting_for(site, folder):
    """Ended by the timeout while it waited for an upstream, and while it waited for the body that its own client does not send."""
    with socket.create_server((LOOPBACK, 0)) as silent, site(folder, '--timeout', '2', workers=1) as on:
        port = silent.getsockname()[1]
        request, pid = on.server.ask(f'/asks?{port}')
        found = on.watch.verdict(pid)
        same('the rule', found['rule'], 'death.timeout')
        if 'it waits in Report.asks (' not in found['message'] or f'for {LOOPBACK}:{port}, which does not answer' not in found['message']:
            raise AssertionError(f'no upstream is named: {found["message"]}')
        on.server.wait_replaced()
        with socket.create_connection((LOOPBACK, on.server.port)) as client:
            client.sendall(b'POST /reads HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
            wait_until('the worker has it', lambda: on.server.seen('/reads'))
            pid = on.server.seen('/reads')[0]
            found = on.watch.verdict(pid)
        same('the rule', found['rule'], 'death.timeout')
        if 'it waited for its client in Report.reads (' not in found['message']:
            raise AssertionError(f'no client is named: {found["message"]}')


def killed_by_somebody(site, folder):
    with socket.create_server((LOOPBACK, 0)) as silent, site(folder, '--timeout', '60') as on:
        port = silent.getsockname()[1]
        request, pid = on.server.ask(f'/asks?{port}')
        accepted, _ = silent.accept()
        # It has connected; that it waits in recv is the next thing it does.
        wait_until('it waits for its peer', lambda: pathlib.Path(f'/proc/{pid}/syscall').read_text().split()[0] in ('45', '0'))
        os.kill(pid, signal.SIGKILL)
        doing = on.doing(pid, 'death.killed-by-other')
        accepted.close()
        expect(doing, ('Report.asks', 'asks'))
        same('the call', (doing['syscall'], doing['peer'].split(' ')[0]), ('recvfrom', f'{LOOPBACK}:{port}'))
        if not isinstance(doing['fd'], int):
            raise AssertionError(f'no descriptor: {doing}')


def out_of_memory(site, folder):
    watch_live.needs_kernel_log()
    cgroup = Cgroup(160 * MIB)
    try:
        with site(folder, '--timeout', '60', cgroup=cgroup) as on:
            request, pid = on.server.ask('/hungry')
            expect(on.doing(pid, 'death.oom-cgroup'), ('Report.hungry', 'hungry'))
    finally:
        cgroup.remove()


def by_a_fault(site, folder):
    with site(folder, '--timeout', '60') as on:
        request, pid = on.server.ask('/crash')
        frames = on.doing(pid, 'death.crashed')['frames']
        # string_at is ctypes' own; a comprehension is a frame of its own until 3.11: "Report.crash.<locals>.<listcomp>".
        same('innermost', [frame['function'] for frame in frames[:1]], ['string_at'])
        named = [(frame['function'], frame['line']) for frame in frames]
        if not any(function.startswith('Report.crash') and line == line_of('crash') for function, line in named):
            raise AssertionError(f'not in Report.crash: {named}')


def by_a_fault_of_a_thread(site, folder):
    """Of several threads the one that the fault came to."""
    with site(folder, '--timeout', '60') as on:
        request, pid = on.server.ask('/thread')
        frames = on.doing(pid, 'death.crashed')['frames']
        named = [(frame['function'], frame['line']) for frame in frames]
        if not any(function.startswith('Report.crash') and line == line_of('crash') for function, line in named) or named[-1][0] != 'Thread._bootstrap':
            raise AssertionError(f"not the thread's stack: {named}")


def computed(pid):
    """Its user time, in hundredths of a second."""
    return int(pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[11])


IN_C = {'deep_nap': 'death.killed-by-other', 'deep_spin': 'death.killed-by-other', 'deep_crash': 'death.crashed', 'deep_eat': 'death.oom-cgroup'}


def in_a_library(name, site, folder):
    """Dead in C: the native frames up to the interpreter, and the Python line that called."""
    if name == 'deep_eat':
        watch_live.needs_kernel_log()
    compiler = shutil.which('cc') or shutil.which('gcc') or shutil.which('g++')
    if not compiler:
        raise Skip('no C compiler')
    library = folder / 'libdeep.so'
    subprocess.run([compiler, '-x', 'c', '-O2', '-shared', '-fPIC', '-o', library, HERE / 'deep.c'], check=True)
    cgroup = Cgroup(160 * MIB)
    try:
        with site(folder, '--timeout', '60', '--env', f'TRIAGE_DEEP={library}', cgroup=cgroup) as on:
            request, pid = on.server.ask(f'/deep?{list(IN_C).index(name)}')
            if name == 'deep_nap':
                wait_until('it sleeps', lambda: pathlib.Path(f'/proc/{pid}/syscall').read_text().split()[0] == '230')
            if name == 'deep_spin':
                used = computed(pid)
                wait_until('it computes', lambda: computed(pid) >= used + 20)
            if IN_C[name] == 'death.killed-by-other':
                os.kill(pid, signal.SIGKILL)
            doing = on.doing(pid, IN_C[name])
            expect(doing, ('Report.deep', 'deep'))
            same('frames of the library', [line for line in doing['native'] if 'libdeep.so' in line], [f'{frame} (libdeep.so)' for frame in (name, 'deep_middle', 'deep_enter')])
            if any('(python3' in line or '(libpython' in line for line in doing['native']):
                raise AssertionError(f"the interpreter's own frames: {doing['native']}")
    finally:
        cgroup.remove()


def in_a_worker_of_threads(site, folder):
    with site(folder, '--timeout', '60', '--worker-class', 'gthread', '--threads', '4') as on:
        request, pid = on.server.ask('/slow')
        os.kill(pid, signal.SIGKILL)
        expect(on.doing(pid, 'death.killed-by-other'), ('Report.slow', 'slow'), ('numbers', 'numbers'))


def with_its_request(site, folder):
    """The request that the death interrupted, of whom, for how long; nothing of its query's values, and not the one before it."""
    with site(folder, '--timeout', '4', requests=True) as on:
        for _ in range(8):
            same('before', get(on.server.port, '/ok?secret=hush'), 200)
        request, pid = on.server.ask('/slow?user=hush&page=hush')
        doing = on.doing(pid, 'death.timeout')
        found = re.fullmatch(rf'GET /slow\?user=\.\.\.&page=\.\.\. HTTP/1\.1, Host: \S+, for (\d+(?:\.\d+)?) s, from {LOOPBACK}:\d+', doing['request'])
        if not found:
            raise AssertionError(f'the request: {doing}')
        # The master looks once in a second, or later on a loaded machine; never before the timeout.
        if not 3.5 < float(found[1]) < 30:
            raise AssertionError(f'for how long: {doing}')
        found = re.fullmatch(r'clock_nanosleep for (\d+(?:\.\d+)?) s', doing['syscall'])
        if not found or not 3.5 < float(found[1]) < 30:
            raise AssertionError(f'the call that it waits in: {doing}')
        if 'hush' in json.dumps(on.watch.lines):
            raise AssertionError('values of a query are told')


def request_of_a_thread(site, folder):
    """Of several requests of one worker the one whose thread's stack is told; and the peer that it waits for."""
    with socket.create_server((LOOPBACK, 0)) as silent, site(folder, '--timeout', '60', '--worker-class', 'gthread', '--threads', '4', requests=True, workers=1) as on:
        port = silent.getsockname()[1]
        request, pid = on.server.ask(f'/asks?{port}')
        accepted, _ = silent.accept()
        wait_until('it waits for its peer', lambda: any((task / 'syscall').read_text().split()[0] == '45' for task in pathlib.Path(f'/proc/{pid}/task').iterdir()))
        os.kill(pid, signal.SIGKILL)
        doing = on.doing(pid, 'death.killed-by-other')
        accepted.close()
        expect(doing, ('Report.asks', 'asks'))
        if not doing['request'].startswith('GET /asks?... HTTP/1.1, '):
            raise AssertionError(f'the request: {doing}')
        same('the peer', doing['peer'].split(' ')[0], f'{LOOPBACK}:{port}')


def of_an_idle_client(site, folder):
    """A connection on which nothing comes: no request, and it is said who keeps the worker waiting."""
    with site(folder, '--timeout', '2', requests=True, workers=1) as on:
        pid = on.server.workers()[0]
        with socket.create_connection((LOOPBACK, on.server.port)) as link:
            own = '%s:%d' % link.getsockname()
            doing = on.doing(pid, 'death.timeout')
        if not doing['request'].startswith('no request yet (an idle connection), for ') or not doing['request'].endswith(f', from {own}'):
            raise AssertionError(f'the idle client {own}: {doing}')


def in_a_long_function(site, folder):
    """A line that the first 2 KB of the table do not reach: the rest of it is its relatives'."""
    with site(folder, '--timeout', '60', '--preload') as on:
        request, pid = on.server.ask('/long')
        wait_until('it sleeps', lambda: pathlib.Path(f'/proc/{pid}/syscall').read_text().split()[0] == '230')
        os.kill(pid, signal.SIGKILL)
        frames = on.doing(pid, 'death.killed-by-other')['frames']
        same('frames', [(frame['function'], frame['file'], frame['line']) for frame in frames[1:2]], [('long', 'long.py', 903)])


def before_a_timeout(site, folder):
    """Without a stack at the death: the one that was read when the heartbeat had grown old, by the timeout of its command line."""
    with site(folder, '--timeout', '6', without='stacks', packages=without_titles(folder)) as on:
        request, pid = on.server.ask('/slow')
        doing = on.doing(pid, 'death.timeout')
        expect(doing, ('Report.slow', 'slow'), ('numbers', 'numbers'))
        same('the call', doing['syscall'], 'clock_nanosleep')


def switched_off(site, folder):
    """Refused, stacks are a blind spot that is said, and the deaths are told all the same."""
    with site(folder, '--timeout', '60', without='stacks') as on:
        gaps = [line for line in on.watch.lines if line['type'] == 'gap' and 'as it is killed' in line['wanted']]
        same('gaps', len(gaps), 1)
        request, pid = on.server.ask('/slow')
        os.kill(pid, signal.SIGKILL)
        same('frames', on.doing(pid, 'death.killed-by-other')['frames'], [])


def storm(site, folder):
    """120 workers killed at once: each has its stack, or what was lost is said."""
    count = 120
    with site(folder, '--timeout', '120', '--preload', workers=count) as on:
        pids = on.server.workers()
        same('workers', len(pids), count)
        os.kill(on.server.pid, signal.SIGSTOP)  # no new workers between
        try:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            wait_until('all verdicts', lambda: len({line['subject']['host_pid'] for line in on.watch.findings(provisional=False)} & set(pids)) == count, 90)
        finally:
            os.kill(on.server.pid, signal.SIGCONT)
        found = {line['subject']['host_pid']: line['was_doing']['frames'] for line in on.watch.findings(provisional=False)}
        bare = [pid for pid in pids if not found[pid]]
        lost = on.watch.events('lost')
        if bare and not lost:
            raise AssertionError(f'{len(bare)} stacks are missing and nothing is said to be lost')
        if len(bare) > count // 2:
            raise AssertionError(f'{len(bare)} of {count} stacks are missing: {lost}')
        for pid in set(pids) - set(bare):
            frames = [frame['function'] for frame in found[pid]]
            if 'run' not in {frame.rpartition('.')[2] for frame in frames} or '<module>' not in frames[-1]:
                raise AssertionError(f'{pid}: not a stack of gunicorn: {frames}')


def like_faulthandler(python, site, folder):
    packages = folder / 'packages'
    packages.mkdir()
    try:
        shutil.copytree('/usr/lib/python3/dist-packages/gunicorn', packages / 'gunicorn', ignore=shutil.ignore_patterns('__pycache__'))
    except FileNotFoundError as error:
        raise Skip(f'no gunicorn to copy: {error}') from None
    (packages / 'pkg_resources.py').write_text('')  # 20.1 imports it, newer interpreters come without; it is asked for plugins only
    try:
        on = site(folder, '--timeout', '60', packages=packages, python=python)
    except AssertionError as error:
        if 'Error' in str(error):
            raise Skip(f'this gunicorn does not run there: {str(error).strip().splitlines()[-1][-120:]}') from None
        raise
    with on:
        request, pid = on.server.ask('/traced')
        doing = on.doing(pid, 'death.killed-by-other')
        dump = pathlib.Path(str(on.server.requests) + '.dump').read_text()
        wanted = re.findall(r'^  File "(.*)", line (\d+) in (.*)$', dump, re.M)
        # faulthandler prints the bare name; from 3.11 on we tell the qualified one.
        got = [(frame['file'], str(frame['line']), frame['function'].rpartition('.')[2]) for frame in doing['frames']]
        if len(wanted) < 10:
            raise AssertionError(f'a short dump: {dump}')
        same('frames', got, wanted)


def pythons():
    found = {}
    for program in sorted(glob.glob(os.path.expanduser('~/.pyenv/versions/3.*/bin/python3'))) + sorted(glob.glob('/usr/bin/python3.[0-9]*')):
        if program.endswith('-config'):
            continue
        version = subprocess.run([program, '-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], capture_output=True, text=True).stdout.strip()
        if version and tuple(map(int, version.split('.'))) >= (3, 8):
            found[version + (' of the system' if program.startswith('/usr') else '')] = program
    return found


CASES = [at_a_timeout, waiting_for, killed_by_somebody, out_of_memory, by_a_fault, by_a_fault_of_a_thread, in_a_worker_of_threads, with_its_request, request_of_a_thread, of_an_idle_client, in_a_long_function, before_a_timeout, switched_off]


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--only', default='')
    asked.add_argument('--together', type=int, default=3)
    asked = asked.parse_args()
    asked.triage = os.path.abspath(asked.triage)
    if not shutil.which('gunicorn', path='/usr/bin:/bin'):
        print('SKIPPED: gunicorn is not installed')
        return 77
    if os.getuid() != 0:
        print('SKIPPED: BPF needs root')
        return 77
    site = functools.partial(Site, asked)
    cases = [(case.__name__, functools.partial(case, site)) for case in CASES]
    cases += [(f'in_a_library [{name}]', functools.partial(in_a_library, name, site)) for name in IN_C]
    cases += [(f'like_faulthandler [CPython {version}]', functools.partial(like_faulthandler, program, site)) for version, program in pythons().items()]
    answer = run_cases([(name, case) for name, case in cases if asked.only in name], asked.together)
    return answer | run_cases([(name, case) for name, case in [('storm', functools.partial(storm, site))] if asked.only in name], 1)


if __name__ == '__main__':
    sys.exit(main())
