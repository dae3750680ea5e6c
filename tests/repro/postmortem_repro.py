#!/usr/bin/env python3
"""The postmortem's page in a real browser: two widths, light and dark, on paper, with text in its record that would like to act; and the command that writes it."""
import argparse
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import threading
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'live'))
from harness import Skip, run_cases, same  # noqa: E402

WIDTHS = (360, 1200)
# Ends texts, tags and attributes; runs; hides; turns around; is too long for a line.
HOSTILE = ('"\'></title></style></svg><script>top.touched = 1; parent.document.title = "touched"</script><img src="/stolen.png" onerror="top.touched = 1">'
           '\x1b[31m\x07\x00\u202e\u2066\u200b </pre><a href="javascript:alert(1)" onclick="x()">x</a> {{7*7}} ' + 'W' * 900)
FLAGS = ('--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars '
         '--virtual-time-budget=3000').split()

MEASURE = '''<!doctype html><body style="margin:0">FRAMES<pre id="told"></pre><script>
addEventListener('load', () => {
  const told = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement, all = [...page.querySelectorAll('*')];
    const acts = node => [...node.attributes].some(one => one.name.startsWith('on') || one.name === 'src' || one.name === 'href');
    return { width: frame.clientWidth, scrolls: root.scrollWidth, scripts: page.scripts.length, acts: all.filter(acts).length,
             wide: all.filter(node => !node.ownerSVGElement && node.getBoundingClientRect().right > root.clientWidth + 1).map(node => node.tagName + '.' + node.className).slice(0, 5),
             strange: [...page.body.textContent].filter(one => one !== '\\n' && (one < ' ' || one > '~')).length,
             rows: page.querySelectorAll('.row svg').length, shapes: page.querySelectorAll('.row svg rect, .row svg line').length,
             small: all.filter(node => node.tagName === 'text' && parseFloat(getComputedStyle(node).fontSize) < 10).length, heads: page.querySelectorAll('h2').length };
  });
  document.getElementById('told').textContent = 'TOLD' + JSON.stringify({ frames: told, touched: window.touched || 0, title: document.title }) + 'TOLD';
});
</script>'''
SHOT = '''<!doctype html><body style="margin:0;overflow:hidden"><iframe src="/report.html" style="border:0;width:WIDTHpx;height:600px;display:block"></iframe><script>
addEventListener('load', () => { const page = document.querySelector('iframe').contentWindow; page.scrollTo(0, page.document.querySelector('.timeline').offsetTop); });
</script>'''
OVERFLOWS = '<!doctype html><meta charset="utf-8"><body><script>top.touched = 2</script><div style="width:3000px" onclick="1">\u202e</div><a href="x">x</a>'


def record():
    """A worker is killed with a request; another goes on."""
    def event(at, what, who='', pid=0, text='', number=0, since=None):
        row = {'at': at, 'what': what, 'who': who, 'pid': pid, 'text': text, 'number': number}
        return row if since is None else {**row, 'from': since}
    observed = [event(-1, 'started', 'server', 2, 'gunicorn'), event(-0.1, 'worker-born', 'worker', 3), event(-0.1, 'worker-born', 'worker', 4), event(0, 'ready', 'gunicorn', 0, '20.1.0'),
                event(0, 'load-begins', 'slow'), event(0, 'asked', 'slow', 0, 'GET /slow', 1), event(0.02, 'taken', 'worker', 3, 'GET /slow'), event(1, 'step', 'signal', 0, 'signal HUP to master'),
                event(1, 'signalled', 'master', 2, 'SIGHUP'), event(2, 'asked', 'late', 0, 'GET /', 1), event(4, 'log', 'error.log', 0, '[CRITICAL] WORKER TIMEOUT (pid:3)'),
                event(4.2, 'answered', 'slow', 0, 'closed', 1, 0), event(4.4, 'worker-dead', 'worker', 3, 'SIGKILL', 0, -0.1), event(4.5, 'worker-born', 'worker', 5), event(5.9, 'answered', 'late', 0, 'gave-up', 1, 2)]
    for i in range(20):
        observed += [event(i * 0.2, 'asked', 'users', 0, 'GET /hello', i), event(i * 0.2 + 0.02, 'taken', 'worker', 4, 'GET /hello'), event(i * 0.2 + 0.1, 'answered', 'users', 0, '200', i, i * 0.2),
                     event(i * 0.3, 'memory', 'worker', 3 if i < 14 else 4, '', 20e6 + i * 6e6), event(i * 0.3, 'queue', 'server', 0, '', i % 5), event(i * 0.25, 'heartbeat', 'worker', 4)]
    observed += [event(0.01, 'heartbeat', 'worker', 3), event(6, 'end')]
    observed.sort(key=lambda one: one['at'])
    told = {'id': 'f1', 'rule': 'death.timeout', 'level': 'error', 'sure': 'certain', 'sure_because': 'the log says so', 'message': 'worker 3 was killed by its master', 'prediction': 'again',
            'subject': {'pid': 3, 'host_pid': 3, 'where': 'x.py:3'}, 'because': [{'id': 'E1', 'source': 'server log', 'where': 'error.log:4', 'when': '2026-11-23T05:35:41Z', 'text': 'WORKER TIMEOUT (pid:3)', 'note': 'x'}],
            'ruled_out': [{'cause': 'death.oom-cgroup', 'because': 'no kill'}], 'was_doing': {'request': 'GET /slow', 'syscall': 'recvfrom', 'peer': 'x', 'python': ['app.py:4 view'], 'native': ['read']},
            'fix': [{'when': 'then', 'text': 'a deadline', 'expect': '200', 'loses': 'a restart', 'edit': 'timeout = 60'}]}
    return {'schema': 'triage.run/1', 'scenario': 'a', 'file': 'a.json', 'proves': 'a slow request costs a worker', 'server': 'gunicorn', 'version': 'gunicorn 20.1.0', 'versions': ['gunicorn 20.1.0'], 'seed': 2, 'scale': 5.0,
            'set': ['server.timeout=4'], 'floors': ['whole seconds'], 'began': '2026-11-23T05:35:36.972Z', 'took': 8.2, 'skipped': '', 'error': '', 'folder': '', 'commands': ['gunicorn --timeout 4 /tmp/site/app'],
            'expected': [{'wanted': 'worker dies', 'seen': '1', 'passed': True, 'level': ''}], 'gaps': ['the kernel log'], 'observed': observed,
            'report': {'schema': 'triage.report/1', 'source': 'files', 'root': 'f1', 'findings': [told, {**told, 'id': 'f2', 'caused_by': 'f1'}, {**told, 'id': 'f3'}]}}


def poisoned(value, key=''):
    """Every text hostile but those that decide what is drawn."""
    if isinstance(value, dict):
        return {name: poisoned(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, key) for one in value]
    return HOSTILE if isinstance(value, str) and key not in ('schema', 'what', 'skipped', 'error', 'id', 'caused_by', 'root', 'source') else value


def pixels(path):
    """(width, height, {colour: count}) of a PNG with 8 bits a channel."""
    raw, at, packed = path.read_bytes(), 8, b''
    while at < len(raw):
        size, kind = struct.unpack('>I4s', raw[at:at + 8])
        if kind == b'IHDR':
            width, height, depth, colour = struct.unpack('>IIBB', raw[at + 8:at + 18])
        if kind == b'IDAT':
            packed += raw[at + 8:at + 8 + size]
        at += 12 + size
    same('depth', depth, 8)
    deep = {2: 3, 6: 4}[colour]
    rows, stride, above, counts = zlib.decompress(packed), width * deep, bytearray(width * deep), {}
    for y in range(height):
        start = y * (stride + 1)
        how, line = rows[start], bytearray(rows[start + 1:start + 1 + stride])
        if how == 2:
            line = bytearray((one + up) & 255 for one, up in zip(line, above))
        elif how:
            for i in range(stride):
                left, up, corner = (line[i - deep], above[i], above[i - deep]) if i >= deep else (0, above[i], 0)
                if how == 1:
                    guess = left
                elif how == 3:
                    guess = (left + up) >> 1
                else:
                    about = left + up - corner
                    guess = min((abs(about - left), 0, left), (abs(about - up), 1, up), (abs(about - corner), 2, corner))[2]
                line[i] = (line[i] + guess) & 255
        for i in range(0, stride, deep):
            key = bytes(line[i:i + 3])
            counts[key] = counts.get(key, 0) + 1
        above = line
    return width, height, counts


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        self.server.asked.append(self.path)


def cases_of(asked):
    browser = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')

    def repro(folder, *words, code=0, text=None):
        done = subprocess.run([asked.repro, *map(str, words)], input=text or '', capture_output=True, text=True, timeout=200, cwd=folder)
        if done.returncode != code:
            raise AssertionError(f'{words}: exit {done.returncode} instead of {code}: {done.stdout[-800:]} {done.stderr[-800:]}')
        return done

    def browse(folder, *words):
        if browser is None:
            raise Skip('no chromium here')
        profile = folder / f'profile-{len(list(folder.glob("profile-*")))}'
        done = subprocess.run([browser, *FLAGS, f'--user-data-dir={profile}', *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', timeout=150, cwd=folder)
        if done.returncode != 0:
            raise AssertionError(f'chromium: exit {done.returncode}: {done.stderr[-600:]}')
        return done.stdout

    def written(folder, run):
        (folder / 'run.json').write_text(json.dumps(run))
        repro(folder, 'report', 'run.json', '-o', 'report.html', '-o', 'report.md')
        return (folder / 'report.html').read_text(), (folder / 'report.md').read_text()

    def serving(folder, work):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            return work(f'http://127.0.0.1:{server.server_port}'), server.asked
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def measured(folder, pages):
        frames = ''.join(f'<iframe src="/{page}" style="border:0;width:{width}px;height:800px"></iframe>' for page, width in pages)
        (folder / 'measure.html').write_text(MEASURE.replace('FRAMES', frames))
        text, paths = serving(folder, lambda where: browse(folder, '--dump-dom', f'{where}/measure.html'))
        told = re.search(r'id="told">TOLD(.*?)TOLD<', text, re.S)
        if not told:
            raise AssertionError(f'the page was not measured: {text[-600:]}')
        return json.loads(told.group(1).replace('&lt;', '<').replace('&gt;', '>').replace('&amp;', '&')), paths

    def holds(folder, run):
        written(folder, run)
        told, paths = measured(folder, [('report.html', width) for width in WIDTHS])
        same('asked for', sorted({path for path in paths if path != '/favicon.ico'}), ['/measure.html', '/report.html'])
        same('touched from inside', (told['touched'], told['title']), (0, ''))
        for width, frame in zip(WIDTHS, told['frames']):
            same(f'at {width}: width, scripts, what acts, strange characters, small texts', [frame[key] for key in ('width', 'scripts', 'acts', 'strange', 'small')], [width, 0, 0, 0, 0])
            same(f'at {width}: wider than the page', (frame['scrolls'], frame['wide']), (width, []))
            if frame['rows'] < 7 or frame['shapes'] < 60 or frame['heads'] != 5:
                raise AssertionError(f'at {width} something is not drawn: {frame}')

    def fits_two_widths(folder):
        holds(folder, record())

    def hostile_text_is_inert(folder):
        holds(folder, poisoned(record()))
        page, text = (folder / 'report.html').read_text(), (folder / 'report.md').read_text()
        same('tags', {tag for tag in re.findall(r'<([a-zA-Z]+)', page)} & {'script', 'img', 'a', 'iframe', 'object', 'embed', 'form', 'link', 'base'}, set())
        same('characters that act', {one for one in page + text if one != '\n' and not ' ' <= one <= '~'}, set())
        same('tags in Markdown', re.findall(r'^<|\n\s*</?[a-z]', re.sub(r'\n(`{3,})\n.*?\n\1\n', '\n', text, flags=re.S)), [])

    def the_measure_sees_what_is_wrong(folder):
        (folder / 'wrong.html').write_text(OVERFLOWS)
        told, _ = measured(folder, [('wrong.html', 360)])
        frame = told['frames'][0]
        same('seen', (told['touched'], frame['scripts'], frame['acts'], frame['strange'], frame['scrolls'] > 2000, frame['wide'][0]), (2, 1, 2, 1, True, 'DIV.'))

    def drawn(folder, width, *words):
        (folder / 'shot.html').write_text(SHOT.replace('WIDTH', str(width)))
        path = folder / f'shot-{width}.png'
        serving(folder, lambda where: browse(folder, f'--window-size={max(width, 500)},600', f'--screenshot={path}', *words, f'{where}/shot.html'))
        return pixels(path)

    def screenshots(folder):
        written(folder, record())
        for width in WIDTHS:
            got = drawn(folder, width)
            same('size', got[:2], (max(width, 500), 600))
            paper, bad, good = (got[2].get(bytes.fromhex(colour), 0) for colour in ('ffffff', 'c0271d', '2f7f86'))
            if paper < 0.4 * width * 600 or bad < 0.4 * width * 6 or good < 100:
                raise AssertionError(f'at {width}: {paper} of paper, {bad} of failed requests, {good} of answered ones')

    def screenshot_in_the_dark(folder):
        written(folder, record())
        counts = drawn(folder, 360, '--blink-settings=preferredColorScheme=0')[2]
        dark, bad = (counts.get(bytes.fromhex(colour), 0) for colour in ('14181d', 'ff7b72'))
        if dark < 0.3 * 360 * 600 or bad < 0.4 * 360 * 6:
            raise AssertionError(f'{dark} dark, {bad} of failed requests')

    def prints(folder):
        written(folder, record())
        browse(folder, '--no-pdf-header-footer', f'--print-to-pdf={folder / "report.pdf"}', f'file://{folder / "report.html"}')
        raw = (folder / 'report.pdf').read_bytes()
        same('a PDF', raw[:5], b'%PDF-')
        pages = len(re.findall(rb'/Type\s*/Page\b(?!s)', raw))
        if not 2 <= pages <= 8 or len(raw) < 10_000:
            raise AssertionError(f'{pages} pages, {len(raw)} bytes')

    def answers(folder):
        run = record()
        (folder / 'run.json').write_text(json.dumps(run))
        same('a folder', repro(folder, 'report', folder).stdout, repro(folder, 'report', '-', text=json.dumps(run)).stdout)
        (folder / 'after.json').write_text(json.dumps({**run, 'set': ['server.timeout=60'], 'report': {**run['report'], 'findings': []}}))
        text = repro(folder, 'report', 'run.json', '--after', 'after.json').stdout
        for part in ('# Postmortem: worker 3 was killed by its master\n', '--set server.timeout=60\n', 'With the fix, triage no longer says death.timeout.\n', '| triage says | death.timeout, death.timeout, death.timeout | no fault |\n'):
            if part not in text:
                raise AssertionError(f'no {part!r} in {text}')
        (folder / 'other.json').write_text(json.dumps({**run, 'scenario': 'b'}))
        (folder / 'failed.json').write_text(json.dumps({**run, 'expected': [{'wanted': 'x', 'seen': '0', 'passed': False, 'level': ''}]}))
        repro(folder, 'report', 'failed.json', '-o', 'failed.md', code=1)
        if 'not reproduced: 0 of 1' not in (folder / 'failed.md').read_text():
            raise AssertionError('a run that failed is not told as one')
        for words, remedy in ((('run.json', '-o', 'x.pdf'), '.md or .html'), (('run.json', '--fix', 'server.timeout=60'), '--after'), (('run.json', '--after', 'other.json'), 'another scenario'), (('run.json', '--after', 'report.md'), 'no record'), (('none.json',), 'no such file')):
            told = repro(folder, 'report', *words, code=2).stderr
            if remedy not in told:
                raise AssertionError(f'{words}: {told}')
        repro(folder, 'report', 'run.json', '-o', 'no/such/folder/x.md', code=3)

    def of_a_real_run(folder):
        if os.getuid() != 0:
            raise Skip('namespaces and cgroups need root')
        repro(folder, 'report', 'operator-kill', '--server', 'triage-server', '--scale', '4', '-o', 'report.html', '-o', 'report.md')
        text = (folder / 'report.md').read_text()
        for part in ('was killed by SIGKILL at ', 'death.killed-by-other', 'triage repro run operator-kill --server triage-server --scale 4\n', 'signal KILL to oldest'):
            if part not in text:
                raise AssertionError(f'no {part!r} in {text}')
        page = (folder / 'report.html').read_text()
        for part in ('class="beat"', 'class="death"', 'waiting to be accepted', 'memory '):
            if part not in page:
                raise AssertionError(f'no {part!r} in the page')

    return [(case.__name__, case) for case in (fits_two_widths, hostile_text_is_inert, the_measure_sees_what_is_wrong, screenshots, screenshot_in_the_dark, prints, answers, of_a_real_run)]


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--repro', required=True)
    asked.add_argument('--only', default='')
    asked = asked.parse_args()
    asked.repro = os.path.abspath(asked.repro)
    return run_cases([(name, case) for name, case in cases_of(asked) if asked.only in name], 2)


if __name__ == '__main__':
    sys.exit(main())
