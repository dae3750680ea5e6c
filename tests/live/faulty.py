"""A WSGI application with a fault for every death: what the demo and the live tests serve. Each request is noted in the file that
TRIAGE_REQUESTS names, so that the one who asked knows which worker has it."""
import ctypes
import itertools
import os
import socket
import time
from urllib.parse import parse_qs


kept = []


def note(path):
    where = os.environ.get('TRIAGE_REQUESTS')
    if where:
        with open(where, 'a') as out:
            out.write(f'{os.getpid()} {path}\n')


def eat():
    kept = []
    while True:
        kept.append(b'x' * (4 << 20))  # written, so that each page counts; quick, so that no timeout comes first


def application(environ, start_response):
    path = environ['PATH_INFO']
    asked = parse_qs(environ.get('QUERY_STRING', ''))
    note(path)
    if path == '/sleep':
        time.sleep(float(asked.get('s', ['600'])[0]))
    elif path == '/loop':
        sum(itertools.repeat(0))  # in C: no signal handler of Python's runs until it ends, and it does not
    elif path == '/oom':
        eat()
    elif path == '/peer':
        with socket.create_connection(('127.0.0.1', int(asked['port'][0]))) as link:
            link.recv(1)
    elif path == '/keep':
        kept.append(b'x' * (int(asked['mib'][0]) << 20))
    elif path == '/open':
        kept.extend(open(__file__) for _ in range(int(asked['n'][0])))
    elif path == '/segv':
        ctypes.string_at(0)
    elif path == '/exit':
        os._exit(int(asked['code'][0]))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'fine\n']
