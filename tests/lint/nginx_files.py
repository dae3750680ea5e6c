"""Which files a configuration is made of, and in which order: by nginx -T and by our tree.

usage: nginx_files.py READERS [COUNT] [SEED]

Generated trees with includes: by name and by pattern, from nested files, absolute and relative, twice, of nothing, of hidden files, and of names whose order
depends on how they are compared. A tree that nginx refuses (an include by name of no file) must be one whose missing file we name.
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

NAMES = ['a.conf', 'b.conf', 'B.conf', '10-x.conf', '2-x.conf', '_z.conf', '.hidden.conf', 'a-b.conf', 'a.b.conf', 'c.conf.bak', 'z z.conf', 'x1.conf', 'x10.conf', 'x2.conf', '~tmp.conf', 'site', 'deep.conf']
PATTERNS = ['conf.d/*.conf', 'conf.d/*', 'conf.d/[ab]*.conf', 'conf.d/?.conf', 'conf.d/x*.conf', 'sites/*', 'conf.d/[!a]*.conf', 'none/*.conf', 'conf.d/*.nothing', '*/a.conf', 'conf.d/x[0-9].conf', 'sites/*.conf', 'conf.d/.*.conf']


def make(folder, rng):
    for name in ('conf.d', 'sites'):
        (folder / name).mkdir(parents=True)
    files = [folder / part / name for part in ('conf.d', 'sites') for name in rng.sample(NAMES, rng.randint(2, 8))]

    def includes(level):
        lines = []
        for _ in range(rng.randint(0, 3 if level else 4)):
            kind = rng.random()
            if kind < 0.5:
                target = rng.choice(PATTERNS)
            elif kind < 0.9:
                target = str(rng.choice(files).relative_to(folder))
            else:
                target = rng.choice(['conf.d/missing.conf', 'gone.conf']) if rng.random() < 0.3 else str(rng.choice(files).relative_to(folder))
            if rng.random() < 0.2:
                target = f'{folder}/{target}'
            lines.append(f'include "{target}";' if ' ' in target or rng.random() < 0.3 else f'include {target};')
        return lines

    for number, file in enumerate(files):
        # Only the deep ones include further, and what they include does not: nothing leads back.
        lines = ['include leaf/*.inc;'] if file.name == 'deep.conf' else []
        file.write_text('\n'.join([f'# {number}', *lines, '']))
    (folder / 'leaf').mkdir()
    for name in rng.sample(['1.inc', '02.inc', 'é.inc', 'E.inc'], 2):
        (folder / 'leaf' / name).write_text('# leaf\n')
    (folder / 'nginx.conf').write_text('\n'.join(['events {}', f'pid {folder}/pid;', 'http {', '  access_log off;', *['  ' + line for line in includes(0)], '  server {', '    listen 127.0.0.1:23081;', *['    ' + line for line in includes(1)], '  }', '}', '']))


def main():
    program, count, seed = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300, int(sys.argv[3]) if len(sys.argv) > 3 else 11
    nginx = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin:/sbin')
    if not nginx:
        print('SKIPPED: nginx is not here')
        return 77
    rng = random.Random(seed)
    problems = accepted = several = 0
    with tempfile.TemporaryDirectory(prefix='nginx-files-') as scratch:
        folders = [pathlib.Path(scratch).resolve() / f'{number:04}' for number in range(count)]
        for folder in folders:
            folder.mkdir()
            make(folder, rng)
        got = subprocess.run([program, *(str(folder / 'nginx.conf') for folder in folders)], capture_output=True, text=True, check=True)
        ours = {one['file']: one for one in map(json.loads, got.stdout.splitlines())}
        for folder in folders:
            mine = ours[str(folder / 'nginx.conf')]
            answer = subprocess.run([nginx, '-T', '-q', '-e', 'stderr', '-c', str(folder / 'nginx.conf')], capture_output=True)
            theirs = re.findall(rb'^# configuration file (.*):$', answer.stdout, re.M)
            theirs = [one.decode() for one in theirs]
            if answer.returncode != 0:
                if not mine['missing']:
                    problems += 1
                    print(f'not ok {folder.name}: nginx refuses it ({answer.stderr.decode()[:160].strip()}), and we miss no file')
                continue
            accepted += 1
            several += len(theirs) > 3
            if mine['files'] != theirs or mine['missing']:
                problems += 1
                print(f'not ok {folder.name}:\n  nginx {[one.replace(str(folder), "") for one in theirs]}\n  ours  {[one.replace(str(folder), "") for one in mine["files"]]} missing {mine["missing"]}')
                print((folder / 'nginx.conf').read_text())
    print(f'{count} trees, {accepted} accepted by nginx, {several} of more than three files; {problems} differ in their files or their order')
    return 1 if problems or several < count / 4 else 0


if __name__ == '__main__':
    sys.exit(main())
