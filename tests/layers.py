#!/usr/bin/env python3
"""Holds the house together: every #include of lib/ to the rooms that lib/CMakeLists.txt allows it, and the few things that may stand nowhere
or only in one place. Speaks TAP; a failing line names file:line."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted(path for top in ('lib', 'tools') for path in (ROOT / top).rglob('*') if path.suffix in ('.cpp', '.hpp', '.h', '.c'))
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]')


def rooms():
    """room -> the rooms that it may include from, itself included."""
    allowed = {}
    for line in (ROOT / 'lib/CMakeLists.txt').read_text().splitlines():
        room = re.match(r'room\((\w+)\s*(?:USES\s+((?:\w+\s*)+?))?\s*(?:LINK\b.*|EXTRA\b.*)?\)', line.strip())
        if room:
            allowed[room.group(1)] = {room.group(1), *(room.group(2) or '').split()}
    return allowed


def lines():
    for path in SOURCES:
        for number, line in enumerate(path.read_text(errors='replace').splitlines(), 1):
            yield path.relative_to(ROOT), number, line


def code(line):
    """Without a // comment and without what stands in quotes."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', line).split('//')[0]


def walk(allowed):
    """Every include goes with the walk."""
    for path, number, line in lines():
        include = INCLUDE.match(line)
        room = include and include.group(1).split('/')[0]
        if room in allowed and path.parts[0] == 'lib' and room not in allowed[path.parts[1]]:
            yield f'{path}:{number}: {path.parts[1]} may not include from {room}'


def json(allowed):
    """nlohmann/json.hpp stands in .cpp files only; headers have json_fwd.hpp."""
    for path, number, line in lines():
        if path.suffix == '.hpp' and re.search(r'include\s+<nlohmann/json\.hpp>', line):
            yield f'{path}:{number}: <nlohmann/json_fwd.hpp> in a header'


def cli(allowed):
    """CLI11 stands in tools/*/options.cpp only."""
    for path, number, line in lines():
        if INCLUDE.match(line) and 'CLI/' in line and path.name != 'options.cpp':
            yield f'{path}:{number}: CLI11 outside of options.cpp'


def refused(allowed):
    """What may stand nowhere."""
    words = re.compile(r'std::regex|\busing namespace std;|catch \(\.\.\.\)|\bgetpw(nam|uid)|\bgetaddrinfo\b|\bgethostbyname|\bshared_ptr\b')
    for path, number, line in lines():
        found = words.search(code(line))
        if found:
            yield f'{path}:{number}: {found.group(0)}'


def long_files(allowed):
    """A file over 300 lines says why in its first comment."""
    for path in SOURCES:
        text = path.read_text(errors='replace').splitlines()
        first = []
        for line in text:
            if not line.startswith('//'):
                break
            first.append(line)
        said = ' '.join(first).lower()
        if len(text) > 300 and not any(word in said for word in ('300', 'one thought', 'one file', 'one state machine', 'one table')):
            yield f'{path.relative_to(ROOT)}: {len(text)} lines and no reason in its first comment'


def main():
    allowed = rooms()
    failed = 0
    checks = (walk, json, cli, refused, long_files)
    if len(allowed) < 9 or not SOURCES:
        print(f'not ok - read {len(allowed)} rooms and {len(SOURCES)} sources')
        return 1
    for check in checks:
        found = list(check(allowed))
        print(f'{"not ok" if found else "ok"} - {check.__doc__}')
        for line in found:
            print(f'#   {line}')
        failed += bool(found)
    print(f'1..{len(checks)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
