"""The channels of a site for people: what waits for each, and whether it takes what is sent to it; and a test that asks them.

Raises NotPermitted where this user may not look into state/notify, and what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.administration.access import opened, permitted
from gateway.administration.notify.gathering import events_for, first_after
from gateway.administration.notify.memory import Damaged, Memory, Stream, recall
from gateway.administration.notify.notice import Notice
from gateway.administration.notify.telling import Deliver
from gateway.daemon.lock import holder
from gateway.daemon.roles import NOTIFY
from gateway.domain.identity import RANDOM_BYTES, new_id, to_text
from gateway.errors import GatewayError
from gateway.ledger.store import Connection
from gateway.settings.model import Settings
from gateway.settings.notify import Channel


@dataclass(frozen=True)
class ChannelView:
    """One channel. `errors_since` and `others_since` are the moments of the oldest error, and of the oldest other event, that was not told yet; `failures`
    are in a row, and `code` is the last one's. Moments are RFC 3339, None for none.
    """

    channel: str
    server: str
    level: str
    errors_since: str | None
    others_since: str | None
    told: str | None
    sent: int
    failures: int
    code: str | None


@dataclass(frozen=True)
class Channels:
    """All channels, and whether the role that tells them runs."""

    channels: tuple[ChannelView, ...]
    running: bool


@dataclass(frozen=True)
class Trial:
    """What a channel did with a test. `reason` and `remedy` are None where it took it; `refused` are a mail's recipients that the server
    did not take it for.
    """

    channel: str
    server: str
    taken: bool
    refused: int = 0
    code: str | None = None
    reason: str | None = None
    remedy: str | None = None


def channels(settings: Settings) -> Channels:
    """How each channel stands."""
    with permitted():
        recalled = recall(settings.home.notify)
    known = {} if isinstance(recalled, Damaged) else recalled
    with opened(settings) as ledger, ledger.read() as connection:
        found = [
            _view(connection, name, channel, known.get(name)) for name, channel in settings.notify.channels.items()
        ]
    return Channels(tuple(found), holder(settings.home.run, NOTIFY) is not None)


def _view(connection: Connection, name: str, channel: Channel, memory: Memory | None) -> ChannelView:
    if memory is None:
        return ChannelView(name, server_of(channel), channel.level, None, None, None, 0, 0, None)

    def since(stream: Stream, *, urgent: bool) -> str | None:
        first = first_after(connection, events_for(channel, urgent=urgent), stream.after)
        return first or (None if stream.until is None else to_text(stream.created))

    worse = max((memory.urgent, memory.digest), key=lambda stream: stream.attempts if stream.code else 0)
    return ChannelView(
        name,
        server_of(channel),
        channel.level,
        since(memory.urgent, urgent=True),
        since(memory.digest, urgent=False),
        to_text(memory.last) if memory.sent else None,
        memory.sent,
        memory.failures,
        worse.code,
    )


def server_of(channel: Channel) -> str:
    """The one server that a channel connects to, `HOST:PORT`."""
    host, port = channel.server
    return f"{host}:{port}"


def try_channels(
    settings: Settings, names: tuple[str, ...], deliver: Deliver, now: float, random_bytes: Callable[[int], bytes]
) -> list[Trial]:
    """Send a test through each of these channels, whatever hour it is, and say what happened."""
    return [_tried(settings, name, deliver, now, random_bytes) for name in names]


def _tried(settings: Settings, name: str, deliver: Deliver, now: float, random_bytes: Callable[[int], bytes]) -> Trial:
    channel = settings.notify.channels[name]
    notice = Notice(new_id(now, random_bytes(RANDOM_BYTES)), settings.site.code, "test", to_text(now))
    try:
        refused = deliver(channel, name, notice, now)
    except GatewayError as error:
        return Trial(name, server_of(channel), False, 0, error.code, error.reason, error.remedy)
    return Trial(name, server_of(channel), True, refused)
