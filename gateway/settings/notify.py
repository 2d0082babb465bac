"""`[notify]`: who is told what happens at a site, by which way, and how often. Raises ValueError alone, as `settings.values` has it.

The secret of a channel is in no setting: it is a file of its own (`settings.secrets`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.settings.values import HostName, MailAddress, Port, Table, Windows, check_host

_CHANNEL: Final = r"^[a-z][a-z0-9-]{0,31}$"
_PATTERN: Final = r"^[a-z*][a-z*.-]{0,63}$"
HTTPS_PORT: Final = 443


def _check_url(text: str) -> str:
    parts = urlsplit(text)
    check_host(parts.hostname or "")
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("no address of a host alone")
    if parts.port == 0:
        raise ValueError("no port")
    return text


Minutes = Annotated[
    float, Field(ge=0, le=7 * 24 * 60, allow_inf_nan=False, description="a number of minutes, at most a week")
]
_CaFile = Annotated[
    str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,400}$", description='the path of a file, in quotes, or ""')
]


class _Channel(Table):
    """What all channels have: the least level that is told, and patterns of the events' names. `ca_file` has the certificates that
    the server's has to lead to, in PEM; without one, the system's count.
    """

    level: Annotated[Literal["info", "warning", "error"], Field(description='one of "info", "warning" and "error"')] = (
        "warning"
    )
    events: Annotated[
        tuple[Annotated[str, Field(pattern=_PATTERN)], ...],
        Field(strict=False, min_length=1, description='a list of events such as ["key.*", "extract.missing"]'),
    ] = ("*",)
    ca_file: _CaFile = ""


class MailChannel(_Channel):
    """`[notify.mail.NAME]`: e-mail, over TLS from the first byte ("implicit") or before anything is said ("starttls")."""

    host: HostName
    port: Port = 587
    tls: Annotated[
        Literal["starttls", "implicit"], Field(description='"starttls" (port 587) or "implicit" (port 465)')
    ] = "starttls"
    user: Annotated[
        str, Field(pattern=r"^[\x21-\x7e]{0,200}$", description='the name of a log-in, in quotes, or ""')
    ] = ""
    sender: MailAddress
    recipients: Annotated[
        tuple[MailAddress, ...],
        Field(strict=False, min_length=1, max_length=50, description="a list of 1 to 50 e-mail addresses, in quotes"),
    ]

    @property
    def server(self) -> tuple[str, int]:
        """Host and port: all that this channel connects to."""
        return self.host, self.port


class WebhookChannel(_Channel):
    """`[notify.webhook.NAME]`: a POST of JSON, signed with the channel's secret, to an address of HTTPS."""

    url: Annotated[
        str,
        AfterValidator(_check_url),
        Field(
            pattern=r"^https://[\x21-\x7e]{1,500}$",
            description="an address that begins with https://, without name or password in it, in quotes",
        ),
    ]

    @property
    def server(self) -> tuple[str, int]:
        """Host and port: all that this channel connects to."""
        parts = urlsplit(self.url)
        return str(parts.hostname), parts.port or HTTPS_PORT


Channel = MailChannel | WebhookChannel
ChannelName = Annotated[str, Field(pattern=_CHANNEL)]


class NotifySettings(Table):
    """`[notify]`: errors are told at once, whatever the hour. Everything else is collected for `digest_minutes`, and waits for the end of
    quiet hours. Between two notices through one channel lie `least_minutes` at least.
    """

    digest_minutes: Minutes = 60.0
    least_minutes: Minutes = 5.0
    quiet_hours: Windows = ()
    mail: dict[ChannelName, MailChannel] = Field(default_factory=dict, description="a table for each channel")
    webhook: dict[ChannelName, WebhookChannel] = Field(default_factory=dict, description="a table for each channel")

    @property
    def channels(self) -> dict[str, Channel]:
        """All channels, by their names: `mail-NAME` and `webhook-NAME`, so that none has two meanings."""
        return {
            **{f"mail-{name}": channel for name, channel in self.mail.items()},
            **{f"webhook-{name}": channel for name, channel in self.webhook.items()},
        }
