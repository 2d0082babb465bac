"""A notice: what happened at a site, in words that can hold nothing personal, as the text of a mail and as JSON. Pure.

Every word is one of a closed list: sentences of `events`, levels, flows, codes of errors, codes of configured partners, names of
desk aids; beside them are counts and moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from gateway.events import BY_NAME, Event

VERSION: Final = 1
MOST_LINES: Final = 200
"""Kinds of happening that one notice tells apart; the events of all others are counted."""

Kind = Literal["urgent", "digest", "test"]
"""`urgent` has errors alone, `digest` everything below, `test` nothing."""

_LEVELS: Final = ("error", "warning", "info")
_FALLBACK: Final = "logs"
_PAGES: Final = {
    "late-writes": (Event.TRANSFER_WRITTEN_LATE, Event.SPOOL_HELD_OPEN),
    "returned-files": (
        Event.TRANSFER_REJECTED,
        Event.TRANSFER_RETURNED,
        Event.SPOOL_REFUSED,
        Event.TRANSFER_EXPIRED,
    ),
    "holding": (Event.TRANSFER_HELD, Event.CONSIGNMENT_HELD, Event.RECEIPT_HELD),
    "back-office": (Event.TRANSFER_REFUSED,),
    "quarantine": (
        *(Event.TRANSFER_QUARANTINED, Event.TRANSFER_ISOLATED, Event.CONSIGNMENT_QUARANTINED, Event.RECEIPT_REFUSED),
    ),
    "partner-down": (
        *(Event.LANE_DEFERRED, Event.LANE_STUCK, Event.LANE_RECOVERED, Event.CONSIGNMENT_OVERDUE),
        *(Event.CONSIGNMENT_EXPIRED, Event.CONSIGNMENT_REPEATED, Event.SEQUENCE_GAP_FOUND),
    ),
    "host-key": (Event.LANE_HELD,),
    "key-expiry": (Event.KEY_EXPIRING, Event.KEY_EXPIRED, Event.KEY_RENEWED),
    "key-rotation": (Event.KEY_REVOKED, Event.KEY_ROTATED, Event.KEY_CONFIRMED, Event.KEY_RETIRED),
    "log-ins": (Event.LOGON_REFUSED, Event.LOGON_LOST),
    "people": (Event.PASSWORD_EXPIRING, Event.TOKEN_EXPIRING),
    "passkeys": (Event.PASSKEY_DOUBTED,),
    "enquiries": (Event.ENQUIRY_OVERDUE,),
    "been-away": (Event.BACKLOG_OVERDUE,),
    "restoring": (Event.CHAIN_BROKEN, Event.LEDGER_RESTORED, Event.PARTNER_ANSWERED),
    "partner-file": (Event.PARTNER_STOPPED,),
}
DESK_AIDS: Final[Mapping[str, str]] = MappingProxyType(
    {event.value: page for page, events in _PAGES.items() for event in events}
)
"""By event, the page in docs/operators that says what to do; any other event stands in `logs`."""


@dataclass(frozen=True)
class Line:
    """Events of one name that are about the same partner and have the same code: how many, in which flows, the first and the last.

    Moments are RFC 3339, UTC. `partner` and `code` are None where there is none, or one that is not on our lists.
    """

    event: str
    partner: str | None
    code: str | None
    count: int
    flows: tuple[str, ...]
    first: str
    last: str

    @property
    def level(self) -> str:
        return BY_NAME[self.event].level

    @property
    def sentence(self) -> str:
        return BY_NAME[self.event].sentence

    @property
    def desk_aid(self) -> str:
        return f"docs/operators/{DESK_AIDS.get(self.event, _FALLBACK)}.md"


@dataclass(frozen=True)
class Notice:
    """What people are told at once. The same notice has the same `id` however often it is sent. `more` are the events beyond
    MOST_LINES kinds of them; `created` is RFC 3339.
    """

    id: str
    site: str
    kind: Kind
    created: str
    lines: tuple[Line, ...] = ()
    more: int = 0

    @property
    def subject(self) -> str:
        """One line: `Gateway DWP: 2 errors, 1 warning`."""
        if self.kind == "test":
            return f"Gateway {self.site}: a test"
        counts: Counter[str] = Counter()
        for line in self.lines:
            counts[line.level] += line.count
        said = [f"{counts[level]} {_noun(level, counts[level])}" for level in _LEVELS if counts[level]]
        return f"Gateway {self.site}: {', '.join([*said, *([f'{self.more} more'] if self.more else [])])}"

    @property
    def text(self) -> str:
        """The body of a mail."""
        if self.kind == "test":
            return (
                f"A test of the notices of gateway {self.site}, sent by `gateway notify test`. Nothing has happened.\n"
            )
        parts = [_told(line) for line in self.lines]
        if self.more:
            parts.append(f"{self.more} events of other kinds are not listed: `gateway tail --since 24h`.")
        parts.append("`gateway status` says what needs a person now, `gateway tail` what happens.")
        return "\n\n".join(parts) + "\n"

    @property
    def content(self) -> dict[str, Any]:
        """What a webhook gets, as JSON has it: docs/operators/notices.md describes it."""
        lines = [
            {"level": line.level, "sentence": line.sentence, "desk_aid": line.desk_aid} | asdict(line)
            for line in self.lines
        ]
        about = {"version": VERSION, "id": self.id, "site": self.site, "kind": self.kind, "created": self.created}
        return about | {"subject": self.subject, "events": lines, "more": self.more}


def _noun(level: str, number: int) -> str:
    word = "event" if level == "info" else level
    return word if number == 1 else f"{word}s"


def _told(line: Line) -> str:
    about = " ".join(each for each in (line.partner or "", ",".join(line.flows)) if each)
    code = f" [{line.code}]" if line.code else ""
    when = f"{line.first} to {line.last}" if line.count > 1 else line.first
    return "\n".join(
        [
            f"{line.level.upper()}: {line.sentence}{code}",
            f"  {line.event}, {line.count} time{'s' if line.count > 1 else ''}{', ' + about if about else ''}",
            f"  {when}",
            f"  {line.desk_aid}",
        ]
    )
