"""`[ledger]`: where the ledger lies, if not in SQLite's file below HOME. Raises ValueError, which pydantic takes
for a fault of the value, and UsageWrong.
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, ValidationError

from gateway.errors import UsageWrong
from gateway.settings.values import Table

POSTGRESQL: Final = "postgresql://"
_PORT: Final = 5432
_URL: Final = re.compile(rf"{POSTGRESQL}[^\x00-\x20\x7f]*")


def check_postgresql(url: str) -> str:
    """A URL of PostgreSQL without a password: that has no place in a file that people read and copies keep, and libpq has its own."""
    if not _URL.fullmatch(url) or urlsplit(url).password is not None or "password=" in unquote(url).lower():
        raise ValueError("no database that is known here, or a password")
    return url


def _check_url(url: str) -> str:
    return check_postgresql(url) if url else url


class LedgerSettings(Table):
    """`[ledger]`: `url` is a PostgreSQL database; "" is SQLite's file in HOME/state/ledger."""

    url: Annotated[
        str,
        AfterValidator(_check_url),
        Field(
            max_length=500,
            description='"postgresql://HOST/DATABASE" without a password, which belongs into libpq\'s password file, in quotes, or ""',
        ),
    ] = ""

    @classmethod
    def of(cls, url: str) -> LedgerSettings:
        """The settings with that URL. UsageWrong for what `[ledger] url` would not take."""
        try:
            return cls(url=url)
        except ValidationError as error:
            raise UsageWrong(
                'A ledger\'s URL is "postgresql://HOST/DATABASE", without a password: libpq has a file for that.'
            ) from error

    @property
    def ports(self) -> frozenset[int]:
        """Where on the network it is reached; none for a file and for a socket of this machine."""
        if not self.is_remote:
            return frozenset()
        # Several servers, of which libpq takes the first that answers: "//one:5432,two/ledger", or "?host=one,two&port=5432,5433".
        parts = urlsplit(self.url)
        servers = parts.netloc.rpartition("@")[2].split(",")
        told = [
            port for found in re.findall(r"(?:^|&)port=([\d,]+)", unquote(parts.query)) for port in found.split(",")
        ]
        told += [found[1] for each in servers if (found := re.search(r":(\d+)$", each))]
        return frozenset(int(port) for port in told if port) | ({_PORT} if len(told) < len(servers) else frozenset())

    @property
    def is_remote(self) -> bool:
        """Whether it is reached by the network, and not by a file or a socket of this machine."""
        parts = urlsplit(self.url)
        told = unquote(parts.query)
        return bool(self.url) and (bool(parts.hostname) or not re.search(r"(?:^|&)host=/[^,&]*(?:&|$)", told))
