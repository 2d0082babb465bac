"""Log-ins at the SFTP server: how each came out, and how many of one kind an hour had.

What is counted has no place for a user name, a password or an address: whoever knocks cannot make it grow. `parse` raises
ValueError for anything but what `render` writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from gateway.domain.identity import from_text, to_text
from gateway.settings.values import SITE_CODE

HOUR: Final = 3600.0
SUBJECTS: Final = "sftp-server/"
"""What the subject of every event about log-ins begins with: the hour follows, so that they are found by time."""
MAX_BYTES: Final = 1 << 20
"""Of one record of counts: four for each key of each partner and a handful besides are far below it."""

_MOST: Final = 1 << 53
_PARTNER: Final = re.compile(SITE_CODE)
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class Result(StrEnum):
    """How a connection to the server came out, from the least that its client did to the most."""

    DROPPED = "dropped"
    """Sshd had too many connections that had not logged in, and closed this one unheard."""
    NO_LOGIN = "no-login"
    """It ended before it named an account: a port scan, another protocol."""
    NO_AGREEMENT = "no-agreement"
    """The two have no algorithm in common."""
    NO_KEY = "no-key"
    """An account that there is, and no key that the server could look at: a password was tried, or a kind of key that is
    not accepted."""
    UNKNOWN_USER = "unknown-user"
    """An account that there is not, or that partners do not log in with."""
    WRONG_KEY = "wrong-key"
    """An account that there is, and a key of nobody's."""
    KEY_REFUSED = "key-refused"
    """A partner's key was named, and not proven or not valid any more. Anybody can name a public key."""
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Login:
    """What is counted together. `partner` and `fingerprint` only where the key is a configured partner's."""

    result: Result
    partner: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Count:
    """How many log-ins of each kind there were; `hour` is its first moment, in seconds since 1970."""

    hour: float
    logins: Mapping[Login, int]


def hour_of(now: float) -> float:
    """The first moment of the hour (UTC)."""
    return now // HOUR * HOUR


def render(count: Count) -> bytes:
    """The count as JSON."""
    logins = [
        {"result": str(login.result), "partner": login.partner, "fingerprint": login.fingerprint, "count": number}
        for login, number in count.logins.items()
    ]
    return orjson.dumps({"version": 1, "hour": to_text(count.hour), "logins": logins})


def parse(data: bytes) -> Count:
    """What `render` wrote. Strict, since the role that writes it hears the network."""
    if len(data) > MAX_BYTES:
        raise ValueError("too long")
    match orjson.loads(data):
        case {"version": 1, "hour": str(text), "logins": list(entries), **more} if not more:
            hour = from_text(text)
        case _:
            raise ValueError("not a count of log-ins")
    if hour != hour_of(hour):
        raise ValueError("not a full hour")
    logins = dict(map(_parsed, entries))
    if len(logins) != len(entries):
        raise ValueError("the same twice")
    return Count(hour, logins)


def _parsed(said: object) -> tuple[Login, int]:
    match said:
        case {"result": str(result), "partner": partner, "fingerprint": fingerprint, "count": int(number), **more}:
            if more or isinstance(number, bool) or not 0 < number < _MOST:
                raise ValueError("not a number of log-ins")
        case _:
            raise ValueError("not a count")
    return Login(Result(result), _of(_PARTNER, partner), _of(_FINGERPRINT, fingerprint)), number


def _of(shape: re.Pattern[str], text: object) -> str | None:
    if text is None or (isinstance(text, str) and shape.fullmatch(text)):
        return text
    raise ValueError("neither a partner nor a key")
