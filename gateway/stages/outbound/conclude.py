"""Conclude: the operator learns what became of an ended transfer, and only then its bytes leave custody.

Receipted: `NAME.receipt.json` in spool/receipts, the part of the partner's receipt that is about this file, and beside it
`NAME.exceptions.csv` where the file went with exceptions. Rejected or quarantined by the partner: the file comes back in
spool/returned, with `NAME.why.txt`. Expired: it comes back with `NAME.undelivered.txt`. A file that a virus scanner, ours or
the partner's, objects to does not come back: it is locked away here, and its operator gets the reason. Sent to a partner
without a gateway: `NAME.sent.txt` in spool/receipts says that nobody confirms its arrival. Each step may be
done twice without harm, so the next run repairs what a crash cut short.

What comes later, when the bytes have left custody, is written too: a receipt after the expiry, as before it; and the answer
of the partner's back office, whose receipt replaces the gateway's in `NAME.receipt.json`, with `NAME.refused.txt` for a
refusal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import FileInfected, Redirected, RefusedByBackOffice, StoreFileLost, remedies
from gateway.ledger.queries import custody
from gateway.ledger.queries.back_office_answers import to_notify
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.queries.receipts import accepted_receipt, receipt_with_answer
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.settings.shared_place import require_shared
from gateway.spool.exception_lists import ExceptionLists, ListKey
from gateway.spool.names import second_name, with_ending
from gateway.spool.returns import SENT, UNDELIVERED, WHY, return_file, tell
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.kept_files import in_custody, not_brought
from gateway.stages.lost_files import put_off
from gateway.stages.receipt_files import write_receipt_files
from gateway.stages.scanning import isolate, isolating
from gateway.storage.durable import write_file

_ENDS: Final = {
    State.REJECTED: "was not accepted",
    State.QUARANTINED: "was locked away by the partner's gateway, and not delivered",
    State.EXPIRED: "was not delivered in time: no receipt came",
}
_NEVER_SENT: Final = "was not sent in time"
_REFUSED: Final = ".refused.txt"
_ENDED_WELL: Final = (State.RECEIPTED, State.INGESTED)


class Conclude:
    """Ended transfers whose bytes still lie in custody."""

    name = "conclude"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._lists = ExceptionLists(context.home.exceptions, context.payloads)
        self._later: dict[int, float] = {}
        """Until when transfers are left alone whose files the store has lost."""

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        with context.ledger.read() as connection:
            rows = custody.finished_but_kept(connection, BATCH, context.elsewhere)
            # Of a name whose time is over (ADR 0056), the id is left: an answer may come years later.
            answered = [
                row if row.name else row._replace(name=row.id)
                for row in to_notify(connection, BATCH, context.elsewhere)
            ]
            ids = {(row.partner, required(row.consignment)) for row in (*rows, *answered) if row.state in _ENDED_WELL}
            receipts = {key: accepted_receipt(connection, *key) for key in ids}
            answers = {
                row.key: receipt_with_answer(connection, row) or receipts.get((row.partner, required(row.consignment)))
                for row in answered
            }
        self._later = {key: due for key, due in self._later.items() if due > now}
        rows, answered = ([row for row in each if row.key not in self._later] for each in (rows, answered))
        if rows or answered:
            require_shared(context.settings, context.home.receipts, context.home.returned)
        lost = self._bring(rows) | self._lists_lost(answered)
        if going := [row for row in rows if row.key not in lost]:
            self._conclude(going, receipts)
        if telling := [row for row in answered if row.key not in lost]:
            self._notify(telling, answers)
        if lost:
            with context.ledger.write() as transaction:
                due = {
                    row.key: put_off(context, transaction, row, lost[row.key])
                    for row in (*rows, *answered)
                    if row.key in lost
                }
            self._later |= due
        return Step(done=len(rows) + len(answered), due=min(self._later.values(), default=None))

    def close(self) -> None:
        pass

    def _bring(self, rows: list[Transfer]) -> dict[int, StoreFileLost]:
        """Bring the bytes of those that are given back, or locked away; of what the store has lost, the error by the row's key."""
        needed = [row for row in rows if row.state not in _ENDED_WELL and not row.is_unconfirmed]
        files = {row.key: in_custody(self._context.home, row) for row in needed}
        return not_brought(self._context.payloads, files) | self._lists_lost(rows)

    def _lists_lost(self, rows: list[Transfer]) -> dict[int, StoreFileLost]:
        """As `_bring`, of lists that are to lie beside receipts."""
        lost = {}
        for row in rows:
            if row.state in _ENDED_WELL:
                try:
                    self._exceptions(row)
                except StoreFileLost as error:
                    lost[row.key] = error
        return lost

    def _conclude(self, rows: list[Transfer], receipts: Mapping[tuple[str, str], str | None]) -> None:
        context = self._context
        bytes_of = {row.key: in_custody(context.home, row) for row in rows}
        well = [row for row in rows if row.state in _ENDED_WELL]
        write_receipt_files(
            context.home.receipts,
            ((row, receipts[row.partner, required(row.consignment)]) for row in well),
            self._exceptions,
        )
        for row in rows:
            if row.state in _ENDED_WELL:
                continue
            if row.is_unconfirmed:
                self._tell_unconfirmed(row)
            elif _infected(row):
                self._warn(row)
            else:
                self._give_back(row)
        infected = {row.key: bytes_of[row.key] for row in rows if _infected(row)}
        with isolating(context, infected) as isolated, context.ledger.write() as transaction:
            for row in rows:
                if _infected(row):
                    isolate(transaction, row, isolated[row.key], bytes_of[row.key].path, row.reason or "")
                elif row.state not in _ENDED_WELL and not row.is_unconfirmed:
                    transaction.record("transfer.returned", "transfer", row.id, row.partner, flow=row.flow)
            transaction.set(TRANSFERS, [row.key for row in rows], custody=False)
        context.payloads.forget_all(bytes_of.values())

    def _notify(self, rows: list[Transfer], answers: Mapping[int, str | None]) -> None:
        """Write down for operators what came after the bytes had left custody; `answers` are receipts by the rows' keys."""
        well = ((row, answers[row.key]) for row in rows if row.state in _ENDED_WELL)
        write_receipt_files(self._context.home.receipts, well, self._exceptions)
        for row in rows:
            if row.state not in _ENDED_WELL:
                tell(self._returned(row), row.name, self._letter(row, _ENDS[row.state]), tag=row.id)
            elif row.code in (RefusedByBackOffice.code, Redirected.code):
                self._explain(row)
        with self._context.ledger.write() as transaction:
            transaction.set(TRANSFERS, [row.key for row in rows], notify_pending=False)

    def _exceptions(self, row: Transfer) -> bytes | None:
        """The list of a file that went with exceptions, as our own validator made it."""
        if exceptions_in(row.facts) is None:
            return None
        return self._lists.read(ListKey(Direction.OUT, row.partner, row.id))

    def _explain(self, row: Transfer) -> None:
        became = "passed it on to another authority" if row.code == Redirected.code else "could not take it"
        text = self._letter(row, f"reached the partner, and its back office {became}").encode()
        directory = self._context.home.receipts / row.flow / row.partner
        target = directory / with_ending(row.name, _REFUSED, row.id)
        if target.exists() and target.read_bytes() != text:
            target = directory / f"{second_name(row.name, row.id)}{_REFUSED}"
        write_file(target, text, mode=0o640)

    def _letter(self, row: Transfer, end: str) -> str:
        """What became of a file, for its operator. `end` completes the sentence that starts with its name."""
        # The partner's gateway may give codes that we do not know.
        otherwise = "refused-by-partner" if row.consignment else "content-invalid"
        remedy = remedies().get(row.code or "") or remedies()[otherwise]
        return "\n".join(
            [
                f"{row.name} {end}.",
                "",
                f"To:       {row.partner}, as {row.flow}",
                f"Dropped:  {to_text(row.created)}",
                f"Transfer: {row.id}",
                "",
                "Reason:",
                textwrap.indent(row.reason or "none was given", "  "),
                "",
                f"What to do: {remedy}",
                "",
            ]
        )

    def _tell_unconfirmed(self, row: Transfer) -> None:
        """Where other files have their receipt: that there will be none, so that nobody takes the silence for one."""
        text = "\n".join(
            [
                f"{row.name} was sent. Nobody confirms that it arrived.",
                "",
                f"To:       {row.partner}, as {row.flow}, under the name {row.delivered_name}",
                f"Sent:     {to_text(row.updated)}",
                f"Transfer: {row.id}",
                f"SHA-256:  {row.sha256}",
                "",
                'The partner has no gateway (envelope = "plain"), so no signed receipt will come. Its server has taken the whole',
                "sealed file. Whether somebody there could decrypt it, and has it, only the partner can tell: ask by another channel.",
                "",
            ]
        )
        tell(self._context.home.receipts / row.flow / row.partner, row.name, text, tag=row.id, letter=SENT)

    def _warn(self, row: Transfer) -> None:
        end = "is infected, and was locked away" if row.consignment is None else _ENDS[State.QUARANTINED]
        tell(self._returned(row), row.name, self._letter(row, f"{end}; it does not come back"), tag=row.id)

    def _give_back(self, row: Transfer) -> None:
        expired = row.state == State.EXPIRED
        end = _NEVER_SENT if expired and row.consignment is None else _ENDS[row.state]
        return_file(
            in_custody(self._context.home, row).path,
            self._returned(row),
            row.name,
            self._letter(row, end),
            tag=row.id,
            sha256=row.sha256,
            letter=UNDELIVERED if expired else WHY,
        )

    def _returned(self, row: Transfer) -> Path:
        return self._context.home.returned / str(row.flow) / str(row.partner)


def _infected(row: Transfer) -> bool:
    """Whether a virus scanner objects to it, at this site or at the partner's."""
    return bool(row.state == State.QUARANTINED and row.code == FileInfected.code)
