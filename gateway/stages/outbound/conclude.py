"""Conclude: a transfer that has come to its end is told to its operator, and only then its bytes leave custody.

Receipted: `NAME.receipt.json` in spool/receipts, the partner's receipt as far as it speaks of this file, and beside it
`NAME.exceptions.csv` where the file went with exceptions. Rejected or
quarantined by the partner: the file itself comes back in spool/returned, with `NAME.why.txt`; expired: with the notice
`NAME.undelivered.txt`. Only what a virus scanner, ours or the partner's, objects to does not come back: it is locked away
here, and the reason is told. Each step may be done twice without harm, so a crash between them is repaired by doing it
again.

What is heard later, when the bytes have left this site's custody, is told as well: a receipt that came after the expiry,
as it would have been before; and the word of the partner's back office, whose receipt takes the place of the gateway's
in `NAME.receipt.json`, with `NAME.refused.txt` for what it refused.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import FileInfected, Redirected, RefusedByBackOffice, documented_errors
from gateway.ledger.queries import custody
from gateway.ledger.queries.back_office_answers import to_notify
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.queries.receipts import accepted_receipt, receipt_with_answer
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.spool.custody import custody_file, remove
from gateway.spool.exception_lists import ExceptionLists, ListKey
from gateway.spool.names import second_name, with_ending
from gateway.spool.returns import UNDELIVERED, WHY, return_file, tell
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.receipt_files import write_receipt_files
from gateway.stages.scanning import isolate
from gateway.storage.durable import write_file

_SAID: Final = {
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
        self._lists = ExceptionLists(context.home.exceptions)
        self._remedies = {error.code: error.remedy for error in documented_errors()}

    def step(self) -> Step:
        context = self._context
        with context.ledger.read() as connection:
            rows = custody.finished_but_kept(connection, BATCH)
            spoken = to_notify(connection, BATCH)
            ids = {(row.partner, required(row.consignment)) for row in (*rows, *spoken) if row.state in _ENDED_WELL}
            receipts = {key: accepted_receipt(connection, *key) for key in ids}
            words = {
                row.key: receipt_with_answer(connection, row) or receipts.get((row.partner, required(row.consignment)))
                for row in spoken
            }
        if rows:
            self._conclude(rows, receipts)
        if spoken:
            self._tell(spoken, words)
        return Step(done=len(rows) + len(spoken))

    def close(self) -> None:
        pass

    def _conclude(self, rows: list[Transfer], receipts: Mapping[tuple[str, str], str | None]) -> None:
        context = self._context
        well = [row for row in rows if row.state in _ENDED_WELL]
        write_receipt_files(
            context.home.receipts,
            ((row, receipts[row.partner, required(row.consignment)]) for row in well),
            self._exceptions,
        )
        for row in rows:
            if row.state in _ENDED_WELL:
                continue
            if _infected(row):
                self._warn(row)
            else:
                self._give_back(row)
        with context.ledger.write() as transaction:
            for row in rows:
                if _infected(row):
                    isolate(context, transaction, row, custody_file(context.home.custody, row.id), row.reason or "")
                elif row.state not in _ENDED_WELL:
                    transaction.record("transfer.returned", "transfer", row.id, row.partner, flow=row.flow)
            transaction.set(TRANSFERS, [row.key for row in rows], custody=False)
        for row in rows:
            remove(context.home.custody, row.id)

    def _tell(self, rows: list[Transfer], words: Mapping[int, str | None]) -> None:
        """Let operators know what the partner's back office said, and what its gateway said after we had given up."""
        well = ((row, words[row.key]) for row in rows if row.state in _ENDED_WELL)
        write_receipt_files(self._context.home.receipts, well, self._exceptions)
        for row in rows:
            if row.state not in _ENDED_WELL:
                tell(self._returned(row), row.name, self._letter(row, _SAID[row.state]), tag=row.id)
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

    def _letter(self, row: Transfer, said: str) -> str:
        """What became of a file, for whoever dropped it."""
        # What the partner's gateway found has codes of its own; ours are known by theirs.
        otherwise = "refused-by-partner" if row.consignment else "content-invalid"
        remedy = self._remedies.get(row.code or "") or self._remedies[otherwise]
        return "\n".join(
            [
                f"{row.name} {said}.",
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

    def _warn(self, row: Transfer) -> None:
        said = "is infected, and was locked away" if row.consignment is None else _SAID[State.QUARANTINED]
        tell(self._returned(row), row.name, self._letter(row, f"{said}; it does not come back"), tag=row.id)

    def _give_back(self, row: Transfer) -> None:
        expired = row.state == State.EXPIRED
        said = _NEVER_SENT if expired and row.consignment is None else _SAID[row.state]
        return_file(
            custody_file(self._context.home.custody, row.id),
            self._returned(row),
            row.name,
            self._letter(row, said),
            tag=row.id,
            sha256=row.sha256,
            letter=UNDELIVERED if expired else WHY,
        )

    def _returned(self, row: Transfer) -> Path:
        return self._context.home.returned / str(row.flow) / str(row.partner)


def _infected(row: Transfer) -> bool:
    """Whether a virus scanner objects to it, at this site or at the partner's."""
    return bool(row.state == State.QUARANTINED and row.code == FileInfected.code)
