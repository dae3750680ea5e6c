#!/usr/bin/env python3
"""Every way in which a real gunicorn loses a worker, and what triage says of it: from the files it left behind, and live while its master
still runs. Under Debian's own gunicorn and, where apt reaches them, the newer ones of Debian 13 and sid."""
import argparse
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from harness import Cgroup, Gunicorn, Process, PYTHON, Skip, deaths, get, kernel_log, kernel_names_our_pids, mark_kernel_log, report, run_cases, wait_until
from packages import Archive

MIB = 1 << 20


class Site:
    """One gunicorn, what it leaves behind, and both reports about it."""

    def __init__(self, asked, packages, folder, *arguments, **more):
        self.asked, self.folder = asked, folder
        self.left = folder / 'site'
        self.mark = f'{os.getpid()}-{folder.name}'
        try:
            kernel_log()
            mark_kernel_log(f'{self.mark} begins')
            self.marked = True
            began = int(time.time())
            wait_until('the second is over', lambda: time.time() > began + 1)  # what follows is surely later, in whole seconds too
        except Skip:
            self.marked = False
        self.server = Gunicorn(self.left, *arguments, packages=packages, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def reports(self, live=True):
        server = self.server
        (self.left / 'cmdline').write_text(' '.join(server.command) + '\n')
        if self.marked:
            # The server's log has whole seconds, and the kernel's clock runs some 100 ms apart from the wall's: surely later is two seconds on.
            now = int(time.time())
            wait_until('the second is over', lambda: time.time() > now + 2)
            mark_kernel_log(f'{self.mark} ends')
            whole = kernel_log('-x', '--time-format', 'iso').splitlines(keepends=True)
            begin = next(number for number, line in enumerate(whole) if f'{self.mark} begins' in line)
            (self.left / 'dmesg.txt').write_text(''.join(whole[begin:]))
        seen = {'files': report(self.asked.triage, '--from', self.left)}
        if live:
            seen['live'] = report(self.asked.triage, server.pid)
        return seen

    def expect(self, rules, live=True, silent_is_right=False):
        """rules: {pid: the one rule}; nobody else may have died, and each is told with `certain` or `likely`. Where the server logs nothing,
        silence is right too, but no other rule is."""
        for how, found in self.reports(live).items():
            told = deaths(found)
            for pid, rule in rules.items():
                got = {name for name, sure in told.get(pid, []) if sure in ('certain', 'likely')}
                if got != {rule} and not (silent_is_right and not got):
                    raise AssertionError(f'{how}: worker {pid}: wanted {rule}, got {told.get(pid)}; in all {told}; log:\n{self.server.text()[-1500:]}')
            others = {pid: what for pid, what in told.items() if pid not in rules and any(sure != 'unknown' for _, sure in what)}
            if others:
                raise AssertionError(f'{how}: nothing happened to {others}')

    def expect_quiet(self, live=True):
        for how, found in self.reports(live).items():
            loud = [(one['rule'], one.get('subject')) for one in found['findings'] if one['level'] != 'note' and one['sure'] != 'unknown']
            if loud:
                raise AssertionError(f'{how}: an alarm where nothing is wrong: {loud}; log:\n{self.server.text()[-1500:]}')


def timeout(site, folder):
    with site(folder, '--timeout', '2') as on:
        request, pid = on.server.ask('/sleep')
        on.server.wait_dead(pid)
        on.server.wait_replaced()
        on.expect({pid: 'death.timeout'})


def timeout_second_stage(site, folder):
    with site(folder, '--timeout', '2') as on:
        request, pid = on.server.ask('/loop')
        on.server.wait_dead(pid)
        on.server.wait_replaced()
        on.expect({pid: 'death.timeout'})


def six_timeouts_together(site, folder):
    with site(folder, '--timeout', '2', workers=6) as on:
        pids = {on.server.ask('/sleep')[1] for _ in range(6)}
        if len(pids) != 6:
            raise AssertionError(f'six requests went to {pids}')
        for pid in pids:
            on.server.wait_dead(pid)
        on.server.wait_replaced()
        on.expect({pid: 'death.timeout' for pid in pids})


def needs_kernel_log():
    kernel_log()
    if not kernel_names_our_pids():
        raise Skip('in a pid namespace: the kernel log names other pids than the server')


def killed_line(pid):
    return lambda: any(f'Killed process {pid} ' in line for line in kernel_log().splitlines())


def out_of_memory(site, folder):
    needs_kernel_log()
    cgroup = Cgroup(160 * MIB)
    try:
        with site(folder, '--timeout', '30', cgroup=cgroup) as on:
            request, pid = on.server.ask('/oom')
            on.server.wait_dead(pid)
            wait_until('the kernel log has it', killed_line(pid))
            on.server.wait_replaced()
            on.expect({pid: 'death.oom-cgroup'})
    finally:
        cgroup.remove()


DECOY = '''
import ctypes, os, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
sys.stdout.write('ready\\n'); sys.stdout.flush()
sys.stdin.readline()
kept = []
while True: kept.append(bytearray(os.urandom(4096)) * 1024)
'''


def killed_beside_an_oom_decoy(site, folder):
    """kill -9 of a worker in the second in which an unrelated process of the same name runs out of memory."""
    needs_kernel_log()
    cgroup = Cgroup(64 * MIB)
    try:
        with site(folder, '--timeout', '30') as on:
            pid = on.server.workers()[0]
            name = pathlib.Path(f'/proc/{pid}/comm').read_text().strip()
            decoy = Process([PYTHON, '-c', DECOY, name], cgroup, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                decoy.process.stdout.readline()
                decoy.process.stdin.write(b'go\n')
                decoy.process.stdin.flush()
                os.kill(pid, signal.SIGKILL)
                on.server.wait_dead(pid)
                wait_until('the decoy is killed', killed_line(decoy.pid))
                on.server.wait_replaced()
                on.expect({pid: 'death.killed-by-other'})
            finally:
                decoy.stop()
    finally:
        cgroup.remove()


def killed_by_operator(site, folder):
    needs_kernel_log()
    with site(folder, '--timeout', '30') as on:
        pid = on.server.workers()[-1]
        os.kill(pid, signal.SIGKILL)
        on.server.wait_dead(pid)
        on.server.wait_replaced()
        on.expect({pid: 'death.killed-by-other'})


def segfault(site, folder):
    with site(folder, '--timeout', '30') as on:
        request, pid = on.server.ask('/segv')
        on.server.wait_dead(pid)
        on.server.wait_replaced()
        on.expect({pid: 'death.crashed'})


def exit_code(site, folder):
    with site(folder, '--timeout', '30') as on:
        request, pid = on.server.ask('/exit?code=7')
        on.server.wait_dead(pid)
        on.server.wait_replaced()
        # 20.1 and older log no exit code at all (gunicorn/arbiter.py:508-530@20.1.0); only who watched knows.
        on.expect({pid: 'death.exited'}, silent_is_right='Starting gunicorn 20.' in on.server.text())


def hung_up(site, folder):
    """`pkill -HUP gunicorn` reaches the workers too, and they die of it."""
    with site(folder, '--timeout', '30') as on:
        pid = on.server.workers()[0]
        os.kill(pid, signal.SIGHUP)
        on.server.wait_dead(pid)
        on.server.wait_replaced()
        on.expect({pid: 'death.signalled'})


def max_requests(site, folder):
    with site(folder, '--timeout', '30', '--max-requests', '3') as on:
        first = set(on.server.workers())
        wait_until('a worker was recycled', lambda: get(on.server.port, '/ok', 10) and not first & set(on.server.workers()))
        on.server.wait_replaced()
        on.expect_quiet()


def reload(site, folder):
    with site(folder, '--timeout', '30') as on:
        first = set(on.server.workers())
        os.kill(on.server.pid, signal.SIGHUP)
        wait_until('the workers are new', lambda: not first & set(on.server.workers()))
        on.server.wait_replaced()
        on.expect_quiet()


def graceful_stop(site, folder):
    with site(folder, '--timeout', '30') as on:
        on.server.stop()
        on.expect_quiet(live=False)


def halted_by_exit_code(site, folder):
    """Exit code 3 of a worker, at any time, stops the whole server: gunicorn takes it for a failed boot."""
    with site(folder, '--timeout', '30') as on:
        request, pid = on.server.ask('/exit?code=3')
        on.server.process.process.wait(20)
        found = on.reports(live=False)['files']
        rules = {one['rule'] for one in found['findings'] if one['sure'] != 'unknown'}
        if not rules & {'master.halted-by-exit-code', 'death.exited'} or any(rule.startswith('boot.') for rule in rules):
            raise AssertionError(f'worker {pid} left with 3 and the server halted, got {rules}; log:\n{on.server.text()[-1500:]}')


CASES = [timeout, timeout_second_stage, six_timeouts_together, out_of_memory, killed_beside_an_oom_decoy, killed_by_operator, segfault, exit_code, hung_up, max_requests,
         reload, graceful_stop, halted_by_exit_code]


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--only', default='')
    asked.add_argument('--together', type=int, default=4)
    asked = asked.parse_args()
    asked.triage = os.path.abspath(asked.triage)
    if not shutil.which('gunicorn', path='/usr/bin:/bin'):
        print('SKIPPED: gunicorn is not installed')
        return 77
    archive = Archive(os.path.join(os.path.dirname(asked.triage), '..', 'packages'))

    def packages(suite):
        return suite and archive.unpacked(suite, 'python3-gunicorn') / 'usr/lib/python3/dist-packages'

    def bound(case, suite):
        def run(folder):
            case(functools.partial(Site, asked, packages(suite)), folder)
        return run

    cases = [(f'{case.__name__} [{suite or "installed"}]', bound(case, suite)) for suite in ('', 'trixie', 'sid') for case in CASES]
    return run_cases([(name, case) for name, case in cases if asked.only in name], asked.together)


if __name__ == '__main__':
    sys.exit(main())
