#!/usr/bin/env python3
"""triage-server beside nginx `return 200`, gunicorn gthread and a plain epoll loop: 2 workers each, wrk -t2 -c32, all started once and asked in turn,
round after round in one run. Ratios of the medians; processor time is read from /proc, so that it holds on a machine that is not quiet."""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'live'))
from harness import LOOPBACK, PYTHON, Process, children, free_port, get, wait_until  # noqa: E402
from undisturbed import Undisturbed  # noqa: E402

SECONDS = 1
TICK = os.sysconf('SC_CLK_TCK')
APP = 'def application(environ, start_response):\n    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])\n    return [b"Hello, world!"]\n'


class Peer:
    def __init__(self, name, command, port, **more):
        self.name, self.port = name, port
        self.process = Process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        self.rates, self.costs = [], []
        wait_until(f'{name} answers', lambda: get(port, '/', 5) == 200)

    def processor(self):
        """Seconds used by its processes so far, finer than ticks: sum_exec_runtime."""
        used = 0.0
        for pid in [self.process.pid] + children(self.process.pid):
            for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
                used += int((task / 'schedstat').read_text().split()[0]) / 1e9
        return used

    def ask(self, close):
        before = self.processor()
        command = ['wrk', '-t2', '-c32', f'-d{SECONDS}s'] + (['-H', 'Connection: close'] if close else []) + [f'http://{LOOPBACK}:{self.port}/']
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        requests = int(re.search(r'(\d+) requests in', text)[1])
        if 'Non-2xx' in text:
            raise AssertionError(f'{self.name}: {text}')
        self.rates.append(float(re.search(r'Requests/sec:\s*([\d.]+)', text)[1]))
        self.costs.append((self.processor() - before) / requests * 1e6)

    def rate(self):
        return statistics.median(self.rates)

    def cost(self):
        return statistics.median(self.costs)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--plain', required=True)
    asked.add_argument('--rounds', type=int, default=9)
    asked = asked.parse_args()
    nginx, gunicorn = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin:/sbin'), shutil.which('gunicorn')
    missing = [name for name, there in (('nginx', nginx), ('gunicorn', gunicorn), ('wrk', shutil.which('wrk'))) if not there]
    if missing:
        print('needs ' + ', '.join(missing))
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    started = []
    with Undisturbed() as undisturbed:
        try:
            def peer(name, command):
                port = free_port()
                one = Peer(name, [str(word).replace('PORT', str(port)) for word in command], port)
                started.append(one)
                return one

            (folder / 'hello.py').write_text(APP)
            port = free_port()
            (folder / 'nginx.conf').write_text(f'daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log /dev/null crit;\nevents {{ worker_connections 512; }}\n'
                                               f'http {{ access_log off; keepalive_requests 100000000; server {{ listen {LOOPBACK}:{port}; location / {{ default_type text/plain; return 200 "Hello, world!"; }} }} }}\n')
            started.append(Peer('nginx', [nginx, '-c', str(folder / 'nginx.conf'), '-p', str(folder)], port))
            nginx = started[-1]

            def ours(name, *more):
                return peer(name, [asked.server, '-w', 2, '-b', f'{LOOPBACK}:PORT', '--error-logfile', '/dev/null', *more, 'builtin:hello'])
            event = ours('event', '-k', 'event')
            logged = ours('event with access log', '-k', 'event', '--access-logfile', folder / 'access.log')
            sync = ours('sync')
            threads = ours('threads', '-k', 'gthread', '--threads', '4')
            gthread = peer('gunicorn gthread', [PYTHON, gunicorn, '--chdir', folder, '-w', 2, '-k', 'gthread', '--threads', 4, '-b', f'{LOOPBACK}:PORT', '--log-level', 'critical', 'hello:application'])
            plain = peer('plain epoll', [asked.plain, 'PORT', 2])
            for _ in range(asked.rounds):
                for one in (nginx, event, logged, plain, threads, gthread):
                    one.ask(False)
            kept = {one.name: (one.rate(), one.cost()) for one in (nginx, event, logged, plain, threads, gthread)}
            kept_order = [event.rate() / nginx.rate(), threads.rate() / gthread.rate(), event.cost() / plain.cost(), 1 - logged.rate() / event.rate()]
            for one in (nginx, sync):
                one.rates, one.costs = [], []
            for _ in range(asked.rounds):
                for one in (nginx, sync):
                    one.ask(True)
            print(f'wrk -t2 -c32, 2 workers, {asked.rounds} rounds of {SECONDS} s, {undisturbed.how}')
            for name, (rate, cost) in kept.items():
                print(f'keep-alive {name:22} {rate:9.0f} requests/s {cost:6.1f} us of processor each')
            for one in (nginx, sync):
                print(f'close      {one.name:22} {one.rate():9.0f} requests/s {one.cost():6.1f} us of processor each')
            rows = [('event loop / nginx, keep-alive', kept_order[0], 1.0, True), ('sync / nginx, connection-close', sync.rate() / nginx.rate(), 1.1, True), ('threads / gunicorn gthread, keep-alive', kept_order[1], 5, True),
                    ('processor time, event loop / plain epoll', kept_order[2], 1.15, False), ('what the access log costs', kept_order[3], 0.10, False)]
            good = True
            for what, ratio, limit, least in rows:
                met = ratio >= limit if least else ratio <= limit
                good = good and met
                print(f'{"ok " if met else "NOT"} {what}: {ratio:.2f} ({"at least" if least else "at most"} {limit})')
            return 0 if good else 1
        finally:
            for one in started:
                one.process.stop()
            shutil.rmtree(folder)


if __name__ == '__main__':
    sys.exit(main())
