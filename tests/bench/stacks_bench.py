#!/usr/bin/env python3
"""What a stuck worker is doing, as whole processes, interleaved in one run, as ratios: `triage stacks PID` against eu-stack, which tells native frames
alone, gdb's bt and py-bt, and austin's first sample; and of a worker that computes, where BPF must be loaded. As root."""
import argparse
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from undisturbed import Undisturbed  # noqa: E402
from harness import Gunicorn, wait_until  # noqa: E402

# Of a whole Python stack against native frames alone, and against Python's in gdb.
WANTED = {'eu-stack': 2, 'gdb py-bt': 100}
HELPERS = '/usr/share/gdb/auto-load/usr/bin/python3.{}-gdb.py'


def run(command):
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    return time.monotonic() - began, done.stdout


def first_sample(pid):
    """Seconds until austin says its first stack, or None with what it said instead."""
    began = time.monotonic()
    process = subprocess.Popen(['austin', '-i', '1000', '-p', str(pid)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    said = []
    try:
        for line in process.stdout:
            said.append(line.strip())
            if ';' in line:
                return time.monotonic() - began, line
        return None, ' '.join(said)[-200:]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def milliseconds(values):
    return f'{statistics.median(values) * 1000:.1f} ms [{min(values) * 1000:.1f}..{max(values) * 1000:.1f}]'


def peers(asked, pid):
    """{name: function that answers (seconds or None, what it said)}"""
    found = {}
    if shutil.which('eu-stack'):
        found['eu-stack'] = lambda: run(['eu-stack', '-p', str(pid)])
    if shutil.which('gdb'):
        found['gdb bt'] = lambda: run(['gdb', '-nx', '-batch', '-p', str(pid), '-ex', 'bt'])
        scripts = [HELPERS.format(minor) for minor in range(8, 20) if os.path.exists(HELPERS.format(minor))]
        if scripts:
            found['gdb py-bt'] = lambda: run(['gdb', '-nx', '-batch', '-p', str(pid), '-ex', f'source {scripts[0]}', '-ex', 'py-bt'])
    if shutil.which('austin'):
        found['austin'] = lambda: first_sample(pid)
    return found


def stuck(asked, server):
    request, pid = server.ask('/sleep?s=600')
    wait_until('it sleeps', lambda: pathlib.Path(f'/proc/{pid}/wchan').read_text().endswith('nanosleep'))
    ours, theirs, refused = [], {}, {}
    with Undisturbed() as how:
        against = peers(asked, pid)
        for _ in range(asked.rounds):
            took, out = run([asked.triage, 'stacks', str(pid)])
            if 'faulty.py' not in out or 'clock_nanosleep' not in out:
                raise AssertionError(f'not the stack: {out}')
            ours.append(took)
            for name, ask in against.items():
                if name in refused:
                    continue
                took, out = ask()
                # A peer that tells nothing is no measure of one that does.
                tells = took is not None and {'eu-stack': 'nanosleep', 'gdb bt': 'nanosleep', 'gdb py-bt': 'faulty', 'austin': ';'}[name] in out
                if tells:
                    theirs.setdefault(name, []).append(took)
                else:
                    refused[name] = ' '.join(out.split())[-160:] or 'it says nothing'
    print(f'a worker that waits, {asked.rounds} rounds, {how.how}: triage stacks {milliseconds(ours)}')
    missed = False
    for name, values in theirs.items():
        faster = statistics.median(values) / statistics.median(ours)
        wanted = WANTED.get(name)
        missed |= wanted is not None and faster < wanted
        print(f'  {name}: {milliseconds(values)}; triage is {faster:.1f} times faster' + (f' (wanted: {wanted})' if wanted else ''))
    for name, why in refused.items():
        print(f'  {name}: tells nothing of this worker ({why})')
    return missed


def computing(asked, server):
    request, pid = server.ask('/loop?s=600')
    wait_until('it computes', lambda: pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'R')
    ours, sampled = [], 0
    with Undisturbed():
        for _ in range(asked.rounds):
            took, out = run([asked.triage, 'stacks', str(pid), '--format', 'json'])
            ours.append(took)
            sampled += '"how": "sample"' in out or '"how":"sample"' in out
    print(f'a worker that computes: triage stacks {milliseconds(ours)}, {sampled} of {asked.rounds} sampled')


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--rounds', type=int, default=11)
    asked = asked.parse_args()
    if os.getuid() != 0:
        print('needs root')
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    try:
        server = Gunicorn(folder / 'site', '--timeout', '1000', '--graceful-timeout', '1', workers=2)
        try:
            missed = stuck(asked, server)
            computing(asked, server)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
