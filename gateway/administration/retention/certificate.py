"""Certificates of disposal: what was removed and erased, by which rule, how much and how old, signed by the site.

A certificate is made of the chain's events since the last one, so a run that was killed is in the next certificate. Its text is in the
chain, `retention.certified`, and its file in state/evidence/disposals is written after that: where it lacks, the next run
writes it. It names no file and nobody but who had it done. Raises what the engine, the ledger and the disk raise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.administration.retention.compaction import Compacted
from gateway.assembly.stores import open_pgp
from gateway.domain.disposal import file_name
from gateway.domain.identity import to_text
from gateway.ledger.commitment import NOUN
from gateway.ledger.queries.retention import (
    BEGUN,
    CERTIFIED,
    SUBJECT,
    Said,
    certificates,
    last_certified,
    said_since,
)
from gateway.stages.context import StageContext
from gateway.storage.durable import make_directory, write_file

_NO_TRACES: Final = "The ledger's file was written anew after that."
_TRACES: Final = "Free space of the ledger's file may hold traces of it, until it is written anew (ledger.compacted)."
_ERASED: Final = {f"{noun}.erased" for noun in NOUN.values()}


@dataclass
class _Row:
    """One line of a certificate."""

    count: int = 0
    size: int = 0
    first: str = "9999"
    last: str = ""

    def add(self, said: Said) -> None:
        made = _one(said.detail["made"])
        self.count += said.detail.get("count", 1)
        self.size += said.detail.get("bytes", 0)
        self.first, self.last = min(self.first, made), max(self.last, _one(said.detail.get("newest", made)))


@dataclass
class _Account:
    """What the chain says of removals between two events."""

    rows: dict[tuple[str, str], _Row] = field(default_factory=dict)
    actors: dict[str, None] = field(default_factory=dict)
    first: Said | None = None
    last: Said | None = None

    def add(self, said: Said) -> None:
        if said.event == BEGUN:
            account, second = said.detail.get("account"), said.detail.get("second")
            who = f"{said.detail['actor']}{f' as {account}' if account else ''}"
            self.actors[f"{who} with {second}" if second else who] = None
            return
        self.first = self.first or said
        self.last = said
        kind = _one(said.detail["kind"] if said.event in _ERASED else said.detail["kind_of"])
        done = "erased" if said.event in _ERASED else "removed"
        self.rows.setdefault((f"{kind}, {done}", _one(said.detail["rule"])), _Row()).add(said)


def certify(context: StageContext, compacted: Compacted) -> tuple[str, Path] | None:
    """Sign what the chain says is gone since the last certificate; the text and its file, None where nothing is.

    Another run that was quicker has certified it.
    """
    with context.ledger.read() as connection:
        last = last_certified(connection)
        account = _account(said_since(connection, last))
    if account.first is None or account.last is None:
        return None
    text = _text(context, account, account.first, account.last, compacted)
    engine = open_pgp(context.settings)
    try:
        signed = engine.sign(text.encode("ascii", "replace"), context.settings.openpgp.fingerprint)
    finally:
        engine.close()
    sha256 = hashlib.sha256(signed).hexdigest()
    with context.ledger.write() as transaction:
        if last_certified(transaction.connection) != last:
            return None
        transaction.record(
            CERTIFIED,
            SUBJECT,
            SUBJECT,
            sha256=sha256,
            count=sum(row.count for row in account.rows.values()),
            events=[account.first.sequence, account.last.sequence],
            text=[signed.decode("ascii")],
        )
        day = to_text(transaction.now)[:10]
    return text, context.home.disposals / file_name(day, sha256)


def write_missing(context: StageContext) -> None:
    """Write every certificate that the chain has and that is not in its place."""
    directory = context.home.disposals
    with context.ledger.read() as connection:
        for each in certificates(connection):
            target = directory / file_name(each.day, each.sha256)
            if not target.exists():
                make_directory(directory)
                write_file(target, each.text.encode("ascii"))
                context.payloads.keep({target: each.sha256})


def _account(found: Iterable[Said]) -> _Account:
    account = _Account()
    for said in found:
        account.add(said)
    return account


def _text(context: StageContext, account: _Account, first: Said, last: Said, compacted: Compacted) -> str:
    rows = [
        (what, rule, str(row.count), str(row.size) if row.size else "-", row.first, row.last)
        for (what, rule), row in sorted(account.rows.items())
    ]
    head = ("what", "by the rule", "how many", "bytes", "from", "to")
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    return "\n".join(
        [
            "CERTIFICATE OF DISPOSAL",
            "",
            f"Site:    {context.site}",
            f"Made:    {to_text(context.clock())}",
            f"Done:    {first.at} to {last.at}",
            f"Events:  {first.sequence} to {last.sequence} of the site's audit chain",
            f"By:      {', '.join(account.actors) or 'nobody that is known'}",
            "",
            *lines,
            "",
            "Removed: the files are gone. Erased: the rows stay, without names, references, facts, texts and reasons; the audit chain",
            "still proves them. From and to: the days on which the oldest and the newest of them were made.",
            _TRACES if compacted in (Compacted.LATER, Compacted.NO_ROOM) else _NO_TRACES,
            "",
        ]
    )


def _one(value: str | list[str]) -> str:
    """What an event says; one thing in a list is kept out of the log."""
    return value if isinstance(value, str) else value[0]
