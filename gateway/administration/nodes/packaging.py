"""What another machine needs to become a node of the site, in one encrypted file: configuration, partners and keys.

It never holds what was exchanged: no file of custody, spool or quarantine, no row of the ledger, nobody's sign-in. It is a tar that
`gpg -d` gives back. Raises NodesNotSharing, CardRefused for a certificate that cannot be encrypted to, UsageWrong where the file is there,
CryptoFailed, EngineMissing, DiskFull, DiskFailed.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.administration.evidence.container import refuse_taken
from gateway.administration.nodes.sharing import place_of, require_mark
from gateway.assembly import stores
from gateway.domain.identity import to_text
from gateway.domain.manifest import Moment, SiteCode
from gateway.errors import NodesNotSharing
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.storage.durable import disk_error, write_file

MANIFEST: Final = "node-package.json"
_GROUPS: Final = 6
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_SIZE: Final = 5


class PackageManifest(BaseModel):
    """Whose package it is, which node made it and when, and the mark of the place that the nodes share."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    format: Literal[1] = 1
    site: SiteCode
    node: Annotated[str, Field(max_length=40)]
    made: Moment
    place: Annotated[str, Field(max_length=4096)]
    mark: Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class Packaged:
    """A package that was written: the contract of `nodes package --json`. `passphrase` is None where it is encrypted to a key."""

    file: str
    site: str
    files: int
    bytes: int
    sha256: str
    passphrase: str | None


def package(settings: Settings, out: Path, now: float, entropy: bytes, certificate: str | None) -> Packaged:
    """Write the package, encrypted to the armoured `certificate`, or to a passphrase that is drawn from 30 bytes of `entropy`."""
    require_nodes(settings)
    refuse_taken(out)
    place = place_of(settings.home)
    mark = require_mark(place, settings.site.code)
    manifest = PackageManifest(
        site=settings.site.code, node=settings.node.name, made=to_text(now), place=str(place), mark=mark
    )
    paths = sorted(contents(settings.home))
    plain = _tar(settings.home, manifest, paths)
    passphrase = None if certificate is not None else _passphrase(entropy)
    if certificate is not None:
        with tempfile.TemporaryDirectory() as keyrings:
            sealed = stores.key_store(Path(keyrings)).encrypt_to(certificate, plain, now)
    else:
        sealed = stores.encrypt_with(_passphrase(entropy), plain)
    write_file(out, sealed)
    return Packaged(
        str(out), settings.site.code, len(paths), len(sealed), hashlib.sha256(sealed).hexdigest(), passphrase
    )


def require_nodes(settings: Settings) -> None:
    """NodesNotSharing where the site is one machine's."""
    if not settings.node.name:
        raise NodesNotSharing("[node] name is not set: this gateway is the only one of its site.")


def contents(home: Home) -> Iterator[Path]:
    """The files of a package: what is configured, and the secrets that all nodes have. Hidden files, sockets and locks are left out."""
    yield from _below(home.config)
    for area in (home.keyrings, home.ssh, home.mail, home.notify, home.triage, home.payloads, home.console):
        for path in _below(area):
            if area in (home.keyrings, home.ssh) or path.suffix == ".secret":
                yield path
    yield from (path for path in home.payload_keys if path.is_file())


def is_allowed(home: Home, path: Path) -> bool:
    """Whether a package may hold a file there."""
    areas = (home.config, home.keyrings, home.ssh)
    secrets = (home.mail, home.notify, home.triage, home.payloads, home.console)
    inside = any(path.is_relative_to(area) for area in areas) or (path.parent in secrets and path.suffix == ".secret")
    return (inside or path in home.payload_keys) and ".." not in path.parts


def _below(area: Path) -> Iterator[Path]:
    for where, names, files in os.walk(area):
        names[:] = [name for name in names if not name.startswith(".")]
        for name in files:
            path = Path(where, name)
            if path.is_file() and not path.is_symlink() and not name.startswith((".", "S.")) and ".lock" not in name:
                yield path


def _tar(home: Home, manifest: PackageManifest, paths: list[Path]) -> bytes:
    made = io.BytesIO()
    try:
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, MANIFEST, manifest.model_dump_json(indent=2).encode())
            for path in paths:
                _add(archive, str(path.relative_to(home.root)), path.read_bytes())
    except OSError as error:
        raise disk_error(error, "reading what the package is to hold") from error
    return made.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


def _passphrase(entropy: bytes) -> str:
    """Six groups of five letters and digits that are not taken for each other: 150 bits."""
    letters = [_LETTERS[octet % len(_LETTERS)] for octet in entropy[: _GROUPS * _SIZE]]
    return "-".join("".join(letters[at : at + _SIZE]) for at in range(0, len(letters), _SIZE))
