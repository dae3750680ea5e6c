"""What the programs write as SARIF against the schema of SARIF 2.1.0 itself.

usage: sarif_schema.py BIN FOLDER

The schema is that of an npm package, taken by exact version and integrity into FOLDER, for this test alone; without npm or the registry the test is
skipped with its reason. The validator knows the words that the schema uses and refuses to run over any other, so that nothing is passed by.
"""
import base64
import datetime
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PACKAGE, FILE = '@microsoft/jest-sarif@1.0.0-beta.0', 'package/lib/schemas/sarif-2.1.0-rtm.5.json'
INTEGRITY = 'A1fOhPd6Ic5iDk4F9YPw1qNB4XF+7+IviR7xl8r2F6QzQkx5cpY9LsGk2rExiFIEcBbjpVnSmwWGBukASkiQ9A=='
TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int, 'number': (int, float), 'null': type(None)}
WORDS = {'description', 'type', '$ref', 'default', 'items', 'uniqueItems', 'minItems', 'additionalProperties', 'properties', 'required', 'minimum', 'maximum', 'pattern', 'format', 'enum', 'anyOf', 'oneOf', '$schema', 'title', 'id', 'definitions'}


class Skip(Exception):
    pass


def schema_of(folder):
    archive = folder / 'microsoft-jest-sarif-1.0.0-beta.0.tgz'
    if not archive.exists():
        npm = shutil.which('npm')
        if not npm:
            raise Skip('npm is not here')
        folder.mkdir(parents=True, exist_ok=True)
        try:
            got = subprocess.run([npm, 'pack', '--silent', PACKAGE], cwd=folder, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise Skip(f'{PACKAGE} cannot be had: no answer of the registry') from None
        if got.returncode != 0 or not archive.exists():
            raise Skip(f'{PACKAGE} cannot be had: {(got.stderr.strip().splitlines() or ["npm pack failed"])[-1][:200]}')
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != INTEGRITY:
        archive.unlink()
        raise SystemExit(f'{PACKAGE} is not what it was')
    with tarfile.open(archive) as tar:
        return json.load(tar.extractfile(FILE))


class Validator:
    def __init__(self, schema):
        self.whole = schema
        self.wrong = []

    def check(self, value, schema, at):
        unknown = set(schema) - WORDS
        if unknown:
            raise SystemExit(f'the schema uses {unknown}, which this validator does not know')
        if '$ref' in schema:
            target = self.whole
            for part in schema['$ref'].lstrip('#/').split('/'):
                target = target[part]
            return self.check(value, target, at)
        say = lambda what: self.wrong.append(f'{at}: {what}')
        kinds = schema.get('type')
        if kinds:
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if not any(isinstance(value, TYPES[kind]) and (kind == 'boolean' or not isinstance(value, bool)) for kind in kinds):
                return say(f'is no {kinds}')
        if 'enum' in schema and value not in schema['enum']:
            say(f'{value!r} is none of {schema["enum"]}')
        for word, enough in (('anyOf', lambda good: good >= 1), ('oneOf', lambda good: good == 1)):
            if word in schema:
                good = 0
                for one in schema[word]:
                    inner = Validator(self.whole)
                    inner.check(value, one, at)
                    good += not inner.wrong
                if not enough(good):
                    say(f'fits {good} of {word}')
        if isinstance(value, dict):
            for name in schema.get('required', []):
                if name not in value:
                    say(f'{name} is missing')
            known = schema.get('properties', {})
            for name, one in value.items():
                if name in known:
                    self.check(one, known[name], f'{at}.{name}')
                elif schema.get('additionalProperties') is False:
                    say(f'{name} is no property here')
                elif isinstance(schema.get('additionalProperties'), dict):
                    self.check(one, schema['additionalProperties'], f'{at}.{name}')
        if isinstance(value, list):
            if len(value) < schema.get('minItems', 0):
                say('too few items')
            if schema.get('uniqueItems') and len({json.dumps(one, sort_keys=True) for one in value}) != len(value):
                say('an item stands twice')
            for index, one in enumerate(value):
                self.check(one, schema.get('items', {}), f'{at}[{index}]')
        if isinstance(value, str):
            if 'pattern' in schema and not re.search(schema['pattern'], value):
                say(f'{value!r} does not match {schema["pattern"]}')
            if schema.get('format') == 'date-time':
                try:
                    datetime.datetime.fromisoformat(value.replace('Z', '+00:00'))
                except ValueError:
                    say(f'{value!r} is no date-time')
            if schema.get('format') == 'uri' and not re.match(r'[A-Za-z][A-Za-z0-9+.-]*:', value):
                say(f'{value!r} is no URI')
            if schema.get('format') in ('uri', 'uri-reference') and re.search(r'[\s<>"{}|\\^`]', value):
                say(f'{value!r} holds what a URI may not')
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < schema.get('minimum', value) or value > schema.get('maximum', value):
                say(f'{value} is out of range')


def outputs(programs):
    yield 'triage-lint over the stacks', [programs / 'triage-lint', '--format', 'sarif', 'fixtures/lint/stacks']
    yield 'triage-lint over the article', [programs / 'triage-lint', '--format', 'sarif', 'fixtures/lint/article']
    yield 'triage-lint over nothing', [programs / 'triage-lint', '--format', 'sarif', '--select', 'parse.*', 'fixtures/lint/article/gthread']
    yield 'triage-timeouts', [programs / 'triage-timeouts', '--format', 'sarif', 'fixtures/lint/stacks']
    for incident in sorted((ROOT / 'fixtures/incidents').iterdir()):
        if incident.is_dir():
            yield f'triage on {incident.name}', [programs / 'triage', '--from', str(incident), '--format', 'sarif']


def main():
    programs, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    try:
        schema = schema_of(folder)
    except Skip as why:
        print(f'SKIPPED: {why}')
        return 77
    # The validator itself must be able to say no.
    for broken, what in (({'version': '2.1.0'}, 'runs is missing'), ({'version': '2.0.0', 'runs': []}, 'none of'), ({'version': '2.1.0', 'runs': [{'tool': {'driver': {'name': 'x', 'rules': [{'id': 1}]}}}]}, 'is no')):
        judge = Validator(schema)
        judge.check(broken, schema, '$')
        assert any(what in one for one in judge.wrong), (broken, judge.wrong)
    bad = results = count = 0
    for name, words in outputs(programs):
        got = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True)
        if not got.stdout.strip():
            raise SystemExit(f'{name} wrote nothing: {got.stderr[:300]}')
        log = json.loads(got.stdout)
        judge = Validator(schema)
        judge.check(log, schema, '$')
        count += 1
        results += sum(len(run.get('results', [])) for run in log['runs'])
        bad += bool(judge.wrong)
        for one in judge.wrong[:10]:
            print(f'not ok: {name}: {one}')
    print(f'{count} logs with {results} results, {bad} of them not as the schema of SARIF 2.1.0 has it')
    return 1 if bad or results < 30 else 0


if __name__ == '__main__':
    sys.exit(main())
