#!/usr/bin/env python3
"""What watching costs: the time from exec to the first event against bpftrace on the same tracepoints and where it goes, the time from a real
gunicorn worker's death to its provisional line, the BPF programs' own run time under 1,000 signals, forks and exits a second, and, as a sanity
check, requests per second with the watch on and off, interleaved; and the same of --syscalls, of stacks and of --requests. As root."""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from undisturbed import Undisturbed  # noqa: E402
from harness import Gunicorn, Process, Skip, children, free_port, get, wait_until  # noqa: E402
from now_live import Peer  # noqa: E402

STATS = pathlib.Path('/proc/sys/kernel/bpf_stats_enabled')
# Every tracepoint that deaths.bpf.c is attached to.
SAME_TRACEPOINTS = ('tracepoint:signal:signal_generate { @s = count(); } tracepoint:sched:sched_process_fork { @f = count(); } tracepoint:sched:sched_process_exec { @x = count(); } '
                    'tracepoint:oom:mark_victim { @o = count(); } tracepoint:sched:sched_process_exit /comm == "gunicorn"/ { printf("%d %s\\n", pid, comm); }')


def churn_as(folder, asked, per_second, seconds, server=False):
    """The load. As a server it stands in for a gunicorn master that ends its workers as after a timeout: by SIGABRT."""
    program = folder / ('gunicorn' if server else 'churn')
    if not program.exists():
        shutil.copy(asked.churn, program)
    # argv as a master's title and arguments look; the numbers come last.
    return Process([str(program), *(['-w', '1', 'app:app'] if server else []), str(per_second), str(seconds)],
                   env=dict(os.environ, CHURN_SIGNAL=str(int(signal.SIGABRT if server else signal.SIGTERM))), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def first_line(command, wanted, seen=None):
    """Seconds from exec until a line that `wanted` accepts; the program is then ended. `seen` is given every line before it."""
    began = time.monotonic()
    # Started without Python's own work in the child, which would count as the program's.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for line in process.stdout:
            if wanted(line):
                return time.monotonic() - began
            if seen:
                seen(line)
        raise AssertionError(f'{command[0]} ended without an event')
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def milliseconds(values, digits=1):
    values = sorted(value * 1000 for value in values)
    return f'{statistics.median(values):.{digits}f} ms [{values[0]:.{digits}f}..{values[-1]:.{digits}f}]'


# What `triage watch -v` calls the steps of its start.
STEPS = {'program': 'linking and options (CPU)', 'open': 'opening the object', 'btf': "the kernel's BTF", 'load': 'load', 'attach': 'attach', 'servers': 'waiting for the servers, which are searched beside',
         'add': 'adding them'}


def start(asked, folder):
    with Undisturbed() as run:
        return measured_start(asked, folder, run.how)


def measured_start(asked, folder, how):
    # A death every other millisecond: little of the time is spent waiting for one, on either side.
    load = churn_as(folder, asked, 500, 300, server=True)
    bpftrace = shutil.which('bpftrace')
    ours, theirs, steps = [], [], {}

    def note(line):
        row = json.loads(line)
        if row['type'] == 'event' and row['event'] == 'start':
            for name, ms in re.findall(r'([a-z ]+?) ([0-9.]+) ms', row['text'].partition(':')[2]):
                steps.setdefault(name.strip(), []).append(float(ms) / 1000)
    try:
        for _ in range(asked.rounds):
            ours.append(first_line([asked.triage, 'watch', str(load.pid), '-v', '--format', 'jsonl'], lambda line: b'"finding"' in line, note))
            if bpftrace:
                theirs.append(first_line([bpftrace, '-e', SAME_TRACEPOINTS], lambda line: b'gunicorn' in line))
    finally:
        load.stop()
    print(f'exec to first verdict: triage watch {milliseconds(ours)}, {len(ours)} rounds, {how}; medians of its steps:')
    for name, text in STEPS.items():
        print(f'  {statistics.median(steps[name]) * 1000:5.1f} ms {text}')
    rest = statistics.median(ours) - sum(statistics.median(steps[name]) for name in STEPS)
    print(f'  {rest * 1000:5.1f} ms exec, a death and its judgement, our pipe')
    if not theirs:
        print('  bpftrace is not installed: no ratio')
        return True
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    print(f'  bpftrace, the same tracepoints, interleaved: {milliseconds(theirs, 0)}; ratio {statistics.median(ratios):.1f} [{ratios[0]:.1f}..{ratios[-1]:.1f}], of the medians '
          f'{statistics.median(theirs) / statistics.median(ours):.1f} (wanted: 6)')
    return statistics.median(ratios) >= 6


def provisional(asked, folder):
    """From kill -9 of a real gunicorn's worker to the line on our pipe; the contract says 100 ms."""
    if not shutil.which('gunicorn', path='/usr/bin:/bin'):
        print('gunicorn is not installed: no provisional lines')
        return True
    good = True
    server = Gunicorn(folder / 'site', '--timeout', '30', workers=4)
    watch = Process([asked.triage, 'watch', str(server.pid), '--format', 'jsonl'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    came, attached = {}, threading.Event()

    def read():
        for line in watch.process.stdout:
            at, row = time.monotonic(), json.loads(line)
            if row['type'] == 'finding' and row['provisional']:
                came[row['subject'].get('host_pid')] = at
            elif row['type'] == 'event' and row['event'] == 'attached':
                attached.set()
    threading.Thread(target=read, daemon=True).start()
    try:
        if not attached.wait(60):
            raise AssertionError('watch did not attach')
        for busy in (0, os.cpu_count()):
            loops = [Process([sys.executable, '-c', 'while True: pass'], stdin=subprocess.DEVNULL) for _ in range(busy)]
            delays = []
            try:
                for _ in range(asked.deaths):
                    server.wait_replaced(60)
                    pid = server.workers()[-1]
                    struck = time.monotonic()
                    os.kill(pid, signal.SIGKILL)
                    wait_until(f'the line about {pid}', lambda: pid in came, 30)
                    delays.append(came[pid] - struck)
            finally:
                for loop in loops:
                    loop.stop()
            print(f'death to provisional line, {f"{busy} busy loops beside" if busy else "nothing of ours beside"}: {milliseconds(delays)}, {len(delays)} deaths (wanted: at most 100 ms)')
            good &= (max(delays) if not busy else statistics.median(delays)) <= 0.1
    finally:
        watch.stop()
        server.stop()
    return good


def programs(pid):
    """{name: (ns, runs)} of the BPF programs that a process holds."""
    bpftool = shutil.which('bpftool', path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    ids = set()
    for entry in os.listdir(f'/proc/{pid}/fdinfo'):
        text = pathlib.Path(f'/proc/{pid}/fdinfo/{entry}').read_text()
        ids |= {int(line.split()[1]) for line in text.splitlines() if line.startswith('prog_id:')}
    rows = json.loads(subprocess.run([bpftool, '-j', 'prog', 'show'], capture_output=True, text=True, check=True).stdout)
    return {row['name']: (row.get('run_time_ns', 0), row.get('run_cnt', 0)) for row in rows if row['id'] in ids}


def cost(asked, folder):
    good = True
    was = STATS.read_text()
    STATS.write_text('1')
    idle = churn_as(folder, asked, 1, 300, server=True)      # the server that is watched while the load is elsewhere
    try:
        for where, seconds in (('elsewhere', 5), ('of watched processes', 5)):
            server = where != 'elsewhere'
            load = churn_as(folder, asked, 1000, seconds + 3, server=True) if server else None
            watch = Process([asked.triage, 'watch', str(load.pid if server else idle.pid), '--format', 'jsonl'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                next(line for line in watch.process.stdout if b'"attached"' in line or b'"waiting"' in line)
                sink = subprocess.Popen(['cat'], stdin=watch.process.stdout, stdout=subprocess.DEVNULL)
                before, began = programs(watch.pid), time.monotonic()
                ticks = cpu(watch.pid)
                made = int(churn_as(folder, asked, 1000, seconds).process.communicate()[0]) if not server else None
                if server:
                    time.sleep(seconds)      # the length of a measurement, not a wait for something
                took, after = time.monotonic() - began, programs(watch.pid)
                spent = sum(ns - before[name][0] for name, (ns, _) in after.items())
                runs = {name: runs - before[name][1] for name, (_, runs) in after.items()}
                share = spent / (took * 1e9) * 100
                pace = (made if made else runs.get('sched_process_e', 0)) / took
                reader = (cpu(watch.pid) - ticks) / os.sysconf('SC_CLK_TCK') / took * 100
                each = ', '.join(f'{name} {(ns - before[name][0]) / max(1, runs[name]):.0f} ns x {runs[name]}' for name, (ns, _) in sorted(after.items()) if runs[name])
                print(f'overhead, load {where}, {pace:.0f} signals, forks and exits a second each: BPF {share:.3f} % of a core, our reader {reader:.1f} % ({each})')
                if not server:
                    print('  (wanted: BPF at most 0.1 %)')
                    # Wanted is 1,000 a second; a machine that made fewer is scaled to it.
                    good = share * 1000 / max(pace, 1) <= 0.1
            finally:
                watch.stop()
                if load:
                    load.stop()
                sink.wait()
    finally:
        idle.stop()
        STATS.write_text(was)
    return good


def cpu(pid):
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return int(fields[11]) + int(fields[12])


def requests(asked, folder):
    wrk = shutil.which('wrk')
    if not wrk:
        print('wrk is not installed: no requests per second')
        return True
    (folder / 'page').mkdir()
    port = str(free_port())
    server = Process([sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', port], cwd=folder / 'page', stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    idle = churn_as(folder, asked, 1, 300, server=True)
    on, off = [], []
    try:
        wait_until('the server answers', lambda: subprocess.run([wrk, '-t1', '-c1', '-d1s', f'http://127.0.0.1:{port}/'], capture_output=True).returncode == 0)

        def rate():
            out = subprocess.run([wrk, '-t1', '-c4', '-d2s', f'http://127.0.0.1:{port}/'], capture_output=True, text=True).stdout
            return float(next(line for line in out.splitlines() if 'Requests/sec' in line).split()[1])
        for _ in range(asked.rounds):
            off.append(rate())
            watch = Process([asked.triage, 'watch', str(idle.pid), '--format', 'jsonl'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                next(line for line in watch.process.stdout if b'"attached"' in line or b'"waiting"' in line)
                on.append(rate())
            finally:
                watch.stop()
        ratios = sorted(a / b for a, b in zip(on, off))
        print(f'requests per second with the watch on to off: {statistics.median(ratios):.2f} [{ratios[0]:.2f}..{ratios[-1]:.2f}], {len(ratios)} rounds')
    finally:
        idle.stop()
        server.stop()
    return True


def syscalls(asked, folder):
    """What --syscalls costs a real gunicorn: requests per second and CPU time a request, on against off, interleaved; nothing is shared, or one
    connection is, so that every read and write is looked at."""
    wrk = shutil.which('wrk')
    if not wrk or not shutil.which('gunicorn', path='/usr/bin:/bin'):
        print('wrk or gunicorn is not installed: no cost of --syscalls')
        return True
    was = STATS.read_text()
    for name, shared in (('nothing shared', False), ('one shared connection', True)):
        peer = Peer()
        site = folder / ('calls' + name[:3])
        site.mkdir()
        (site / 'calls.py').write_text((f"import socket\nlink = socket.create_connection(('127.0.0.1', {peer.port}))\n" if shared else '') +
                                       "def application(environ, start_response):\n    start_response('200 OK', [('Content-Length', '4')])\n    return [b'fine']\n")
        server = Gunicorn(site, '--preload', app='calls')
        rows = {False: [], True: []}

        def burst():
            """-> (requests per second, CPU microseconds a request, requests)"""
            workers = server.workers()
            before = sum(cpu(pid) for pid in workers)
            out = subprocess.run([wrk, '-t1', '-c4', '-d2s', f'http://127.0.0.1:{server.port}/'], capture_output=True, text=True).stdout
            count = int(re.search(r'(\d+) requests in', out).group(1))
            spent = (sum(cpu(pid) for pid in workers) - before) / os.sysconf('SC_CLK_TCK')
            return float(re.search(r'Requests/sec: *([0-9.]+)', out).group(1)), spent / count * 1e6, count

        def watch():
            one = Process([asked.triage, 'watch', str(server.pid), '--syscalls', '--format', 'jsonl'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            next(line for line in one.process.stdout if b'"syscalls"' in line)
            return one
        try:
            burst()
            for round_ in range(asked.rounds):
                for on in ((False, True), (True, False))[round_ % 2]:
                    one = watch() if on else None
                    try:
                        rows[on].append(burst())
                    finally:
                        if one:
                            one.stop()
            STATS.write_text('1')
            one = watch()
            try:
                before, began = programs(one.pid)['sys_exit'], time.monotonic()
                count = burst()[2]
                after, took = programs(one.pid)['sys_exit'], time.monotonic() - began
            finally:
                one.stop()
                STATS.write_text(was)
            for what, at in (('requests per second', 0), ('CPU a request', 1)):
                ratios = sorted(a[at] / b[at] for a, b in zip(rows[True], rows[False]))
                print(f'--syscalls, {name}: {what}, on to off: {statistics.median(ratios):.2f} [{ratios[0]:.2f}..{ratios[-1]:.2f}], {len(ratios)} rounds; '
                      f'off {statistics.median(row[at] for row in rows[False]):.0f}{" us" if at else ""}')
            ns, runs = after[0] - before[0], after[1] - before[1]
            print(f'  BPF: {ns / max(1, runs):.0f} ns x {runs / took:.0f} calls a second of the whole machine, {ns / took / 1e7:.2f} % of a core; {count / took:.0f} requests a second')
        finally:
            server.stop()
            peer.close()
    return True


class Nginx:
    """One nginx worker that answers by itself, on the host of a gunicorn that is watched: it is not, and pays for the tracepoints all the same."""

    def __init__(self, folder):
        self.port = free_port()
        (folder / 'nginx.conf').write_text(f'daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n'
                                           f'http {{ access_log off; server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 fine; }} }} }}\n')
        self.process = Process([shutil.which('nginx', path='/usr/sbin:/usr/bin'), '-e', str(folder / 'nginx.log'), '-p', str(folder), '-c', str(folder / 'nginx.conf')])
        wait_until('nginx answers', lambda: get(self.port, '/', 2) == 200)

    def workers(self):
        return children(self.process.pid)

    def stop(self):
        self.process.stop()


def doing(asked, folder):
    """What it costs to know what a worker was doing: stacks at death and before a timeout, and --requests, each on against off in turn, for sync and for
    threads, and for an nginx on the same host. What is judged is BPF's own share of the CPU time of a request to gunicorn, at most 7 %, for that holds
    on a busy machine."""
    wrk = shutil.which('wrk')
    if not wrk or not shutil.which('gunicorn', path='/usr/bin:/bin'):
        print('wrk or gunicorn is not installed: no cost of stacks and --requests')
        return True
    modes = {'off': ['--without', 'stacks', '--snapshot-at', '0'], 'stacks': [], '--requests': ['--requests']}
    was, good = STATS.read_text(), True
    sites = [('sync', []), ('gthread', ['--worker-class', 'gthread', '--threads', '4'])]
    if shutil.which('nginx', path='/usr/sbin:/usr/bin'):
        sites.append(('nginx', []))
    for name, arguments in sites:
        site = folder / ('doing-' + name)
        site.mkdir()
        (site / 'quick.py').write_text("def application(environ, start_response):\n    start_response('200 OK', [('Content-Length', '4')])\n    return [b'fine']\n")
        server = Gunicorn(site, *arguments, app='quick')
        asked_of = Nginx(site) if name == 'nginx' else server
        rows = {mode: [] for mode in modes}

        def burst():
            """-> (requests per second, CPU microseconds a request, requests)"""
            workers = asked_of.workers()
            before = sum(cpu(pid) for pid in workers)
            out = subprocess.run([wrk, '-t1', '-c4', '-d2s', f'http://127.0.0.1:{asked_of.port}/'], capture_output=True, text=True).stdout
            count = int(re.search(r'(\d+) requests in', out).group(1))
            spent = (sum(cpu(pid) for pid in workers) - before) / os.sysconf('SC_CLK_TCK')
            return float(re.search(r'Requests/sec: *([0-9.]+)', out).group(1)), spent / count * 1e6, count

        def watch(mode):
            one = Process([asked.triage, 'watch', str(server.pid), '--format', 'jsonl', *modes[mode]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            next(line for line in one.process.stdout if b'"attached"' in line)
            return one

        def under(mode):
            one = watch(mode)
            try:
                return burst()
            finally:
                one.stop()
        try:
            under('off')
            order = list(modes)
            for _ in range(asked.rounds):
                for mode in order:
                    rows[mode].append(under(mode))
                order = order[1:] + order[:1]
            for mode in ('stacks', '--requests'):
                for what, at in (('requests per second', 0), ('CPU a request', 1)):
                    ratios = sorted(a[at] / b[at] for a, b in zip(rows[mode], rows['off']))
                    print(f'{mode}, {name}: {what}, on to off: {statistics.median(ratios):.2f} [{ratios[0]:.2f}..{ratios[-1]:.2f}], {len(ratios)} rounds; '
                          f'off {statistics.median(row[at] for row in rows["off"]):.0f}{" us" if at else ""}')
            STATS.write_text('1')
            one = watch('--requests')
            try:
                before = programs(one.pid)['sys_exit']
                count, each = (lambda got: (got[2], got[1]))(burst())
                after = programs(one.pid)['sys_exit']
            finally:
                one.stop()
                STATS.write_text(was)
            ns, runs = after[0] - before[0], after[1] - before[1]
            share = ns / count / 1e3 / each
            print(f'  BPF of --requests, {name}: {ns / max(1, runs):.0f} ns a call, {runs / count:.0f} calls of the whole machine a request: {ns / count / 1e3:.1f} us of its {each:.0f}, {100 * share:.1f} %' + (' (at most 7)' if asked_of is server else ''))
            good &= share <= 0.07 or asked_of is not server
        finally:
            if asked_of is not server:
                asked_of.stop()
            server.stop()
    return good


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--churn', required=True, help='bench_churn, built beside triage')
    asked.add_argument('--rounds', type=int, default=7)
    asked.add_argument('--deaths', type=int, default=25)
    asked.add_argument('--mounted', action='store_true', help=argparse.SUPPRESS)
    asked.add_argument('--only', default='', choices=['', 'start', 'provisional', 'cost', 'requests', 'syscalls', 'doing'])
    asked = asked.parse_args()
    asked.triage, asked.churn = os.path.abspath(asked.triage), os.path.abspath(asked.churn)
    if os.getuid() != 0:
        print('SKIPPED: BPF needs root')
        return 77
    if not asked.mounted:
        # bpftrace wants tracefs (triage does not): mounted in a namespace of our own, so that the host stays as it was.
        os.execvp('unshare', ['unshare', '--mount', sys.executable, '-B', *sys.argv, '--mounted'])
    for kind, place in (('debugfs', '/sys/kernel/debug'), ('tracefs', '/sys/kernel/tracing')):
        if not os.listdir(place):
            subprocess.run(['mount', '-t', kind, kind, place])
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    good = True
    try:
        for name, part in (('start', start), ('provisional', provisional), ('cost', cost), ('requests', requests), ('syscalls', syscalls), ('doing', doing)):
            if asked.only in ('', name):
                good &= part(asked, folder)
    except Skip as skip:
        print(f'SKIPPED: {skip}')
        return 77
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
