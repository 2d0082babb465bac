"""What a value in a configuration file may be: the kinds of text, number, moment and switch that tables are made of.

Raises ValueError alone, which pydantic takes for a fault of the value. The `description` of a kind completes the
sentence "must be ..." in a fault.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _window(text: str) -> str:
    if text[:5] == text[6:]:
        raise ValueError("a window that closes when it opens")
    return text


def check_host(name: str) -> str:
    """A name for which the system's resolver has no other error than "no such host" (RFC 1035, section 2.3.4)."""
    try:
        ip_address(name)
    except ValueError:
        if ":" in name or not all(1 <= len(label) <= _LONGEST_LABEL for label in name.removesuffix(".").split(".")):
            raise
    return name


def check_address(text: str) -> str:
    """HOST:PORT, an address of IPv6 in brackets."""
    host, port = address(text)
    if port > _LAST_PORT:
        raise ValueError("no port")
    check_host(host)
    return text


def address(text: str) -> tuple[str, int]:
    """Host and port of an Address."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def address_text(host: str, port: int) -> str:
    """Host and port as an Address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _moment(moment: datetime) -> datetime:
    """A moment that can be told in UTC, in whole seconds since 1970 and in sshd's notation of four digits for the year."""
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("a year that nobody means")
    return moment


def check_listen(text: str) -> str:
    """Nothing, the absolute path of a socket, or an address of loopback with its port."""
    if not text or re.fullmatch(r"/[^\x00-\x1f\x7f]+", text):
        return text
    found = re.fullmatch(r"(?:\[(?P<six>[0-9a-f:]+)\]|(?P<four>[0-9.]+)):(?P<port>[1-9][0-9]{0,4})", text)
    if found is None or int(found["port"]) > _LAST_PORT:
        raise ValueError("no address with a port")
    if not (IPv6Address(found["six"]) if found["six"] else IPv4Address(found["four"])).is_loopback:
        raise ValueError("an address that others can reach")
    return text


def check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError("no such time zone") from error
    return name


Windows = Annotated[
    tuple[
        Annotated[
            str,
            Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"),
            AfterValidator(_window),
        ],
        ...,
    ],
    Field(strict=False, description='a list of windows from opening to closing, such as ["20:00-06:00"]'),
]

TimeZone = Annotated[
    str,
    AfterValidator(check_zone),
    Field(max_length=64, description='the name of a time zone, such as "Europe/London", in quotes'),
]

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

SITE_CODE: Final = r"[A-Z0-9][A-Z0-9-]{1,15}"
"""A site's code: `DWP`, or an authority's (`E09000030`, `4220`). Safe as the name of a file and of a directory."""

FINGERPRINT: Final = r"[0-9A-F]{40}"
"""The fingerprint of an OpenPGP version 4 primary key, as the gateway writes it everywhere."""

_TEXT: Final = r"[^\x00-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_TEXT_LINE: Final = f"^{_TEXT}{{1,120}}$"
_SSH_KEY: Final = r"^(ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f\x7f]{0,200})?$"
_HOST: Final = r"^[A-Za-z0-9:._-]{1,253}$"
_LONGEST_LABEL: Final = 63
_LAST_PORT: Final = 65535
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
MAIL_ADDRESS: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}"
_ACCOUNT: Final = r"^[a-z_][a-z0-9_.-]{0,31}$"

Code = Annotated[
    str,
    Field(
        pattern=f"^{SITE_CODE}$",
        description="2 to 16 capital letters, digits and `-`, not starting with `-`, in quotes",
    ),
]
Line = Annotated[
    str, Field(pattern=_TEXT_LINE, description="text on one line in its own direction, 1 to 120 characters, in quotes")
]
Reason = Annotated[str, Field(pattern=f"^{_TEXT}{{1,2000}}$", description="why, on one line, in quotes")]
Fingerprint = Annotated[
    str, Field(pattern=f"^{FINGERPRINT}$", description="40 hexadecimal digits in capitals without spaces, in quotes")
]
MailAddress = Annotated[str, Field(pattern=f"^{MAIL_ADDRESS}$", description="an e-mail address, in quotes")]
HostName = Annotated[
    str, Field(pattern=_HOST, description="a host name or an address, in quotes"), AfterValidator(check_host)
]
MOST_ADDRESSES: Final = 7

Address = Annotated[
    str,
    Field(pattern=r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[1-9][0-9]{0,4}$"),
    AfterValidator(check_address),
]
Addresses = Annotated[
    tuple[Address, ...],
    Field(
        strict=False,
        max_length=MOST_ADDRESSES,
        description='a list of at most 7 addresses with their ports, such as ["south.example:22", "[2001:db8::7]:22"]',
    ),
]
Account = Annotated[str, Field(pattern=_ACCOUNT, description="the name of an account, in quotes")]
Port = Annotated[int, Field(ge=1, le=65535, description="a whole number from 1 to 65535")]
Count = Annotated[int, Field(ge=1, description="a whole number of at least 1")]
Bytes = Annotated[int, Field(ge=1, description="a whole number of bytes, at least 1")]
Amount = Annotated[int, Field(ge=0, description="a whole number of at least 0")]
Seconds = Annotated[
    float, Field(gt=0, allow_inf_nan=False, le=7 * 86400, description="a number of seconds above 0, at most a week")
]
Hours = Annotated[
    float, Field(gt=0, allow_inf_nan=False, le=24 * 366, description="a number of hours above 0, at most a year")
]
Days = Annotated[int, Field(ge=0, le=36_500, description="a whole number of days, at least 0")]
Months = Annotated[int, Field(ge=1, le=1200, description="a whole number of months, at least 1")]
Switch = Annotated[bool, Field(description="true or false, without quotes")]
SshKey = Annotated[
    str,
    Field(pattern=_SSH_KEY, max_length=4096, description="one line such as `ssh-ed25519 AAAA...`, in quotes"),
]
RemotePath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._/-]{1,200}$", description="a path of letters, digits, `.`, `_`, `-` and `/`, in quotes"
    ),
]


MaybeMoment = Annotated[
    Annotated[AwareDatetime, AfterValidator(_moment)] | None,
    Field(description="a moment such as 2026-12-31T12:00:00Z, without quotes"),
]
MaybeFingerprint = Annotated[
    Fingerprint | None, Field(description="40 hexadecimal digits in capitals without spaces, in quotes")
]
MaybeSshKey = Annotated[SshKey | None, Field(description="one line such as `ssh-ed25519 AAAA...`, in quotes")]
Fingerprints = Annotated[
    tuple[Fingerprint, ...], Field(strict=False, description="a list of fingerprints: 40 hexadecimal digits, in quotes")
]


class Table(BaseModel):
    """One table of a configuration file: unknown keys and wrong types are faults, values never change."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)
