#!/usr/bin/env python3
"""Every scenario on every server that it is for, times divided by ten, side by side: a TAP line for each."""
import argparse
import json
import os
import subprocess
import sys


def reason(run):
    """Why a run is not as expected, a line each."""
    yield from [run['error']] if run['error'] else []
    for one in run['expected']:
        if not one['passed']:
            yield f'wanted: {one["wanted"]}; seen: {one["seen"]}'
    for gap in run['gaps']:
        yield f'not seen: {gap}'
    log = [event.get('text', '') for event in run['observed'] if event['what'] == 'log']
    yield from log[-12:]


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--repro', required=True)
    asked.add_argument('--only', default='')
    asked.add_argument('--jobs', default='10')
    asked.add_argument('--repeat', default='1')
    asked = asked.parse_args()
    if os.getuid() != 0:
        print('SKIPPED: namespaces and cgroups need root')
        return 77
    command = [asked.repro, 'run', '--scale', '10', '--jobs', asked.jobs, '--repeat', asked.repeat, '--format', 'jsonl', '--only', asked.only]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    good = bool(runs) and done.returncode in (0, 1)
    for number, run in enumerate(runs, 1):
        skip = f' # SKIP {run["skipped"]}' if run['skipped'] else ''
        fine = run['passed'] or bool(run['skipped'])
        good = good and fine
        print(f'{"ok" if fine else "not ok"} {number} - {run["scenario"]} on {run["version"] or run["server"]} ({run["took"]:.1f} s){skip}')
        if not fine:
            for line in reason(run):
                print(f'#   {line}')
    print(f'1..{len(runs)}')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
