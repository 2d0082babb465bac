"""The secret keys of a site in a copy: one tar, encrypted to a recovery key whose owner keeps it elsewhere; and putting them back.

Raises ConfigurationInvalid for a recovery key that cannot be used, UsageWrong for a tar that is none of a site's keys, EngineMissing,
CryptoFailed. The tar is never on a disk of the site: it is made in memory, and only its encrypted form is written.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.assembly.stores import key_store
from gateway.errors import CardRefused, ConfigurationInvalid, UsageWrong
from gateway.settings.home import Home
from gateway.settings.model import Settings

_MOST_BYTES: Final = 16 * 1024 * 1024
_PRIVATE_DIRECTORY: Final = 0o700


def sealed_keys(settings: Settings, now: float) -> bytes | None:
    """The keys, encrypted to `[backup] recovery_key`; None where there is no recovery key."""
    if not settings.backup.recovery_key:
        return None
    path = settings.home.config / settings.backup.recovery_key
    try:
        armoured = path.read_text(encoding="ascii")
        with tempfile.TemporaryDirectory() as keyrings:
            return key_store(Path(keyrings)).encrypt_to(armoured, _tar(settings.home), now)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"[backup] recovery_key: {path} cannot be read.") from error
    except CardRefused as error:
        reason = error.reason.replace("The card", "The file")
        raise ConfigurationInvalid(f"[backup] recovery_key: {path}: {reason}") from error


def _tar(home: Home) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _secrets(home):
            content = path.read_bytes()
            member = tarfile.TarInfo(str(path.relative_to(home.root)))
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _secrets(home: Home) -> Iterator[Path]:
    """Our OpenPGP keys with all that GnuPG keeps of them, the SSH keys, the passwords of the mailbox, what notices need, the key of triage, and that of a store; no sockets and no locks."""
    yield from (path for path in _files(home) if path.is_file())
    for area in _areas(home):
        for where, _, names in os.walk(area):
            for name in sorted(names):
                path = Path(where, name)
                if (
                    path.is_file()
                    and not path.is_symlink()
                    and not name.startswith((".", "S."))
                    and ".lock" not in name
                ):
                    yield path


def _areas(home: Home) -> tuple[Path, ...]:
    return home.keyrings / "own", home.ssh, home.mail, home.notify, home.triage, home.payloads


def _files(home: Home) -> tuple[Path, ...]:
    """The keys that files in a store are sealed with, where the site has them."""
    return home.payload_keys


def put_back(home: Home, tar: Path) -> None:
    """Unpack the decrypted keys into a site that is being made."""
    try:
        with tarfile.open(tar, mode="r:") as archive:
            for member in archive:
                target = home.root / member.name
                fits = member.isfile() and member.size <= _MOST_BYTES and ".." not in target.parts
                content = archive.extractfile(member) if fits else None
                if content is None or not (
                    target in _files(home) or any(target.is_relative_to(area) for area in _areas(home))
                ):
                    raise UsageWrong(f"{tar} holds something else than a site's keys.")
                target.parent.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
                target.write_bytes(content.read())
                target.chmod(0o600)
    except (tarfile.TarError, OSError) as error:
        raise UsageWrong(
            f"{tar} is not the tar of a site's keys: `gpg -d keys.tar.pgp > keys.tar` makes it from the copy."
        ) from error
    if not any((home.keyrings / "own").rglob("*.key")):
        raise UsageWrong(f"{tar} holds no OpenPGP key.")
