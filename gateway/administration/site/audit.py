"""Does the ledger hold, do partners remember the same, and are the files there that it speaks of? Changes nothing but the
record of the last audit, where it is asked for.

Raises NotPermitted, NotFound for a partner that there is not, UsageWrong for a file that holds no heads of this site's chain
and for an anchor that is none, DiskFailed, and what the ledger raises.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.administration.access import opened, permitted, reading
from gateway.administration.site.audit_record import AuditRecord, keep, kept
from gateway.administration.site.kept_listing import KeptListing
from gateway.administration.site.known_heads import own_statements, read_heads
from gateway.assembly.stores import payloads_of
from gateway.daemon.lock import holder
from gateway.domain.identity import to_text
from gateway.errors import NotFound, UsageWrong
from gateway.ledger.audit.chain import Fault, Watch, any_text, check_chain, to_the_end, told
from gateway.ledger.audit.files import Area, Findings, Listing, check_files
from gateway.ledger.audit.heads import Claimed, check_heads, heads_of
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.audit.schema import check_pages, check_schema
from gateway.ledger.chain import EMPTY, Head
from gateway.ledger.head_file import Damaged, HeadFile
from gateway.ledger.integrity import check
from gateway.ledger.queries.restorations import Restoration, restorations
from gateway.ledger.store import Connection, Ledger, read_head
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role
from gateway.storage.payloads import Payloads

LAST: Final = "last"
"""The anchor that the last audit without faults left."""

_HEAD_FILE: Final = "state/ledger-head"
_RECORD: Final = "state/audit.json"
_LOOKS: Final = 5
_BETWEEN_LOOKS: Final = 1.0
Root = Callable[[Home], Path]
_AREAS: Final[dict[Area, Root]] = {
    Area.CUSTODY: lambda home: home.custody,
    Area.SEALED_OUT: lambda home: home.sealed_out,
    Area.SEALED_IN: lambda home: home.sealed_in,
    Area.QUARANTINE: lambda home: home.quarantine,
    Area.INFECTED: lambda home: home.infected,
    Area.EVIDENCE: lambda home: home.evidence,
    Area.STATEMENTS: lambda home: home.statements,
    Area.DISPOSALS: lambda home: home.disposals,
}


@dataclass(frozen=True)
class AuditReport:
    """What an audit found: the contract of `audit verify --json`, behind `ok`."""

    events: int
    head: str
    since: int
    """The event after which it began, 0 where it looked at all of them."""
    heads_given: int
    faults: tuple[Fault, ...]
    left_over: tuple[Fault, ...]
    restored: tuple[Restoration, ...] = ()
    """Restorations from copies that the chain tells of: the events between `head` and `event` are lost."""
    unseen: tuple[str, ...] = ()
    """The areas (`ledger.audit.files.Area`) into which this account may not look; empty but where `partial` was asked for."""


@dataclass(frozen=True)
class HeadView:
    """A head of a partner's chain that this site holds, and what it came with."""

    partner: str
    sequence: int
    sha256: str
    source: str
    held_by: str


def verify(
    settings: Settings,
    exported: Sequence[Path],
    watch: Callable[[], AbstractContextManager[Watch]],
    *,
    deep: bool,
    since: str | None = None,
    record: bool = False,
    partial: bool = False,
    files: bool = True,
    payloads: Payloads | None = None,
) -> AuditReport:
    """The schema, the whole chain, the rows, the heads that partners exported to files, and the files on disk.

    `deep` reads every file that is kept; statements and receipts are read always. `watch` gives who is told what is looked at, while it is looked at. `since` is an
    anchor, SEQUENCE:SHA256 of an event up to which all was verified before, or LAST: then only later events are
    looked at, and the rows that they speak of; indices are then not compared with their tables. `record` keeps the result for
    `gateway status`. `partial` leaves out the directories into which this account may not look, where it would else raise NotPermitted.
    Without `files` none are looked at. `payloads` are where the files are, None where the settings say so.
    """
    payloads = payloads_of(settings) if payloads is None else payloads
    with permitted():
        last = kept(settings.home)
    anchor = _anchor(last, since)
    given = [head for path in exported for head in read_heads(path, settings.site.code)]
    heads_given = len(given)
    given += own_statements(settings, payloads)
    with permitted():
        remembered = HeadFile(settings.home.ledger_head).found()
    if isinstance(remembered, Head):
        given.append(Claimed(remembered.sequence, remembered.sha256, _HEAD_FILE, "this site remembers"))
    if isinstance(last, AuditRecord):
        given.append(Claimed(last.events, last.head, _RECORD, "this site's last audit saw"))
    if anchor != EMPTY:
        given.append(Claimed(anchor.sequence, anchor.sha256, "--since", "the anchor is"))
    with opened(settings) as ledger, watch() as tell:
        check(settings.ledger_place, exact=True)
        with ledger.read() as connection, any_text(connection):
            # All that one consistent view of the ledger can tell.
            head, faults, restored = EMPTY, list[Fault](), list[Restoration]()
            with to_the_end("chain", faults):
                head = read_head(connection)
                restored = restorations(connection)
            faults += _schema(connection, tell, whole=anchor == EMPTY)
            faults += told("chain", check_chain(connection, tell, anchor))
            faults += check_rows(connection, tell, anchor)
            tell("heads", 0)
            faults += check_heads(connection, given)
            faults += _missing_heads(head, remembered, last)
        tell("files", 0)
        areas: Mapping[Area, Root] = {} if not files else _visible(settings.home) if partial else _AREAS
        found = _check_disk(settings, payloads, ledger, areas, deep=deep)
        ended = to_text(ledger.clock())
    report = AuditReport(
        head.sequence,
        head.sha256,
        anchor.sequence,
        heads_given,
        (*faults, *found.faults),
        tuple(found.left_over),
        tuple(restored),
        tuple(sorted(area for area in _AREAS if area not in areas)),
    )
    if record:
        with permitted():
            keep(settings.home, _record_of(report, last, ended))
    return report


def _schema(connection: Connection, tell: Watch, *, whole: bool) -> Iterator[Fault]:
    tell("schema", 0)
    yield from told("schema", check_schema(connection))
    if whole:
        tell("indices", 0)
        yield from told("schema", check_pages(connection))


def _missing_heads(
    head: Head, remembered: Head | Damaged | None, last: AuditRecord | Damaged | None
) -> Iterator[Fault]:
    """What this site wrote down of its own chain, and nobody can read any more."""
    if remembered is None and head != EMPTY:
        message = (
            "it is not there, and the gateway writes it with every event: somebody removed it, or it was not restored"
        )
        yield Fault("head", _HEAD_FILE, message)
    elif isinstance(remembered, Damaged):
        yield Fault(
            "head",
            _HEAD_FILE,
            "it is damaged: somebody changed it, or a power cut did, and then the next event mends it",
        )
    if isinstance(last, Damaged):
        yield Fault("head", _RECORD, "the last audit's record is damaged")


def _record_of(report: AuditReport, last: AuditRecord | Damaged | None, ended: str) -> AuditRecord:
    """What is kept of an audit. Where it found faults, the anchor stays that of the last one that found none: a chain that
    contradicts it is contradicted again at the next audit.
    """
    events, head = report.events, report.head
    if report.faults and isinstance(last, AuditRecord):
        events, head = last.events, last.head
    elif report.faults:
        events, head = EMPTY.sequence, EMPTY.sha256
    return AuditRecord(verified=ended, since=report.since, events=events, head=head, faults=len(report.faults))


def _anchor(last: AuditRecord | Damaged | None, since: str | None) -> Head:
    if since is None:
        return EMPTY
    if since == LAST:
        if not isinstance(last, AuditRecord) or last.faults:
            raise UsageWrong(
                "No audit without faults is on record here: `gateway audit verify --record`, without --since."
            )
        return Head(last.events, last.head)
    sequence, _, sha256 = since.partition(":")
    if re.fullmatch("[1-9][0-9]{0,17}", sequence) is None or re.fullmatch("[0-9a-f]{64}", sha256) is None:
        raise UsageWrong(f"An anchor is SEQUENCE:SHA256 of an event, or {LAST!r}.")
    return Head(int(sequence), sha256)


def heads(settings: Settings, partner: str) -> Sequence[HeadView]:
    """The heads of a partner's chain that this site holds, by sequence."""
    if partner not in settings.codes:
        raise NotFound(f"There is no partner {partner[:40]!r}: `gateway partner list` shows those that there are.")
    with reading(settings) as connection:
        known = {(head.sequence, head.sha256, source) for _, head, source in heads_of(connection, partner)}
    return [
        HeadView(partner, sequence, sha256, source, settings.site.code) for sequence, sha256, source in sorted(known)
    ]


def _visible(home: Home) -> dict[Area, Root]:
    """The areas into which this account may look; one that is not there may be looked into."""
    return {
        area: root
        for area, root in _AREAS.items()
        if os.access(root(home), os.R_OK | os.X_OK) or not os.path.lexists(root(home))
    }


def _check_disk(
    settings: Settings, payloads: Payloads, ledger: Ledger, areas: Mapping[Area, Root], *, deep: bool
) -> Findings:
    """The files against the rows. While the gateway works both change, so a fault is one that stays over several looks."""
    findings = _look(settings, payloads, ledger, areas, deep=deep)
    looks = 1
    while (findings.faults or findings.left_over) and looks < _LOOKS and _works(settings.home):
        time.sleep(_BETWEEN_LOOKS)
        again = _look(settings, payloads, ledger, areas, deep=deep)
        findings = Findings(
            [fault for fault in findings.faults if fault in again.faults],
            [fault for fault in findings.left_over if fault in again.left_over],
        )
        looks += 1
    return findings


def _works(home: Home) -> bool:
    return any(holder(home.run, role) is not None for role in Role)


def _look(
    settings: Settings, payloads: Payloads, ledger: Ledger, areas: Mapping[Area, Root], *, deep: bool
) -> Findings:
    with permitted():
        lying = KeptListing(payloads, {area: root(settings.home) for area, root in areas.items()}, deep=deep)
    listing = Listing(lying.files, lying.digest, settings.site.code, frozenset(_AREAS.keys() - areas.keys()))
    with ledger.read() as connection, any_text(connection):
        return check_files(connection, listing)
