"""Copying a site's files into a copy, each digested on its way; what the copy before has already is linked to it.

Raises OSError as the system does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from gateway.administration.backup import contents
from gateway.administration.backup.contents import Contents, KeptDirectory, KeptFile, Watch
from gateway.domain.manifest import AuditHead
from gateway.ledger.chain import Head
from gateway.settings.home import Home
from gateway.storage.digest import file_digest, pieces, rest_digest, write_pieces
from gateway.storage.directory_walk import FILE


class CopyTree:
    """The tree of one copy that is being made, of the site at `home`. `before` is the copy before it."""

    def __init__(self, home: Home, copy: Path, before: Path | None, watch: Watch) -> None:
        self._home = home
        self._root = contents.home_in(copy).root
        self._before: dict[str, KeptFile] = {}
        self._before_root = self._root
        if before is not None:
            self._before = {each.path: each for each in contents.read(before).files}
            self._before_root = contents.home_in(before).root
        self._watch = watch
        self._files: dict[str, KeptFile] = {}
        self._directories: list[KeptDirectory] = []
        self.linked = 0

    def directories(self) -> None:
        """Make every directory that the site has, but for what the gateway makes at a start, and what is not copied."""
        home = self._home
        self._root.mkdir(mode=0o700, parents=True)
        left_out = {home.run, home.sshd, home.logins, home.keyrings / "own", home.ssh, home.opened, home.backup}
        for where, names, _ in os.walk(home.root):
            inside = [Path(where, name) for name in sorted(names)]
            inside = [
                path for path in inside if not (path.name.startswith(".") or path in left_out or path.is_symlink())
            ]
            names[:] = [path.name for path in inside]
            for path in inside:
                relative = path.relative_to(home.root)
                self._directories.append(KeptDirectory(path=str(relative), mode=stat.S_IMODE(path.stat().st_mode)))
                (self._root / relative).mkdir(mode=0o700, exist_ok=True)

    def below(self, area: Path, *, as_if: Path | None = None, may_go: bool = False) -> None:
        """Copy the plain files below a directory, hidden ones left out, as though they lay below `as_if`. Those that `may_go` may
        be removed by others meanwhile.
        """
        for where, names, files in os.walk(area):
            names[:] = sorted(name for name in names if not name.startswith("."))
            for name in sorted(files):
                path = Path(where, name)
                if not name.startswith("."):
                    self.file(path, as_if=None if as_if is None else as_if / path.relative_to(area), may_go=may_go)

    def files(self, paths: Iterable[Path]) -> None:
        """Copy these files."""
        for path in paths:
            self.file(path)

    def file(self, path: Path, *, as_if: Path | None = None, may_go: bool = False) -> None:
        """Copy a file; nothing where it is no plain file, or has a name that no manifest can hold."""
        relative = str((as_if or path).relative_to(self._home.root))
        try:
            relative.encode()
            source = os.open(path, FILE)
        except UnicodeEncodeError:
            return  # no such file can be submitted
        except OSError:
            if may_go and not (path.exists() and path.is_file() and not path.is_symlink()):
                return
            raise
        try:
            about = os.fstat(source)
            if stat.S_ISREG(about.st_mode):
                self._note(relative, about.st_mode, self._copied(source, relative, about.st_size))
        finally:
            os.close(source)

    def _copied(self, source: int, relative: str, size: int) -> str:
        target = self._root / relative
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = self._before.get(relative)
        if known is not None and known.size == size:
            digest = rest_digest(source)
            if digest == known.sha256 and self._linked(relative, target):
                return digest
            os.lseek(source, 0, os.SEEK_SET)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            return write_pieces(pieces(source), descriptor)
        finally:
            os.close(descriptor)

    def _linked(self, relative: str, target: Path) -> bool:
        try:
            os.link(self._before_root / relative, target, follow_symlinks=False)
        except OSError:
            return False  # another file system, too many names, or somebody took it away
        self.linked += 1
        return True

    def _note(self, relative: str, mode: int, sha256: str) -> None:
        size = (self._root / relative).stat().st_size
        self._files[relative] = KeptFile(path=relative, size=size, sha256=sha256, mode=stat.S_IMODE(mode))
        self._watch("files", len(self._files))

    def made(self, path: Path) -> None:
        """Note a file that was made in the copy itself."""
        self._note(str(path.relative_to(self._root)), 0o600, file_digest(path))

    def forget(self, path: Path, sha256: str) -> None:
        """Take a file out of the copy again, if it has that content."""
        relative = str(path.relative_to(self._root))
        kept = self._files.get(relative)
        if kept is not None and kept.sha256 == sha256:
            path.unlink()
            del self._files[relative]

    def contents(
        self, site: str, account: str, taken: str, head: Head, keys: str | None, *, stored: bool = False
    ) -> Contents:
        """The manifest of what was copied; `keys` is the digest of the sealed keys."""
        return Contents(
            site=site,
            account=account,
            taken=taken,
            head=AuditHead(sequence=head.sequence, sha256=head.sha256),
            keys=keys,
            stored=stored,
            directories=tuple(self._directories),
            files=tuple(self._files[path] for path in sorted(self._files)),
        )
