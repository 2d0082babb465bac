"""The site's two keys of its store, state/payload.key and state/payload-sealed.key, and the access key of S3.

All nodes have the same. The first opens plaintext: submitted files, evidence, lists. The second is of what lies below state/sealed and state/quarantine, OpenPGP
messages: link has it and not the first, where roles have accounts of their own. The access key is in the file state/payloads/s3.secret (or systemd's
credential of that name), or else in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment.

Raises SecretExposed where others can read one, ConfigurationInvalid where it is missing or none, DiskFull and DiskFailed for the disk.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from gateway.errors import ConfigurationInvalid, SecretExposed
from gateway.settings.model import Settings
from gateway.settings.secrets import Secrets
from gateway.storage.durable import disk_error

_OTHERS: Final = 0o007
_OTHERS_AND_GROUP: Final = 0o077
_LONGEST: Final = 4096


class AccessKey(NamedTuple):
    """By which requests to S3 are signed."""

    key: str
    secret: str
    token: str = ""


def read_key(settings: Settings, path: Path) -> str:
    """The text of one of the two keys."""
    return _text(
        settings,
        path,
        f"{path.name} is not in state: `gateway nodes store` makes it at the first node, `nodes join` brings it",
    )


def access_key(settings: Settings, secrets: Secrets, environment: Mapping[str, str]) -> AccessKey:
    """The access key: from its file, two or three words, or from the environment."""
    if secrets.s3.exists():
        words = _text(settings, secrets.s3, "").split()
        if len(words) not in (2, 3):
            raise ConfigurationInvalid(
                "s3.secret is not an access key on one line and its secret on the next, and a session token on a third where there is one"
            )
        return AccessKey(*words)
    named = [environment.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
    if not (named[0] and named[1]):
        raise ConfigurationInvalid(
            "state/payloads/s3.secret is missing: it has the access key of [payloads] url on its first line, and its secret on the second"
        )
    return AccessKey(*named)


def _text(settings: Settings, path: Path, missing: str) -> str:
    try:
        about = path.stat()
        is_ours = path.is_relative_to(settings.home.root)
        others = _OTHERS if settings.accounts.split else _OTHERS_AND_GROUP
        if is_ours and about.st_mode & others:
            raise SecretExposed(
                f"{path.relative_to(settings.home.root)}: its mode is {stat.S_IMODE(about.st_mode):04o}"
            )
        with path.open("rb") as file:
            return file.read(_LONGEST).decode("ascii")
    except FileNotFoundError as error:
        raise ConfigurationInvalid(missing) from error
    except UnicodeDecodeError as error:
        raise ConfigurationInvalid(f"{path.name} is no key") from error
    except OSError as error:
        raise disk_error(error, f"reading {path.name}") from error
