"""The site key of triage: made once, at the first look, and kept as the site's other secrets are.

Without it the numbers that triage remembers say nothing of anybody; with another one nothing is known again. SecretExposed where
others can read it, ConfigurationInvalid where it is no key, DiskFailed for the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.errors import ConfigurationInvalid
from gateway.settings.secrets import Secrets
from gateway.storage.durable import disk_error, make_directory, write_new_file

KEY_BYTES: Final = 32


def triage_key(secrets: Secrets, entropy: Callable[[int], bytes]) -> bytes:
    """The key; one that is missing is made."""
    path = secrets.triage
    try:
        if not path.exists():
            make_directory(path.parent, 0o700)
            write_new_file(path, entropy(KEY_BYTES).hex().encode() + b"\n", mode=0o600)
    except OSError as error:
        raise disk_error(error, "looking for the key of triage") from error
    return read_triage_key(secrets)


def read_triage_key(secrets: Secrets) -> bytes:
    """The key, of a site that has one."""
    path = secrets.triage
    secrets.insist([path])
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise disk_error(error, "reading the key of triage") from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationInvalid(
            f"{path.name} is not {2 * KEY_BYTES} hexadecimal digits: put it back from a copy, or remove it, and nothing is known again"
        )
    return key
