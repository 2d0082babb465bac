"""Validate: a file that its receiver would refuse never leaves, and goes back to its operator with the reasons.

Each file is shown to the virus scanner where its flow asks for that, and read in the sandbox. Besides its own rules, the
authority that it names has to be the partner that it is addressed to, or this site where it goes to DWP. Where its flow
allows that, a file goes with exceptions in some of its records; the list of them is written before its row says that it
goes. What triage finds to have gone before is said; where its flow asks for that, the file is held. Three more kinds of file are held until a person releases them: the same bytes to the same partner within the flow's days,
a suspected duplicate; an extract whose number of records is far from that of the last one that the partner receipted; and
an extract whose name names no authority, until one with a name of its form was released.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from gateway.domain.extract_name import authorities_named, form_of
from gateway.domain.states import TRANSFER_OUT, Direction, Move, State, advance
from gateway.errors import (
    AuthorityUnsaid,
    ContentInvalid,
    ContentRepeated,
    GatewayError,
    Hold,
    MessageIdUsed,
    PartnerUnknown,
    SuspectedDuplicate,
    VolumeUnusual,
)
from gateway.ledger.queries import deadlines, duplicates, fair_share, identities
from gateway.ledger.queries.extracts import last_volume, released_names
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer
from gateway.settings.flow_settings import ExtractSettings, TriagedSettings
from gateway.settings.model import SiteKind
from gateway.spool.drops import fingerprint_of
from gateway.spool.exception_lists import ExceptionLists, ListKey
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.inspection import (
    Inspection,
    Result,
    check_authorities,
    content_error,
    facts_to_keep,
    goes_with_exceptions,
    is_own_extract,
    listed,
    record_crash,
    record_move,
)
from gateway.stages.kept_files import in_custody, not_brought
from gateway.stages.lost_files import put_off
from gateway.stages.scanning import Scanner
from gateway.stages.triage import Judged, Triage
from gateway.validation.contract import Report
from gateway.validation.sandbox.pool import Crash, Sandbox

_DAY: Final = 86400.0
_FEW: Final = 1000
"""A difference of fewer records is never unusual, whatever share it is: real extracts have ten thousand at least."""


@dataclass(frozen=True)
class _Before:
    """By the keys of transfers: the id of an earlier one of the same bytes, and of one that used the message id."""

    copies: Mapping[int, str]
    messages: Mapping[int, str]
    judged: Mapping[int, Judged] = field(default_factory=dict)
    """What triage says, by the keys of transfers."""


class Validate:
    """Admitted to validated, rejected or held."""

    name = "validate"

    def __init__(
        self, context: StageContext, sandbox: Sandbox, scanner: Scanner | None = None, key: bytes | None = None
    ) -> None:
        self._context = context
        self._triage = Triage(context, key, Direction.OUT)
        self._inspection = Inspection(context, sandbox, scanner)
        self._lists = ExceptionLists(context.home.exceptions, context.payloads)

    def step(self) -> Step:
        context = self._context
        with context.ledger.read() as connection:
            now, stopped = context.clock(), context.stopped
            waiting = fair_share.due(
                connection, Transfer, Direction.OUT, State.ADMITTED, now, BATCH, fair_share.but(stopped)
            )
            rows = self._inspection.choose(waiting)
            due = deadlines.next_due(connection, Transfer, Direction.OUT, [State.ADMITTED], but=stopped)
        if not rows:
            return Step(due=due)
        files = {row.key: in_custody(context.home, row) for row in rows}
        lost = not_brought(context.payloads, files)
        there = [row for row in rows if row.key not in lost]
        inspected = self._inspection.results(there, [files[row.key].path for row in there])
        results = [(row, self._addressed(row, result)) for row, result in inspected]
        self._lists.keep(
            {
                ListKey(Direction.OUT, row.partner, row.id): listed(result)
                for row, result in results
                if isinstance(result, Report) and goes_with_exceptions(context, row, result)
            }
        )
        dropped = {row.key for row, _ in results if self._still_lies_there(row)}
        with context.ledger.write() as transaction:
            # What a person has held or returned meanwhile is theirs: its result is dropped.
            keys = [row.key for row in rows]
            admitted = identities.in_state(transaction.connection, Transfer, State.ADMITTED, keys)
            results = [(row, result) for row, result in results if row.key in admitted]
            before = self._look_back(transaction, results)
            changes = [
                self._judge(transaction, row, result, before, lies_there=row.key in dropped) for row, result in results
            ]
            moved = [change for change in changes if change]
            transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, moved)
            going = {change["key"] for change in moved if change["state"] is not State.REJECTED}
            self._triage.remember(transaction, {key: each for key, each in before.judged.items() if key in going})
            for row in rows:
                if row.key in lost and row.key in admitted:
                    put_off(context, transaction, row, lost[row.key])
        self._inspection.moved()
        return Step(done=len(rows))

    def close(self) -> None:
        pass

    def _addressed(self, row: Transfer, result: Result) -> Result:
        """The report, with what is wrong between the authority that the file is of and the partner that it goes to."""
        context = self._context
        partner = context.settings.partners.get(row.partner)
        if partner is None or not isinstance(result, Report):
            return result
        authority = context.site if partner.kind is SiteKind.DWP else row.partner
        return check_authorities(context, row, result, authority=authority, sender=context.site)

    def _look_back(self, transaction: Transaction, results: Sequence[tuple[Transfer, Result]]) -> _Before:
        """What the ledger has of earlier files like these, asked once for all of them."""
        days = {name: flow.duplicate_days for name, flow in self._context.settings.flows.items()}
        rows = [row for row, result in results if isinstance(result, Report)]
        since = {row.key: transaction.now - days[row.flow] * _DAY for row in rows if days[row.flow]}
        used = {row.key: result.facts.get("message_id") for row, result in results if isinstance(result, Report)}
        said = {key: message for key, message in used.items() if message is not None}
        good = [
            (row, result)
            for row, result in results
            if isinstance(result, Report) and content_error(self._context, row, result) is None
        ]
        messages = duplicates.messages(transaction.connection, rows, said)
        messages |= _used_in_batch(
            [(row, said[row.key]) for row, _ in good if row.key in said.keys() - messages.keys()]
        )
        # What comes back for its message id has not gone before anything.
        going = [(row, report) for row, report in good if row.key not in messages]
        return _Before(
            duplicates.copies(transaction.connection, rows, since),
            messages,
            self._triage.judge(transaction.connection, going),
        )

    def _judge(
        self, transaction: Transaction, row: Transfer, result: Result, before: _Before, *, lies_there: bool
    ) -> dict[str, Any] | None:
        if isinstance(result, Crash):
            record_crash(transaction, row, result)
            return None
        schema, facts = row.schema, None
        outcome: State | GatewayError = State.VALIDATED
        partner = self._context.settings.partners.get(row.partner)
        if isinstance(result, GatewayError):
            outcome = result
        elif partner is None:
            outcome = PartnerUnknown("the partner was removed from the configuration")
        else:
            schema, facts = result.schema, result.facts
            if (error := content_error(self._context, row, result)) is None:
                judged = before.judged.get(row.key)
                facts = facts_to_keep(result) | ({} if judged is None else judged.counts.to_facts())
            else:
                outcome = error
            if outcome is State.VALIDATED and (used := before.messages.get(row.key)) is not None:
                outcome = MessageIdUsed(f"transfer {used} of the same flow carried this message id")
        move = advance(TRANSFER_OUT, State.ADMITTED, outcome)
        if move.state is State.VALIDATED and (doubts := list(self._doubts(transaction, row, facts, before))):
            # A held file has passed its validation, and release goes on from there: so the reason names every doubt.
            reason = "; ".join(doubt.reason for doubt in doubts)
            move = Move(State.HELD, State.VALIDATED, code=doubts[0].code, reason=reason)
        code = outcome.finding if isinstance(outcome, ContentInvalid) else move.code
        event = record_move(transaction, row, move, code, None if move.state is State.REJECTED else facts)
        return {
            "key": row.key,
            "state": move.state,
            "resume": move.resume,
            "schema": schema,
            "message_id": None if facts is None else facts.get("message_id"),
            "facts": None if facts is None else orjson.dumps(dict(facts)).decode(),
            "code": code,
            "reason": move.reason,
            "event": event,
            **self._set_aside(row, lies_there=lies_there),
        }

    def _set_aside(self, row: Transfer, *, lies_there: bool) -> dict[str, Any]:
        """Whose dropped file is gone has no `spool_file` any more. Where there are nodes, the one that it was dropped at says so."""
        if self._context.node is not None:
            return {}
        return {"spool_file": row.spool_file if lies_there else None}

    def _still_lies_there(self, row: Transfer) -> bool:
        """Whether the dropped file still lies in the spool, since it could not be removed when its copy was taken."""
        if row.spool_file is None:
            return False
        try:
            about = (self._context.home.outbound / row.flow / row.partner / row.name).lstat()
            return bool(fingerprint_of(about.st_ino, about.st_size, about.st_mtime_ns) == row.spool_file)
        except OSError as error:
            return not isinstance(error, FileNotFoundError)

    def _doubts(
        self, transaction: Transaction, row: Transfer, facts: Mapping[str, str] | None, before: _Before
    ) -> Iterator[Hold]:
        """Why a person has to look at a file that could go."""
        if (
            is_own_extract(row.flow, self._context.site)
            and not authorities_named(row.name)
            and not self._known_form(transaction, row)
        ):
            yield AuthorityUnsaid(
                "its name does not say which authority it is of, and none of its form was released before"
            )
        copy, judged = before.copies.get(row.key), before.judged.get(row.key)
        if copy is not None:
            yield SuspectedDuplicate(f"the same bytes as transfer {copy}")
        flow = self._context.settings.flows[row.flow]
        if copy is None and judged is not None and judged.records and isinstance(flow, TriagedSettings):
            if flow.triage_sending == "hold":
                yield ContentRepeated(
                    f"{len(judged.records)} of {judged.counts.records} records came before, or too late"
                )
            else:
                _warn(transaction, row, judged)
        if isinstance(flow, ExtractSettings) and facts is not None and "records" in facts:
            last = last_volume(transaction.connection, row.flow, row.partner, row.key)
            if (
                last is not None
                and (doubt := unusual(int(facts["records"]), *last, flow.volume_band_percent)) is not None
            ):
                yield doubt

    @staticmethod
    def _known_form(transaction: Transaction, row: Transfer) -> bool:
        """Whether a person has released an extract with a name of the same form."""
        released = released_names(transaction.connection, row.flow, row.partner, AuthorityUnsaid.code)
        return form_of(row.name) in {form_of(name) for name in released}


def _used_in_batch(rows: Sequence[tuple[Transfer, str]]) -> dict[int, str]:
    """By the keys of transfers with their message ids, the id of an earlier one of the batch that has the same, which the ledger does not
    know yet. The same bytes count as duplicates instead.
    """
    first: dict[tuple[str, str, str], Transfer] = {}
    found = {}
    for row, message in sorted(rows, key=lambda each: each[0].key):
        before = first.setdefault((row.partner, row.flow, message), row)
        if before.sha256 != row.sha256:
            found[row.key] = before.id
    return found


def _warn(transaction: Transaction, row: Transfer, judged: Judged) -> None:
    """Say in the log and in the story of the transfer that its receiver has no use for some of it."""
    told = judged.counts
    transaction.record(
        "transfer.repeated",
        "transfer",
        row.id,
        row.partner,
        flow=row.flow,
        repeats=told.repeats,
        superseded=told.superseded,
        out_of_date=told.out_of_date,
    )


def unusual(records: int, last: str, before: int, band: int) -> VolumeUnusual | None:
    """The doubt about so many records after `before` in the transfer `last`; a `band` of 0 percent allows any number."""
    apart = abs(records - before)
    if not band or apart < _FEW or apart * 100 <= before * band:
        return None
    return VolumeUnusual(f"{records} records, {before} in transfer {last}: more than {band} percent apart")
