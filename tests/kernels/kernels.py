#!/usr/bin/env python3
"""The watch under other kernels: Debian's cloud kernels in qemu, each with a busybox, the built triage with its libraries, and a stand-in for
gunicorn. The packages are unpacked, never installed. Speaks TAP; what cannot be had is a skip with its reason."""
import argparse
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
WANTED = {'kill': 'death.killed-by-other', 'oom': 'death.oom-cgroup', 'fault': 'death.crashed', 'exit': 'death.exited'}


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
    shutil.copy(HERE / 'init.sh', root / 'init')
    (root / 'init').chmod(0o755)
    names = subprocess.run(['find', '.', '-print0'], cwd=root, capture_output=True, check=True).stdout
    with open(to / 'initramfs', 'wb') as out:
        subprocess.run(['cpio', '--quiet', '-0', '-o', '-H', 'newc'], cwd=root, input=names, stdout=out, check=True)
    return to / 'initramfs'


def boot(kernel, image, seconds):
    program = shutil.which('qemu-system-x86_64')
    if not program:
        raise Skip('qemu-system-x86 is not installed')
    # Debian 12's qemu dies in cmpxchg16b of 6.12 and later unless told so (docs/kernels.md).
    command = [program, '-machine', 'q35', '-accel', 'tcg', '-cpu', 'max,-cx16', '-smp', '1', '-m', '512', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
               '-kernel', str(kernel), '-initrd', str(image), '-append', 'console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on']
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL).stdout.decode(errors='replace').replace('\r', '')
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f'not over within {seconds} s: {(late.stdout or b"")[-600:]!r}') from None


def judge(said):
    if '--- end' not in said:
        raise AssertionError(f'the guest did not come to its end: {said[-1500:]!r}')
    told = {}
    for line in said.partition('--- watch\n')[2].partition('--- stderr')[0].splitlines():
        try:
            finding = json.loads(line)
        except ValueError:
            continue
        subject = finding.get('subject') or {}
        for pid in {subject.get('pid'), subject.get('host_pid')} - {None, 0}:
            told[pid] = finding
    faults = re.findall(r'^fault: (\w+) (\d+)$', said, re.M)
    if len(faults) != len(WANTED):
        raise AssertionError(f'faults: {faults}; {said[-1500:]!r}')
    wrong = []
    for name, pid in faults:
        finding = told.get(int(pid), {})
        if finding.get('rule') != WANTED[name] or finding.get('sure') != 'certain':
            wrong.append(f'{name} of {pid}: wanted {WANTED[name]}, got {finding.get("rule")} {finding.get("sure")}: {finding.get("message")}')
        elif name == 'kill' and 'nightly-cleanup' not in json.dumps(finding):
            wrong.append(f'kill of {pid}: the sender is not named: {finding.get("message")}')
    if wrong:
        raise AssertionError('\n'.join(wrong) + '\n' + said.partition('--- stderr')[2])
    return re.search(r'^kernel: (\S+)', said, re.M).group(1), re.search(r'^attached: (.*)$', said, re.M).group(1)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--guest', required=True)
    asked.add_argument('--only', default='')
    asked.add_argument('--seconds', type=int, default=180)
    asked.add_argument('--show', action='store_true', help='all that the guest printed')
    asked = asked.parse_args()
    archive = Archive(os.path.join(os.path.dirname(os.path.abspath(asked.triage)), '..', 'packages'))
    failed = number = 0
    with tempfile.TemporaryDirectory(prefix='triage-kernels-') as folder:
        for suite, pattern in KERNELS:
            if asked.only not in suite:
                continue
            number += 1
            began = time.monotonic()
            try:
                image = pathlib.Path(folder) / 'initramfs'
                if not image.exists():
                    image = initramfs(asked, pathlib.Path(folder))
                package = archive.newest(suite, pattern)
                kernel = next((archive.unpacked(suite, package) / 'boot').glob('vmlinuz-*'), None)
                if kernel is None:
                    raise Skip(f'{package} holds no vmlinuz')
                said = boot(kernel, image, asked.seconds)
                if asked.show:
                    print('\n'.join('# ' + line for line in said.splitlines()))
                release, attached = judge(said)
                print(f'ok {number} - watch under {release} ({time.monotonic() - began:.0f} s; {attached})', flush=True)
            except Skip as skip:
                print(f'ok {number} - watch under {suite}\'s kernel # SKIP {skip}', flush=True)
            except AssertionError as error:
                failed += 1
                print(f'not ok {number} - watch under {suite}\'s kernel\n' + '\n'.join('#   ' + line for line in str(error).splitlines()), flush=True)
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
