#!/usr/bin/env python3
"""Golden tests: what `triage` says of every folder in fixtures/incidents, word for word, as text and as JSON.

    golden.py --triage build/bin/triage [--approve] [NAME...]

A folder NAME is compared with NAME.txt (the screen and the exit code) and NAME.json. Each run sees a copy whose files were all changed last
before the incident began: git gives no file the time it had, and triage distrusts configuration that is newer than the server."""
import argparse
import calendar
import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
INCIDENTS = HERE.parent.parent / 'fixtures' / 'incidents'
COLUMNS = 80
SECONDS = 20


def began(folder):
    """When the incident's first log line was written."""
    first = re.search(r'^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)', (folder / 'error.log').read_text(errors='replace'), re.M)
    if not first:  # another server's: some print no time at all
        return calendar.timegm((2026, 11, 22, 0, 0, 0))
    return calendar.timegm(time.strptime(first[1], '%Y-%m-%d %H:%M:%S'))


def run(triage, folder, form):
    with tempfile.TemporaryDirectory() as temporary:
        copy = pathlib.Path(temporary) / folder.name
        shutil.copytree(folder, copy)
        (copy / 'README').unlink()  # it says for people what happened
        hour_before = began(folder) - 3600
        for path in copy.iterdir():
            os.utime(path, (hour_before, hour_before))
        return subprocess.run([triage, '--from', folder.name, '--format', form, '--color', 'never'], cwd=temporary, capture_output=True, timeout=SECONDS, check=False,
                              env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C', 'TZ': 'UTC'})


def compact(value, depth):
    """JSON with one entry a line down to `depth`, the rest on one line: short enough to be read as a diff."""
    if depth == 0 or not value or not isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, dict):
        parts = [f'{json.dumps(key)}: {compact(part, depth - 1)}' for key, part in value.items()]
        front, back = '{', '}'
    else:
        parts = [compact(part, depth - 1) for part in value]
        front, back = '[', ']'
    inner = ',\n'.join(parts).replace('\n', '\n ')
    return f'{front}\n {inner}\n{back}'


def as_text(ran, name):
    screen = ran.stdout.decode('ascii')  # anything else is an error
    wide = [line for line in screen.splitlines() if len(line) > COLUMNS]
    if wide:
        raise SystemExit(f'{name}: wider than {COLUMNS} columns:\n' + '\n'.join(wide))
    return f'$ triage --from {name}\n{screen}exit {ran.returncode}\n'


def as_json(ran, _):
    report = json.loads(ran.stdout)
    report['at'] = report['tool'] = 'not compared'
    for hop in report['stack']['hops']:  # what is built in stands in the flavour's table and its tests
        hop['settings'] = {key: setting for key, setting in hop['settings'].items() if setting['from'] != 'built_in'}
    return compact(report, 4) + '\n'


def told(triage, folder):
    """What triage says now: file name -> text."""
    now = {}
    codes = set()
    for form, ending, shape in (('text', 'txt', as_text), ('json', 'json', as_json)):
        ran = run(triage, folder, form)
        if ran.stderr or ran.returncode not in (0, 1):
            raise SystemExit(f'{folder.name}: --format {form} ended with {ran.returncode} and said: {ran.stderr.decode(errors="backslashreplace")}')
        codes.add(ran.returncode)
        now[f'{folder.name}.{ending}'] = shape(ran, folder.name)
    if len(codes) != 1:
        raise SystemExit(f'{folder.name}: the format changed the exit code: {sorted(codes)}')
    return now


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--triage', required=True, type=os.path.abspath)
    parser.add_argument('--approve', action='store_true', help='take what triage says now as right')
    parser.add_argument('names', nargs='*')
    asked = parser.parse_args()
    names = asked.names or sorted(path.name for path in INCIDENTS.iterdir() if path.is_dir())
    differ = 0
    for name in names:
        for file, text in told(asked.triage, INCIDENTS / name).items():
            golden = HERE / file
            before = golden.read_text() if golden.exists() else ''
            if before == text:
                continue
            differ += 1
            sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), text.splitlines(True), f'{file} as approved', f'{file} now'))
            if asked.approve:
                golden.write_text(text)
    if not asked.names:
        for golden in sorted(HERE.glob('*.txt')) + sorted(HERE.glob('*.json')):
            if golden.name != 'CMakeLists.txt' and not (INCIDENTS / golden.stem).is_dir():
                differ += 1
                print(f'{golden.name}: there is no such incident')
                if asked.approve:
                    golden.unlink()
    if differ and not asked.approve:
        print(f'\n{differ} files differ; when the new words are right: tests/golden/approve.sh')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
