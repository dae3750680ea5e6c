"""Real servers with real faults for the live tests and the demo: a gunicorn, an nginx and a memory-limited cgroup of our own, each ended
by whoever started it. Readiness is polled with a deadline; nothing sleeps and hopes. Ports are on loopback only."""
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LOOPBACK = '127.0.0.1'
PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable  # Debian's own, for which its packages are


class Skip(Exception):
    """This cannot be tried here; the text says why."""


def wait_until(what, answer, seconds=20):
    """The first true answer(); polled every 20 ms."""
    end = time.monotonic() + seconds
    while True:
        got = answer()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(0.02)


# ---- ports ----------------------------------------------------------------------------------------------------------
_port_lock = threading.Lock()
_next_port = 24000 + os.getpid() * 7 % 900


def free_port():
    """A port of 24000-24999 on which nobody listens."""
    global _next_port
    with _port_lock:
        for _ in range(1000):
            port, _next_port = _next_port, 24000 + (_next_port + 1 - 24000) % 1000
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError:
                    continue
                return port
    raise Skip('no free port in 24000-24999')


# ---- processes ------------------------------------------------------------------------------------------------------
def _in_child(cgroup):
    def prepare():
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed test leaves no server behind
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if cgroup:
            cgroup.join()
    return prepare


def children(pid):
    """pids of the living children; zombies are not living."""
    found = []
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat', 'rb') as stat:
                state, parent = stat.read().rpartition(b') ')[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state not in (b'Z', b'X'):
            found.append(int(entry))
    return sorted(found)


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat', 'rb') as stat:
            return stat.read().rpartition(b') ')[2].split()[0] not in (b'Z', b'X')
    except OSError:
        return False


def serves(pid):
    """Has a worker's own signal handlers: Python takes them away again when it ends, and before they are set it passes for a master that starts."""
    try:
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return False
    caught = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith('SigCgt')]
    return bool(caught) and not caught[0] >> (signal.SIGHUP - 1) & 1 and bool(caught[0] >> (signal.SIGTERM - 1) & 1)


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError(f'{what}: got {got}, wanted {wanted}')


def first_in_a_pid_namespace(script, *arguments):
    """(the Process, the host pid of PID 1) of a pid namespace with its own /proc whose PID 1 runs this Python text; Skip where none can be made."""
    if subprocess.run(['unshare', '--pid', '--fork', '--mount-proc', 'true'], capture_output=True).returncode:
        raise Skip('no pid namespace of our own can be made here')
    outer = Process(['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', PYTHON, '-c', script, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return outer, wait_until('PID 1 runs', lambda: children(outer.pid))[0]
    except BaseException:
        outer.stop()
        raise


class Process:
    """A process of ours in a session of its own, so that its children can be ended with it and nobody else's."""

    def __init__(self, command, cgroup=None, **more):
        self.process = subprocess.Popen(command, start_new_session=True, preexec_fn=_in_child(cgroup), **more)
        self.pid = self.process.pid

    def stop(self, seconds=8):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def connect(port, seconds=60, host=LOOPBACK):
    if isinstance(port, int):
        return socket.create_connection((host, port), timeout=seconds)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(seconds)
    try:
        link.connect(str(port))
    except OSError:
        link.close()
        raise
    return link


def get(port, path, seconds=60, host=LOOPBACK):
    """What the client saw: a status code, or 'closed' / 'refused' / 'no answer'. `port` may be the path of a unix socket."""
    try:
        with connect(port, seconds, host) as link:
            link.sendall(f'GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n'.encode())
            answer = b''
            while b'\r\n' not in answer:
                piece = link.recv(4096)
                if not piece:
                    return 'closed'
                answer += piece
        return int(answer.split(b' ', 2)[1])
    except ConnectionRefusedError:
        return 'refused'
    except (ConnectionResetError, BrokenPipeError):
        return 'closed'
    except (socket.timeout, TimeoutError):
        return 'no answer'


class Request(threading.Thread):
    """A request that runs beside us; `answer` once it is over."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.port, self.path, self.answer = port, path, None
        self.start()

    def run(self):
        self.answer = get(self.port, self.path)


# ---- a memory-limited cgroup ----------------------------------------------------------------------------------------
class Cgroup:
    """v1 or v2, whichever has a memory controller that we may use."""

    _count = 0
    _lock = threading.Lock()

    def __init__(self, limit):
        with Cgroup._lock:
            Cgroup._count += 1
            name = f'triage-test-{os.getpid()}-{Cgroup._count}'
        self.path, self.version = self._base()
        self.path = self.path / name
        try:
            self.path.mkdir()
        except OSError as error:
            raise Skip(f'no cgroup of our own: {error}') from None
        try:
            if self.version == 2:
                (self.path / 'memory.max').write_text(str(limit))
                if (self.path / 'memory.swap.max').exists():
                    (self.path / 'memory.swap.max').write_text('0')
            else:
                (self.path / 'memory.limit_in_bytes').write_text(str(limit))
                if (self.path / 'memory.memsw.limit_in_bytes').exists():
                    (self.path / 'memory.memsw.limit_in_bytes').write_text(str(limit))
        except OSError as error:
            self.path.rmdir()
            raise Skip(f'no memory limit for a cgroup of our own: {error}') from None

    @staticmethod
    def _base():
        v1, v2 = pathlib.Path('/sys/fs/cgroup/memory'), pathlib.Path('/sys/fs/cgroup')
        if (v1 / 'memory.limit_in_bytes').exists():
            return v1, 1
        if not (v2 / 'cgroup.controllers').exists():
            raise Skip('no memory cgroup is mounted (neither v1 nor v2)')
        if 'memory' not in (v2 / 'cgroup.controllers').read_text().split():
            raise Skip('cgroup v2 without a memory controller')
        if 'memory' not in (v2 / 'cgroup.subtree_control').read_text().split():
            try:
                (v2 / 'cgroup.subtree_control').write_text('+memory')
            except OSError as error:
                raise Skip(f'the memory controller cannot be handed down: {error}') from None
        return v2, 2

    def join(self):
        (self.path / 'cgroup.procs').write_text('0')

    def remove(self):
        def gone():
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return True
            except OSError:
                return False
            return True
        wait_until(f'{self.path} is empty', gone)


# ---- servers --------------------------------------------------------------------------------------------------------
def without_titles(folder):
    """A folder that hides setproctitle: gunicorn then leaves its command line alone."""
    path = folder / 'no-titles'
    path.mkdir()
    (path / 'setproctitle.py').write_text('raise ImportError("hidden by the test")\n')
    return path


def copy_program(program, to):
    """By a process of its own: while we write it ourselves another thread may fork, and its child holds the file open until it execs (ETXTBSY)."""
    subprocess.run(['cp', os.path.realpath(program), str(to)], check=True)


def gunicorn_version():
    """(20, 1, 0) of the installed one."""
    told = subprocess.run([shutil.which('gunicorn', path='/usr/bin:/bin') or 'gunicorn', '--version'], capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.findall(r'\d+', told)[:3])


class Gunicorn:
    """A gunicorn with the faulty application. `packages`: a folder to take another version from than the installed one; `socket`: the path
    of a unix socket to bind instead of a port; `app`: another module that lies in the folder; `python`: what runs `packages`."""

    def __init__(self, folder, *arguments, workers=2, packages=None, cgroup=None, ready=True, socket=None, app='faulty', python=PYTHON):
        self.folder, self.port = pathlib.Path(folder), str(socket) if socket else free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log, self.requests, self.wanted = self.folder / 'error.log', self.folder.parent / (self.folder.name + '.requests'), workers
        shutil.copy(HERE / 'faulty.py', self.folder / 'faulty.py')
        environment = dict(os.environ, TRIAGE_REQUESTS=str(self.requests), PYTHONDONTWRITEBYTECODE='1')
        environment.pop('GUNICORN_CMD_ARGS', None)
        if packages:
            environment['PYTHONPATH'] = str(packages)
        command = [shutil.which('gunicorn', path='/usr/bin:/bin')] if not packages else [python, '-m', 'gunicorn']
        command += ['-b', f'unix:{socket}' if socket else f'{LOOPBACK}:{self.port}', '-w', str(workers), '--error-logfile', str(self.log), *arguments, app]
        self.command = command
        with open(self.folder / 'stdio.log', 'wb') as stdio:
            self.process = Process(command, cgroup, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdio, stderr=stdio)
        self.pid = self.process.pid
        if ready:
            try:
                self.wait_ready()
            except AssertionError:
                self.stop()
                raise

    def wait_ready(self):
        def answer():
            if self.process.process.poll() is not None:
                raise AssertionError(f'gunicorn ended: {(self.folder / "stdio.log").read_text()[-500:]} {self.text()[-500:]}')
            return self.booted() >= self.wanted and get(self.port, '/ok', 10) == 200 and self.all_serve()
        wait_until('gunicorn answers', answer, 40)

    def text(self):
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def booted(self):
        if '/dev/null' in self.command:  # a server whose log nobody can read
            return len(self.workers())
        return self.text().count('Booting worker')

    def workers(self):
        return children(self.pid)

    def all_serve(self):
        """As many workers as wanted, each with its own signal handlers: one that has none yet takes a signal to stop as a master would, lays it aside, and runs on for the whole graceful timeout."""
        pids = self.workers()
        return len(pids) == self.wanted and all(serves(pid) for pid in pids)

    def seen(self, path):
        """pids that began to serve `path`"""
        if not self.requests.exists():
            return []
        return [int(line.split()[0]) for line in self.requests.read_text().splitlines() if line.endswith(' ' + path)]

    def ask(self, path):
        """Sends a request and waits until a worker has it: (the request, the worker's pid)."""
        bare, before = path.partition('?')[0], len(self.seen(path.partition('?')[0]))
        request = Request(self.port, path)
        wait_until(f'a worker has {bare}', lambda: len(self.seen(bare)) > before)
        return request, self.seen(bare)[before]

    def wait_dead(self, pid, seconds=30):
        wait_until(f'worker {pid} is dead', lambda: not alive(pid), seconds)

    def wait_replaced(self, seconds=20):
        """The master has seen it: as many living workers as wanted, each with its line."""
        wait_until('the worker is replaced', lambda: self.all_serve() and all(f'Booting worker with pid: {pid}\n' in self.text() for pid in self.workers()), seconds)

    def stop(self):
        self.process.stop()


class Nginx:
    """An nginx before `server`: a port on loopback, or what stands in its proxy_pass. With a user of its own its folder must let that user in.
    `http`: more lines for the http block; `location`: for the location; `inside`: a command that starts it elsewhere (nsenter); `read`: its
    read timeout."""

    def __init__(self, folder, server, user='root', http='', location='', inside=(), answers=True, read='30s'):
        to = f'{LOOPBACK}:{server}' if isinstance(server, int) else server
        self.folder, self.port = pathlib.Path(folder), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / 'nginx.conf').write_text(f'''{f'user {user};' if os.getuid() == 0 else ''}
worker_processes 1;
pid {self.folder}/nginx.pid;
error_log {self.folder}/nginx-error.log info;
events {{ worker_connections 64; }}
http {{
  access_log {self.folder}/nginx-access.log;
  client_body_temp_path {self.folder}/tmp;
  proxy_temp_path {self.folder}/tmp;
  fastcgi_temp_path {self.folder}/tmp;
  uwsgi_temp_path {self.folder}/tmp;
  scgi_temp_path {self.folder}/tmp;
  {http}
  server {{
    listen {LOOPBACK}:{self.port};
    location / {{
      proxy_pass http://{to};
      proxy_read_timeout {read};
      {location}
    }}
  }}
}}
''')
        program = shutil.which('nginx', path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
        if not program:
            raise Skip('nginx is not installed')
        with open(self.folder / 'nginx-stdio.log', 'wb') as stdio:
            self.process = Process([*inside, program, '-p', str(self.folder), '-c', str(self.folder / 'nginx.conf'), '-e', str(self.folder / 'nginx-error.log'), '-g', 'daemon off;'],
                                   stdin=subprocess.DEVNULL, stdout=stdio, stderr=stdio)
        self.pid = self.process.pid
        if not answers:
            wait_until('nginx listens', lambda: (self.folder / 'nginx.pid').exists())
            return
        wait_until('nginx answers', lambda: get(self.port, '/ok', 10) == 200 if isinstance(server, int) else isinstance(get(self.port, '/ok', 10), int))

    def stop(self):
        self.process.stop()


# ---- the kernel log -------------------------------------------------------------------------------------------------
def kernel_log(*flags):
    """The kernel log's text as dmesg prints it; Skip where it may not be read."""
    got = subprocess.run(['dmesg', *flags], capture_output=True, text=True, errors='replace')
    if got.returncode != 0:
        raise Skip(f'the kernel log cannot be read: {got.stderr.strip()}')
    return got.stdout


def mark_kernel_log(text):
    """A record of ours, so that the log has one after what happened: only between two records does its silence mean something. The kernel
    drops what user space writes too fast (10 records in 5 s), so it is written until it stands there."""
    def stands():
        try:
            with open('/dev/kmsg', 'w') as kmsg:
                kmsg.write(f'triage-live: {text}\n')
        except OSError as error:
            raise Skip(f'no record can be written to the kernel log: {error}') from None
        return f'triage-live: {text}' in kernel_log()
    wait_until('our record stands in the kernel log', stands)


def kernel_names_our_pids():
    """In a container the kernel log names other pids than we see."""
    return os.stat('/proc/self/ns/pid').st_ino == 0xEFFFFFFC  # PROC_PID_INIT_INO: the initial namespace


# ---- triage ---------------------------------------------------------------------------------------------------------
def triage(program, *arguments, seconds=60):
    """-> (exit code, stdout); a crash or a hang is an AssertionError."""
    try:
        got = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise AssertionError(f'triage {arguments}: no end within {seconds} s') from None
    if got.returncode not in (0, 1, 3):
        raise AssertionError(f'triage {arguments}: exit {got.returncode}: {got.stderr[-400:]}')
    return got.returncode, got.stdout


def unpacked(bundle, folder):
    """The bundle as a plain tar in that folder."""
    if not shutil.which('zstd'):
        raise Skip('zstd is not installed')
    plain = folder / 'bundle.tar'
    subprocess.run(['zstd', '-qdf', str(bundle), '-o', str(plain)], check=True)
    return plain


def report(program, *arguments):
    code, out = triage(program, *arguments, '--format', 'json')
    try:
        return json.loads(out)
    except ValueError:
        raise AssertionError(f'triage {arguments}: exit {code}, no JSON: {out[:300]!r}') from None


def deaths(found):
    """{pid: [(rule, sure)]} of every finding about a death, its repeats included."""
    by_pid = {}
    for finding in found['findings']:
        if finding['rule'].split('.')[0] not in ('death', 'master'):
            continue
        about = [finding.get('subject') or {}] + list(finding.get('members') or [])
        for pid in {one.get(name) for one in about for name in ('pid', 'host_pid')} - {None, 0}:
            by_pid.setdefault(pid, []).append((finding['rule'], finding['sure']))
    return by_pid


# ---- TAP ------------------------------------------------------------------------------------------------------------
def run_cases(cases, together=4):
    """cases: [(name, function)]; each gets a folder of its own. Prints TAP as the cases end; the exit code of the program."""
    lock, rows, queue = threading.Lock(), [], list(cases)

    def work():
        while True:
            with lock:
                if not queue:
                    return
                name, case = queue.pop(0)
            folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-live-'))
            began = time.monotonic()
            try:
                case(folder)
                good, remark = True, ''
            except Skip as skip:
                good, remark = True, f' # SKIP {skip}'
            except Exception as error:  # a broken case must not end the others
                good, remark = False, ''
                told = [f'{type(error).__name__}: {error}']
            with lock:
                rows.append(good)
                print(f'{"ok" if good else "not ok"} {len(rows)} - {name}{remark}', flush=True)
                print(f'# {time.monotonic() - began:.1f} s')
                if not good:
                    for line in '\n'.join(told).splitlines():
                        print(f'#   {line}')
                    print(f'#   kept: {folder}')
            if good:
                shutil.rmtree(folder, ignore_errors=True)
                for left in folder.parent.glob(folder.name + '*'):
                    left.unlink(missing_ok=True)

    threads = [threading.Thread(target=work) for _ in range(together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f'1..{len(rows)}', flush=True)
    return 0 if all(rows) else 1
