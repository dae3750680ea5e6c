#!/usr/bin/env python3
"""What a live look sees of real servers, and what a bundle keeps of it: masters and workers in every form, heartbeats, logs by descriptor,
memory counters, doctor's words, and that no planted secret leaves the machine."""
import argparse
import base64
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import urllib.parse

from harness import LOOPBACK, PYTHON, Cgroup, Gunicorn, Process, Skip, alive, children, copy_program, free_port, get, gunicorn_version, report, run_cases, serves, triage, unpacked, wait_until, without_titles

MIB = 1 << 20


def evidence(program, *arguments):
    """{word: [fact]} of `--show evidence`."""
    by_word = {}
    for line in triage(program, *arguments, '--show', 'evidence')[1].splitlines():
        fact = json.loads(line)
        by_word.setdefault(fact['word'], []).append(fact)
    return by_word


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError(f'{what}: got {got}, wanted {wanted}')


def processes(seen):
    return {fact['pid']: fact for fact in seen.get('process.seen', [])}


def sees_server(program, server, titled):
    seen = evidence(program, server.pid)
    same('processes', sorted(processes(seen)), sorted([server.pid] + server.workers()))
    same('heartbeats', sorted(fact['pid'] for fact in seen['worker.heartbeat']), server.workers())
    version = gunicorn_version()
    families = {'chmod'} if version < (22,) else {'utime', 'unbooted'}   # one that has not beaten yet
    if not {fact['f.family'] for fact in seen['worker.heartbeat']} <= families:
        raise AssertionError(f'family: {seen["worker.heartbeat"]}, wanted {families}')
    same('log', [fact['f.version'] for fact in seen['server.started']], ['.'.join(map(str, version))])
    commands = [fact['f.args'] for fact in seen.get('server.command', [])]
    if titled:
        same('commands', commands, [])
        if not any(gap['wanted'] == f'command line of gunicorn (pid {server.pid})' for gap in seen['gap']):
            raise AssertionError(f'no gap about the hidden command line: {seen["gap"]}')
    elif len(commands) != 1 or '--error-logfile' not in commands[0]:
        raise AssertionError(f'command: {commands}')


def with_titles(asked, folder):
    if subprocess.run([PYTHON, '-c', 'import setproctitle'], capture_output=True).returncode:
        raise Skip('python3-setproctitle is not installed')
    server = Gunicorn(folder / 'site')
    try:
        sees_server(asked.triage, server, True)
    finally:
        server.stop()


def bare(asked, folder):
    server = Gunicorn(folder / 'site', packages=without_titles(folder))
    try:
        sees_server(asked.triage, server, False)
    finally:
        server.stop()


def several_instances(asked, folder):
    hidden = without_titles(folder)
    servers = [Gunicorn(folder / name, packages=hidden) for name in ('a', 'b')]
    try:
        everything = processes(evidence(asked.triage))
        for server in servers:
            for pid in [server.pid] + server.workers():
                if pid not in everything:
                    raise AssertionError(f'{pid} is missing from {sorted(everything)}')
            same('only its own', sorted(processes(evidence(asked.triage, server.workers()[0]))), sorted([server.pid] + server.workers()))
    finally:
        for server in servers:
            server.stop()


def upgrade(asked, folder):
    pidfile = folder / 'pid'
    server = Gunicorn(folder / 'site', '--pid', str(pidfile), packages=without_titles(folder))
    newer = folder / 'pid.2'
    new = None
    try:
        os.kill(server.pid, signal.SIGUSR2)
        new = wait_until('the new master wrote its pid', lambda: newer.exists() and newer.read_text().strip() and int(newer.read_text()))
        wait_until('the new master has workers', lambda: len(children(new)) == 2)
        seen = evidence(asked.triage, new)
        same('the new one alone', sorted(processes(seen)), sorted([new] + children(new)))
        if not {new, server.pid} <= {fact['pid'] for fact in evidence(asked.triage)['server.command']}:
            raise AssertionError('not both masters are seen')
    finally:
        if new:
            os.kill(new, signal.SIGTERM)
            wait_until('the new master is gone', lambda: not alive(new))
        server.stop()


def orphans(asked, folder):
    server = Gunicorn(folder / 'site', '--timeout', '60', packages=without_titles(folder))
    workers = server.workers()
    try:
        wait_until('the workers have booted', lambda: all(serves(pid) for pid in workers))
        os.kill(server.pid, signal.SIGKILL)
        server.process.process.wait()
        seen = processes(evidence(asked.triage, workers[0]))
        left = sorted(pid for pid in workers if serves(pid))
        if not left:
            raise Skip('the workers noticed too soon')
        if not set(left) <= set(seen):
            raise AssertionError(f'orphans {left} are missing from {sorted(seen)}')
    finally:
        server.stop()


def pid_namespace(asked, folder):
    if subprocess.run(['unshare', '-pf', '--mount-proc', 'true'], capture_output=True).returncode:
        raise Skip('no pid namespace of our own can be made here')
    port, log = free_port(), folder / 'error.log'
    shutil.copy(pathlib.Path(__file__).resolve().parent / 'faulty.py', folder / 'faulty.py')
    environment = dict(os.environ, PYTHONPATH=str(without_titles(folder)))
    with open(folder / 'stdio.log', 'wb') as stdio:
        process = Process(['unshare', '-pf', '--kill-child', '--mount-proc', PYTHON, '-m', 'gunicorn', '-w', '2', '-b', f'{LOOPBACK}:{port}', '--error-logfile', str(log), 'faulty'],
                          cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdio, stderr=stdio)
    try:
        wait_until('gunicorn answers', lambda: get(port, '/ok', 10) == 200 and log.read_text().count('Booting') == 2, 40)
        master = children(process.pid)[0]
        seen = processes(evidence(asked.triage, master))
        same('masters inside', seen[master]['f.ns_pid'], 1)
        same('workers inside', sorted(seen[pid]['f.ns_pid'] for pid in children(master)), sorted(int(line.rsplit(' ', 1)[1]) for line in log.read_text().splitlines() if 'Booting worker' in line))
    finally:
        process.stop()


def memory_counters(asked, folder):
    cgroup = Cgroup(120 * MIB)
    try:
        server = Gunicorn(folder / 'site', cgroup=cgroup)
        try:
            before = evidence(asked.triage, server.pid)['cgroup.memory']
            same('limit', before[0]['f.limit'], 120 * MIB)
            same('kills before', before[0]['f.oom_kills'], 0)
            _, pid = server.ask('/oom')
            server.wait_dead(pid)
            after = evidence(asked.triage, server.pid)['cgroup.memory']
            if after[0]['f.oom_kills'] < 1:
                raise AssertionError(f'no kill was counted: {after}')
        finally:
            server.stop()
    finally:
        cgroup.remove()


def deleted_log(asked, folder):
    server = Gunicorn(folder / 'site', packages=without_titles(folder))
    try:
        server.log.unlink()
        seen = evidence(asked.triage, server.pid)
        same('deleted', [fact['f.path'] for fact in seen['log.deleted']], [str(server.log)])
        same('still read', len(seen['server.started']), 1)
    finally:
        server.stop()


def into_a_pipe(asked, folder):
    """`gunicorn 2>&1 | cat >> out.log`: what the reader writes is read; with the log to nowhere a gap says so."""
    shutil.copy(pathlib.Path(__file__).resolve().parent / 'faulty.py', folder / 'faulty.py')
    environment = dict(os.environ, PYTHONPATH=str(without_titles(folder)))
    ports = [free_port(), free_port()]
    out = folder / 'out.log'
    with open(out, 'ab') as written:
        reader = Process(['cat'], stdin=subprocess.PIPE, stdout=written, stderr=subprocess.DEVNULL)  # ours may be a file too
    command = [PYTHON, '-m', 'gunicorn', '-w', '1', 'faulty', '-b']
    piped = Process(command + [f'{LOOPBACK}:{ports[0]}'], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=reader.process.stdin, stderr=reader.process.stdin)
    mute = Process(command + [f'{LOOPBACK}:{ports[1]}'], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for port in ports:
            wait_until('gunicorn answers', lambda: get(port, '/ok', 10) == 200, 40)
        wait_until('the reader has written', lambda: b'Starting gunicorn' in out.read_bytes())
        seen = evidence(asked.triage, piped.pid)
        same('read through the reader', len(seen.get('server.started', [])), 1)
        gaps = [gap['reason'] for gap in evidence(asked.triage, mute.pid)['gap']]
        if 'its stderr goes to /dev/null' not in gaps:
            raise AssertionError(f'no gap about /dev/null: {gaps}')
    finally:
        for process in (piped, mute):
            process.stop()
        reader.process.stdin.close()
        reader.stop()


def without_root(asked, folder):
    """Another user is refused nearly everything: each refusal is a gap, nothing breaks."""
    if os.getuid() or not shutil.which('setpriv'):
        raise Skip('needs root and setpriv to become another user')
    server = Gunicorn(folder / 'site')
    program = folder / 'triage'
    copy_program(asked.triage, program)
    folder.chmod(0o755)
    program.chmod(0o755)
    try:
        as_other = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--bounding-set', '-all', '--inh-caps', '-all']
        got = subprocess.run(as_other + [str(program), str(server.pid), '--show', 'evidence'], capture_output=True, text=True, timeout=60)
        same('exit', got.returncode, 0)
        wanted = {json.loads(line)['wanted'] for line in got.stdout.splitlines() if '"word":"gap"' in line}
        for part in (f'logs of gunicorn (pid {server.pid})', f'heartbeat of gunicorn (pid {server.pid})'):
            if part not in wanted:
                raise AssertionError(f'no gap "{part}" in {wanted}')
        got = subprocess.run(as_other + [str(program), 'doctor'], capture_output=True, text=True, timeout=60)
        same('exit of doctor', got.returncode, 0)
        for row in ("no       workers' heartbeats", "no       stacks of Python workers"):
            if row not in got.stdout:
                raise AssertionError(f'no row "{row}" in\n{got.stdout}')
    finally:
        server.stop()


def doctor(asked, folder):
    code, text = triage(asked.triage, 'doctor')
    same('exit', code, 0)
    for line in text.splitlines():
        if len(line) > 80 or not line.isascii():
            raise AssertionError(f'not 80 columns of ASCII: {line!r}')
    if not text.rstrip().splitlines()[-1].startswith('Ready'):
        raise AssertionError(f'no last word: {text[-200:]}')
    told = json.loads(triage(asked.triage, 'doctor', '--format', 'json')[1])
    same('schema', told['schema'], 'triage.doctor/1')
    same('states', {row['state'] for row in told['sources']} - {'ok', 'partial', 'no'}, set())
    same('blind spots', told['blind_spots'], sum(row['state'] != 'ok' for row in told['sources']))


def no_secret_leaves(asked, folder):
    """The same canary in the environment, the configuration, the command line, a DSN and the log, in every dress."""
    canary = 'C4nary/Pa55+word'
    quoted, pair = urllib.parse.quote(canary, safe=''), base64.b64encode(f'app:{canary}'.encode()).decode()
    dresses = [canary, quoted, urllib.parse.quote(canary), canary.replace('/', '\\/'), pair, base64.b64encode(canary.encode()).decode()]
    config = folder / 'gunicorn.conf.py'
    config.write_text(f'raw_env = ["DB_PASSWORD={canary}"]\n# postgres://app:{quoted}@db.example/shop\ntimeout = 77\n')
    os.environ['TRIAGE_TEST_SECRET'] = canary
    try:
        server = Gunicorn(folder / 'site', '-c', str(config), '--env', f'API_TOKEN={canary}', packages=without_titles(folder))
    finally:
        del os.environ['TRIAGE_TEST_SECRET']
    try:
        with open(server.log, 'a') as log:
            log.write(f'cannot log in with {canary}\n{{"url": "postgres:\\/\\/app:{canary.replace("/", chr(92) + "/")}@db"}}\nGET /?next={quoted} HTTP/1.1\nAuthorization: Basic {pair}\n{pair}\n')
        bundle = folder / 'incident.tar.zst'
        same('exit', triage(asked.triage, 'bundle', '-o', bundle, server.pid)[0], 0)
        same('mode', bundle.stat().st_mode & 0o777, 0o600)
        plain = unpacked(bundle, folder).read_bytes()
        for dress in dresses:
            if dress.encode() in plain:
                at = plain.index(dress.encode())
                raise AssertionError(f'{dress!r} leaked: {plain[max(0, at - 120):at + 60]!r}')
        for kept in (b'timeout = 77', b'Booting worker', b'TRIAGE_TEST_SECRET=[redacted-'):
            if kept not in plain:
                raise AssertionError(f'{kept} is not in the bundle')
    finally:
        server.stop()


def same_verdict(asked, folder):
    server = Gunicorn(folder / 'site', '--timeout', '2')
    try:
        _, pid = server.ask('/sleep')
        server.wait_dead(pid)
        server.wait_replaced()
        _, other = server.ask('/segv')
        server.wait_dead(other)
        server.wait_replaced()
        bundle = folder / 'incident.tar.zst'
        triage(asked.triage, 'bundle', '-o', bundle, server.pid)
        live = report(asked.triage, server.pid)
    finally:
        server.stop()
    tree = folder / 'tree'
    tree.mkdir()
    subprocess.run(['tar', '-xf', str(unpacked(bundle, folder)), '-C', str(tree)], check=True)
    for where in (bundle, tree):
        again = report(asked.triage, '--from', where)
        same('source', again['source'], 'bundle')
        told = lambda found: sorted((one['rule'], one['sure'], one['subject'].get('pid') or 0) for one in found['findings'])
        same(f'verdict of {where.name}', told(again), told(live))
        if not any(rule == 'death.timeout' for rule, _, _ in told(again)):
            raise AssertionError(f'no timeout in {told(again)}')


def broken_bundles(asked, folder):
    """What is no bundle, or half of one, is said so; nothing outside is ever written."""
    good = folder / 'good.tar.zst'
    triage(asked.triage, 'bundle', '-o', good, os.getpid())
    whole = good.read_bytes()
    half = folder / 'half.tar.zst'
    half.write_bytes(whole[:len(whole) // 2])
    # Cut within its first compressed block nothing of it can be read, not even that it is a bundle.
    code, out = triage(asked.triage, '--from', half, '--format', 'json')
    if code == 1:
        same('half a bundle', [finding['rule'] for finding in json.loads(out)['findings']], ['parse.syntax-error'])
    else:
        same('half a bundle', code, 3)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked = asked.parse_args()
    cases = [with_titles, bare, several_instances, upgrade, orphans, pid_namespace, memory_counters, deleted_log, into_a_pipe, without_root, doctor, no_secret_leaves, same_verdict, broken_bundles]
    return run_cases([(case.__name__, functools.partial(case, asked)) for case in cases], together=3)


if __name__ == '__main__':
    sys.exit(main())
