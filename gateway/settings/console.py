"""`[console]`: where the console answers, and how long its credentials, links and sessions last. Raises ValueError alone, as
`settings.values` has it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.settings.identity_provider import IdentityProviderSettings
from gateway.settings.values import Table, check_listen

_MostDays = Annotated[int, Field(ge=1, le=365, description="a whole number of days from 1 to 365")]
_Minutes = Annotated[int, Field(ge=1, le=24 * 60, description="a whole number of minutes from 1 to 1440")]
_Hours = Annotated[int, Field(ge=1, le=7 * 24, description="a whole number of hours from 1 to 168")]
_LOOPBACK: Final = ("127.0.0.1:", "[::1]:")
_LOCAL: Final = "localhost"


class ConsoleSettings(Table):
    """`[console]`: the console answers at `listen`, on this machine alone; nowhere by default. People reach it at `address`, where
    TLS is ended in front of it.

    After `failures` attempts in a row that failed, somebody's next one waits for `lock_minutes`, and each time twice as long, at most
    `longest_lock_minutes`; an address waits after four times as many. What takes two people ends by itself where no second person decided it for `proposal_days`. A
    program may ask `token_requests` times a minute with one token. With `identity_provider` people sign in there.
    """

    listen: Annotated[
        str,
        AfterValidator(check_listen),
        Field(
            max_length=107,
            description='an address of this machine alone, such as "127.0.0.1:9640" or "[::1]:9640", or the absolute path of a '
            'socket, in quotes, or ""',
        ),
    ] = ""
    address: Annotated[
        str,
        Field(
            pattern=r"^(https?://[A-Za-z0-9.\[\]:-]{1,253})?$",
            description='what people type, such as "https://gateway.example.gov.uk", without a path, in quotes, or ""',
        ),
    ] = ""
    credential_days: _MostDays = 30
    remind_days: _MostDays = 7
    link_hours: _Hours = 24
    idle_minutes: _Minutes = 15
    session_hours: _Hours = 8
    failures: Annotated[int, Field(ge=2, le=100, description="a whole number from 2 to 100")] = 5
    lock_minutes: _Minutes = 1
    longest_lock_minutes: _Minutes = 60
    proposal_days: _MostDays = 7
    token_requests: Annotated[int, Field(ge=1, le=100_000, description="a whole number from 1 to 100000")] = 600
    identity_provider: IdentityProviderSettings | None = None

    @property
    def origin(self) -> str:
        """What every address of the console begins with; nothing where that is not known."""
        return self.address or ("" if not self.listen or self.listen.startswith("/") else f"http://{self.listen}")

    @property
    def passkey_origin(self) -> str:
        """The one address at which passkeys can be used; "" where there is none. They take a name, which no IP address is, and HTTPS or this
        machine itself (WebAuthn, section 5.1). Who comes to `listen` without an `address` has one at `localhost`.
        """
        if not self.address:
            return f"http://{_LOCAL}:{self.listen.rpartition(':')[2]}" if self.listen.startswith(_LOOPBACK) else ""
        parts = urlsplit(self.address)
        host = parts.hostname or ""
        is_safe = parts.scheme == "https" or host == _LOCAL or host.endswith(f".{_LOCAL}")
        return self.address if host and is_safe and not _is_number(host) else ""


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
