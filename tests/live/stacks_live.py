#!/usr/bin/env python3
"""What `triage stacks` says of living processes: the same as faulthandler for every CPython of this machine, all threads; line tables against the
interpreters' own; and that nobody notices being looked at: no system call is interrupted, nothing is stopped, a worker in state D included."""
import argparse
import functools
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

from harness import HERE, PYTHON, Gunicorn, Process, Request, Skip, alive, first_in_a_pid_namespace, free_port, get, report, run_cases, same, triage, wait_until, without_titles

MINORS = range(8, 16)


def pythons():
    """[(version, path)] of what is here: pyenv's, the system's; one of each."""
    found = {}
    for path in [PYTHON, *sorted(glob.glob('/usr/bin/python3.*[0-9]')), *sorted(glob.glob('/root/.pyenv/versions/3.*/bin/python'))]:
        got = subprocess.run([path, '-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3], sys.abiflags)'], capture_output=True, text=True)
        words = got.stdout.split()
        if got.returncode == 0 and len(words) == 1 and int(words[0].split('.')[1]) in MINORS:
            found.setdefault(words[0], path)
    return sorted(found.items(), key=lambda one: [int(part) for part in one[0].split('.')])


def shown(text):
    """What base::printable and faulthandler write for what is not ASCII, as it was."""
    return re.sub(r'\\(?:u\{([0-9a-f]+)\}|x([0-9a-f]{2})|u([0-9a-f]{4}))', lambda hit: chr(int(hit[1] or hit[2] or hit[3], 16)), text)


def looked(asked, pid):
    code, out = triage(asked.triage, 'stacks', pid, '--format', 'json')
    same('exit', code, 0)
    return next(one for one in json.loads(out)['processes'] if one['pid'] == pid)


def stack_of(thread):
    return [(shown(frame['file']), frame['line'], shown(frame['function']).rsplit('.', 1)[-1]) for frame in thread['python']]


def standing_still(asked, pid, count):
    """The process once all its threads stand where they will stay."""
    def still():
        seen = looked(asked, pid)
        return seen if len(seen['threads']) == count and all(one['how'] == 'asleep' and not one['doubt'] for one in seen['threads']) else None
    return wait_until('all threads stand still', still)


def dumped(path):
    """faulthandler's dump: one list of (file, line, name) for each thread."""
    stacks = []
    for line in path.read_text().splitlines():
        if line.startswith(('Thread 0x', 'Current thread 0x')):
            stacks.append([])
        frame = re.fullmatch(r'  File "(.*)", line (\d+) in (.*)', line)
        if frame:
            stacks[-1].append((shown(frame[1]), int(frame[2]), shown(frame[3])))
    return stacks


class Standing:
    def __init__(self, python, folder, *words):
        self.dump = folder / 'dump'
        self.process = Process([python, '-X', 'utf8', '-W', 'ignore', '-B', str(HERE / 'standing.py'), str(self.dump), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = self.process.process.stdout.readline()
        if not line:
            raise AssertionError(f'{python} did not start')
        said = json.loads(line)
        self.pid, self.threads = said['pid'], {int(number): name for number, name in said['threads'].items()}

    def dumps(self):
        os.kill(self.pid, signal.SIGUSR1)

        def whole():
            stacks = dumped(self.dump) if self.dump.exists() else []
            return stacks if len(stacks) == len(self.threads) and stacks[-1] and stacks[-1][-1][2] == '<module>' else None
        return wait_until('faulthandler has written all stacks', whole)

    def stop(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.stop()


def like_faulthandler(asked, version, python, folder, *words):
    target = Standing(python, folder, *words)
    try:
        seen = standing_still(asked, target.pid, len(target.threads))
        minor = '.'.join(version.split('.')[:2])
        if not seen['runtime'].startswith('CPython ' + minor):
            raise AssertionError(f'{seen["runtime"]} is not {version}')
        same('kernel numbers', sorted(one['tid'] for one in seen['threads']), sorted(target.threads))
        for thread in seen['threads']:
            wanted = target.threads[thread['tid']]
            names = [name for _, _, name in stack_of(thread)]
            if wanted not in names:
                raise AssertionError(f'thread {thread["tid"]}: {wanted} is not in {names}')
        same('stacks', sorted(stack_of(one) for one in seen['threads']), sorted(target.dumps()))
        if not alive(target.pid):
            raise AssertionError('the target has ended')
    finally:
        target.stop()


def lines_agree(asked, version, python, folder):
    reader = pathlib.Path(asked.triage).with_name('line_reader')
    if not reader.exists():
        raise Skip('line_reader is not built')
    subprocess.run([python, '-B', str(HERE / 'line_tables.py'), str(folder / 'tables')], check=True, timeout=120)
    rows = (folder / 'tables').read_text().splitlines()
    given, wanted = rows[::2], rows[1::2]
    if len(given) < 500:
        raise AssertionError(f'only {len(given)} code objects')
    got = subprocess.run([str(reader)], input='\n'.join(given) + '\n', capture_output=True, text=True, timeout=120).stdout.splitlines()
    same('answers', len(got), len(wanted))
    wrong = [(table, mine, theirs) for table, mine, theirs in zip(given, got, wanted) if mine != theirs]
    if wrong:
        raise AssertionError(f'{len(wrong)} of {len(given)} code objects differ, the first: {wrong[0]}')
    print(f'# CPython {version}: {len(given)} code objects, {sum(len(row.split()) for row in wanted)} code units, 0 mismatches', flush=True)


# ---- nobody notices -------------------------------------------------------------------------------------------------
SPAWNS = '''
import os, sys
def spawn_stuck():
    child = os.posix_spawn('/bin/true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 9, sys.argv[1], os.O_RDONLY, 0)])
    return os.waitpid(child, 0)[1]
print(os.getpid(), flush=True)
sys.exit(spawn_stuck())
'''


def state_of(pid):
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()[0]


def in_state_d(asked, folder):
    """A worker that waits for what it has vforked, where ptrace would hang and leave it stopped."""
    fifo = folder / 'fifo'
    os.mkfifo(fifo)
    target = Process([PYTHON, '-c', SPAWNS, str(fifo)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        try:
            wait_until('it is in state D', lambda: state_of(target.pid) == 'D', 10)
        except AssertionError:
            raise Skip('posix_spawn does not wait in state D here') from None
        code, out = triage(asked.triage, 'stacks', target.pid, '--format', 'json', seconds=20)
        same('exit', code, 0)
        thread = next(one for one in json.loads(out)['processes'] if one['pid'] == target.pid)['threads'][0]
        same('state', thread['state'], 'D')
        same('innermost', thread['python'][0]['function'], 'spawn_stuck')
        same('state afterwards', state_of(target.pid), 'D')
        with open(fifo, 'w'):
            pass
        same('its own end', target.process.wait(20), 0)
    finally:
        target.stop()


WAITS = '''
import ctypes, os, socket, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def told(name, result):
    os.write(1, ('%s %d %d\\n' % (name, result, ctypes.get_errno())).encode())
def epoll():
    told('epoll_wait', libc.epoll_wait(libc.epoll_create1(0), ctypes.create_string_buffer(64), 4, 600000))
def recv():
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 600, 0))
    told('recv', libc.recv(ours.fileno(), ctypes.create_string_buffer(8), 8, 0))
def signals():
    mask = (ctypes.c_ulong * 16)(1 << 11)
    told('sigtimedwait', libc.sigtimedwait(mask, None, (ctypes.c_long * 2)(600, 0)))
def sem():
    made = libc.semget(0, 1, 0o1600)
    told('semop', libc.semop(made, (ctypes.c_short * 3)(0, -1, 0), 1))
waits = [threading.Thread(target=run, daemon=True) for run in (epoll, recv, signals, sem)]
for thread in waits: thread.start()
os.write(1, b'begun\\n')
sys.stdin.read()
'''


def no_eintr(asked, folder):
    """Of calls that a stop would end with EINTR (it restarts neither of these) none ends."""
    said = folder / 'said'
    with open(said, 'wb') as out:
        target = Process([PYTHON, '-c', WAITS], stdin=subprocess.PIPE, stdout=out)
    try:
        calls = {'epoll_wait', 'recvfrom', 'rt_sigtimedwait'}
        wait_until('it waits in all of them', lambda: calls <= {one['syscall'] for one in looked(asked, target.pid)['threads']})
        for _ in range(20):
            looked(asked, target.pid)
        same('what its calls came to', said.read_text(), 'begun\n')
    finally:
        target.stop()


# ---- namespaces, servers --------------------------------------------------------------------------------------------
INSIDE = '''
import threading, sys
def held_inside():
    threading.Event().wait(600)
held_inside()
'''


def in_a_pid_namespace(asked, folder):
    outer, pid = first_in_a_pid_namespace(INSIDE)
    try:
        def stands():
            threads = looked(asked, pid)['threads']
            return threads if threads and any(frame['function'] == 'held_inside' for frame in threads[0]['python']) else None
        thread = wait_until('it stands there', stands)[0]
        same('numbers', (thread['tid'], thread['ns_tid']), (pid, 1))
    finally:
        outer.stop(1)


SPINS = '''
import sys
def round_and_round():
    while True:
        sum(range(500))
print('begun', flush=True)
round_and_round()
'''


def running(asked, folder):
    """What runs is told as it stood when a timer of its own interrupted it; where that is refused only what stays is told, and that it runs."""
    target = Process([PYTHON, '-c', SPINS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        target.process.stdout.readline()

        def told():
            thread = looked(asked, target.pid)['threads'][0]
            return thread if any(frame['function'] == 'round_and_round' for frame in thread['python']) else None
        thread = wait_until('its frames are told', told)
        if thread['how'] == 'sample':
            if thread['doubt'] or thread['python'][0]['line'] not in (4, 5):
                raise AssertionError(f'sampled: {thread}')
        else:
            same('how', thread['how'], 'moving')
            if 'it ran meanwhile' not in (thread['doubt'] or ''):
                raise AssertionError(f'no doubt is said: {thread["doubt"]!r}')
        wait_until('it runs on', lambda: state_of(target.pid) == 'R')
        # Stopped where it may not be sampled: a stop is asked for by name.
        code, out = triage(asked.triage, 'stacks', target.pid, '--stop', '-v', '--format', 'json')
        held = json.loads(out)['processes'][0]['threads'][0]
        same('how, with --stop', (held['how'], held['doubt']), ('stop', None))
        if not any(frame['function'] == 'round_and_round' and frame['line'] in (4, 5) for frame in held['python']):
            raise AssertionError(f'stopped: {held}')
        wait_until('it runs on', lambda: state_of(target.pid) == 'R')
    finally:
        target.stop()


CHAINS = '''
def a_in(n): return sum(range(n))
def a_mid(n): return a_in(n) + 1
def a_out(n): return a_mid(n) + 1
def b_in(n): return max(range(n))
def b_mid(n): return b_in(n) + 1
def b_out(n): return b_mid(n) + 1
def both():
    while True:
        a_out(50)
        b_out(50)
print('begun', flush=True)
both()
'''


def never_mixed(asked, python, folder):
    """A thread that goes from one chain of calls into another and back: no stack of both is ever told."""
    target = Process([python, '-c', CHAINS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        target.process.stdout.readline()
        whole = [['both', '<module>']]
        for side in 'ab':
            chain = [f'{side}_in', f'{side}_mid', f'{side}_out', 'both', '<module>']
            whole += [chain, chain[1:], chain[2:]]
        sampled = 0
        for _ in range(40):
            thread = looked(asked, target.pid)['threads'][0]
            names = [frame['function'] for frame in thread['python']]
            if thread['how'] != 'sample':  # then it is what several reads agree on, and says so
                continue
            sampled += 1
            if names not in whole:
                raise AssertionError(f'impossible: {names}')
        code, out = triage(asked.triage, 'stacks', target.pid, '--format', 'json')
        if sampled == 0 and not any('samples of the running threads' in gap['wanted'] for gap in json.loads(out)['gaps']):
            raise AssertionError('no sample came, and nothing is said of it')
    finally:
        target.stop()


def many_threads(asked, folder):
    """Of a process of 700 threads 512 are told, each with its frames, and the others are a gap with their number."""
    script = 'import threading, time\nfor _ in range(700): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nprint("up", flush=True)\ntime.sleep(600)\n'
    target = Process([PYTHON, '-c', script], stdout=subprocess.PIPE)
    try:
        same('it is up', target.process.stdout.readline().strip(), b'up')

        def told():
            code, out = triage(asked.triage, 'stacks', target.pid, '--format', 'json')
            same('exit', code, 0)
            found = json.loads(out)
            # On a machine with much else to do, the time may be over before: then it is said.
            late = any('time' in gap['reason'] for gap in found['gaps'])
            threads = found['processes'][0]['threads']
            return found if not late and all(one['how'] == 'asleep' and one['python'] for one in threads) else None
        found = wait_until('all that are told stand still', told)
        same('threads', len(found['processes'][0]['threads']), 512)
        gap = next(gap for gap in found['gaps'] if gap['wanted'].startswith('some threads of'))
        same('left out', (gap['reason'], gap['count']), ('it has more than 512', 189))
    finally:
        target.stop()


def frames_found_by_rbp(asked, folder):
    """A sleeping and a running program without Python, of which the stack pointer alone does not tell the outer frames."""
    compiler = shutil.which('cc') or shutil.which('gcc') or shutil.which('g++')
    if not compiler:
        raise Skip('no C compiler')
    program = folder / 'deep'
    subprocess.run([compiler, '-x', 'c', '-O2', '-rdynamic', '-DDEEP_MAIN', '-o', program, HERE / 'deep.c'], check=True)
    for word, wanted in (('', ['deep_room', 'deep_outer', 'main']), ('s', ['deep_spin', 'main'])):
        target = Process([str(program), *word])
        try:
            def told():
                code, out = triage(asked.triage, 'stacks', target.pid, '-v', '--format', 'json')
                if 'without libdw' in out:
                    raise Skip('this build is without libdw')
                found = json.loads(out)
                if any('outer frames' in gap['wanted'] or 'samples of' in gap['wanted'] for gap in found['gaps']):
                    raise Skip(f'BPF is refused: {found["gaps"][0]["reason"]}')
                names = [frame['function'] for frame in found['processes'][0]['threads'][0]['native'] if frame['file'] == 'deep']
                return names if 'main' in names else None
            names = wait_until('its beginning is told', told)
            same(f'frames of {word or "sleep"}', names[:len(wanted)], wanted)
        finally:
            target.stop()


def not_known(asked, folder):
    """A Python whose frames are not known is a gap with its name; what runs no Python is none."""
    old = [path for path in glob.glob('/root/.pyenv/versions/3.[0-7].*/bin/python') if '/3.7' in path]
    if not old:
        raise Skip('no CPython 3.7 here')
    target = Process([old[0], '-c', 'import time; print(1, flush=True); time.sleep(600)'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    other = Process(['sleep', '600'])
    try:
        target.process.stdout.readline()
        code, out = triage(asked.triage, 'stacks', target.pid, '--format', 'json')
        same('reasons', [gap['reason'] for gap in json.loads(out)['gaps']], ['reading Python stacks: where CPython 3.7 keeps its frames is not known'])
        same('strict', triage(asked.triage, 'stacks', target.pid, '--strict')[0], 1)
        wait_until('it sleeps', lambda: looked(asked, other.pid)['name'] == 'sleep')
        code, out = triage(asked.triage, 'stacks', other.pid, '--format', 'json')
        same('gaps', json.loads(out)['gaps'], [])
        same('call', json.loads(out)['processes'][0]['threads'][0]['syscall'], 'clock_nanosleep')
    finally:
        target.stop()
        other.stop()


def native_frames(asked, folder):
    """Down to where the process began, by nothing but the stack pointer; and only those inside of Python's where its own stack tells the rest."""
    target = Process([PYTHON, '-c', 'import sys, zlib, threading; print(1, flush=True); sys.stdin.buffer.raw.read(1)'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other = Process(['sleep', '600'])
    try:
        target.process.stdout.readline()
        if 'without libdw' in triage(asked.triage, 'stacks', target.pid, '--format', 'json')[1]:
            raise Skip('this build is without libdw')

        def read_in():
            thread = json.loads(triage(asked.triage, 'stacks', target.pid, '-v', '--format', 'json')[1])['processes'][0]['threads'][0]
            return thread if thread['syscall'] == 'read' and thread['how'] == 'asleep' else None
        whole = wait_until('it reads', read_in)
        names = [frame['function'] for frame in whole['native']]
        if 'read' not in (names or [''])[0] or '__libc_start_main' not in names or not any('python' in frame['file'] for frame in whole['native']):
            raise AssertionError(f'native: {whole["native"]}')
        inner = looked(asked, target.pid)['threads'][0]['native']
        if not inner or any('python' in frame['file'] for frame in inner):
            raise AssertionError(f'inside of Python: {inner}')
        wait_until('it sleeps', lambda: '__libc_start_main' in [frame['function'] for frame in looked(asked, other.pid)['threads'][0]['native']])
    finally:
        target.stop()
        other.stop()


GREEN = '''
import ctypes, os, time
libc = ctypes.CDLL(None)

def note(path):
    with open(os.environ['TRIAGE_REQUESTS'], 'a') as out:
        out.write(f'{os.getpid()} {path}\\n')

def computes():
    n = 0
    while True:
        n += 1

def blocks():
    libc.sleep(600)

def application(environ, start_response):
    path = environ['PATH_INFO']
    note(path)
    {'/computes': computes, '/blocks': blocks, '/parked': lambda: time.sleep(600)}.get(path, lambda: 0)()
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
'''


def greenlets(asked, folder):
    """The greenlet that has the thread is told, and of those that are parked that they are not."""
    if subprocess.run(['/usr/bin/python3', '-c', 'import gevent'], capture_output=True).returncode != 0:
        raise Skip('no gevent')
    (folder / 'site').mkdir(parents=True)
    (folder / 'site' / 'green.py').write_text(GREEN)
    for path, function in (('/computes', 'computes'), ('/blocks', 'blocks'), ('/parked', None)):
        server = Gunicorn(folder / 'site', '--worker-class', 'gevent', '--timeout', '600', '--graceful-timeout', '1', workers=1, app='green')
        try:
            request, pid = server.ask(path)

            def told():
                code, out = triage(asked.triage, 'stacks', pid, '--format', 'json')
                found = json.loads(out)
                frames = [frame['function'] for frame in found['processes'][0]['threads'][0]['python']]
                parked = any('parked greenlets' in gap['wanted'] for gap in found['gaps'])
                if function is None:
                    return parked and frames[-1:] == ['Hub.run'] or None
                return (frames[0] == function and 'application' in frames and not parked) or None
            wait_until(f'{path} is told', told)
        finally:
            server.stop()


EMBEDDED = '''
import time
def slow():
    time.sleep(600)
def application(environ, start_response):
    if environ['PATH_INFO'] == '/slow':
        slow()
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
'''


def embedded(asked, folder):
    """Python as a library that a plugin of uWSGI opened, in a worker of two threads: the one that serves, and what the other waits for."""
    program = shutil.which('uwsgi')
    if not program:
        raise Skip('no uwsgi')
    (folder / 'app.py').write_text(EMBEDDED)
    port = free_port()
    server = Process([program, '--plugin', 'python3', '--http-socket', f'127.0.0.1:{port}', '--wsgi-file', 'app.py', '--master', '--need-app', '--processes', '1', '--threads', '2', '--enable-threads', '--die-on-term', '--logto', 'uwsgi.log'],
                     cwd=folder, stdin=subprocess.DEVNULL)
    try:
        wait_until('it serves', lambda: get(port, '/', 2) == 200, 30)
        Request(port, '/slow')

        def told():
            code, out = triage(asked.triage, 'stacks', server.pid, '--format', 'json')
            threads = [thread for process in json.loads(out)['processes'] for thread in process['threads']]
            busy = [thread for thread in threads if thread['python']]
            return (threads, busy) if len(busy) == 1 and busy[0]['syscall'] == 'clock_nanosleep' else None
        threads, busy = wait_until('its stack is told', told)
        same('frames', [frame['function'] for frame in busy[0]['python']], ['slow', 'application'])
        same('threads of master and worker', len(threads), 3)
        if not any('wsgi_req_accept' in [frame['function'] for frame in thread['native']] for thread in threads):
            raise AssertionError(f'no thread waits for a request: {threads}')
    finally:
        server.stop()


ALIKE = '''
import ctypes, os, queue, select, socket, subprocess, threading, time

def ours(port):
    return socket.create_connection(('127.0.0.1', int(port)))

def quiet(wanted):
    ours(wanted).recv(1)

def polled(wanted):
    link = ours(wanted)
    link.settimeout(600)
    link.recv(1)

def local(wanted):
    link = socket.socket(socket.AF_UNIX)
    link.connect(wanted)
    link.recv(1)

def empty(wanted):
    queue.Queue(1).get(timeout=600)

def twice(wanted):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

def limited(wanted):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=600)

def joins(wanted):
    other = threading.Thread(target=time.sleep, args=(600,), daemon=True)
    other.start()
    other.join()

def child(wanted):
    subprocess.run(['sleep', '600'], capture_output=True)

def fifo(wanted):
    os.mkfifo(wanted)
    os.read(os.open(wanted, os.O_RDWR), 1)

def pipe(wanted):
    os.write(os.pipe()[1], b'x' * (1 << 20))

def event(wanted):
    end = os.eventfd(0) if hasattr(os, 'eventfd') else os.pipe()[0]
    os.read(end, 8)

def forks(wanted):
    os.mkfifo(wanted)
    os.posix_spawn('/bin/true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 9, wanted, os.O_RDONLY, 0)])

def alone(wanted):
    ctypes.PyDLL(None).usleep(600000000)

def computes(wanted):
    sum(range(10 ** 13))

def shut_out(wanted):
    threading.Thread(target=computes, args=(wanted,), daemon=True).start()
    while True:
        time.sleep(0)

def itself(wanted):
    ours(wanted).recv(1)

def beats():
    while True:
        time.sleep(5)

def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/beats':
        threading.Thread(target=beats, daemon=True).start()
    elif path == '/body':
        environ['wsgi.input'].read()
    elif path != '/ok':
        globals()[path[1:]](environ['QUERY_STRING'])
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
'''


def look_alikes(asked, folder):
    """Hangs that look alike from outside, each with its own name, and those of which none is certain with none but where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    up, near = socket.create_server(('127.0.0.1', 0)), socket.socket(socket.AF_UNIX)
    near.bind(str(folder / 'near'))
    near.listen(8)
    port = up.getsockname()[1]
    path = folder / 'fork'
    rows = [  # the function, what it is asked for, what is said of it behind its place
        ('quiet', port, f' for 127.0.0.1:{port}, which does not answer'),
        ('polled', port, f' for 127.0.0.1:{port}'),
        ('local', folder / 'near', f' for the unix socket {folder}/near, which does not answer'),
        ('empty', '', ' for something to be put into a queue, for a limited time'),
        ('twice', '', ' for a lock that nobody can release, for it is its only thread: held when it was forked, or taken twice'),
        ('limited', '', ' for a lock, for a limited time'),
        ('joins', '', ' for another thread to end'),
        ('child', '', ' for a child process'),
        ('fifo', folder / 'a-fifo', f', in read() on {folder}/a-fifo'),
        ('pipe', '', ' to write into a pipe, which is full: who reads it does not'),
        ('event', '', ', in read() on '),
        ('forks', path, ' for a child that it has just started to become its program'),
        ('alone', '', ')'),
        ('shut_out', '', ' for the GIL, which its thread '),
        ('itself', None, ' for an answer of its own server at '),
    ]
    servers, links = [], []
    try:
        for function, wanted, _ in rows + [('beats', '', ''), ('body', '', '')]:
            site = folder / function
            site.mkdir()
            (site / 'alike.py').write_text(ALIKE)
            servers.append(Gunicorn(site, '--timeout', '600', '--graceful-timeout', '1', workers=1, app='alike', ready=False))
        for server in servers:
            server.wait_ready()
        for server, (function, wanted, _) in zip(servers, rows):
            Request(server.port, f'/{function}?{server.port if wanted is None else wanted}')
        threads = len(servers) - 2
        same('it has a loop of its own', get(servers[threads].port, '/beats'), 200)
        for server, bytes_ in ((servers[threads], b'GET / HT'), (servers[threads + 1], b'POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx')):
            links.append(socket.create_connection(('127.0.0.1', server.port)))
            links[-1].sendall(bytes_)
        links.append(up.accept()[0])
        links.append(near.accept()[0])
        rows += [('', None, 'has not sent the rest of its request'), ('', None, 'has not sent the rest of its request')]
        for server, (function, _, said) in zip(servers, rows):
            place = f'{function} (' if function else ''

            def told():
                # One more waits for it, or nobody is held up.
                links.append(socket.create_connection(('127.0.0.1', server.port)))
                for finding in report(asked.triage, server.pid)['findings']:
                    text = finding['message']
                    if finding['rule'] == 'worker.saturated' and place in text and (text.endswith(said) or said in text.partition(place)[2]):
                        return text
                return None
            wait_until(f'{function or "a client"} is told: {said}', told, 20)
    finally:
        for server in servers:
            server.stop()
        for link in links + [up, near]:
            link.close()


def in_the_verdict(asked, folder):
    """A worker that hangs: the verdict names the function it is in, and what for."""
    server = Gunicorn(folder / 'site', '--timeout', '15', '--graceful-timeout', '1', packages=without_titles(folder))
    try:
        server.ask('/sleep?s=40')

        def hangs():
            found = [one for one in report(asked.triage, server.pid)['findings'] if one['rule'] == 'worker.hung']
            return found[0] if found else None
        finding = wait_until('the worker hangs', hangs, 30)
        doing = finding['was_doing']
        if 'faulty.py:' not in doing['python'][0] or 'called by' not in ' '.join(doing['python'][1:]):
            raise AssertionError(f'python: {doing["python"]}')
        if 'it sleeps in ' not in finding['message'] or not any('do not sleep in a request' in step['text'] for step in finding['fix']):
            raise AssertionError(f'no cause: {finding["message"]}')
        code, out = triage(asked.triage, 'stacks', server.pid)
        if 'waits in clock_nanosleep(' not in out or 'frames of gunicorn' not in out or max(map(len, out.splitlines())) > 80:
            raise AssertionError(out)
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--triage', required=True)
    parser.add_argument('--only', default='')
    asked = parser.parse_args()
    if os.uname().machine != 'x86_64' or os.getuid() != 0:
        print('1..0 # SKIP wants x86-64, and root to read the memory of others')
        return 77
    here = pythons()
    cases = []
    for version, python in here:
        cases.append((f'CPython {version}: as faulthandler', functools.partial(like_faulthandler, asked, version, python)))
        cases.append((f'CPython {version}: its line tables', functools.partial(lines_agree, asked, version, python)))
        cases.append((f'CPython {version}: no mixed stacks', functools.partial(never_mixed, asked, python)))
    missing = [minor for minor in MINORS if not any(version.startswith(f'3.{minor}.') for version, _ in here)]
    for minor in missing:
        def absent(folder, minor=minor):
            raise Skip(f'no CPython 3.{minor} on this machine')
        cases.append((f'CPython 3.{minor}', absent))
    if here:
        cases.append(('a fork of what had threads', lambda folder: like_faulthandler(asked, *here[-1], folder, 'fork')))
    for case in (in_state_d, no_eintr, in_a_pid_namespace, running, many_threads, frames_found_by_rbp, not_known, native_frames, greenlets, embedded, look_alikes, in_the_verdict):
        cases.append((case.__name__, functools.partial(case, asked)))
    return run_cases([(name, case) for name, case in cases if asked.only in name], 2)


if __name__ == '__main__':
    sys.exit(main())
