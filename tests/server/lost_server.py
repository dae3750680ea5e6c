#!/usr/bin/env python3
"""No request is lost: over reloads and upgrades under load each one gets its whole answer. Lost is one whose connection was refused, or of which anything was
sent and no whole answer came back; an idle kept-alive connection that the server closes is counted apart, and its request asked again. And nothing grows:
memory, descriptors, zombies. --scale 1 is a tenth of what ./dev soak does."""
import argparse
import functools
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time

from served import LOOPBACK, Server, alive, children, get, run_cases, same, wait_until

KINDS = {'sync': ['-k', 'sync'], 'gthread': ['-k', 'gthread', '--threads', '4'], 'event': ['-k', 'event']}


class Load:
    """Clients that ask without a pause, half of them on kept connections."""

    def __init__(self, port, clients=4, keeps=True):
        self.port, self.ended, self.lock = port, False, threading.Lock()
        self.answered, self.idle_closed, self.lost = 0, 0, []
        self.threads = [threading.Thread(target=self.client, args=(keeps and number % 2 == 1,), daemon=True) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self, keeps):
        link, used = None, False
        while not self.ended:
            try:
                if link is None:
                    link, used = socket.create_connection((LOOPBACK, self.port), 20), False
            except OSError as error:
                with self.lock:
                    self.lost.append(f'refused: {error}')
                continue
            answer, why = b'', ''
            try:
                link.sendall(b'GET /pid HTTP/1.1\r\nHost: a\r\n' + (b'' if keeps else b'Connection: close\r\n') + b'\r\n')
                while True:
                    head, mark, body = answer.partition(b'\r\n\r\n')
                    length = re.search(rb'Content-Length: (\d+)', head)
                    if mark and length and len(body) >= int(length[1]):
                        break
                    piece = link.recv(4096)
                    if not piece:
                        why = 'closed'
                        break
                    answer += piece
            except OSError as error:
                why = str(error)
            with self.lock:
                if not why:
                    self.answered += 1
                elif used and not answer:
                    self.idle_closed += 1
                else:
                    self.lost.append(f'{why} after {answer!r}')
            used = True
            if why or not keeps or b'Connection: close' in answer:
                link.close()
                link = None
        if link:
            link.close()

    def end(self):
        self.ended = True
        for thread in self.threads:
            thread.join(30)
        return self.lost


def reloads(asked, folder, kind):
    count = 34 * asked.scale
    server = Server(asked.server, folder / 'server', *KINDS[kind])
    try:
        load = Load(server.port, keeps=kind != 'sync')
        for number in range(count):
            old, before = server.settled(2), load.answered
            server.signal(signal.SIGHUP)
            server.settled(2, without=old)
            wait_until('requests go on', lambda: load.answered > before)
        lost = load.end()
        print(f'# {kind}: {load.answered} answered over {count} reloads, {load.idle_closed} idle connections closed, {len(lost)} lost', flush=True)
        same('lost', lost[:5], [])
    finally:
        server.stop()


def upgrades(asked, folder, kind):
    count = 4 * asked.scale
    server = Server(asked.server, folder / 'server', *KINDS[kind])
    second = pathlib.Path(str(server.pidfile) + '.2')
    masters = [server.pid]

    def serving(pid):
        return sum(server.serves(child) for child in children(pid)) >= 2
    try:
        load = Load(server.port, keeps=kind != 'sync')
        for number in range(count):
            before = load.answered
            os.kill(masters[-1], signal.SIGUSR2)
            masters.append(int(wait_until('the new master', lambda: second.exists() and second.read_text().strip())))
            wait_until('its workers', lambda: serving(masters[-1]))
            os.kill(masters[-2], signal.SIGTERM)
            wait_until('the promotion', lambda: not second.exists() and server.pidfile.exists() and int(server.pidfile.read_text()) == masters[-1])
            wait_until('requests go on', lambda: load.answered > before)
        lost = load.end()
        print(f'# {kind}: {load.answered} answered over {count} upgrades, {load.idle_closed} idle connections closed, {len(lost)} lost', flush=True)
        same('lost', lost[:5], [])
    finally:
        if alive(masters[-1]):
            os.kill(masters[-1], signal.SIGTERM)
            wait_until('it ends', lambda: not alive(masters[-1]))
        server.stop()


def stops(asked, folder, kind):
    """A graceful stop answers what it has accepted and what waits in its queue; from then on connections are refused, which no server can help."""
    for number in range(3 * asked.scale):
        server = Server(asked.server, folder / f'server-{number}', *KINDS[kind])
        try:
            load = Load(server.port, keeps=kind != 'sync')
            wait_until('requests run', lambda: load.answered > 100)
            server.signal(signal.SIGTERM)
            same('it ends', server.wait_end(), 0)
            lost = [one for one in load.end() if not one.startswith('refused')]
            # A connection that the kernel completed after the worker had looked at the queue for the last time is nobody's.
            same('lost after a byte of the answer', [one for one in lost if not one.endswith("after b''")], [])
        finally:
            server.stop()


def resident(pid):
    return int(re.search(r'VmRSS:\s*(\d+)', pathlib.Path(f'/proc/{pid}/status').read_text())[1])


def zombies(pid):
    count = 0
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                state, parent = pathlib.Path(f'/proc/{entry}/stat').read_text().rpartition(') ')[2].split()[:2]
            except OSError:
                continue
            count += state == 'Z' and int(parent) == pid
    return count


def nothing_grows_with_requests(asked, folder, kind):
    """A million requests in ./dev soak over the three kinds."""
    import shutil
    import subprocess
    wrk = shutil.which('wrk')
    server = Server(asked.server, folder / 'server', *KINDS[kind], '--access-logfile', '/dev/null', workers=1)
    try:
        worker = server.settled(1)[0]

        def ask(count):
            done = 0
            while done < count:
                if wrk:
                    text = subprocess.run([wrk, '-t1', '-c8', '-d1', f'http://{LOOPBACK}:{server.port}/pid'], capture_output=True, text=True, check=True).stdout
                    done += int(re.search(r'(\d+) requests in', text)[1])
                else:
                    get(server.port, '/pid')
                    done += 1
        ask(2000)
        before = resident(worker), len(os.listdir(f'/proc/{worker}/fd')), resident(server.pid), len(os.listdir(f'/proc/{server.pid}/fd'))
        ask(34_000 * asked.scale if wrk else 5000 * asked.scale)
        wait_until('its connections are closed', lambda: len(os.listdir(f'/proc/{worker}/fd')) <= before[1])
        after = resident(worker), len(os.listdir(f'/proc/{worker}/fd')), resident(server.pid), len(os.listdir(f'/proc/{server.pid}/fd'))
        print(f'# {kind}: resident KiB, descriptors of worker and master: {before} -> {after}', flush=True)
        if after[0] > before[0] + 1024 or after[2] > before[2] + 512:
            raise AssertionError(f'memory grows: {before} -> {after}')
        same('descriptors', (after[1] <= before[1], after[3]), (True, before[3]))
        same('the same worker', server.settled(1), [worker])
    finally:
        server.stop()


def nothing_grows_with_recycles(asked, folder, kind):
    """Ten thousand recycles in ./dev soak."""
    count = 334 * asked.scale
    server = Server(asked.server, folder / 'server', *KINDS[kind], '--max-requests', '3')
    try:
        load = Load(server.port, keeps=False)

        def recycled():
            return server.text().count('Autorestarting')
        wait_until('some are recycled', lambda: recycled() > count // 10, 120)
        before = resident(server.pid), len(os.listdir(f'/proc/{server.pid}/fd'))
        wait_until('all are', lambda: recycled() >= count, 600)
        lost = load.end()
        after = resident(server.pid), len(os.listdir(f'/proc/{server.pid}/fd'))
        print(f'# {kind}: {recycled()} recycles, {load.answered} answered, {len(lost)} lost; resident KiB and descriptors of the master {before} -> {after}', flush=True)
        same('lost', lost[:5], [])
        wait_until('no zombie stays', lambda: zombies(server.pid) == 0)
        if after[0] > before[0] + 512 or after[1] > before[1] + 4:
            raise AssertionError(f'the master grows: {before} -> {after}')
    finally:
        server.stop()


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--server', required=True)
    asked.add_argument('--scale', type=int, default=1)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    cases = [(f'{case.__name__} [{kind}]', functools.partial(case, asked, kind=kind)) for case in (reloads, upgrades, stops, nothing_grows_with_requests, nothing_grows_with_recycles) for kind in KINDS]
    return run_cases([case for case in cases if re.search(asked.only, case[0])], together=3)


if __name__ == '__main__':
    sys.exit(main())
