"""Late writes: somebody wrote to a dropped file after the gateway had taken it.

The alarm is raised, the transfer is held where it has not left custody, and the whole file goes back to its operator. Part
of `outbound.admit`, which takes the files. Raises DiskFull and what the ledger raises.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.states import Direction, State
from gateway.errors import DiskFailed, SharedAway, WrittenLate
from gateway.ledger.queries import identities
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer
from gateway.settings.shared_place import require_shared
from gateway.spool.returns import WRITTEN_LATE, return_file
from gateway.spool.set_aside import LateWrite, SetAside
from gateway.stages.context import StageContext

_STAGE: Final = "admit"
"""The stage that log lines name."""


class LateWrites:
    """Looks at the files that were set aside when they were taken."""

    def __init__(self, context: StageContext, aside: SetAside) -> None:
        self._context = context
        self._aside = aside
        self._reported: set[str] = set()
        """Transfers of files that were written to after they were taken, and whose alarm was raised."""

    def look(self, *, ending: bool = False) -> None:
        """Remove what was taken and is certainly complete; deal with what was written to since. `ending`: for the last time."""
        for late in self._aside.look(ending=ending):
            if late.transfer not in self._reported:
                self._report(late)
                self._reported.add(late.transfer)
            if late.whole:
                self._return_whole(late)
        for fault in self._aside.faults:
            self._context.say_deferred(fault, stage=_STAGE)

    def _report(self, late: LateWrite) -> None:
        """Raise the alarm, and hold the transfer where it has not left custody."""
        error = WrittenLate()
        with self._context.ledger.write() as transaction:
            row = identities.one(transaction.connection, Transfer, Direction.OUT, late.partner, late.transfer)
            transaction.record(
                "transfer.written-late",
                "transfer",
                late.transfer,
                late.partner,
                flow=late.flow,
                code=error.code,
                reason=error.reason,
                state=None if row is None else row.state,
                log={"remedy": error.remedy},
            )
            if row is None or row.state not in (State.ADMITTED, State.VALIDATED):
                return
            event = transaction.record(
                "transfer.held",
                "transfer",
                row.id,
                row.partner,
                code=error.code,
                reason=error.reason,
                state=str(State.HELD),
            )
            change = {"key": row.key, "state": State.HELD, "resume": row.state, "code": error.code}
            change |= {"reason": error.reason, "event": event}
            transaction.move(TRANSFERS, Direction.OUT, row.state, [change])

    def _return_whole(self, late: LateWrite) -> None:
        """Return the file as it is now to its operator, under its own name, with a letter about what was taken of it."""
        context = self._context
        with context.ledger.read() as connection:
            row = identities.one(connection, Transfer, Direction.OUT, late.partner, late.transfer)
        name, size = (late.transfer, None) if row is None else (row.name, row.size)
        why = _letter(late.transfer, size)
        directory = context.home.returned / late.flow / late.partner
        try:
            require_shared(context.settings, context.home.returned)
            return_file(late.path, directory, name, why, tag=context.new_id(), letter=WRITTEN_LATE)
        except (DiskFailed, SharedAway) as error:
            context.say_deferred(error, partner=late.partner, flow=late.flow, stage=_STAGE)
            return
        self._aside.given_back(late)


def _letter(transfer: str, size: int | None) -> str:
    """The letter to whoever wrote to a file after it was taken; `size` is that of what was taken, in bytes."""
    taken = "What was taken of it" if size is None else f"Its first state, of {size:,} bytes,"
    return (
        f"Something wrote to this file after the gateway had taken it. {taken} is transfer {transfer}; here is the whole "
        f"file, as it is now.\n\nWhat to do: see what became of the transfer with `gateway show {transfer}`. Where it is "
        "held, give it back with `gateway return`; where it has gone, tell the partner not to use it; where it came back, "
        "remove what came back. Then drop this file again, written under a name that ends in .part and renamed when it is "
        "complete, and remove it here with this letter: until then `gateway status` names it.\n"
    )
