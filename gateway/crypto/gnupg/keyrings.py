"""Where keys lie below `state/keyrings`, and how a file gets there whole or not at all.

`own/` is the GNUPGHOME that holds our key, and while it is being rotated the one before; `partners/CODE.kbx` is a keyring
of exactly one certificate, and `partners/CODE.FINGERPRINT.kbx` another of exactly one: the partner's key before. Nothing
else is kept: the fingerprints that pin a partner are configuration, and are compared with the keyring at every use.

Raises DiskFull and DiskFailed. Safe because a partner's code is checked before it becomes a name, and because every
file is made under a temporary name in a directory of mode 0700 and moved into place.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import EngineMissing, GatewayError
from gateway.storage.durable import disk_error

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def is_code(text: str) -> bool:
    """Whether `text` may name a partner's keyring; anything else never becomes a path."""
    return _CODE.fullmatch(text) is not None


@dataclass(frozen=True)
class Keyrings:
    """The paths below one `keyrings` directory."""

    root: Path

    @property
    def own(self) -> Path:
        """GNUPGHOME of this site."""
        return self.root / "own"

    @property
    def own_ring(self) -> Path:
        return self.own / "pubring.kbx"

    @property
    def partners(self) -> Path:
        return self.root / "partners"

    def partner_ring(self, code: str) -> Path:
        """The partner's keyring; the caller has made sure that `is_code(code)`."""
        return self.partners / f"{code}.kbx"

    def old_ring(self, code: str, fingerprint: str) -> Path:
        """The keyring of a partner's key before; both parts have been checked by the caller."""
        return self.partners / f"{code}.{fingerprint}.kbx"

    def old_rings(self, code: str) -> tuple[Path, ...]:
        """Every keyring of a key that the partner had before."""
        return tuple(self.partners.glob(f"{code}.*.kbx"))

    def make(self) -> None:
        """The directories, mode 0700, where they are missing."""
        for directory in (self.root, self.own, self.partners):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)


def not_started(error: OSError, program: str) -> GatewayError:
    """Why a program did not start: it is not there, or the system had no room for it and may have later."""
    if error.errno is None and isinstance(error.__context__, OSError):
        error = error.__context__  # python-gnupg raises another, which has no number
    if isinstance(error, FileNotFoundError | PermissionError) or error.errno == errno.ENOEXEC:
        return EngineMissing(f"{program} does not run here.")
    return disk_error(error, f"{program} cannot be started now")
