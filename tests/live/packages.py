"""Packages of other Debian suites, unpacked into a folder and never installed: the host's own apt sources tell the mirror, and apt works in
a private state directory, so that the host's sources and lists stay as they are."""
import fcntl
import os
import pathlib
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

    def unpacked(self, suite, package):
        """The folder that holds `package` of `suite`; from an earlier run where there was one."""
        to = self.folder / f'{package}-{suite}'
        with open(self.folder / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if to.exists():
                return to
            site, signed = mirror()
            options = self.options(suite)
            private = self.folder / suite
            (private / 'sources.list').write_text(f'deb {f"[signed-by={signed}] " if signed else ""}{site} {suite} main\n')
            for step in (['update'], ['download', package]):
                got = subprocess.run(['apt-get', '-q', *options, *step], capture_output=True, text=True, cwd=private, timeout=180, env=dict(os.environ, LC_ALL='C'))
                if got.returncode != 0:
                    raise Skip(f'{package} of {suite} cannot be had: {(got.stderr.strip().splitlines() or ["apt-get failed"])[-1]}'.replace(site, 'the mirror'))
            file = next(private.glob(f'{package}_*.deb'))
            part = to.with_suffix('.part')
            shutil.rmtree(part, ignore_errors=True)
            subprocess.run(['dpkg-deb', '-x', str(file), str(part)], check=True)
            part.rename(to)
        return to
