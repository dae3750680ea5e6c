#!/usr/bin/env python3
"""triage-timeouts as people and pipelines call it: the screens of fixtures/timeouts word for word, the fields of triage.timeouts/1, HTML without
anything active, exit codes, what-if, comparison, traffic. Speaks TAP.

    timeouts_program.py --timeouts build/bin/triage-timeouts [--approve]"""
import argparse
import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GIVEN = HERE.parent.parent / 'fixtures' / 'timeouts'
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'CLICOLOR_FORCE')}
results = []


def check(name, good, detail=''):
    results.append(bool(good))
    print(f'{"ok" if good else "not ok"} {len(results)} - {name}')
    if not good:
        print('# ' + str(detail).replace('\n', '\n# '))


SCHEMAS = {name: json.loads((HERE.parent.parent / 'docs' / name).read_text()) for name in ('timeouts.schema.json', 'report.schema.json')}
KINDS = {'object': dict, 'array': list, 'string': str, 'integer': int, 'number': (int, float), 'boolean': bool, 'null': type(None)}


def complaints(value, schema, home='timeouts.schema.json', path='$'):
    """The words of JSON Schema that docs/*.schema.json use."""
    if '$ref' in schema:
        name, _, inside = schema['$ref'].partition('#')
        home = name or home
        target = SCHEMAS[home]
        for word in inside.strip('/').split('/'):
            target = target[word]
        return complaints(value, target, home, path)
    if 'anyOf' in schema:
        return [] if any(not complaints(value, one, home, path) for one in schema['anyOf']) else [f'{path}: none of the forms']
    if 'const' in schema and value != schema['const'] or 'enum' in schema and value not in schema['enum']:
        return [f'{path}: {value!r}']
    kinds = schema.get('type', [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, KINDS[kind]) and not (isinstance(value, bool) and kind in ('integer', 'number')) for kind in kinds):
        return [f'{path}: {type(value).__name__}, not {kinds}']
    found = []
    if isinstance(value, dict):
        known, more = schema.get('properties', {}), schema.get('additionalProperties', True)
        found += [f'{path}: no {name}' for name in schema.get('required', []) if name not in value]
        for name, one in value.items():
            if name in known:
                found += complaints(one, known[name], home, f'{path}.{name}')
            elif more is False:
                found.append(f'{path}: {name} is not in the schema')
            elif isinstance(more, dict):
                found += complaints(one, more, home, f'{path}.{name}')
    if isinstance(value, list) and 'items' in schema:
        for number, one in enumerate(value):
            found += complaints(one, schema['items'], home, f'{path}[{number}]')
    return found


class Program:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def run(self, folder, *words):
        done = subprocess.run([self.path, *words], cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def json(self, folder, *words):
        code, out, err = self.run(folder, '--format', 'json', *words)
        return code, json.loads(out)


def screens(program, approve):
    cases = [('shop', ()), ('shop-set', ('--set', 'server.timeout=25', '--set', 'nginx.read=32s', '--location', 'location /')), ('shop-one', ('--duration', '45s', '--method', 'POST')),
             ('shop-balancer', ('--lb-request-timeout', '50s', '--lb-idle-timeout', '60s', '--location', '/reports')), ('unknown', ()), ('broken', ())]
    for name, words in cases:
        folder = name.split('-')[0]
        with tempfile.TemporaryDirectory() as temporary:
            copy = pathlib.Path(temporary) / folder
            shutil.copytree(GIVEN / folder, copy)
            code, out, err = program.run(copy, *words)
        text = f'$ triage-timeouts {" ".join(words)}'.rstrip() + f'\n{out}{err}exit {code}\n'
        golden = HERE / f'{name}.txt'
        if approve:
            golden.write_text(text)
        expected = golden.read_text() if golden.exists() else ''
        check(f'{name} reads as approved', text == expected, '\n'.join(difflib.unified_diff(expected.splitlines(), text.splitlines(), 'approved', 'printed', lineterm='')))
        check(f'{name} fits 80 columns and is ASCII', all(len(line) <= 80 and line.isascii() and line.isprintable() for line in out.splitlines()), max(out.splitlines(), key=len, default=''))


def machine_forms(program):
    code, found = program.json(GIVEN / 'shop')
    check('findings give 1', code == 1, code)
    check('the schema is named', found['schema'] == 'triage.timeouts/1')
    for words in ((GIVEN / 'shop',), (GIVEN / 'unknown',), (GIVEN / 'broken',), (GIVEN / 'shop', '--duration', '45s', '--against', str(GIVEN / 'broken'), '--lb-idle-timeout', '60', '--set', 'server.timeout=9')):
        found_wrong = complaints(program.json(*words)[1], SCHEMAS['timeouts.schema.json'])
        check(f'{words[0].name} {" ".join(words[1:3])} is as the schema says', not found_wrong, '\n'.join(found_wrong[:10]))
    check('the schema refuses', complaints({**found, 'hops': 1}, SCHEMAS['timeouts.schema.json']) and complaints({**found, 'more': 1}, SCHEMAS['timeouts.schema.json']))
    hops = {hop['role'] for hop in found['hops']}
    check('hops have their roles', hops == {'proxy', 'server', 'supervisor'}, hops)
    read = [hop['settings']['proxy_read_timeout'] for hop in found['hops'] if hop['role'] == 'proxy']
    check('a setting has value, unit, from, where, alternatives', any(one['value'] == 30 and one['unit'] == 's' and one['from'] == 'configured' and one['where'] == 'nginx.conf:12:7' and one['alternatives'] == [] for one in read), read)
    rows = [row for row in found['outcomes'] if row['location'] == 'location /' and row['phase'] == 'wait']
    fields = {'location', 'method', 'phase', 'from_s', 'to_s', 'client', 'executes', 'ghost_s', 'killed_workers', 'because'}
    check('an outcome has the fields of the contract', all(fields <= set(row) for row in rows))
    get = [row for row in rows if row['method'] == 'GET']
    check('the intervals of a method cover every duration', get[0]['from_s'] == 0 and get[-1]['to_s'] is None and all(a['to_s'] == b['from_s'] for a, b in zip(get, get[1:])), get)
    check('a slow GET is executed on both servers, a POST once', any(row['executes'] == 2 for row in get) and all(row['executes'] == 1 for row in rows if row['method'] == 'POST'))
    tried = {one['rule']: one['fix'][0]['text'] for one in found['findings'] if one['fix']}
    check('findings carry a prediction', all(one['prediction'] for one in found['findings'] if one['rule'].startswith('chain.')), found['findings'])
    check('a fix was tried on the model', '(--set nginx.next_upstream=error)' in tried['nginx.multi-peer-timeout-retry'], tried)
    check('a change that only moves the trouble is no fix', tried['chain.ghost-work'].endswith('brings chain.poison-amplification'), tried)
    _, open_values = program.json(GIVEN / 'unknown')
    server = [hop for hop in open_values['hops'] if hop['role'] == 'server'][0]['settings']['timeout']
    check('an unknown value is null and says where and why', server['value'] is None and server['from'] == 'unknown' and server['where'] == 'gunicorn.conf.py:4:1' and server['why'], server)
    waits = [row for row in open_values['outcomes'] if row['phase'] == 'wait']
    check('outcomes name what they depend on', all(row['depends'] for row in waits) and any(set(row['client']) >= {'200', '502', '504'} for row in waits), waits)
    for form in ('sarif', 'github', 'gitlab', 'gcc', 'junit', 'jsonl', 'md'):
        code, out, _ = program.run(GIVEN / 'shop', '--format', form)
        check(f'--format {form} names the finding and keeps the exit code', code == 1 and 'chain.ghost-work' in out, out[:300])
    _, page, _ = program.run(GIVEN / 'shop', '--format', 'html')
    check('the page draws intervals and loads nothing', '<svg' in page and '<script' not in page and not re.search(r'(src|href)=', page) and "default-src 'none'" in page)


def hostile(program):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / 'nginx.conf').write_text('events {}\nhttp { server { listen 80; server_name "\x1b[31mred<b>"; location /\x1b]0;x\x07 { proxy_pass http://user:hunter2secret@127.0.0.1:8000; } } }\n')
        (folder / 'gunicorn.conf.py').write_text('bind = "127.0.0.1:8000"\n')
        for form in ('text', 'html', 'json'):
            _, out, _ = program.run(folder, '--format', form)
            check(f'{form}: names from files are made safe', out and '\x1b' not in out and '\x07' not in out and '<b>' not in (out if form == 'html' else ''), out[:300])
            check(f'{form}: no password', 'hunter2secret' not in out, [line for line in out.splitlines() if 'hunter2' in line][:3])
        (folder / 'nginx.conf').write_bytes(bytes(range(256)) * 50)
        check('any bytes are answered', program.run(folder)[0] in (0, 1, 3))


def asking(program):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        check('nothing to look at is 3', program.run(folder)[0] == 3)
        code, out, _ = program.run(folder, '--nginx', str(GIVEN / 'shop' / 'nginx.conf'), '--server', 'gunicorn -b 127.0.0.1:8000 -t 20 -w 3 app:app', '--exit-zero')
        check('a command line is a server', code == 0 and re.search(r'timeout +20s +--server:1:\d+', out), out[:1500])
        (folder / 'u').mkdir()
        (folder / 'u' / 'nginx.conf').write_text('events {}\nhttp { server { listen 80; location / { uwsgi_pass unix:/run/u.sock; uwsgi_read_timeout 20s; } } }\n')
        (folder / 'u' / 'uwsgi.ini').write_text('[uwsgi]\nmodule = app\nsocket = /run/u.sock\nharakiri = 30\n')
        out = program.run(folder, 'u')[1]
        check('other servers have other names for it', re.search(r'harakiri +30s +u/uwsgi.ini:4:12', out) and 'below harakiri: a choice' in ' '.join(out.split()), out)
        for words in (['--format', 'pdf'], ['--duration', 'long'], ['--set', 'server.tiemout=3', str(GIVEN / 'shop')], ['--method', 'G3T'], ['--server', 'node server.js'], ['--nonsense']):
            code, _, err = program.run(folder, *words)
            check(f'{" ".join(words[:2])} is a question asked wrong', code == 2 and err, (code, err))
        shutil.copytree(GIVEN / 'shop', folder / 'new')
        (folder / 'new' / 'gunicorn.conf.py').write_text('bind = ["127.0.0.1:8000", "127.0.0.1:8001"]\nworkers = 4\ntimeout = 20\n')
        code, found = program.json(folder, '--against', str(GIVEN / 'shop'), 'new')
        changed = [one for one in found['differences'] if one['phase'] == 'wait' and one['location'].startswith('location / ')]
        check('a comparison says what clients see differently', any('200' in one['before'] and '502' in one['after'] for one in changed), found['differences'])
        check('the finding is gone', not any(one['rule'] == 'chain.ghost-work' for one in found['findings']))
        check('a tree against itself is no different', program.json(folder, '--against', 'new', 'new')[1]['differences'] == [])
        rows = ''.join(f'10.0.0.1 - - [22/Nov/2026:10:31:08 +0000] "GET {uri} HTTP/1.1" 200 5 "-" "-" rt={seconds} urt={seconds}\n' for uri, seconds in [('/a', 0.1)] * 98 + [('/b', 45.0), ('/c', 70.0)] + [('/reports/x', 100.0)] * 10)
        (folder / 'access.log').write_text(rows)
        _, found = program.json(folder, '--access-log', 'access.log', str(GIVEN / 'shop'))
        shares = {(row['from_s'], row['to_s']): row['share'] for row in found['outcomes'] if row['location'] == 'location /' and row['phase'] == 'wait' and row['method'] == 'POST'}
        check('traffic weighs the intervals of its own location', shares.get((0, 30)) == 0.98 and abs(sum(shares.values()) - 1) < 1e-6, shares)
        check('an access log among the paths is one', program.json(folder, str(GIVEN / 'shop'), 'access.log')[1]['traffic'] == found['traffic'])
        check('P50 and P99 are of all rows', found['traffic']['rows'] == 110 and abs(found['traffic']['p50_s'] - 0.1) < 1e-6 and found['traffic']['p99_s'] == 100, found['traffic'])


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--timeouts', required=True)
    asked.add_argument('--approve', action='store_true')
    asked = asked.parse_args()
    program = Program(asked.timeouts)
    screens(program, asked.approve)
    machine_forms(program)
    hostile(program)
    asking(program)
    print(f'1..{len(results)}')
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main())
