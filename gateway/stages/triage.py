"""Triage of a batch: what the ledger remembers of its records, asked once, and what is to be remembered of them.

The site key is the inspect role's: the readers have none, and give it digests that it makes numbers of before anything is written.
*Deliver* asks about what came in, *validate* about what is to go. Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import NamedTuple

import orjson

from gateway.domain.states import Direction
from gateway.domain.triage import ASIDE, CLAIM, Finding, RecordTriage, TriageCounts, beside, keyed, scope_of
from gateway.ledger import marks
from gateway.ledger.marks import RecordNumbers, Seen
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.units import Transfer
from gateway.settings.flow_settings import TriagedSettings
from gateway.stages.context import StageContext
from gateway.validation.contract import Report


class Judged(NamedTuple):
    """What triage says of one file: its records of which there is something to say, and the numbers of all to remember."""

    counts: TriageCounts
    records: Sequence[RecordTriage]
    numbers: Sequence[RecordNumbers]
    earlier: Mapping[int, str]
    """The ids of earlier transfers, by their keys."""

    @property
    def whole(self) -> bool:
        """Whether every record of the file is one that nobody needs."""
        return bool(self.counts.records) and len(self.records) == self.counts.records

    def to_json(self, row: Transfer) -> bytes:
        """The text beside the delivered file: numbers of records and ids of transfers, and nothing that a document says."""
        counts = self.counts
        told = {
            "transfer": row.id,
            "flow": row.flow,
            "partner": row.partner,
            "records": counts.records,
            "repeats": counts.repeats,
            "superseded": counts.superseded,
            "out_of_date": counts.out_of_date,
            "marked": [
                {
                    "record": each.record,
                    "triage": [str(finding) for finding in each.findings],
                    "earlier": [self.earlier[key] for key in each.earlier if key in self.earlier],
                }
                for each in self.records
            ],
        }
        return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


class Triage:
    """Of one site, in one direction; without a `key` it says nothing."""

    def __init__(self, context: StageContext, key: bytes | None, direction: Direction) -> None:
        self._context = context
        self._key = key
        self._direction = direction

    def judge(self, connection: Connection, files: Sequence[tuple[Transfer, Report]]) -> dict[int, Judged]:
        """By the keys of transfers. Files are judged in the order of their keys, each after those before it; what an earlier
        attempt judged is judged again as it was.
        """
        looked_at = sorted(
            ((row, report, settings) for row, report in files if (settings := self._settings(row, report)) is not None),
            key=lambda each: each[0].key,
        )
        if not looked_at or self._key is None:
            return {}
        mine = {row.key: self._numbers(self._key, row, report) for row, report, _ in looked_at}
        again = marks.judged_at(connection, mine.keys())
        fresh = [each for key, several in mine.items() if key not in again for each in several]
        known = marks.seen(connection, fresh) if fresh else {}
        found: dict[int, list[RecordTriage]] = {}
        for row, _, settings in looked_at:
            own, before = mine[row.key], known
            if row.key in again:
                before = marks.seen(connection, own, (again[row.key], row.key))
            found[row.key] = _findings(row, settings, own, before)
            _note(known, row.key, own)
        earlier = {key for several in found.values() for record in several for key in record.earlier}
        ids = marks.ids_of(connection, earlier) if earlier else {}
        return {key: Judged(_counts(len(mine[key]), told), told, mine[key], ids) for key, told in found.items()}

    def remember(self, transaction: Transaction, judged: Mapping[int, Judged]) -> None:
        """Keep the numbers of files, by the keys of transfers, in the transaction that keeps their facts."""
        marks.remember(transaction, {key: each.numbers for key, each in judged.items()})

    def facts_of(self, row: Transfer, judged: Judged | None) -> dict[str, str]:
        """What the ledger keeps of a judgement, and whether the file is set aside."""
        if judged is None:
            return {}
        settings = self._context.settings.flows[row.flow]
        aside = isinstance(settings, TriagedSettings) and settings.triage == "set-aside" and judged.whole
        return judged.counts.to_facts() | ({ASIDE: "yes"} if aside else {})

    def _settings(self, row: Transfer, report: Report) -> TriagedSettings | None:
        settings = self._context.settings.flows[row.flow]
        if not isinstance(settings, TriagedSettings) or not report.marks:
            return None
        mode = settings.triage if self._direction is Direction.IN else settings.triage_sending
        return None if mode == "off" else settings

    def _numbers(self, key: bytes, row: Transfer, report: Report) -> list[RecordNumbers]:
        facts, awards = (scope_of(self._direction, row.partner, row.flow, name) for name in ("fact", "award"))
        claims = scope_of(self._direction, CLAIM)
        made = []
        for number, fact, award, day, references in report.marks:
            told = keyed(key, facts, fact)
            about = keyed(key, awards, award) if award else None
            made.append(
                RecordNumbers(
                    number,
                    told if about is None else beside(told, about),
                    about if day else None,
                    day,
                    [keyed(key, claims, each) for each in references],
                )
            )
        return made


def _findings(
    row: Transfer, settings: TriagedSettings, own: Sequence[RecordNumbers], before: Mapping[int, Seen]
) -> list[RecordTriage]:
    """The records of a file of which there is something to say, after what came `before` it."""
    oldest = 0
    if settings.current_days:
        oldest = datetime.fromtimestamp(row.created, UTC).toordinal() - settings.current_days
    told, inside = [], set()
    for number, fact, award, day, _ in own:
        first, met = before.get(fact), None if award is None else before.get(award)
        repeats = first is not None or fact in inside
        superseded = met is not None and met.day > day
        stale = award is not None and day < oldest
        inside.add(fact)
        if repeats or superseded or stale:
            findings = tuple(compress(Finding, (repeats, superseded, stale)))
            earlier = [row.key if first is None else first.transfer] if repeats else []
            earlier += [met.transfer] if met is not None and superseded else []
            told.append(RecordTriage(number, findings, tuple(dict.fromkeys(earlier))))
    return told


def _counts(records: int, told: Sequence[RecordTriage]) -> TriageCounts:
    if not told:
        return TriageCounts(records)
    return TriageCounts(records, *(sum(finding in each.findings for each in told) for finding in Finding))


def _note(known: dict[int, Seen], transfer: int, own: Sequence[RecordNumbers]) -> None:
    """What the rest of the batch has before it."""
    for _, fact, award, day, _ in own:
        known.setdefault(fact, Seen(transfer, 0))
        if award is not None:
            met = known.setdefault(award, Seen(transfer, day))
            if met.day < day:
                known[award] = Seen(met.transfer, day)
