"""Packages of other Debian suites, unpacked into a folder and never installed: the host's own apt sources tell the mirror, and apt works in
a private state directory, so that the host's sources and lists stay as they are."""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess

from harness import Skip


def mirror():
    """(site, signed-by) of the host's own main archive."""
    release = dict(line.rstrip().split('=', 1) for line in open('/etc/os-release') if '=' in line)
    codename = release.get('VERSION_CODENAME', '').strip('"')
    if not shutil.which('apt-get'):
        raise Skip('no apt-get here')
    got = subprocess.run(['apt-get', 'indextargets', '--format', '$(SITE) $(CODENAME) $(SIGNED_BY)', 'Created-By: Packages', 'Component: main'], capture_output=True, text=True)
    for line in got.stdout.splitlines():
        site, suite, *signed = line.split()
        if suite == codename:
            return site, signed[0] if signed and not signed[0].startswith('$(') else ''
    raise Skip(f'apt knows no main archive of {codename or "this system"}')


class Archive:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def options(self, suite):
        private = self.folder / suite
        for name in ('lists/partial', 'cache/archives/partial'):
            (private / name).mkdir(parents=True, exist_ok=True)
        (private / 'status').touch()
        return ['-o', f'Dir::Etc::SourceList={private}/sources.list', '-o', 'Dir::Etc::SourceParts=/dev/null', '-o', f'Dir::State={private}', '-o', f'Dir::State::Lists={private}/lists',
                '-o', f'Dir::State::status={private}/status', '-o', f'Dir::Cache={private}/cache', '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Languages=none', '-o', 'Acquire::Retries=2']

    def newest(self, suite, pattern):
        """The last package of `suite`, in the order of versions, whose name the pattern matches."""
        self.update(suite)
        got = subprocess.run(['apt-cache', *self.options(suite), 'pkgnames'], capture_output=True, text=True)
        names = [name for name in got.stdout.split() if re.fullmatch(pattern, name)]
        if not names:
            raise Skip(f'{suite} has no package like {pattern}')
        return max(names, key=lambda name: [int(number) for number in re.findall(r'\d+', name)])

    def update(self, suite):
        private = self.folder / suite
        with open(self.folder / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if any((private / 'lists').glob('*_Packages*')):
                return
            site, signed = mirror()
            self.options(suite)
            (private / 'sources.list').write_text(f'deb {f"[signed-by={signed}] " if signed else ""}{site} {suite} main\n')
            self.apt(suite, ['update'], suite, site)

    def apt(self, suite, words, what, site):
        got = subprocess.run(['apt-get', '-q', *self.options(suite), *words], capture_output=True, text=True, cwd=self.folder / suite, timeout=180, env=dict(os.environ, LC_ALL='C'))
        if got.returncode != 0:
            raise Skip(f'{what} cannot be had: {(got.stderr.strip().splitlines() or ["apt-get failed"])[-1]}'.replace(site, 'the mirror'))

    def unpacked(self, suite, package):
        """The folder that holds `package` of `suite`; from an earlier run where there was one."""
        to = self.folder / f'{package}-{suite}'
        if to.exists():
            return to
        self.update(suite)
        with open(self.folder / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if to.exists():
                return to
            private = self.folder / suite
            self.apt(suite, ['download', package], f'{package} of {suite}', mirror()[0])
            file = next(private.glob(f'{package}_*.deb'))
            part = to.with_name(to.name + '.part')
            shutil.rmtree(part, ignore_errors=True)
            subprocess.run(['dpkg-deb', '-x', str(file), str(part)], check=True)
            part.rename(to)
        return to
