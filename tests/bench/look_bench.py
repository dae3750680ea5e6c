#!/usr/bin/env python3
"""A whole look on a host with 2,000 processes against `lsof` alone, and against `ss`, `lsof` and `ps` together, which read the same of it:
interleaved in one run, as ratios. As root, for otherwise each of them sees less."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from undisturbed import Undisturbed  # noqa: E402
from harness import Gunicorn, Process  # noqa: E402

WANTED = 10
SLEEPERS = '''
import os, sys, time
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        try:
            time.sleep(300)
        finally:
            os._exit(0)
print('ready', flush=True)
time.sleep(300)
'''


def seconds(command):
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def spread(values):
    return f'{statistics.median(values):.3f} [{min(values):.3f}..{max(values):.3f}]'


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--rounds', type=int, default=7)
    asked.add_argument('--processes', type=int, default=2000)
    asked = asked.parse_args()
    if os.getuid() != 0 or not all(shutil.which(name) for name in ('lsof', 'ss', 'ps')):
        print('needs root, lsof, ss and ps')
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    sleepers = Process([sys.executable, '-c', SLEEPERS, str(asked.processes)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        sleepers.process.stdout.readline()
        server = Gunicorn(folder / 'site', workers=8)
        try:
            ours, files, all_three = [], [], []
            with Undisturbed() as how:
                for _ in range(asked.rounds):
                    ours.append(seconds([asked.triage]))
                    files.append(seconds(['lsof', '-nP']))
                    all_three.append(files[-1] + seconds(['ss', '-xtlpn']) + seconds(['ps', '-eo', 'pid,ppid,stat,rss,args']))
        finally:
            server.stop()
    finally:
        sleepers.stop(1)
        shutil.rmtree(folder, ignore_errors=True)
    faster = statistics.median(b / a for a, b in zip(ours, files))
    print(f'{asked.processes} processes, {asked.rounds} rounds, {how.how}: triage {spread(ours)} s')
    print(f'  lsof -nP: {spread(files)} s; triage is {faster:.1f} times faster (wanted: {WANTED})')
    print(f'  ss, lsof and ps: {spread(all_three)} s; triage is {statistics.median(b / a for a, b in zip(ours, all_three)):.1f} times faster')
    return 0 if faster >= WANTED else 1


if __name__ == '__main__':
    sys.exit(main())
