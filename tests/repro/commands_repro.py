#!/usr/bin/env python3
"""What triage-repro says and answers: list, formats, exit codes, errors with their place, what-if, shrink, --keep."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from harness import run_cases, same  # noqa: E402

SMALL = '''{
  "name": "small", "proves": "a worker that is killed is replaced", "own_pids": false,
  "server": { "like": "gunicorn-23", "workers": 2, "timeout": 30 },
  "load": [ { "name": "users", "path": "/hello", "count": 3, "concurrency": 1 }, { "name": "slow", "path": "/sleep?s={10s}", "count": 1, "patience": 20 } ],
  "steps": [ { "after": "answered", "nth": 3, "signal": "KILL", "to": "oldest" } ],
  "expect": [ { "deaths": "SIGKILL", "at_least": 1 }, { "clients": "users", "get": "200", "at_least": 3 }, { "triage": "death.killed-by-other" } ]
}
'''


def cases_of(asked):
    def repro(folder, *words, code=0):
        done = subprocess.run([asked.repro, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, cwd=folder)
        if done.returncode != code:
            raise AssertionError(f'{words}: exit {done.returncode} instead of {code}: {done.stdout[-800:]} {done.stderr[-800:]}')
        return done

    def written(folder, text=SMALL):
        (folder / 'small.json').write_text(text)
        return folder / 'small.json'

    def listed(folder):
        rows = json.loads(repro(folder, 'list', '--format', 'json').stdout)
        text = repro(folder, 'list').stdout
        same('the last line', text.splitlines()[-1], f'{len(rows)} scenarios')
        for row in rows:
            # Nearly all of the servers are told by those that are not.
            if not any(f'{row["name"]}  ({on})\n' in text for on in (', '.join(row['on']), 'all servers')) and f'{row["name"]}  (all but ' not in text or not row['proves'] or not row['expected']:
                raise AssertionError(f'{row} is not listed')
        wide = [line for line in text.splitlines() if len(line) > 80]
        same('lines over 80 columns', wide, [])

    def passes(folder):
        run = json.loads(repro(folder, 'run', written(folder), '--scale', '10', '--format', 'json').stdout)
        same('schema', run['schema'], 'triage.run/1')
        same('passed', (run['passed'], run['error'], run['skipped'], run['gaps']), (True, '', '', []))
        same('expected', [one['passed'] for one in run['expected']], [True] * 3)
        words = {event['what'] for event in run['observed']}
        missing = {'started', 'ready', 'worker-born', 'worker-dead', 'asked', 'taken', 'answered', 'signalled', 'log', 'memory', 'triage', 'end'} - words
        same('kinds of events that are missing', missing, set())
        same('times are in order', [event['at'] for event in run['observed']], sorted(event['at'] for event in run['observed']))
        same('the report', run['report']['schema'], 'triage.report/1')
        same('nothing is left', os.path.exists(run['folder'] or 'none'), False)

    def fails(folder):
        wrong = SMALL.replace('"get": "200", "at_least": 3', '"get": "503"')
        text = repro(folder, 'run', written(folder, wrong), '--scale', '10', '--set', 'lasts=20', code=1).stdout
        if 'not as expected: clients users get 503\n        seen: none; instead 200 x3\n' not in text or not text.endswith('0 runs as expected, 1 not\n'):
            raise AssertionError(text)

    def junit(folder):
        suite = ElementTree.fromstring(repro(folder, 'run', written(folder), '--scale', '10', '--format', 'junit').stdout)
        same('tests', (suite.get('tests'), suite.get('failures'), suite.get('skipped')), ('1', '0', '0'))
        same('the case', (suite[0].get('classname'), suite[0].get('name')), ('triage-repro.triage-server', 'small'))

    def refused(folder):
        path = written(folder, SMALL.replace('"workers"', '"wrokers"'))
        said = repro(folder, 'run', path, code=2).stderr
        if not said.startswith(f"triage-repro: {path}:3:38: there is no key 'wrokers' here; did you mean 'workers'?"):
            raise AssertionError(said)
        said = repro(folder, 'run', 'worker-timeuot', code=2).stderr
        if "did you mean 'worker-timeout'?" not in said:
            raise AssertionError(said)
        repro(folder, 'run', '--sclae', '3', code=2)
        repro(folder, 'explode', code=2)
        repro(folder, 'run', written(folder), '--server', 'gunicorn', code=3)

    def cannot_start(folder):
        text = repro(folder, 'run', written(folder, SMALL.replace('"workers": 2', '"workers": 2, "args": ["--no-such-option"]')), code=3).stdout
        if 'starting triage-server: it has ended: triage-server: there is no option --no-such-option' not in ' '.join(text.split()):
            raise AssertionError(text)

    def keeps(folder):
        run = json.loads(repro(folder, 'run', written(folder), '--scale', '10', '--keep', '--format', 'json').stdout)
        kept = pathlib.Path(run['folder'])
        try:
            same('run.json', json.loads((kept / 'run.json').read_text())['observed'], run['observed'])
            same('events.ndjson', [json.loads(line) for line in (kept / 'events.ndjson').read_text().splitlines()], run['observed'])
            same('the log', 'Booting worker' in (kept / 'site' / 'error.log').read_text(), True)
        finally:
            shutil.rmtree(kept)

    def what_if(folder):
        text = written(folder, SMALL.replace('"patience": 20', '"patience": 5'))
        got = json.loads(repro(folder, 'what-if', text, '--set', 'load.1.patience=100', '--set', 'steps=[]', '--set', 'lasts=20', '--scale', '10', '--format', 'json').stdout)
        same('schema', got['schema'], 'triage.what-if/1')
        rows = {row['what']: (row['before'], row['after'], row['differs']) for row in got['outcomes']}
        # Whose worker is killed is chance: its client's wait ends by that, or by its patience.
        same('the impatient', rows.get('clients slow: gave-up') or rows.get('clients slow: closed'), ([1], [0], True))
        same('the patient', rows.get('clients slow: 200'), ([0], [1], True))
        same('the others', rows.get('clients users: 200'), ([3], [3], False))
        same('the killed', rows.get('worker dies: SIGKILL'), ([1], [0], True))

    def shrinks(folder):
        out = folder / 'smaller.json'
        spare = SMALL.replace('"own_pids": false,', '"own_pids": false, "lasts": 5,').replace('{ "name": "users", "path": "/hello", "count": 3, "concurrency": 1 }, ', '').replace('"after": "answered", "nth": 3, ', '')
        spare = spare.replace('{ "clients": "users", "get": "200", "at_least": 3 }, ', '').replace('"patience": 20', '"patience": 2')
        repro(folder, 'shrink', written(folder, spare), '--scale', '10', '-o', out)
        left = json.loads(out.read_text())
        same('expected', left['expect'], [{'triage': 'death.killed-by-other'}])
        same('the kill stays', left['steps'][0]['signal'], 'KILL')
        same('the slow request goes', any(load.get('path', '').startswith('/sleep') for load in left.get('load', [])), False)
        repro(folder, 'run', out, '--scale', '10')

    return [(case.__name__, case) for case in (listed, passes, fails, junit, refused, cannot_start, keeps, what_if, shrinks)]


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--repro', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    asked.repro = os.path.abspath(asked.repro)
    if os.getuid() != 0:
        print('SKIPPED: namespaces and cgroups need root')
        return 77
    return run_cases([(name, case) for name, case in cases_of(asked) if asked.only in name], 3)


if __name__ == '__main__':
    sys.exit(main())
