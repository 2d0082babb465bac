"""`[console.identity_provider]`: where people of the console prove who they are, instead of by a password here. Raises ValueError alone, as
`settings.values` has it.

The client's secret is in no setting: it is a file of its own (`settings.secrets`).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.settings.values import Table, check_host

_PORTS: Final = {"https": 443, "http": 80}
_Values = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")], ...],
    Field(strict=False, max_length=20, description='a list of words such as ["mfa"], in quotes'),
]


def origin_of(address: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address of HTTP or HTTPS; ValueError for anything else, or with a name or password in it."""
    parts = urlsplit(address)
    port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or not port:
        raise ValueError("no address of a host alone")
    return parts.scheme, check_host(parts.hostname), port


def _check_issuer(text: str) -> str:
    scheme, host, _ = origin_of(text)
    if scheme == "http" and not _is_loopback(host):
        raise ValueError("an address without TLS, and not of this machine")
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise ValueError("an issuer has no query and no fragment")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class IdentityProviderSettings(Table):
    """`[console.identity_provider]`: OpenID Connect at `issuer`. `claim` of the ID token is the user id here.

    With `acr` the ID token has to say one of these, with `amr` all of these; without both, the provider's word is taken for the second factor
    too. An authentication there counts for `authentication_minutes`. `passwords` says who may sign in by a password of the console besides.
    """

    issuer: Annotated[
        str,
        Field(
            pattern=r"^https?://[\x21-\x7e]{1,500}$",
            description="the address of an issuer as it names itself, with https:// (http:// on this machine alone), in quotes",
        ),
        AfterValidator(_check_issuer),
    ]
    client_id: Annotated[str, Field(pattern=r"^[\x21-\x39\x3b-\x7e]{1,200}$", description="a client's id, in quotes")]
    claim: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$", description="the name of a claim, in quotes")] = (
        "preferred_username"
    )
    scopes: _Values = ("profile",)
    acr: _Values = ()
    amr: _Values = ()
    authentication_minutes: Annotated[
        int, Field(ge=1, le=24 * 60, description="a whole number of minutes from 1 to 1440")
    ] = 15
    passwords: Annotated[
        Literal["administrators", "everybody"], Field(description='"administrators" or "everybody"')
    ] = "administrators"
    ca_file: Annotated[
        str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,400}$", description='the path of a file, in quotes, or ""')
    ] = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: all that the console connects to."""
        return origin_of(self.issuer)
