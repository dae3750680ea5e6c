#!/usr/bin/env python3
"""Breaks a real gunicorn behind a real nginx in four ways and puts what gunicorn said beside what triage says. Everything is on loopback, in
a cgroup and a folder of its own, and is taken away again, also on Ctrl-C. Where there is no gunicorn, triage-server (--server) stands in for
it; where there is no nginx, the requests go to the server itself."""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from harness import LOOPBACK, Cgroup, Gunicorn, Nginx, Process, Request, Skip, alive, free_port, report, wait_until  # noqa: E402

MIB = 1 << 20
LIMIT = 200 * MIB


def say(label, text, width=80):
    """A label of 14 columns and the text beside it."""
    lines = []
    for part in text.splitlines() or ['']:
        lines += textwrap.wrap(part, width - 17, break_on_hyphens=False) or ['']
    for number, line in enumerate(lines):
        print(f'  {label if number == 0 else "":14} {line}', flush=True)


def plain(text):
    """Log text on its way to a terminal."""
    return ''.join(c if ' ' <= c <= '~' else '?' for c in text)


class Watch:
    """`triage watch` beside it all: the one who knows who sent a signal."""

    def __init__(self, program, folder, master):
        self.out, self.messages = folder / 'watch.jsonl', folder / 'watch.err'
        with open(self.out, 'wb') as out, open(self.messages, 'wb') as messages:
            self.process = Process([program, 'watch', str(master), '--format', 'jsonl'], stdin=subprocess.DEVNULL, stdout=out, stderr=messages)

        def attached():
            return self.process.process.poll() is not None or '"event":"attached"' in self.out.read_text(errors='replace')
        wait_until('triage watch is attached', attached, 30)
        self.works = self.process.process.poll() is None

    def of(self, pid):
        found = None
        for line in self.out.read_text(errors='replace').splitlines():
            try:
                one = json.loads(line)
            except ValueError:
                continue
            subject = one.get('subject') or {}
            if one.get('rule', '').startswith('death.') and pid in (subject.get('pid'), subject.get('host_pid')):
                found = one
        return found

    def stop(self):
        self.process.stop()


class Reference(Gunicorn):
    """triage-server with one worker and the demo's faults on the paths of the faulty application."""

    def __init__(self, program, folder, *arguments, cgroup=None):
        self.folder, self.port, self.wanted = pathlib.Path(folder), free_port(), 1
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / 'error.log'
        faults = [word for fault in ('hang=60,path=/sleep', 'leak=1000000000,path=/oom', 'segfault,path=/segv') for word in ('--fault', fault)]
        self.command = [program, '-b', f'{LOOPBACK}:{self.port}', '-w', '1', '--error-logfile', str(self.log), *arguments, *faults, 'builtin:hello']
        with open(self.folder / 'stdio.log', 'wb') as stdio:
            self.process = Process(self.command, cgroup, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=stdio, stderr=stdio)
        self.pid = self.process.pid
        self.wait_ready()

    def ask(self, port, path):
        pid = self.workers()[0]
        return Request(port, path), pid


class Demo:
    def __init__(self, program, folder, reference):
        self.program, self.folder, self.reference = program, folder, reference
        self.cgroup = self.server = self.nginx = self.watch = self.no_cgroup = None
        self.right = self.told = 0

    def start(self):
        try:
            self.cgroup = Cgroup(LIMIT)
        except Skip as skip:
            self.no_cgroup = str(skip)
        if self.reference:
            self.server = Reference(self.reference, self.folder / 'site', '--timeout', '3', cgroup=self.cgroup)
        else:
            self.server = Gunicorn(self.folder / 'site', '--timeout', '3', cgroup=self.cgroup)
        try:
            self.nginx = Nginx(self.folder / 'nginx', self.server.port)
            place = f'behind nginx on http://127.0.0.1:{self.nginx.port}'
        except Skip:
            place = f'without nginx, on http://127.0.0.1:{self.server.port}'
        self.port = self.nginx.port if self.nginx else self.server.port
        self.watch = Watch(self.program, self.folder, self.server.pid)
        version = re.search(r'Starting (\S+ \S+)', self.server.text())
        print(f'\n{version.group(1) if version else "?"}, {self.server.wanted} worker{"s" * (self.server.wanted > 1)}, --timeout 3, {place}' + (f'\nin a cgroup v{self.cgroup.version} of {LIMIT // MIB} MiB' if self.cgroup else '')
              + (', with `triage watch` attached' if self.watch.works else ', without `triage watch`'))

    def stop(self):
        for one in (self.watch, self.nginx, self.server):
            if one:
                one.stop()
        if self.cgroup:
            self.cgroup.remove()

    def ask(self, path):
        """A request, through nginx where there is one: (the request, the pid of the worker that has it)."""
        if self.reference:
            return self.server.ask(self.port, path)
        before = len(self.server.seen(path))
        request = Request(self.port, path)
        wait_until(f'a worker has {path}', lambda: len(self.server.seen(path)) > before)
        return request, self.server.seen(path)[before]

    def verdict(self, pid):
        """What the watcher said once its verdict is whole (it amends within 3 s), else a look at the server now."""
        if self.watch.works:
            end = time.monotonic() + 6
            while time.monotonic() < end:
                found = self.watch.of(pid)
                if found and not found.get('provisional'):
                    return 'triage watch', found
                time.sleep(0.05)
        for found in report(self.program, self.server.pid)['findings']:
            about = [found.get('subject') or {}] + list(found.get('members') or [])
            if found['rule'].startswith('death.') and any(pid in (one.get('pid'), one.get('host_pid')) for one in about):
                return 'triage', found
        return 'triage', None

    def fault(self, number, title, rule, cause):
        print(f'\n{number}/4  {title}')
        log = len(self.server.text())
        request, pid = cause()
        self.server.wait_dead(pid)
        self.server.wait_replaced()
        if request:
            request.join(10)
            say('the client saw', {502: '502 Bad Gateway', 504: '504 Gateway Time-out'}.get(request.answer, str(request.answer)))
        said = [plain(line) for line in self.server.text()[log:].splitlines() if 'Booting' not in line and line.startswith('[')]
        say(f'{"server" if self.reference else "gunicorn"} said', '\n'.join(line.split('] ', 2)[-1] for line in said) if said else '(nothing)')
        name, found = self.verdict(pid)
        if not found:
            say(f'{name} says', 'nothing about it')
            return
        say(f'{name}' + (' says' if name == 'triage' else ''), f'{found["message"]}')
        say('', f'[{found["rule"]}] {found["sure"]}' + (f' - {found["sure_because"]}' if found.get('sure_because') else ''))
        for row in (found.get('because') or [])[:3]:
            say(f'  {row.get("id", "")}', plain(f'{row.get("source", "")}: {row.get("text", "")}')[:180])
        for row in (found.get('ruled_out') or [])[:2]:
            say('  not', plain(f'{row["cause"].split(".")[-1]}: {row["because"]}'))
        self.told += 1
        self.right += found['rule'] == rule and found['sure'] != 'unknown'

    def cleanup_job(self):
        """A script by the name of nightly-cleanup that kills what it takes for a left-over."""
        pid = self.server.workers()[0]
        script = self.folder / 'nightly-cleanup'
        script.write_text(f'#!/bin/sh\nkill -9 {pid}\n')
        script.chmod(0o755)
        subprocess.run([str(script)], check=True)
        return None, pid

    def run(self):
        self.start()
        wanted = 4
        self.fault(1, 'a request that takes longer than --timeout:  GET /sleep', 'death.timeout', lambda: self.ask('/sleep'))
        if self.cgroup:
            self.fault(2, 'a request that eats all memory of the cgroup:  GET /oom', 'death.oom-cgroup', lambda: self.ask('/oom'))
        else:
            wanted -= 1
            print(f'\n2/4  out of memory: left out, {self.no_cgroup}')
        self.fault(3, 'a nightly job that kills the wrong process:  nightly-cleanup', 'death.killed-by-other', self.cleanup_job)
        self.fault(4, 'a request that crashes its worker:  GET /segv', 'death.crashed', lambda: self.ask('/segv'))
        return wanted


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--server', help='a triage-server, to be broken in place of gunicorn')
    asked = asked.parse_args()
    if os.getuid() != 0:
        print('The demo makes a cgroup, reads the kernel log and watches signals: please run it as root.')
        return 3
    program = os.path.abspath(asked.triage)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-demo-'))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    demo = Demo(program, folder, asked.server and os.path.abspath(asked.server))
    began = time.monotonic()
    try:
        wanted = demo.run()
    except KeyboardInterrupt:
        print('\nstopped; taking everything away')
        return 130
    finally:
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f'\n{demo.right} of {wanted} deaths told right in {time.monotonic() - began:.0f} s; everything was taken away again.')
    print('On your own server:  build/bin/triage          what died, and why\n'
          '                     build/bin/triage watch    the same, as it happens\n'
          '                     build/bin/triage --from LOGS...   from what was left behind')
    return 0 if demo.right == wanted else 1


if __name__ == '__main__':
    sys.exit(main())
