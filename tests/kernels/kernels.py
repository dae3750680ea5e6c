#!/usr/bin/env python3
"""The watch under other kernels: Debian's cloud kernels in qemu, each with a busybox, the built triage with its libraries, and a stand-in for
gunicorn. The packages are unpacked, never installed. Speaks TAP; what cannot be had is a skip with its reason."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from harness import Skip  # noqa: E402
from packages import Archive  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
KERNELS = [('bullseye', r'linux-image-5\.10\.0-\d+-cloud-amd64'), ('bookworm', r'linux-image-6\.1\.0-\d+-cloud-amd64'),
           ('trixie', r'linux-image-6\.12\.\d+\+deb13-cloud-amd64'), ('sid', r'linux-binary-7\.\d+\.\d+\+deb\d+-cloud-amd64')]
# Where a package has its kernel: since 7.x beside the modules.
VMLINUZ = ('boot/vmlinuz-*', 'usr/lib/modules/*/vmlinuz')
# What init.sh does to workers, and the rule that must name it. forged: a "Killed process" line that user space wrote, beside a kill by a named
# process; shared: another process has the same memory, and the kernel logs one of the two; thread: the leader is gone, the kernel logs a
# thread's id; limited: after so many OOM kills that the kernel logs the victim alone; host: no limit but the machine's; group:
# memory.oom.group takes the whole server; python: a Python worker, whose stack is to be told, or it is said why it cannot.
WANTED = {'python': 'death.killed-by-other', 'kill': 'death.killed-by-other', 'fault': 'death.crashed', 'exit': 'death.exited', 'abort': 'death.crashed', 'forged': 'death.killed-by-other', 'oom': 'death.oom-cgroup',
          'shared': 'death.oom-cgroup', 'thread': 'death.oom-cgroup', 'limited': 'death.oom-cgroup', 'host': 'death.oom-host', 'group': 'death.oom-cgroup'}
SENT_BY = {'python': 'nightly-cleanup', 'kill': 'nightly-cleanup', 'forged': 'nightly-cleanup'}


def libraries(program):
    got = subprocess.run(['ldd', program], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r'(/\S+\.so\S*)', got)))


def initramfs(asked, to):
    """A cpio archive of what the guest runs."""
    busybox = shutil.which('busybox', path='/bin:/usr/bin')
    if not busybox or not shutil.which('cpio'):
        raise Skip('busybox-static or cpio is not installed')
    root = to / 'root'
    (root / 'bin').mkdir(parents=True)
    shutil.copy(busybox, root / 'bin/busybox')
    shutil.copy(asked.guest, root / 'bin/guest')
    subprocess.run(['strip', '-o', str(root / 'bin/triage'), asked.triage], check=True)
    for library in libraries(asked.triage):
        place = root / library.lstrip('/')
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    python = '/usr/bin/python3.11'
    if not os.path.exists(python):
        raise Skip(f'no {python} for the guest')
    for wanted in [python, *libraries(python)]:
        place = root / ('bin/python3' if wanted == python else wanted.lstrip('/'))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(wanted, place)
    encodings = root / 'usr/lib/python3.11/encodings'
    encodings.mkdir(parents=True)
    for module in ('__init__', 'aliases', 'utf_8', 'ascii', 'latin_1'):
        shutil.copy(f'/usr/lib/python3.11/encodings/{module}.py', encodings)
    (root / 'srv').mkdir()
    shutil.copy(HERE / 'hung.py', root / 'srv/hung.py')
    (root / 'srv/start.py').write_text("exec(compile(open('/srv/hung.py').read(), '/srv/hung.py', 'exec'))\n")
    shutil.copy(HERE / 'init.sh', root / 'init')
    (root / 'init').chmod(0o755)
    names = subprocess.run(['find', '.', '-print0'], cwd=root, capture_output=True, check=True).stdout
    with open(to / 'initramfs', 'wb') as out:
        subprocess.run(['cpio', '--quiet', '-0', '-o', '-H', 'newc'], cwd=root, input=names, stdout=out, check=True)
    return to / 'initramfs'


class Stuck(AssertionError):
    """The guest did not come to its end: under emulation, on a machine that does other work, one did so once in some twenty."""


def boot(kernel, image, seconds):
    program = shutil.which('qemu-system-x86_64')
    if not program:
        raise Skip('qemu-system-x86 is not installed')
    # no_timer_check: on a busy machine an emulated timer comes too late for the kernel's test of it, and it panics.
    # Debian 12's qemu dies in cmpxchg16b of 6.12 and later unless told so (docs/kernels.md).
    command = [program, '-machine', 'q35', '-accel', 'tcg', '-cpu', 'max,-cx16', '-smp', '1', '-m', '384', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
               '-kernel', str(kernel), '-initrd', str(image), '-append', 'console=ttyS0 loglevel=3 panic=-1 mitigations=off random.trust_cpu=on no_timer_check']
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL).stdout.decode(errors='replace').replace('\r', '')
    except subprocess.TimeoutExpired as late:
        raise Stuck(f'not over within {seconds} s: {(late.stdout or b"")[-600:]!r}') from None


def judge_calls(rows, refused):
    """--syscalls either names the process that was refused a descriptor, or says in a Gap why it cannot. -> (remark, what is wrong)"""
    gaps = [row for row in rows if row['type'] == 'gap']
    if gaps:
        return f'not followed: {gaps[0]["reason"]}', []
    found = [row for row in rows if row.get('rule') == 'limit.descriptors' and row['subject']['host_pid'] == refused and not row['provisional']]
    if len(found) == 1 and found[0]['sure'] == 'certain' and '5 times with EMFILE' in found[0]['message']:
        return 'followed', []
    return 'followed', [f'{refused} was refused a descriptor 5 times: {json.dumps(rows)}']


def judge_stack(kernel, gaps, finding):
    """The Python worker's stack, or a Gap: before 5.17 the kernel refuses to load what reads it. -> (remark, what is wrong)"""
    refused = [gap for gap in gaps if gap['wanted'] == 'the Python stack of a worker as it is killed']
    old = tuple(map(int, kernel.split('.')[:2])) < (5, 17)
    if old != bool(refused):
        return '', [f'gaps of stacks under {kernel}: {refused}']
    doing = finding.get('was_doing', {})
    wanted = [] if old else [['hung', 6], ['work', 10], ['<module>', 15]]
    got = [[frame['function'], frame['line']] for frame in doing.get('frames', [])[:3]]
    if got != wanted:
        return '', [f'the Python stack: got {got}, wanted {wanted}: {doing}']
    return 'refused: ' + refused[0]['reason'] if old else 'read', []


def judge(said):
    if '--- end' not in said:
        raise AssertionError(f'the guest did not come to its end: {said[-1500:]!r}')
    told, calls, gaps = {}, [], []
    for line in said.partition('--- watch\n')[2].partition('--- stderr')[0].splitlines():
        try:
            finding = json.loads(line)
        except ValueError:
            continue
        if finding.get('type') == 'gap' and 'system calls' not in finding['wanted']:
            gaps.append(finding)
        if finding.get('rule') == 'limit.descriptors' or finding.get('event') == 'syscalls' or 'system calls' in finding.get('wanted', ''):
            calls.append(finding)
            continue
        subject = finding.get('subject') or {}
        for pid in {subject.get('pid'), subject.get('host_pid')} - {None, 0}:
            told[pid] = finding
    faults = [(name, pid) for name, pids in re.findall(r'^fault: (\w+) ([\d ]+)$', said, re.M) for pid in pids.split()]
    if {name for name, _ in faults} != set(WANTED) or len(faults) != len(WANTED) + 1:
        raise AssertionError(f'faults: {faults}; {said[-1500:]!r}')
    wrong = re.findall(r'^late: .*$', said, re.M)
    followed, wrong_calls = judge_calls(calls, int(re.search(r'^refused: (\d+)', said, re.M).group(1)))
    wrong += wrong_calls
    release = re.search(r'^kernel: (\S+)', said, re.M).group(1)
    stack, wrong_stack = judge_stack(release, gaps, told.get(next(int(pid) for name, pid in faults if name == 'python'), {}))
    wrong += wrong_stack
    for name, pid in faults:
        finding = told.get(int(pid), {})
        if finding.get('rule') != WANTED[name] or finding.get('sure') != 'certain':
            wrong.append(f'{name} of {pid}: wanted {WANTED[name]}, got {finding.get("rule")} {finding.get("sure")}: {finding.get("message")}')
        elif SENT_BY.get(name, '') not in json.dumps(finding):
            wrong.append(f'{name} of {pid}: the sender is not named: {finding.get("message")}')
    if wrong:
        raise AssertionError('\n'.join(wrong) + '\n' + said.partition('--- stderr')[2])
    kernel = said.partition('--- kernel\n')[2]
    held_back = sum(f'pid={pid},' not in ''.join(re.findall(r'oom-kill:.*', kernel)) for pid in re.findall(r'Killed process (\d+) \(guest\)', kernel))
    return release, f'{len(faults)} faults, {held_back} OOM reports held back by the kernel; system calls {followed}; Python stack {stack}; ' + re.search(r'^attached: (.*)$', said, re.M).group(1)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--guest', required=True)
    asked.add_argument('--only', default='')
    asked.add_argument('--seconds', type=int, default=140)
    asked.add_argument('--show', action='store_true', help='all that the guest printed')
    asked = asked.parse_args()
    archive = Archive(os.path.join(os.path.dirname(os.path.abspath(asked.triage)), '..', 'packages'))
    chosen = [(suite, pattern) for suite, pattern in KERNELS if asked.only in suite]
    with tempfile.TemporaryDirectory(prefix='triage-kernels-') as folder:
        try:
            image = initramfs(asked, pathlib.Path(folder))
        except Skip as skip:
            print(f'1..0 # SKIP {skip}')
            return 77

        def watch_under(suite, pattern):
            """-> (remark, what the guest said, what is wrong)"""
            began, said = time.monotonic(), ''
            try:
                package = archive.newest(suite, pattern)
                folder = archive.unpacked(suite, package)
                kernel = next((path for place in VMLINUZ for path in folder.glob(place)), None)
                if kernel is None:
                    raise Skip(f'{package} holds no vmlinuz')
                again = ''
                try:
                    said = boot(kernel, image, asked.seconds)
                except Stuck:
                    said, again = boot(kernel, image, asked.seconds), 'at the second try; '
                release, attached = judge(said)
                return f'watch under {release} ({time.monotonic() - began:.0f} s; {again}{attached})', said, ''
            except Skip as skip:
                return f"watch under {suite}'s kernel # SKIP {skip}", said, ''
            except AssertionError as error:
                return f"watch under {suite}'s kernel", said, str(error)

        failed = 0
        # A guest has one processor and so takes one of ours.
        with concurrent.futures.ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
            for number, (remark, said, wrong) in enumerate(pool.map(lambda one: watch_under(*one), chosen), 1):
                if asked.show:
                    print('\n'.join('# ' + line for line in said.splitlines()))
                failed += bool(wrong)
                print(f'{"not ok" if wrong else "ok"} {number} - {remark}', flush=True)
                for line in wrong.splitlines():
                    print('#   ' + line, flush=True)
    print(f'1..{len(chosen)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
