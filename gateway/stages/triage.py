"""Triage of a batch: what the ledger remembers of its records, asked once, and what is to be remembered of them.

The site key is the inspect role's: the readers have none, and give it digests that it makes numbers of before anything is written.
*Deliver* asks about what came in, *validate* about what is to go. Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import orjson

from gateway.domain.states import Direction
from gateway.domain.triage import ASIDE, Finding, RecordTriage, TriageCounts, claim_scope, keyed
from gateway.ledger import marks
from gateway.ledger.marks import Mark, Seen
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.units import Transfer
from gateway.settings.flow_settings import TriagedSettings
from gateway.stages.context import StageContext
from gateway.validation.contract import Report


@dataclass(frozen=True)
class Judged:
    """What triage says of one file: its records of which there is something to say, and `marks` to remember."""

    counts: TriageCounts
    records: tuple[RecordTriage, ...]
    marks: tuple[Mark, ...]
    earlier: Mapping[int, str] = field(default_factory=dict)
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
        mine = {row.key: self._marks(self._key, row, report) for row, report, _ in looked_at}
        again = marks.judged_at(connection, mine.keys())
        fresh = {mark.digest for key, several in mine.items() if key not in again for mark in several}
        known = marks.seen(connection, fresh) if fresh else {}
        judged = {}
        for row, _, settings in looked_at:
            own = mine[row.key]
            before = known
            if row.key in again:
                before = marks.seen(connection, {mark.digest for mark in own}, (again[row.key], row.key))
            judged[row.key] = self._file(row, settings, own, before)
            for mark in own:
                _note(known, mark)
        earlier = {key for each in judged.values() for record in each.records for key in record.earlier}
        ids = marks.ids_of(connection, earlier) if earlier else {}
        return {key: Judged(each.counts, each.records, each.marks, ids) for key, each in judged.items()}

    def remember(self, transaction: Transaction, judged: Sequence[Judged]) -> None:
        """Keep the marks of files, in the transaction that keeps their facts."""
        marks.remember(transaction, [mark for each in judged for mark in each.marks])

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

    def _marks(self, key: bytes, row: Transfer, report: Report) -> list[Mark]:
        scope, claims = f"{self._direction}\x1f{row.partner}\x1f{row.flow}", claim_scope(self._direction)
        made = []
        for mark in report.marks:
            day = date.fromisoformat(mark.day).toordinal() if mark.day else None
            made.append(Mark(keyed(key, f"{scope}\x1ffact", mark.fact), row.key, mark.row, None))
            # Awards have a day, nothing else does.
            if mark.award and day is not None:
                made.append(Mark(keyed(key, f"{scope}\x1faward", mark.award), row.key, mark.row, day))
            made += (Mark(keyed(key, claims, claim), row.key, mark.row, None) for claim in mark.claims)
        return made

    def _file(
        self,
        row: Transfer,
        settings: TriagedSettings,
        own: Sequence[Mark],
        before: Mapping[int, Seen],
    ) -> Judged:
        came = datetime.fromtimestamp(row.created, UTC).date().toordinal()
        oldest = came - settings.current_days if settings.current_days else None
        by_record: dict[int, list[Mark]] = {}
        for mark in own:
            by_record.setdefault(mark.record, []).append(mark)
        records, inside = [], set()
        totals = dict.fromkeys(Finding, 0)
        for number, (fact, *others) in by_record.items():
            findings, earlier = [], []
            if (first := before.get(fact.digest)) is not None or fact.digest in inside:
                findings.append(Finding.REPEATS)
                earlier.append(row.key if first is None else first.transfer)
            inside.add(fact.digest)
            award = next((mark for mark in others if mark.day is not None), None)
            if award is not None and award.day is not None:
                met = before.get(award.digest)
                if met is not None and met.day is not None and met.day > award.day:
                    findings.append(Finding.SUPERSEDED)
                    earlier.append(met.transfer)
                if oldest is not None and award.day < oldest:
                    findings.append(Finding.OUT_OF_DATE)
            for finding in findings:
                totals[finding] += 1
            if findings:
                records.append(RecordTriage(number, tuple(findings), tuple(dict.fromkeys(earlier))))
        counts = TriageCounts(len(by_record), *(totals[finding] for finding in Finding))
        return Judged(counts, tuple(records), tuple(own))


def _note(known: dict[int, Seen], mark: Mark) -> None:
    """What the rest of the batch has before it."""
    met = known.get(mark.digest)
    days = [day for day in (mark.day, None if met is None else met.day) if day is not None]
    known[mark.digest] = Seen(mark.transfer if met is None else met.transfer, max(days, default=None))
