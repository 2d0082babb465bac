"""A store in a second directory: what `storage.payloads` asks of one, with every digest looked at, and nothing sealed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gateway.errors import CustodyLost, StoreUnreachable
from gateway.storage.digest import file_digest
from gateway.storage.payloads import IN_PLACE, KeptFile, each_of


class DirectoryStore:
    """The files of a site whose state is `state`, in `root`. `away` has it answer nothing."""

    def __init__(self, state: Path, root: Path) -> None:
        self.state, self.root = state, root
        self.away = False
        root.mkdir(parents=True, exist_ok=True)

    def keep(self, files: Mapping[Path, str], lying: Mapping[Path, Path] = IN_PLACE) -> None:
        self._require()
        for path, sha256 in files.items():
            source, there = lying.get(path, path), self._there(path, sha256)
            assert file_digest(source) == sha256, f"{path} is kept with another digest"
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, there)

    def fetch(self, path: Path, sha256: str) -> Path:
        if os.path.lexists(path) and file_digest(path) == sha256:
            return path
        self._require()
        there = self._there(path, sha256)
        if not there.exists():
            if os.path.lexists(path):
                return path
            raise FileNotFoundError(path)
        if file_digest(there) != sha256:
            raise CustodyLost("the store has other bytes")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        shutil.copyfile(there, path)
        return path

    def forget(self, path: Path, sha256: str) -> None:
        self._require()
        self._there(path, sha256).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def forget_all(self, files: Iterable[KeptFile]) -> None:
        each_of(files, self.forget)

    def names(self, root: Path) -> Iterator[tuple[Path, str]]:
        self._require()
        below = self.root / root.relative_to(self.state)
        for there in sorted(path for path in below.rglob("*") if path.is_file()):
            yield self.state / there.parent.relative_to(self.root), there.name

    def _there(self, path: Path, sha256: str) -> Path:
        return self.root / path.relative_to(self.state) / sha256

    def _require(self) -> None:
        if self.away:
            raise StoreUnreachable("the store is away")
