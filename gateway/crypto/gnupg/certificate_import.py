"""Reading a certificate that somebody sent, in a throwaway home that holds no key of ours.

Raises CardRefused unless it is exactly one public certificate, DiskFull and DiskFailed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.crypto.gnupg.certificates import KeySet, read_keys
from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.crypto.gnupg.process_limits import ProcessLimits
from gateway.errors import CardRefused
from gateway.storage.durable import disk_error

WRITING: Final = ProcessLimits(cpu_seconds=60, seconds=120.0, writes_files=True)
_MOST_ARMOUR: Final = 262_144
_ARMOUR_BEGINS: Final = b"-----BEGIN PGP "
_ARMOUR_PUBLIC: Final = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_ARMOUR_ENDS: Final = b"-----END PGP PUBLIC KEY BLOCK-----"


def make_directories(keyrings: Keyrings) -> None:
    """Make what is missing of the keyrings' directories."""
    try:
        keyrings.make()
    except OSError as error:
        raise disk_error(error, "The keyrings' directory cannot be made") from error


@contextmanager
def imported(keyrings: Keyrings, armoured: str) -> Iterator[tuple[KeySet, Path]]:
    """The certificate, and the keyring file that holds nothing else, until the end of the block."""
    octets = _armour(armoured)
    make_directories(keyrings)
    try:
        home = Path(tempfile.mkdtemp(prefix=".card-", dir=keyrings.root))
    except OSError as error:
        raise disk_error(error, "A certificate cannot be looked at") from error
    try:
        gpg = GpgProcess(home)
        ring = home / "pubring.kbx"
        with gpg.within(WRITING):
            result = gpg.import_keys(octets, extra_args=["--import-options", "import-minimal,keep-ownertrust"])
        if int(result.sec_read):
            raise CardRefused("The card holds a secret key; its owner has to make a new one.")
        if int(result.count) != 1 or int(result.imported) != 1 or not ring.is_file():
            raise CardRefused("The card does not hold exactly one public OpenPGP certificate.")
        found = read_keys(gpg, ring)
        if len(found) != 1:
            raise CardRefused("The card does not hold exactly one public OpenPGP certificate.")
        yield found[0], ring
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _armour(armoured: str) -> bytes:
    """The text as octets, if it is one armoured public key block of a sensible size."""
    try:
        octets = armoured.encode("ascii")
    except UnicodeEncodeError as error:
        raise CardRefused("The card's certificate is not ASCII-armoured.") from error
    if len(octets) > _MOST_ARMOUR:
        raise CardRefused("The card's certificate is too long.")
    # GnuPG 2.4 takes what is left of a block that was cut off.
    if octets.count(_ARMOUR_BEGINS) != 1 or _ARMOUR_PUBLIC not in octets or _ARMOUR_ENDS not in octets:
        raise CardRefused("The card does not hold exactly one public OpenPGP certificate.")
    return octets
