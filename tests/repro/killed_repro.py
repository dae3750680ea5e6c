#!/usr/bin/env python3
"""triage-repro is killed at 20 random moments, with its janitor at some of them; nothing may be left: no process, mount, cgroup, socket or folder."""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from harness import children, run_cases, wait_until  # noqa: E402

FOLDERS = ['/sys/fs/cgroup', '/sys/fs/cgroup/memory', '/sys/fs/cgroup/pids', '/sys/fs/cgroup/cpu']


def left(mark):
    """What still bears the name of the run that `mark` begins: processes by their cgroup, command line or namespace's mounts, and all the rest."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            belongs = mark in pathlib.Path(f'/proc/{pid}/cgroup').read_text() or mark.encode() in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
        except OSError:
            continue
        if belongs and int(pid) != os.getpid():
            found.append(f'process {pid}')
    for folder in FOLDERS + [os.environ.get('TMPDIR', '/tmp')]:
        if os.path.isdir(folder):
            found += [f'{folder}/{name}' for name in os.listdir(folder) if name.startswith(mark)]
    found += [line for line in pathlib.Path('/proc/self/mounts').read_text().splitlines() if mark in line]
    found += [line for line in pathlib.Path('/proc/net/unix').read_text().splitlines() if mark in line]
    return found


def tree(pid):
    found, queue = [], [pid]
    while queue:
        queue += children(queue[0])
        found.append(queue.pop(0))
    return found[1:]


def gone(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2][0] in 'ZX'
    except OSError:
        return True


def killed(asked, moment, scenario, how):
    def case(_folder):
        process = subprocess.Popen([asked.repro, 'run', scenario, '--scale', '5', '--jobs', '4'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        mark = f'triage-repro-{process.pid}-'
        try:
            process.wait(moment)  # the random moment itself; a run that is over by then is one too
        except subprocess.TimeoutExpired:
            pass
        mine = tree(process.pid)
        if how == 'janitor':  # the first of the tree: triage-repro itself lives and has to do its work
            for pid in children(process.pid)[:1]:
                os.kill(pid, signal.SIGKILL)
            process.wait(60)
        elif process.poll() is None:
            process.send_signal(how)
            process.wait(60)
        wait_until('nothing is left', lambda: not left(mark) and all(map(gone, mine)) or None, 30)
    return case


def strays(asked):
    """All of them killed at once: the next run gives back what they could not."""
    def case(_folder):
        process = subprocess.Popen([asked.repro, 'run', 'worker-timeout'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        mark = f'triage-repro-{process.pid}-'
        wait_until('its servers run', lambda: len(tree(process.pid)) > 5)
        mine = tree(process.pid)
        for pid in [process.pid] + children(process.pid):
            os.kill(pid, signal.SIGSTOP)
        for pid in [process.pid] + children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait(60)
        wait_until('every process is gone', lambda: all(map(gone, mine)), 30)
        if not left(mark):
            raise AssertionError('the test shows nothing: somebody has cleaned up already')
        subprocess.run([asked.repro, 'run', 'operator-kill', '--scale', '10', '--server', 'triage-server'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        if left(mark):
            raise AssertionError(f'left after the next run: {left(mark)}')
    return case


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--repro', required=True)
    asked.add_argument('--seed', type=int, default=int(time.time()))
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    if os.getuid() != 0:
        print('SKIPPED: namespaces and cgroups need root')
        return 77
    chance = random.Random(asked.seed)
    print(f'# --seed {asked.seed}')
    cases = []
    for number in range(20):
        how = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, 'janitor'][number % 4]
        moment, scenario = chance.uniform(0, 3.5), chance.choice(['worker-timeout', 'oom-worker', 'operator-kill'])
        cases.append((f'{getattr(how, "name", how)} after {moment:.3f} s of {scenario}', killed(asked, moment, scenario, how)))
    # Alone: it lets a run look for strays, and would take those of others that are just being killed for its own.
    cases = [(name, case) for name, case in cases if asked.only in name]
    return run_cases(cases, 4) or run_cases([('all of them at once', strays(asked))], 1)


if __name__ == '__main__':
    sys.exit(main())
