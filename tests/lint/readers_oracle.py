"""Our readers of gunicorn.conf.py, puma.rb and unicorn.rb against Python and Ruby themselves.

usage: readers_oracle.py READERS [CORPUS]

Python: constructs as people write them (and worse) are run by Python under several environments and numbers of processors; what a name then is must be
one of the values that the reader names, unless one of them is "unknown". Public files are not run: every top-level assignment of a literal that is
the name's last one must be read as exactly that. Ruby: Ripper tells which calls stand at the top level, which under an if and which in a block.
"""
import ast
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent / 'readers'
ENVIRONMENTS = [{}, {'WEB_CONCURRENCY': '3', 'PORT': '9000', 'TIMEOUT': '45', 'DEBUG': '1', 'ENV': 'production'}, {'ENV': 'dev', 'TIMEOUT': '0', 'PORT': ''}]
PROCESSORS = [1, 4, 64]


def same(ours, theirs, cores):
    """True, False, or None where our value is unknown."""
    kind, value = next(iter(ours.items()))
    if kind == 'unknown':
        return None
    if kind == 'processors':
        return not isinstance(theirs, bool) and isinstance(theirs, int) and theirs == value[0] * cores + value[1]
    if kind == 'none':
        return theirs is None
    if kind == 'boolean':
        return theirs is value
    if kind == 'integer':
        return isinstance(theirs, int) and not isinstance(theirs, bool) and theirs == value
    if kind == 'real':
        return isinstance(theirs, float) and math.isclose(theirs, value, rel_tol=1e-12)
    if kind == 'text':
        return isinstance(theirs, str) and theirs == value
    if kind in ('list', 'tuple'):
        if not isinstance(theirs, list if kind == 'list' else tuple) or len(theirs) != len(value):
            return False
        answers = [same(one, other, cores) for one, other in zip(value, theirs)]
    else:
        if not isinstance(theirs, dict) or len(theirs) != len(value) // 2:
            return False
        keys = list(theirs)
        answers = [same(value[2 * i], keys[i], cores) for i in range(len(keys))] + [same(value[2 * i + 1], theirs[keys[i]], cores) for i in range(len(keys))]
    return False if False in answers else None if None in answers else True


DRIVER = r'''
import ast, json, multiprocessing, os, sys
for path, environment, cores in json.load(sys.stdin):
    multiprocessing.cpu_count = os.cpu_count = os.process_cpu_count = lambda cores=cores: cores
    os.environ.clear()
    os.environ.update(environment, PATH='/usr/bin:/bin', HOME='/root')
    names = {'__name__': '__config__', '__file__': path}
    try:
        exec(compile(open(path).read(), path, 'exec'), names)
    except Exception as error:
        print(repr('raised ' + type(error).__name__))
        continue
    plain = {}
    for name, value in names.items():
        if name.startswith('__'):
            continue
        try:
            again = ast.literal_eval(repr(value))
            if again == value and type(again) is type(value):
                plain[name] = value
        except Exception:
            pass
    print(repr(plain))
'''


def run_python(cases):
    """What each module's plain names are after it was run; a string where it ends in an exception."""
    got = subprocess.run([sys.executable, '-I', '-c', DRIVER], input=json.dumps(cases), capture_output=True, text=True, timeout=120, check=True)
    return [ast.literal_eval(line) for line in got.stdout.splitlines()]


def python_constructs(readings, problems):
    checked = known = 0
    truths = iter(run_python([(str(path), environment, cores) for path in readings for environment in ENVIRONMENTS for cores in PROCESSORS]))
    for path, reading in readings.items():
        for environment in ENVIRONMENTS:
            for cores in PROCESSORS:
                truth = next(truths)
                if isinstance(truth, str):
                    continue  # gunicorn does not start with it
                if reading['wrong']:
                    problems.append(f'{path.name}:{reading["wrong"]}: taken for no Python')
                    continue
                for name, value in truth.items():
                    ours = reading['names'].get(name)
                    if ours is None:
                        if not reading['stars']:
                            problems.append(f'{path.name}: {name} = {value!r} is not seen')
                        continue
                    checked += 1
                    answers = [same(one['value'], value, cores) for one in ours if not one['absent']]
                    if True not in answers and None not in answers:
                        problems.append(f'{path.name}: {name} is {value!r} with {environment} and {cores} processors; read: {json.dumps(ours)}')
                    known += True in answers and None not in answers
                for name, ours in reading['names'].items():
                    if name not in truth and len(ours) == 1 and not ours[0]['absent'] and not ours[0]['when'] and 'unknown' not in ours[0]['value']:
                        problems.append(f'{path.name}: {name} is read as {json.dumps(ours[0]["value"])}, and Python has no such plain name with {environment}')
    return checked, known


def targets_of(statement):
    """(name, value node) of an assignment to plain names."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        yield statement.target.id, statement.value


def bound_names(tree):
    """Every name that something at the top level may bind, with how often."""
    counts = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            counts[node.id] = counts.get(node.id, 0) + 1
    return counts


def public_python(readings, problems):
    checked = 0
    for path, reading in readings.items():
        try:
            tree = ast.parse(path.read_text())
        except SyntaxError as error:
            if not reading['wrong']:
                problems.append(f'{path.name}: Python says {error.msg} at {error.lineno}, we read on')
            continue
        if reading['wrong']:
            problems.append(f'{path.name}:{reading["wrong"]}: taken for no Python')
            continue
        counts = bound_names(tree)
        for statement in tree.body:
            for name, node in targets_of(statement):
                if name not in reading['names']:
                    problems.append(f'{path.name}:{statement.lineno}: {name} is not seen')
                    continue
                try:
                    value = ast.literal_eval(node)
                except (ValueError, SyntaxError, TypeError):
                    continue
                if counts[name] != 1:
                    continue
                ours = reading['names'][name]
                checked += 1
                if len(ours) != 1 or same(ours[0]['value'], value, 0) is False or (same(ours[0]['value'], value, 0) is None and not isinstance(value, (set, bytes, complex))):
                    problems.append(f'{path.name}:{statement.lineno}: {name} = {value!r} is read as {json.dumps(ours)[:300]}')
    return checked


RIPPER = r'''
require 'ripper'; require 'json'
def line_of(node)
  return node[2][0] if node.is_a?(Array) && node[0].is_a?(Symbol) && node[0].to_s.start_with?('@')
  return nil unless node.is_a?(Array)
  node.each { |one| got = line_of(one); return got if got }
  nil
end
def walk(node, where, out)
  return unless node.is_a?(Array)
  unless node[0].is_a?(Symbol)
    node.each { |one| walk(one, where, out) }
    return
  end
  case node[0]
  when :command then out << { name: node[1][1], line: node[1][2][0], where: where } if node[1][0] == :@ident
  when :vcall then out << { name: node[1][1], line: node[1][2][0], where: where } if node[1][0] == :@ident && where != 'block'
  when :method_add_arg then out << { name: node[1][1][1], line: node[1][1][2][0], where: where } if node[1][0] == :fcall && node[1][1][0] == :@ident
  when :fcall then nil
  when :method_add_block then walk(node[1], where, out)
  when :if, :unless then (walk_all(node[2], where == 'top' ? 'if' : where, out); walk(node[3], where == 'top' ? 'if' : where, out))
  when :elsif then (walk_all(node[2], where, out); walk(node[3], where, out))
  when :else then walk_all(node[1], where, out)
  when :if_mod, :unless_mod then walk(node[2], where == 'top' ? 'if' : where, out)
  when :begin, :bodystmt then node[1..].each { |one| walk(one, where == 'top' ? 'if' : where, out) }
  when :rescue then walk_all(node[3], where, out)
  when :case then walk(node[2], where == 'top' ? 'if' : where, out)
  when :when then (walk_all(node[2], where, out); walk(node[3], where, out))
  end
end
def walk_all(list, where, out) list.each { |one| walk(one, where, out) } end
ARGV.each do |path|
  source = File.read(path)
  tree = Ripper.sexp(source)
  out = []
  walk_all(tree[1], 'top', out) if tree
  puts JSON.generate({ file: path, wrong: tree.nil?, calls: out })
end
'''

SETTINGS = {'workers', 'threads', 'worker_timeout', 'worker_shutdown_timeout', 'persistent_timeout', 'port', 'bind', 'preload_app!', 'timeout', 'listen', 'worker_processes', 'pid', 'environment', 'plugin', 'preload_app', 'worker_boot_timeout', 'pidfile',
            'first_data_timeout', 'queue_requests', 'stdout_redirect', 'user', 'working_directory', 'rackup', 'directory', 'force_shutdown_after', 'tag'}


def ruby(readings, problems):
    program = shutil.which('ruby')
    if not program:
        print('# no ruby here: its half is left out')
        return None
    got = subprocess.run([program, '-e', RIPPER, *map(str, readings)], capture_output=True, text=True, check=True)
    checked = 0
    for line in got.stdout.splitlines():
        truth = json.loads(line)
        path = pathlib.Path(truth['file'])
        reading = readings[path]
        if truth['wrong']:
            continue
        if reading['wrong']:
            problems.append(f'{path.name}: taken for no Ruby')
            continue
        theirs = {(one['line'], one['name']): one['where'] for one in truth['calls'] if one['name'] in SETTINGS}
        ours = {(one['line'], one['name']): 'if' if one['branch'] else 'top' for one in reading['calls'] if one['name'] in SETTINGS}
        for key in sorted(set(theirs) | set(ours)):
            checked += 1
            if theirs.get(key) != ours.get(key):
                problems.append(f'{path.name}:{key[0]}: {key[1]} stands {theirs.get(key, "in no call that counts")} for Ruby, {ours.get(key, "nowhere")} for us')
    return checked


def read(program, files):
    got = subprocess.run([program, *map(str, files)], capture_output=True, text=True, check=True)
    return {pathlib.Path(one['file']): one for one in map(json.loads, got.stdout.splitlines())}


def main():
    program = os.path.abspath(sys.argv[1])
    corpus = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    problems = []
    with tempfile.TemporaryDirectory(prefix='readers-') as folder:
        made = []
        for source in sorted(FOLDER.glob('*.txt')):
            # Each file holds constructs between lines of "----": small files that say one thing.
            ending = source.stem
            for number, text in enumerate(source.read_text().split('\n----\n')):
                path = pathlib.Path(folder) / f'{ending}-{number + 1:02}.{"py" if ending == "python" else "rb"}'
                path.write_text(text + '\n')
                made.append(path)
        readings = read(program, made)
        checked, known = python_constructs({path: one for path, one in readings.items() if path.suffix == '.py'}, problems)
        rubies = {path: one for path, one in readings.items() if path.suffix == '.rb'}
        public = {}
        if corpus and corpus.is_dir():
            public = read(program, [path for path in sorted(corpus.rglob('*')) if path.suffix in ('.py', '.rb')])
        else:
            print('# the corpus is not here: only the constructs of this folder')
        literals = public_python({path: one for path, one in public.items() if path.suffix == '.py'}, problems)
        rubies.update({path: one for path, one in public.items() if path.suffix == '.rb'})
        calls = ruby(rubies, problems)
        for problem in sorted(set(problems)):
            print(f'not ok: {problem}')
        print(f'{len(made)} constructs, {len(public)} public files: {checked} values run by Python ({known} told exactly), {literals} literals of public files, {calls} calls of Ruby; {len(set(problems))} differences')
    return 1 if problems or checked < 300 else 0


if __name__ == '__main__':
    sys.exit(main())
