#!/usr/bin/env python3
"""triage-repro from-bundle on recorded incidents: the scenario that it writes makes the verdict appear that the incident has."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# One of each cause; those that are there are taken, and at least 15 have to be.
INCIDENTS = ['access-log-of-timeout', 'arbiter-kill9', 'boot-addr-notlocal', 'boot-bad-expr', 'boot-conf-syntax', 'boot-dep-missing', 'boot-import-raises', 'boot-worker-class-dotted', 'exit-os_exit7',
             'graceful-timeout-exceeded', 'gthread-gil-hog', 'hup-broken-config', 'hup-preload', 'nginx-read-timeout-first', 'oom-cgroup', 'oom-child-process', 'segfault', 'sync-idle-connection', 'tcp-backlog-full', 'unix-dir-eacces']
INCIDENT_FILES = {'label.json', 'versions'}   # what really happened: kept from the tool


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--repro', required=True)
    asked = asked.parse_args()
    shared = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'incidents' / 'gunicorn'
    if not shared.is_dir():
        print('no ../shared/incidents beside the source')
        return 77
    if os.getuid() != 0:
        print('cgroups and namespaces are made: root only')
        return 77
    with tempfile.TemporaryDirectory(prefix='triage-bundle-') as folder:
        made, rows = {}, []
        for name in INCIDENTS:
            paths = [str(path) for path in sorted((shared / name).iterdir()) if path.name not in INCIDENT_FILES]
            done = subprocess.run([asked.repro, 'from-bundle', *paths, '-o', f'{folder}/{name}'], capture_output=True, text=True)
            if done.returncode:
                rows.append((name, f'from-bundle: {done.stderr.strip()}'))
            else:
                made[name] = done.stdout.split(': ', 1)[1].split(',')[0]
        done = subprocess.run([asked.repro, 'run', *[f'{folder}/{name}/scenario.json' for name in made], '--scale', '4', '--jobs', '4', '--format', 'jsonl'], capture_output=True, text=True)
        said = {}
        for line in done.stdout.splitlines():
            run = json.loads(line)
            report = run.get('report') or {}
            report = json.loads(report) if isinstance(report, str) else report
            name = pathlib.Path(run['file']).parent.name
            said.setdefault(name, []).append((run['server'], sorted({finding['rule'] for finding in report.get('findings', [])}), run.get('error') or run.get('skipped') or ''))
        for name, rule in made.items():
            seen = said.get(name, [])
            rows.append((name, '' if any(rule in rules for _, rules, _ in seen) else f'{rule} did not appear: {seen} {done.stderr[-500:]}'))
    for number, (name, wrong) in enumerate(rows, 1):
        print(f'{"not ok" if wrong else "ok"} {number} - {name}')
        if wrong:
            print(f'#   {wrong}')
    print(f'1..{len(rows)}')
    return 0 if rows and not any(wrong for _, wrong in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
