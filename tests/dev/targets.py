#!/usr/bin/env python3
"""Every target that ./dev builds by name is one of this tree, and its `programs` are the programs that the tree makes. Targets of trees with
other options (the fuzzers) are left out: this tree does not have them."""
import argparse
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent.parent
OTHER_TREES = {'fuzz'}


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--build', required=True)
    build = pathlib.Path(asked.parse_args().build)
    if not (build / 'build.ninja').exists():
        print('this tree is not built by ninja')
        return 77
    script = (HERE / 'dev').read_text()
    function = re.search(r'^programs\(\) .*$', script, re.M)
    if not function:
        print('dev has no function `programs` on one line any more')
        return 1
    programs = subprocess.run(['bash', '-c', f'{function[0]}\nprograms'], cwd=HERE, capture_output=True, text=True, check=True).stdout.split()
    listed = subprocess.run(['ninja', '-C', str(build), '-t', 'targets', 'all'], capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r'^([\w-]+): phony', listed, re.M))
    made = {name for name in re.findall(r'^bin/([\w-]+): CXX_EXECUTABLE_LINKER', listed, re.M) if name == 'triage' or name.startswith('triage-')}
    named = {word for line in re.findall(r'^\s+(?:make build\S*|build_programs) (.*)$', script, re.M) for word in line.split() if re.fullmatch(r'[a-z][\w-]*', word)}
    wrong = []
    if not programs or set(programs) != made:
        wrong.append(f'`programs` says {sorted(programs)}, the tree makes {sorted(made)}')
    wrong += [f'{name} is no target of this tree' for name in sorted(named - targets - OTHER_TREES)]
    if not {'triage', 'write_docs'} <= named:
        wrong.append(f'only {sorted(named)} were found in dev: this test does not read it rightly')
    print('\n'.join(wrong) or f'{len(named)} names and {len(programs)} programs')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
