#!/usr/bin/env python3
"""What `triage --from` says of the machines recorded in fixtures/hosts/systemd-*, word for word: hosts/NAME.txt.

    hosts.py --triage build/bin/triage [--approve]"""
import argparse
import difflib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = HERE.parent.parent / 'fixtures' / 'hosts'
COLUMNS = 80


def told(triage, name):
    ran = subprocess.run([triage, '--from', name, '--color', 'never'], cwd=RECORDED, capture_output=True, timeout=20, check=False, env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C', 'TZ': 'UTC'})
    screen = ran.stdout.decode('ascii')  # anything else is an error
    if ran.stderr or ran.returncode not in (0, 1):
        raise SystemExit(f'{name}: ended with {ran.returncode} and said: {ran.stderr.decode(errors="backslashreplace")}')
    wide = [line for line in screen.splitlines() if len(line) > COLUMNS]
    if wide:
        raise SystemExit(f'{name}: wider than {COLUMNS} columns:\n' + '\n'.join(wide))
    return f'$ triage --from {name}\n{screen}exit {ran.returncode}\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--triage', required=True, type=os.path.abspath)
    parser.add_argument('--approve', action='store_true', help='take what triage says now as right')
    asked = parser.parse_args()
    names = sorted(path.name for path in RECORDED.glob('systemd-*') if path.is_dir())
    if not names:
        raise SystemExit('no recorded host')
    differ = 0
    for name in names:
        golden = HERE / 'hosts' / f'{name}.txt'
        before, now = golden.read_text() if golden.exists() else '', told(asked.triage, name)
        if before == now:
            continue
        differ += 1
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), now.splitlines(True), f'{name} as approved', f'{name} now'))
        if asked.approve:
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(now)
    if differ and not asked.approve:
        print(f'\n{differ} differ; when the new words are right: tests/golden/hosts.py --triage build/bin/triage --approve')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
