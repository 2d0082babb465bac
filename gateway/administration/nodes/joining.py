"""Making a machine a node of a site, from a package that another node made: everything as there but for the node's name and where its server listens.

Nothing is changed at the site: a node appears in the ledger when it starts. Raises NodePackageRefused, PassphraseWrong, NodeTaken, NodesNotSharing,
UsageWrong where HOME is taken, ConfigurationInvalid, StoreForeign, StoreUnprepared and StoreUnreachable for the site's store, DiskFull and DiskFailed, and what the ledger raises where it is not reached. After an error
there is no site.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from gateway.administration.access import reading
from gateway.administration.nodes import sharing
from gateway.administration.nodes.packaging import MANIFEST, PackageManifest, is_allowed
from gateway.administration.site.creation import moved_into_place
from gateway.administration.site.settings import load, share_out
from gateway.assembly import stores
from gateway.domain.ownership import living
from gateway.errors import NodePackageRefused, NodesNotSharing, NodeTaken
from gateway.flows.routes import flows_of
from gateway.ledger import nodes
from gateway.settings.directories import make, make_below, partner_directories, site_directories
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.resources import resource
from gateway.settings.write import Value, change, write_text
from gateway.storage.durable import disk_error, sync_directory, sync_file, write_file

MOST_BYTES: Final = 64 * 1024 * 1024
_PRIVATE: Final = 0o700
_TAR: Final = b"ustar"
_TAR_AT: Final = 257


@dataclass(frozen=True)
class Wanted:
    """What the new node has of its own; None as the node has it that made the package."""

    name: str
    host: str | None = None
    port: int | None = None
    public_host: str | None = None


@dataclass(frozen=True)
class Joined:
    """A node that was made, or would be: the contract of `nodes join --json`. `nodes` are those that the ledger knows, by name and state."""

    home: str
    site: str
    node: str
    packaged_by: str
    packaged: str
    partners: int
    place: str
    nodes: dict[str, str]


def decrypted(path: Path, passphrase: str | None) -> bytes:
    """The tar in a package; PassphraseWrong where it does not open. One that was decrypted already needs no passphrase."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise disk_error(error, "reading the package") from error
    if len(content) > MOST_BYTES:
        raise NodePackageRefused(f"{path.name} is larger than any package.")
    if is_tar(content):
        return content
    if passphrase is None:
        raise NodePackageRefused(
            f"{path.name} is encrypted: decrypt it with its key (`gpg -d`), or give the passphrase."
        )
    return stores.decrypt_with(passphrase, content)


def is_tar(content: bytes) -> bool:
    return content[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def join(tar: bytes, target: Path, wanted: Wanted, *, dry_run: bool = False) -> Joined:
    """Make the node in `target`, which must not exist or be empty."""
    with moved_into_place(target, dry_run=dry_run) as made:
        home = Home(made)
        try:
            make(site_directories(home))
            manifest = _unpack(tar, home)
            _configure(home, wanted)
            shutil.copyfile(resource("spool") / "README.md", home.spool / "README.md")
            settings = load(home)
        except OSError as error:
            raise disk_error(error, "making the node") from error
        if settings.site.code != manifest.site:
            raise NodePackageRefused(f"The package says {manifest.site}, and its configuration {settings.site.code}.")
        if settings.payloads.url:
            stores.verify_store(settings)
        place = Path(manifest.place)
        if sharing.require_mark(place, manifest.site) != manifest.mark:
            raise NodesNotSharing(f"{place} is not the place that {manifest.node} shares, but another one.")
        sharing.link(home, place)
        if not dry_run:
            _make_partners(settings)
        known = _known(settings, wanted.name)
        for where, _, _ in os.walk(made):
            sync_directory(Path(where))
    if not dry_run:
        share_out(Home(target.absolute()))
    return Joined(
        str(target.absolute()),
        manifest.site,
        wanted.name,
        manifest.node,
        manifest.made,
        len(settings.partners),
        str(place),
        known,
    )


def _unpack(tar: bytes, home: Home) -> PackageManifest:
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
            first = archive.next()
            told = archive.extractfile(first) if first is not None and first.isfile() else None
            if first is None or told is None or first.name != MANIFEST:
                raise NodePackageRefused
            manifest = PackageManifest.model_validate_json(told.read())
            for member in archive:
                if member.name == MANIFEST:
                    continue
                path = home.root / member.name
                content = archive.extractfile(member) if member.isfile() and is_allowed(home, path) else None
                if content is None:
                    raise NodePackageRefused("The package holds something else than configuration and keys.")
                make_below(path.parent, _PRIVATE)
                mode = 0o640 if path.is_relative_to(home.config) else 0o600
                write_file(path, content.read(), mode=mode)
                sync_file(path)
    except (tarfile.TarError, ValidationError) as error:
        raise NodePackageRefused from error
    if not home.gateway_toml.is_file() or not any((home.keyrings / "own").rglob("*.key")):
        raise NodePackageRefused("The package holds no configuration, or no key of the site.")
    return manifest


def _configure(home: Home, wanted: Wanted) -> None:
    text = change(home.gateway_toml.read_text(encoding="utf-8"), "node", {"name": wanted.name})
    said: dict[str, Value] = {"host": wanted.host, "port": wanted.port, "public_host": wanted.public_host}
    server = {key: value for key, value in said.items() if value is not None}
    if server:
        text = change(text, "sftp_server", server)
    write_text(home.gateway_toml, text)


def _make_partners(settings: Settings) -> None:
    for partner in settings.partners.values():
        make(partner_directories(settings.home, partner.code, *flows_of(settings, partner)))


def _known(settings: Settings, name: str) -> dict[str, str]:
    """The nodes that the ledger knows; NodeTaken where the name is that of one that is there."""
    with reading(settings) as connection:
        site = nodes.read(connection)
    there = living(site.standing(), site.now)
    if name in there:
        raise NodeTaken(f"{name} is there, since {int(site.now - site.nodes[name].since)} seconds.")
    return {row.name: "up" if row.name in there else "gone" for row in site.nodes.values()}
