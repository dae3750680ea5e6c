#!/usr/bin/env python3
"""Runs ctest and says in one line what came of it, counted in what a reader calls a test: a Catch case, a line of TAP, or a whole program
that speaks neither. Every skip is printed with its reason. The last line is `N passed, N failed, N skipped`; the exit code is 1 when
something failed or nothing ran.

A case that cannot run here prints `SKIPPED: why` (Catch) or `ok - name # SKIP why` (TAP), or its program ends with code 77 and the reason
as its last line.

Tests of real servers and kernels (the labels of SECOND_LOOK) share the machine with whatever else runs on it. Where at most two of these
programs failed and nothing else did, they are run once more, alone; what that showed counts, and the summary names them and what had failed.
With --repeat, which looks for such flakes, there is no second look.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
import typing
import xml.etree.ElementTree as ElementTree

CATCH_ALL = re.compile(r'^All tests passed \([\d]+ assertions? in (\d+) test cases?\)', re.M)
CATCH_SOME = re.compile(r'^test cases: .*$', re.M)
SKIPPED = re.compile(r'SKIPPED: (.*)$', re.M)
SECOND_LOOK = {'live', 'server', 'kernels'}
TAP = re.compile(r'^(ok|not ok)\b[ \d-]*(.*)$', re.M)


def count(name, status, output):
    """-> passed, failed, [(name, reason)]"""
    rows = [(word, text.partition(' # SKIP')) for word, text in TAP.findall(output)]
    if rows:
        skips = [(f'{name}: {what.strip()}', why.strip()) for word, (what, mark, why) in rows if mark]
        failed = sum(word == 'not ok' for word, _ in rows)
        passed = len(rows) - failed - len(skips)
    elif CATCH_ALL.search(output) or CATCH_SOME.search(output):
        skips = [(name, why.strip()) for why in SKIPPED.findall(output)]
        every = CATCH_ALL.search(output)
        if every:
            passed, failed = int(every.group(1)), 0
        else:
            words = {word: int(number) for number, word in re.findall(r'(\d+) (passed|failed|skipped)', CATCH_SOME.search(output).group(0))}
            passed, failed = words.get('passed', 0), words.get('failed', 0)
        passed = max(0, passed - len(skips))
    elif 'Unable to find executable' in output:
        return 0, 1, []
    elif status == 'notrun':
        lines = [line for line in output.strip().splitlines() if line.strip()]
        reasons = SKIPPED.findall(output)
        return 0, 0, [(name, reasons[-1] if reasons else lines[-1] if lines else 'not run')]
    else:
        passed, failed, skips = int(status == 'run'), 0, []
    if status == 'fail' and failed == 0:
        failed = 1
    return passed, failed, skips


class Outcome(typing.NamedTuple):
    passed: int
    failed: int
    skips: list  # (name, reason)
    complaints: list  # what failed, in its own words


def run(build, name, arguments):
    """ctest -> its code, {test: Outcome}"""
    rows = os.path.join(os.path.abspath(build), name)
    if os.path.exists(rows):
        os.unlink(rows)
    code = subprocess.run(['ctest', '--test-dir', build, '--output-on-failure', '--output-junit', rows, '--test-output-size-passed', '4000000',
                           '--test-output-size-failed', '4000000', *arguments]).returncode
    if not os.path.exists(rows):
        sys.exit(f'run.py: ctest left no {rows} (its code was {code})')
    results = {}
    for case in ElementTree.parse(rows).getroot().iter('testcase'):
        output = case.findtext('system-out') or ''
        complaints = [what.strip() for word, what in TAP.findall(output) if word == 'not ok']
        results[case.get('name')] = Outcome(*count(case.get('name'), case.get('status'), output), complaints)
    return code, results


def labels(build):
    """{test: its labels}"""
    listed = subprocess.run(['ctest', '--test-dir', build, '--show-only=json-v1'], capture_output=True, text=True, check=True).stdout
    return {test['name']: {label for row in test.get('properties', []) if row['name'] == 'LABELS' for label in row['value']}
            for test in json.loads(listed)['tests']}


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument('--build', required=True)
    asked.add_argument('--jobs', default='2')
    asked.add_argument('--only', help='labels, as a pattern')
    asked.add_argument('--exclude', help='labels, as a pattern')
    asked.add_argument('--tests', help='names of tests, as a pattern')
    asked.add_argument('--repeat', type=int, default=1, help='run everything that often, or until a failure')
    asked = asked.parse_args()

    began = time.monotonic()
    filters = [word for flag, value in (('-L', asked.only), ('-LE', asked.exclude), ('-R', asked.tests)) if value for word in (flag, value)]
    repeat = ['--repeat', f'until-fail:{asked.repeat}'] if asked.repeat > 1 else []
    code, results = run(asked.build, 'tests.xml', ['-j', asked.jobs, *filters, *repeat])
    at_first = {name: was for name, was in results.items() if was.failed}
    if at_first and len(at_first) <= 2 and not repeat and all(labels(asked.build).get(name, set()) & SECOND_LOOK for name in at_first):
        print(f'\nonce more, alone: {" ".join(at_first)}', flush=True)
        code, again = run(asked.build, 'again.xml', ['-j', '1', '-R', '^(' + '|'.join(map(re.escape, at_first)) + ')$'])
        results.update(again)

    passed = sum(each.passed for each in results.values())
    failed = sum(each.failed for each in results.values())
    skips = [row for each in results.values() for row in each.skips]
    broken = [name for name, each in results.items() if each.failed]

    print()
    if skips:
        print('skipped:')
        for name, why in skips:
            print(f'  {name}: {why}')
    for name, was in at_first.items():
        if name not in broken:
            print(f'passed only at the second run, alone: {name}: {"; ".join(was.complaints) or "see its first output"}')
    if broken:
        print('failed: ' + ' '.join(broken))
    print(f'took {time.monotonic() - began:.0f} s')
    print(f'{passed} passed, {failed} failed, {len(skips)} skipped', flush=True)
    sys.exit(0 if failed == 0 and code == 0 and passed > 0 else 1)


if __name__ == '__main__':
    main()
