#!/usr/bin/env python3
"""What reading costs. A mixed log of 1 GB (make_log.py) through `triage --from` against `rg` of the same words (the marks of the log formats,
printed by bench_marks) and `grep -c` of one fixed string, interleaved; the peak memory, also of a log of 136,000 facts; and a whole look
at a host with a gunicorn of 64 workers, with the time to its first byte."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'live'))
from undisturbed import Undisturbed  # noqa: E402
from harness import Gunicorn, Skip  # noqa: E402

PEAK_KB = 64 << 10
# What an on-call engineer would search for; the marks also hold what every access row has.
DEATH_WORDS = ['WORKER TIMEOUT', 'Worker (pid:', 'Booting worker', 'Worker exiting', 'Killed process', 'oom-kill:', 'invoked oom-killer', 'segfault at', 'Error handling request', 'Traceback (most',
               'Exception in worker', 'Listening at:', 'Starting gunicorn', 'Shutting down', 'Handling signal', 'prematurely closed', 'upstream timed out', 'Connection refused', 'Main process exited',
               'Failed with result']


def run(command):
    """Seconds and peak memory in KB."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise AssertionError(f'{command[0]} ended with {process.returncode}')
    return time.monotonic() - began, used.ru_maxrss


def spread(values, form='{:.2f}'):
    return f'{form.format(statistics.median(values))} [{form.format(min(values))}..{form.format(max(values))}]'


def mixed(asked, folder):
    log, marks = folder / 'mixed.log', folder / 'marks.txt'
    with open(log, 'wb') as out:
        subprocess.run([sys.executable, '-B', HERE / 'make_log.py', asked.size], stdout=out, check=True)
    marks.write_bytes(subprocess.run([asked.marks], capture_output=True, check=True).stdout)
    words = folder / 'words.txt'
    words.write_text('\n'.join(DEATH_WORDS) + '\n')
    peers = {'grep -c, one string': ['grep', '-c', '-F', 'Killed process', str(log)]}
    rg = shutil.which('rg')
    if rg:
        peers['rg -c, our marks'] = [rg, '-c', '-F', '-f', str(marks), str(log)]
        peers['rg -c, 20 words of deaths'] = [rg, '-c', '-F', '-f', str(words), str(log)]
    else:
        print('  rg is not installed: no ratio to it')
    # Into the page cache, in pieces: what a child counts as its peak begins with what we had when it was forked.
    with open(log, 'rb') as written:
        while written.read(1 << 20):
            pass
    ours, theirs, peak = [], {name: [] for name in peers}, 0
    with Undisturbed() as how:
        for _ in range(asked.rounds):
            seconds, memory = run([asked.triage, '--from', str(log)])
            ours.append(seconds)
            peak = max(peak, memory)
            for name, command in peers.items():
                theirs[name].append(run(command)[0])
    print(f'{asked.size} mixed log, {asked.rounds} rounds, {how.how}: triage --from {spread(ours)} s, peak {peak / 1024:.0f} MB (wanted: under 64)')
    good = peak < PEAK_KB
    for name, seconds in theirs.items():
        ratios = [a / b for a, b in zip(ours, seconds)]
        wanted = ' (wanted: at most 1)' if name.startswith('rg') else ''
        print(f'  {name}: {spread(seconds)} s; ratio triage to it {spread(ratios)}{wanted}')
        if wanted:
            good &= statistics.median(ratios) <= 1
    log.unlink()
    return good


def facts(asked, folder):
    """Deaths, exits, reloads, proxy errors and kernel kills: as many facts as the worst night brings."""
    log = folder / 'facts.log'
    with open(log, 'w') as out:
        for i in range(34000):
            time_of_day = f'{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}'
            head, pid = f'[2026-11-22 {time_of_day} +0000] [7]', 100 + i
            out.write(f'{head[:-3]}[{pid}] [INFO] Booting worker with pid: {pid}\n{head} [CRITICAL] WORKER TIMEOUT (pid:{pid})\n{head} [WARNING] Worker with pid {pid} was terminated due to signal 9\n')
            out.write(f'2026/11/22 {time_of_day} [error] 748#748: *{i} upstream prematurely closed connection while reading response header from upstream, client: 10.0.0.1, server: example.com, '
                      f'request: "GET /report/{i % 100} HTTP/1.1", upstream: "http://127.0.0.1:8000/report/{i % 100}", host: "example.com"\n')
    seconds, peak = run([asked.triage, '--from', str(log)])
    print(f'136,000 facts: {seconds:.2f} s, peak {peak / 1024:.0f} MB (wanted: under 64)')
    return peak < PEAK_KB


def look(asked, folder):
    try:
        server = Gunicorn(folder / 'site', workers=64)
    except Skip as skip:
        print(f'64 workers: SKIPPED: {skip}')
        return True
    first, whole = [], []
    try:
        for _ in range(asked.rounds):
            began = time.monotonic()
            process = subprocess.Popen([asked.triage], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if not os.read(process.stdout.fileno(), 1):
                raise AssertionError('no word from triage')
            first.append((time.monotonic() - began) * 1000)
            process.stdout.read()
            process.wait()
            whole.append((time.monotonic() - began) * 1000)
    finally:
        server.stop()
    print(f'64 workers: first byte after {spread(first, "{:.0f}")} ms (wanted: 100), whole look {spread(whole, "{:.0f}")} ms (wanted: 250)')
    return statistics.median(first) < 100 and statistics.median(whole) < 250


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--marks', required=True, help='bench_marks, built beside triage')
    asked.add_argument('--rounds', type=int, default=7)
    asked.add_argument('--size', default='1G')
    asked.add_argument('--only', default='', choices=['', 'mixed', 'facts', 'look'])
    asked = asked.parse_args()
    asked.triage, asked.marks = os.path.abspath(asked.triage), os.path.abspath(asked.marks)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    good = True
    try:
        for name, part in (('mixed', mixed), ('facts', facts), ('look', look)):
            if asked.only in ('', name):
                good &= part(asked, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
