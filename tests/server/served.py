"""A triage-server or a Debian gunicorn of our own, started with the same words, and the small clients of these tests. Ports are the kernel's choice and read
from the log; every wait has a deadline and polls for the state that is needed."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from harness import LOOPBACK, PYTHON, Process, Request, Skip, alive, children, connect, free_port, get, run_cases, same, wait_until  # noqa: E402,F401

APP = '''import os, time
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/sleep':
        time.sleep(float(environ['QUERY_STRING'][2:]))
    if path == '/exit':
        os._exit(int(environ['QUERY_STRING'][5:]))
    if path == '/echo':
        body = environ['wsgi.input'].read()
    else:
        body = str(os.getpid()).encode()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
'''


class Server:
    """`program`: the path of triage-server, or 'gunicorn'."""

    def __init__(self, program, folder, *arguments, workers=2, app='builtin:demo', bind=None, ready=True, env=None, titles=True):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / 'error.log'
        self.pidfile = self.folder / 'server.pid'
        self.is_gunicorn = program == 'gunicorn'
        if self.is_gunicorn:
            gunicorn = shutil.which('gunicorn')
            if not gunicorn:
                raise Skip('no gunicorn is installed')
            (self.folder / 'site.py').write_text(APP)
            command = [PYTHON, gunicorn, '--chdir', str(self.folder), 'site:application' if app == 'builtin:demo' else app]
            (self.folder / 'site.py').rename(self.folder / 'place.py')
            command[-1] = 'place:application' if app == 'builtin:demo' else app
        else:
            command = [program, app]
        command += ['-b', bind or f'{LOOPBACK}:0', '-w', str(workers), '--error-logfile', str(self.log), '--pid', str(self.pidfile), '--log-level', 'debug', *map(str, arguments)]
        self.bind = bind
        self.workers_wanted = workers
        environment = {name: value for name, value in os.environ.items() if not name.startswith(('GUNICORN_', 'LISTEN_', 'NOTIFY_', 'WEB_', 'PORT'))}
        environment.update(env or {})
        self.out = open(self.folder / 'output', 'wb')
        self.process = Process(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT, env=environment)
        self.pid = self.process.pid
        if ready:
            self.wait_ready()

    def text(self):
        try:
            return self.log.read_text(errors='replace')
        except FileNotFoundError:
            return ''

    def output(self):
        return (self.folder / 'output').read_text(errors='replace')

    @property
    def port(self):
        if self.bind and self.bind.startswith('unix:'):
            return self.bind[5:]
        if self.bind and not self.bind.endswith(':0'):
            return int(self.bind.rpartition(':')[2])
        return int(re.search(r'Listening at: http://[^ ,]*:(\d+)', self.text())[1])

    def messages(self):
        """(level, message) of each line, pids as N."""
        found = re.findall(r'^\[\d{4}-[^\]]*\] \[\d+\] \[([A-Z]+)\] (.*)$', self.text(), re.M)
        return [(level, re.sub(r'\d{3,}', 'N', message)) for level, message in found]

    def says(self, words, count=1, seconds=20):
        return wait_until(f'the log says {words!r} {count} times', lambda: self.text().count(words) >= count, seconds)

    def wait_ready(self, seconds=20):
        def answer():
            if self.process.process.poll() is not None:
                raise AssertionError(f'it ended with {self.process.process.returncode}: {self.output()[-600:]}{self.text()[-1200:]}')
            return 'Listening at: ' in self.text() and len(self.workers()) >= self.workers_wanted and self.all_serve()
        wait_until('every worker serves', answer, seconds)

    def workers(self):
        return [pid for pid in children(self.pid) if self.serves(pid)]

    def serves(self, pid):
        """Has a worker's own handlers: TERM is caught and HUP is not."""
        try:
            status = pathlib.Path(f'/proc/{pid}/status').read_text()
        except OSError:
            return False
        caught = int(re.search(r'SigCgt:\s*(\w+)', status)[1], 16)
        return not caught >> (signal.SIGHUP - 1) & 1 and bool(caught >> (signal.SIGTERM - 1) & 1)

    def all_serve(self):
        return all(self.serves(pid) for pid in children(self.pid))

    def settled(self, count, without=()):
        """`count` workers and no more, none of `without`; for a moment that lasts longer than a pass of the master."""
        def answer():
            now = children(self.pid)
            return len(now) == count and self.all_serve() and not set(now) & set(without) and now
        return wait_until(f'{count} workers', answer)

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_end(self, seconds=40):
        return self.process.process.wait(seconds)

    def stop(self):
        self.process.stop()
        self.out.close()


def exchange(port, data, seconds=5, half_close=False, wait=None):
    """Everything that a server answers to these bytes until it closes, or `seconds` have passed."""
    with connect(port, seconds) as link:
        try:
            link.sendall(data)
            if half_close:
                link.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b''
        end = time.monotonic() + seconds
        while True:
            link.settimeout(max(0.01, end - time.monotonic()))
            try:
                piece = link.recv(65536)
            except (socket.timeout, TimeoutError):
                return answer, 'open'
            except ConnectionResetError:
                return answer, 'reset'
            if not piece:
                return answer, 'closed'
            answer += piece
            if wait and wait(answer):
                return answer, 'open'


def statuses(answer):
    return [int(status) for status in re.findall(rb'HTTP/1\.1 (\d{3}) ', answer)]


def admin(path, line):
    with connect(str(path), 5) as link:
        link.sendall(line.encode() + b'\n')
        answer = b''
        while True:
            piece = link.recv(65536)
            if not piece:
                return answer.decode()
            answer += piece
