"""A WSGI application that dies, or waits to be killed, at known lines: what the tests of dying workers' stacks serve. A line is named by the mark at
its end. Each request is noted as in faulty.py; runs on CPython 3.8 and later."""
import ctypes
import faulthandler
import os
import signal
import socket
import threading
import time


def note(path):
    with open(os.environ['TRIAGE_REQUESTS'], 'a') as out:
        out.write(f'{os.getpid()} {path}\n')


# Loaded at the start, as an extension module is: what a watcher has not seen mapped has no names.
DEEP = ctypes.CDLL(os.environ['TRIAGE_DEEP']) if 'TRIAGE_DEEP' in os.environ else None

# A function whose line table has more than the 2 KB that are taken of one.
exec(compile('def long(then):\n    x = [0]\n' + ''.join(f'    x.append(x[{i}] + (len(x) if x[-1] > {i} else {i}))\n' for i in range(900)) + '    then()\n', 'long.py', 'exec'))


class Report:
    def slow(self):
        time.sleep(600)  # mark: slow

    def hungry(self):
        rows = []
        while True:
            rows.append(b'x' * (4 << 20))  # mark: hungry

    def crash(self):
        return [ctypes.string_at(8) for _ in range(1)]  # mark: crash

    def asks(self, port):
        with socket.create_connection(('127.0.0.1', port)) as link:
            link.recv(1)  # mark: asks


    def reads(self, body):
        body.read()  # mark: reads

    def deep(self, which):
        DEEP.deep_enter(which)  # mark: deep


def numbers(report):
    yield 1
    yield report.slow()  # mark: numbers


def traced(name):
    """faulthandler's own dump and the death are on one line, so that both show the same stack."""
    def inner(out):
        try:
            raise KeyError(name)
        except KeyError:
            sorted([1], key=lambda _: (faulthandler.dump_traceback(out, all_threads=False), os.kill(os.getpid(), signal.SIGKILL)))
    inner(open(os.environ['TRIAGE_REQUESTS'] + '.dump', 'wb'))


def application(environ, start_response):
    path = environ['PATH_INFO']
    if path != '/ok':
        note(path)
    report = Report()
    if path == '/long':
        long(report.slow)  # noqa: F821
    elif path == '/slow':
        list(numbers(report))
    elif path == '/hungry':
        report.hungry()
    elif path == '/crash':
        report.crash()
    elif path == '/asks':
        report.asks(int(environ['QUERY_STRING']))
    elif path == '/reads':
        report.reads(environ['wsgi.input'])
    elif path == '/deep':
        report.deep(int(environ['QUERY_STRING']))
    elif path == '/thread':
        threading.Thread(target=report.crash).start()
        time.sleep(600)
    elif path == '/traced':
        traced('Zürich')
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '5')])
    return [b'fine\n']
