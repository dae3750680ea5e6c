#!/usr/bin/env python3
"""The same incident in every form in which its logs may have been kept: a verdict must not hang on what wrapped the lines. Every folder of
fixtures/incidents, and of ../shared/incidents/gunicorn where it is there, is rewritten and read again; the rules and pids of its sure findings
must be those of the original. TAP, a line a form.

    forms.py --triage build/bin/triage [--only FORM] [--keep FOLDER] [--all]

By default the shared incidents are thinned to every sixteenth; --all takes every one. --keep leaves the rewritten trees for score.py."""
import argparse
import concurrent.futures
import datetime
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEAD = re.compile(r'^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d{4})\] \[(\d+)\] \[([A-Z]+)\] (.*)$')
UPTIME = re.compile(r'^\[\s*(\d+)\.(\d{6})\] (.*)$')
HIDDEN = {'label.json', 'versions', 'README'}
UTC = datetime.timezone.utc
SHARED_BOOT = datetime.datetime(2026, 11, 22, 10, 7, 5, 300000, UTC).timestamp()  # of the machine that ../shared/incidents were recorded on


def lines_of(text):
    lines = text.split('\n')
    return lines[:-1] if lines[-1] == '' else lines


def stamped(text):
    """(line, head or None, moment of the last head, its pid) a line."""
    moment, pid = datetime.datetime(2026, 11, 22, 10, tzinfo=UTC), '77'
    for line in lines_of(text):
        head = HEAD.match(line)
        if head:
            moment = datetime.datetime.strptime(f'{head[1]} {head[2]} {head[3]}', '%Y-%m-%d %H:%M:%S %z').astimezone(UTC)
            pid = head[4]
        yield line, head, moment, pid


def article(text):
    """One JSON object a message, tracebacks in exc_info: a formatter that many articles show, without pid and zone."""
    records = []
    for line, head, _, _ in stamped(text):
        if head:
            records.append((head, [head[6]]))
        elif records and line:
            records[-1][1].append(line)
        elif line:
            records.append((None, [line]))
    out = []
    for head, body in records:
        if head is None:
            out += body
            continue
        record = {'time': f'{head[1]} {head[2]},123', 'level': head[5], 'logger': 'gunicorn.error', 'message': body[0]}
        if len(body) > 1:
            record['exc_info'] = '\n'.join(body[1:])
        out.append(json.dumps(record))
    return '\n'.join(out) + '\n'


def each(wrap):
    return lambda text: ''.join(wrap(line, head, moment, pid) + '\n' for line, head, moment, pid in stamped(text))


def month(moment):
    return f'{moment:%b} {moment.day:2} {moment:%H:%M:%S}'


def micros(moment):
    return str(int(moment.timestamp() * 1e6))


def out_of_order(text):
    """The later part before the earlier, as `cat *.log` of rotated files gives it; cut where a message of a new second begins. A log of a few
    seconds stays: whole seconds do not tell its order."""
    rows = list(stamped(text))
    heads = [(i, moment) for i, (_, head, moment, _) in enumerate(rows) if head]
    if not heads or heads[-1][1] - heads[0][1] < datetime.timedelta(seconds=4):
        return text
    later = [i for (i, moment), (_, before) in zip(heads[1:], heads) if moment > before]
    cut = later[len(later) // 2]
    return ''.join(line + '\n' for line, _, _, _ in rows[cut:] + rows[:cut])


def torn(text):
    """A line that nobody finished before each start of the log, and at its end."""
    return '[2026-11-22 10:0\n' + text + '[2026-11-22 23:59:59 +0000] [1] [CRIT'


SERVER = {
    'article-json': article,
    'no-pid': lambda text: re.sub(r'(?m)^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) [+-]\d{4}\] \[\d+\] \[([A-Z]+)\] ', r'\1 \2 ', text),
    'no-zone': lambda text: re.sub(r'(?m)^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) [+-]\d{4}\]', r'[\1]', text),
    'docker': each(lambda line, head, moment, pid: json.dumps({'log': line + '\n', 'stream': 'stderr', 'time': f'{moment:%Y-%m-%dT%H:%M:%S}.123456789Z'})),
    'cri': each(lambda line, head, moment, pid: f'{moment:%Y-%m-%dT%H:%M:%S}.123456789Z stderr F {line}'),
    'rfc3164': each(lambda line, head, moment, pid: f'{month(moment)} web1 gunicorn[{pid}]: {line}'),
    'rfc5424': each(lambda line, head, moment, pid: f'<30>1 {moment:%Y-%m-%dT%H:%M:%S}.123456Z web1 gunicorn {pid} - - {line}'),
    'journal-json': each(lambda line, head, moment, pid: json.dumps({'__REALTIME_TIMESTAMP': micros(moment), '_PID': pid, 'SYSLOG_IDENTIFIER': 'gunicorn', '_SYSTEMD_UNIT': 'web.service', 'PRIORITY': '6', 'MESSAGE': line})),
    'journal-short-iso': each(lambda line, head, moment, pid: f'{moment:%Y-%m-%dT%H:%M:%S}+0000 web1 gunicorn[{pid}]: {line}'),
    'journal-short-full': each(lambda line, head, moment, pid: f'{moment:%a %Y-%m-%d %H:%M:%S} UTC web1 gunicorn[{pid}]: {line}'),
    'journal-export': each(lambda line, head, moment, pid: f'__CURSOR=s=1\n__REALTIME_TIMESTAMP={micros(moment)}\n_PID={pid}\nSYSLOG_IDENTIFIER=gunicorn\n_SYSTEMD_UNIT=web.service\nMESSAGE={line}\n'),
    'crlf': each(lambda line, head, moment, pid: line + '\r'),
    'out-of-order': out_of_order,
    'torn': torn,
    'nuls': lambda text: '\0' * 70000 + text,
    'long-lines': lambda text: 'x' * (1 << 20) + '\n' + text + 'y' * (1 << 20) + '\n',
    'gz': None,
    'zst': None,
}


def booted(folder):
    """Wall time at the kernel log's zero: from the kill that both logs tell of. None: nothing ties them."""
    if folder.parent.name == 'gunicorn':
        return SHARED_BOOT
    killed = re.search(r'(?m)^\[\s*(\d+)\.\d+\] .*Killed process', (folder / 'dmesg.txt').read_text(errors='replace'))
    reaped = [moment for line, _, moment, _ in stamped((folder / 'error.log').read_text(errors='replace')) if 'due to signal 9' in line or 'SIGKILL' in line]
    return reaped[0].timestamp() - int(killed[1]) if killed and reaped else None


def kernel(wrap):
    def rewrite(text, boot):
        out = []
        for number, line in enumerate(lines_of(text), 100):
            row = UPTIME.match(line)
            if row:
                seconds, micro = int(row[1]), int(row[2])
                moment = datetime.datetime.fromtimestamp(boot + seconds + micro / 1e6, UTC)
                out.append(wrap(row[3], seconds, micro, moment, 3 if 'Killed' in row[3] else 6, number))
        return ''.join(line + '\n' for line in out)
    return rewrite


def drifted(text, seconds, micro, moment, level, number):
    late = moment + datetime.timedelta(seconds=4)
    return f'[{late:%a %b} {late.day:2} {late:%H:%M:%S %Y}] {text}'


KERNEL = {
    'dmesg-T': kernel(drifted),
    'kmsg': kernel(lambda text, s, us, moment, level, number: f'{level},{number},{s * 1000000 + us},-;{text}'),
    'dmesg-x': kernel(lambda text, s, us, moment, level, number: f'kern  :{"err" if level == 3 else "info":6}: [{s:5}.{us:06}] {text}'),
    'dmesg-r': kernel(lambda text, s, us, moment, level, number: f'<{level}>[{s:5}.{us:06}] {text}'),
    'kernel-syslog': kernel(lambda text, s, us, moment, level, number: f'{month(moment)} web1 kernel: [{s:5}.{us:06}] {text}'),
    'kernel-journal': kernel(lambda text, s, us, moment, level, number: f'{month(moment)} web1 kernel: {text}'),
    'kernel-journal-json': kernel(lambda text, s, us, moment, level, number: json.dumps({'__REALTIME_TIMESTAMP': micros(moment), '_TRANSPORT': 'kernel', 'SYSLOG_IDENTIFIER': 'kernel', 'PRIORITY': str(level), 'SYSLOG_FACILITY': '0',
                                                                                    '_SOURCE_MONOTONIC_TIMESTAMP': str(s * 1000000 + us), 'MESSAGE': text})),
}


def rewrite(source, target, form):
    shutil.copytree(source, target)  # keeps the files' times, by which configuration is trusted
    for path in target.iterdir():
        if form in KERNEL and path.name != 'dmesg.txt' or form in SERVER and not re.fullmatch(r'error\d?\.log', path.name):
            continue
        stat = path.stat()
        text = path.read_text(errors='surrogateescape')
        if not text:
            continue
        new = path
        if form == 'gz':
            new = path.with_suffix('.log.gz')
            with gzip.open(new, 'wt', errors='surrogateescape') as out:
                out.write(text)
            path.unlink()
        elif form == 'zst':
            new = path.with_suffix('.log.zst')
            subprocess.run(['zstd', '-q', '--rm', str(path), '-o', str(new)], check=True)
        else:
            boot = booted(source) if form in KERNEL else 0
            if boot is None or form in KERNEL and not all(UPTIME.match(line) for line in lines_of(text)):
                continue
            path.write_text(KERNEL[form](text, boot) if form in KERNEL else SERVER[form](text), errors='surrogateescape')
        os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def verdict(triage, folder):
    """What is surely said: (rule, pid), the words that findings without a pid are known by."""
    with tempfile.TemporaryDirectory() as place:
        seen = pathlib.Path(place) / 'site'
        shutil.copytree(folder, seen, ignore=lambda _, names: [name for name in names if name in HIDDEN])
        ended = subprocess.run([triage, '--from', str(seen), '--format', 'json'], capture_output=True, timeout=60)
    if ended.returncode not in (0, 1):
        raise AssertionError(f'{folder.name}: exit {ended.returncode}: {ended.stderr.decode(errors="replace")[-300:]}')
    sure = [finding for finding in json.loads(ended.stdout)['findings'] if finding.get('sure') in ('certain', 'likely') and finding['rule'].split('.')[0] in ('death', 'master', 'boot')]
    return sorted({(finding['rule'], finding['subject'].get('pid') or 0) for finding in sure})


def rules_of(said, form):
    # Without pids nobody can say whose exit a worker's own words were; the causes must be the same. Why a boot failed may then be told by another
    # of its lines.
    if form not in ('no-pid', 'article-json'):
        return said
    return sorted({'boot' if rule.startswith('boot.') else rule for rule, _ in said})


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--only')
    asked.add_argument('--keep', type=pathlib.Path)
    asked.add_argument('--all', action='store_true')
    asked = asked.parse_args()
    asked.triage = os.path.abspath(asked.triage)
    sources = sorted(path for path in (ROOT / 'fixtures' / 'incidents').iterdir() if (path / 'error.log').exists())
    shared = ROOT.parent / 'shared' / 'incidents' / 'gunicorn'
    if shared.is_dir():
        found = sorted(path for path in shared.iterdir() if (path / 'error.log').exists())
        sources += found if asked.all else found[::16]
    else:
        print('# SKIPPED: no ../shared/incidents beside the sources')
    forms = [form for form in {**SERVER, **KERNEL} if asked.only in (None, form)]
    if not shutil.which('zstd') and 'zst' in forms:
        forms.remove('zst')
        print('# SKIPPED: zst: no zstd program')
    failed = 0
    with tempfile.TemporaryDirectory(prefix='triage-forms-') as place, concurrent.futures.ThreadPoolExecutor(2) as pool:
        trees = asked.keep or pathlib.Path(place)
        was = dict(zip(sources, pool.map(lambda source: verdict(asked.triage, source), sources)))
        print(f'1..{len(forms)}')
        for number, form in enumerate(forms, 1):
            (trees / form).mkdir(parents=True)

            def again(source):
                target = trees / form / source.name
                rewrite(source, target, form)
                got = rules_of(verdict(asked.triage, target), form)
                if not asked.keep:
                    shutil.rmtree(target)
                return source, got
            wrong = [f'{source.name}: {got}, was {rules_of(was[source], form)}' for source, got in pool.map(again, sources) if got != rules_of(was[source], form)]
            print(f'{"not ok" if wrong else "ok"} {number} - {form}: {len(sources) - len(wrong)} of {len(sources)} incidents judged alike', flush=True)
            for line in wrong:
                print(f'#   {line}')
            failed += bool(wrong)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
