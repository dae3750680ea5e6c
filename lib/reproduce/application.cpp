#include "reproduce/stack.hpp"

namespace reproduce {

// The paths of triage-server's builtin:demo, and what of its faults a Python application can do. Each request is noted when it begins, with the pid that
// has it: of one that never ends nothing else would tell.
const char* const wsgi_application = R"(import ctypes, itertools, os, signal, socket, subprocess, sys, threading, time, urllib.parse

faults = []
for line in os.environ.get('TRIAGE_FAULTS', '').splitlines():
    words = line.split(',')
    name, _, value = words[0].partition('=')
    more = dict(word.split('=', 1) for word in words[1:])
    faults.append([name, float(value) if value else None, more.get('path', ''), int(more.get('every', 1)), 0])
kept = []

def note(text):
    with open('requests.log', 'a') as out:
        out.write('%d %s\n' % (os.getpid(), text))

def value_of(name, otherwise):
    for fault in faults:
        if fault[0] == name:
            return otherwise if fault[1] is None else fault[1]
    return None

if value_of('slow_boot', 5) is not None:
    time.sleep(value_of('slow_boot', 5))
if value_of('boot_halt', 3) is not None:
    raise ImportError('this application cannot be imported')
if value_of('boot_loop', 1) is not None:
    if value_of('boot_loop', 1) == 11:
        ctypes.string_at(0)
    os._exit(int(value_of('boot_loop', 1)))
if value_of('refuse_term', 0) is not None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

# A database that answers what it was asked, and a connection to it that is opened while this module is loaded: whoever is forked from here has it too.
if value_of('shared_upstream', 1) is not None:
    database = subprocess.Popen(['/bin/sh', '-c', '/usr/bin/python3 -c "$0" &', '''import socket
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
while asked := peer.recv(4096):
    peer.sendall(asked)
'''], stdout=subprocess.PIPE)
    upstream = socket.create_connection(('127.0.0.1', int(database.stdout.readline())))
    database.wait()  # the shell; the database itself is nobody's child

def ask(count):
    own, others = b'%16d' % os.getpid(), 0
    for _ in range(count):
        upstream.sendall(own)
        others += upstream.recv(16, socket.MSG_WAITALL) != own
    return others

def suffer(path):
    for fault in faults:
        name, value, where, every, _ = fault
        if not path.startswith(where):
            continue
        fault[4] += 1
        if fault[4] % every:
            continue
        if name == 'hang':
            time.sleep(3600 if value is None else value)
        elif name == 'spin':
            sum(itertools.repeat(0))  # in C: no handler of Python's runs until it ends, and it does not
        elif name == 'ping_false_positive':
            end = time.monotonic() + (5 if value is None else value)
            while time.monotonic() < end:
                pass
        elif name == 'deadlock':
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        elif name == 'leak':
            kept.append(b'x' * int(1 << 20 if value is None else value))
        elif name == 'eat':
            while True:
                kept.append(b'x' * (4 << 20))  # written, so that each page counts
        elif name == 'eat_in_child':
            child = os.fork()
            if child == 0:
                while True:
                    kept.append(b'x' * (4 << 20))
            os.waitpid(child, 0)
        elif name == 'fd_leak':
            kept.extend(os.dup(0) for _ in range(int(1 if value is None else value)))
        elif name == 'segfault':
            ctypes.string_at(0)

def application(environ, start_response):
    path, query = environ['PATH_INFO'], dict(urllib.parse.parse_qsl(environ.get('QUERY_STRING', '')))
    note(environ['REQUEST_METHOD'] + ' ' + path)
    suffer(path)
    status, body = '200 OK', b'Hello, world!\n'
    if path.startswith('/sleep'):
        time.sleep(float(query.get('s', 1)))
    elif path.startswith('/exit'):
        os._exit(int(query.get('code', 7)))
    elif path.startswith('/status'):
        status, body = query.get('code', '204') + ' As Asked', b''
    elif path.startswith('/upstream'):
        body = b'others=%d \n' % ask(int(query.get('n', 1)))
    elif path.startswith('/pid'):
        body = str(os.getpid()).encode()
    elif path.startswith('/echo'):
        body = environ['wsgi.input'].read()
    start_response(status, [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
)";

}  // namespace reproduce
