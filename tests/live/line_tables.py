"""Run by the interpreter whose tables are wanted: for a bounded, spread-out part of its standard library prints two lines for each code object: what
line_reader is given, and the lines that the interpreter itself tells for every code unit."""
import dis
import os
import sys
import sysconfig

MOST_FILES = 120
MINOR = sys.version_info[1]


def lines_of(code):
    units = len(code.co_code) // 2
    lines = [0] * units
    if MINOR >= 10:
        for start, end, line in code.co_lines():
            for unit in range(start // 2, min(end // 2, units)):
                lines[unit] = line or 0
        return lines
    starts = dict(dis.findlinestarts(code))
    line = code.co_firstlineno
    for unit in range(units):
        line = starts.get(unit * 2, line)
        lines[unit] = line
    return lines


def codes_in(code):
    yield code
    for const in code.co_consts:
        if hasattr(const, 'co_code'):
            yield from codes_in(const)


def main():
    folder = sysconfig.get_paths()['stdlib']
    files = []
    for where, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if name not in ('site-packages', 'test', 'tests', '__pycache__', 'dist-packages', 'lib2to3'))
        files += [os.path.join(where, name) for name in sorted(names) if name.endswith('.py')]
    out = open(sys.argv[1], 'w')
    for path in files[::max(1, len(files) // MOST_FILES)]:
        try:
            with open(path, 'rb') as file:
                whole = compile(file.read(), path, 'exec', dont_inherit=True)
        except SyntaxError:
            continue
        for code in codes_in(whole):
            table = code.co_linetable if MINOR >= 10 else code.co_lnotab
            lines = lines_of(code)
            if table and lines:
                out.write('%d %d %d %s\n%s\n' % (MINOR, code.co_firstlineno, len(lines), table.hex(), ' '.join(map(str, lines))))
    out.close()


main()
