"""triage-timeouts verify: nginx and the servers of this machine, with short timeouts, against what the model says of the files they read. gunicorn
20.1 of Debian 12 answers a killed request otherwise than 23, so the one of the next suite is run as well where it can be had."""
import argparse
import os
import pathlib
import subprocess
import sys

from harness import Skip
from packages import Archive


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument('--triage', required=True)
    asked.add_argument('--random', type=int, default=0)
    asked.add_argument('--seed', type=int, default=0)
    asked.add_argument('--least', type=int, default=60)
    asked = asked.parse_args()
    folder = pathlib.Path(asked.triage).resolve().parent
    words = [str(folder / 'triage-timeouts'), 'verify', '-q', '--jobs', str(max(6, 3 * (os.cpu_count() or 2)))]
    try:
        archive = Archive(folder.parent / 'packages')
        words += ['--gunicorn', ':'.join(str(archive.unpacked('trixie', package) / 'usr/lib/python3/dist-packages') for package in ('python3-gunicorn', 'python3-uvicorn'))]
    except Skip as why:
        print(f'# only the installed gunicorn: {why}')
    if asked.random:
        words += ['--random', str(asked.random), '--seed', str(asked.seed or os.getpid())]
    got = subprocess.run(words, capture_output=True, text=True)
    print(' '.join(words) + '\n' + got.stdout + got.stderr, end='')
    if got.returncode == 3:
        print('SKIPPED: nothing that can be run is installed')
        return 77
    last = got.stdout.strip().splitlines()[-1]
    if not asked.random and int(last.split()[0]) < asked.least and 'SKIPPED' not in got.stdout:
        print(f'only {last.split()[0]} cases, {asked.least} were expected')
        return 1
    return got.returncode


if __name__ == '__main__':
    sys.exit(main())
