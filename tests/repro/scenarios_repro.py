#!/usr/bin/env python3
"""Scenarios on the servers that they are for, times divided by ten, side by side: a TAP line for each.

Without --all: every scenario on triage-server and gunicorn, and on each other server those that only such a server shows and the ones of EVERYWHERE;
what differs from these only by the server's own words is left to the soak (--all).
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys

OURS = {'triage-server', 'gunicorn'}
EVERYWHERE = {'worker-timeout', 'oom-worker', 'operator-kill'}


def commands(asked):
    """The command lines to run beside one another, each with its number of jobs."""
    base = [asked.repro, 'run', '--scale', '10', '--repeat', asked.repeat, '--format', 'jsonl']
    listed = json.loads(subprocess.run([asked.repro, 'list', '--format', 'json'], stdout=subprocess.PIPE, check=True).stdout)
    wanted = [one for one in listed if asked.only in one['name']]
    if asked.all:
        return [base + ['--jobs', asked.jobs] + [one['name'] for one in wanted]]
    ours = [one['name'] for one in wanted if OURS & set(one['on'])]
    others = [one['name'] for one in wanted if set(one['on']) - OURS and (one['name'] in EVERYWHERE or not OURS & set(one['on']))]
    names = sorted({server for one in wanted for server in one['on']} - OURS)
    return ([base + ['--jobs', asked.jobs, '--server', ','.join(sorted(OURS))] + ours] if ours else []) + ([base + ['--jobs', asked.jobs, '--server', ','.join(names)] + others] if others else [])


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
    asked.add_argument('--jobs', default='8')
    asked.add_argument('--repeat', default='1')
    asked.add_argument('--all', action='store_true')
    asked = asked.parse_args()
    if os.getuid() != 0:
        print('SKIPPED: namespaces and cgroups need root')
        return 77
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) for command in commands(asked)]
    texts = [text for text, _ in concurrent.futures.ThreadPoolExecutor().map(subprocess.Popen.communicate, running)]
    runs = [json.loads(line) for text in texts for line in text.splitlines()]
    # 3: nothing could be run, as where no other server is installed.
    good = bool(runs) and all(one.returncode in (0, 1, 3) for one in running)
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
