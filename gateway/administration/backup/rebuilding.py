"""Rows that a restored ledger lacks, made from what a partner has signed: each ends where the partner's word says it has ended.

What we sent: the partner has it, so it is not sent again, and `expired` until the partner's receipt, which it sends once more, comes: a late
receipt counts. What came: it was delivered before the loss, and is not delivered again. Raises LedgerRolledBack where the partner and the copy
contradict each other, and what the ledger raises.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.domain.identity import from_text
from gateway.domain.receipt import SENDERS_STATE, Outcome
from gateway.domain.recovery import AnsweredConsignment, AnsweredItem, PartnerAnswer
from gateway.domain.states import Direction, State
from gateway.errors import LedgerRolledBack, ReceiptAwaited
from gateway.ledger.queries import consignments, identities
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment, Transfer
from gateway.settings.directories import SHARED, make_below
from gateway.settings.home import Home
from gateway.storage.digest import file_digest

_RECEIVERS_STATE: Final[Mapping[Outcome, State]] = {
    Outcome.DELIVERED: State.DELIVERED,
    Outcome.DUPLICATE: State.DELIVERED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.QUARANTINED: State.QUARANTINED,
}


class Rebuilder:
    """Applies partners' answers to the ledger of a restored site, in one transaction."""

    def __init__(self, transaction: Transaction, home: Home) -> None:
        self._transaction = transaction
        self._home = home
        self.sent: list[str] = []
        """Transfers that the partner has, and the copy knew nothing of."""
        self.delivered: list[str] = []
        """Transfers that came after the copy, and are not delivered again."""

    def apply(self, answer: PartnerAnswer) -> None:
        """What one partner knows."""
        partner = answer.sender
        for each in answer.received:
            self._sent(partner, each)
        for each in answer.sent:
            self._came(partner, each)
        if answer.sequence > self._transaction.lane(partner).sequence:
            self._transaction.set_lane(partner, sequence=answer.sequence)

    # -- what we sent

    def _sent(self, partner: str, told: AnsweredConsignment) -> None:
        connection = self._transaction.connection
        row = identities.one(connection, Consignment, Direction.OUT, partner, told.consignment)
        if row is not None and row.state != State.PACKED:
            if row.sealed_sha256 != told.sealed_sha256:
                raise LedgerRolledBack(f"{partner} has other bytes of consignment {row.id} than the copy")
            return  # it is sent again as it is, and answered again
        event = self._transaction.record("consignment.recovered", "consignment", told.consignment, partner)
        sealed = {"sealed_size": told.sealed_size, "sealed_sha256": told.sealed_sha256}
        if row is None:
            new = self._consignment(partner, told, Direction.OUT, State.EXPIRED, event)
            self._transaction.insert(CONSIGNMENTS, [new | {"flow": told.items[0].item.flow} | sealed])
        else:
            change = {"key": row.key, "state": State.EXPIRED, "event": event, **sealed}
            self._transaction.move(CONSIGNMENTS, Direction.OUT, State.PACKED, [change])
        for position, each in enumerate(told.items, 1):
            self._sent_transfer(partner, told, position, each)

    def _sent_transfer(self, partner: str, told: AnsweredConsignment, position: int, each: AnsweredItem) -> None:
        item = each.item
        row = identities.one(self._transaction.connection, Transfer, Direction.OUT, partner, item.transfer)
        if row is not None and row.sha256 != item.sha256:
            raise LedgerRolledBack(f"{partner} has other bytes of transfer {row.id} than the copy")
        following = SENDERS_STATE[each.outcome]
        ended = row is not None and following is not State.RECEIPTED
        state = following if ended else State.EXPIRED
        awaited = ReceiptAwaited()
        said: dict[str, Any] = {
            "state": state,
            "consignment": told.consignment,
            "position": position,
            "code": each.code if ended else awaited.code,
            "reason": each.reason if ended else awaited.reason,
        }
        name = f"transfer.{state}" if ended else "transfer.recovered"
        event = self._transaction.record(
            name, "transfer", item.transfer, partner, flow=item.flow, code=said["code"], state=str(state)
        )
        if row is None:
            self._transaction.insert(
                TRANSFERS,
                [self._transfer(partner, told, Direction.OUT, item) | said | {"event": event, "state": str(state)}],
            )
            self.sent.append(item.transfer)
            self._take_away_dropped(partner, item.flow, item.name, item.sha256)
        elif row.state in (State.ADMITTED, State.VALIDATED, State.PACKED, State.HELD):
            # Rejected, its bytes go back to the operator from custody; else nobody needs them.
            change = {"key": row.key, "resume": None, "custody": ended, "spool_file": None, "event": event} | said
            self._transaction.move(TRANSFERS, Direction.OUT, row.state, [{**change, "state": State.EXPIRED}])
            if ended:
                self._transaction.move(TRANSFERS, Direction.OUT, State.EXPIRED, [change])

    def _take_away_dropped(self, partner: str, flow: str, name: str, sha256: str) -> None:
        """A dropped file that is in the copy of the spool, and was taken and sent after that."""
        dropped = self._home.outbound / flow / partner / name
        self._transaction.afterwards.append(partial(_move_aside, dropped, sha256, self._home))

    # -- what came

    def _came(self, partner: str, told: AnsweredConsignment) -> None:
        connection = self._transaction.connection
        row = consignments.consignment_in(connection, partner, told.consignment)
        if row is not None and row.state in (State.DELIVERED, State.QUARANTINED):
            return
        sealed = {"sealed_size": told.sealed_size, "sealed_sha256": told.sealed_sha256}
        event = self._transaction.record("consignment.delivered", "consignment", told.consignment, partner)
        if row is None:
            new = self._consignment(partner, told, Direction.IN, State.DELIVERED, event)
            self._transaction.insert(CONSIGNMENTS, [new | sealed])
        else:
            change: dict[str, Any] = {"key": row.key, "event": event, "resume": None, "code": None, "reason": None}
            filled = {"sequence": told.sequence, "items": len(told.items), "expires": from_text(told.expires)}
            for state, following in _WAY[row.state]:
                self._transaction.move(CONSIGNMENTS, Direction.IN, state, [{**change, **filled, "state": following}])
        for position, each in enumerate(told.items, 1):
            self._came_transfer(partner, told, position, each)
        opened = self._home.opened / told.consignment
        self._transaction.afterwards.append(partial(shutil.rmtree, opened, ignore_errors=True))

    def _came_transfer(self, partner: str, told: AnsweredConsignment, position: int, each: AnsweredItem) -> None:
        item, state = each.item, _RECEIVERS_STATE[each.outcome]
        row = identities.one(self._transaction.connection, Transfer, Direction.IN, partner, item.transfer)
        if row is not None and row.state not in (State.OPENED, State.HELD):
            return
        event = self._transaction.record(
            f"transfer.{state}", "transfer", item.transfer, partner, flow=item.flow, code=each.code
        )
        said = {"code": each.code, "reason": each.reason, "delivered_name": item.name, "event": event}
        if row is None:
            new = self._transfer(partner, told, Direction.IN, item) | {"position": position, "custody": False}
            self._transaction.insert(TRANSFERS, [new | said | {"state": str(state)}])
            self.delivered.append(item.transfer)
            return
        if row.state == State.HELD:
            self._transaction.move(
                TRANSFERS,
                Direction.IN,
                State.HELD,
                [{"key": row.key, "state": State.OPENED, "resume": None, "event": event}],
            )
        self._transaction.move(TRANSFERS, Direction.IN, State.OPENED, [{"key": row.key, "state": state, **said}])

    # -- new rows

    @staticmethod
    def _consignment(
        partner: str, told: AnsweredConsignment, direction: Direction, state: State, event: int
    ) -> dict[str, Any]:
        return {
            "id": told.consignment,
            "direction": str(direction),
            "partner": partner,
            "state": str(state),
            "sequence": told.sequence,
            "items": len(told.items),
            "bytes": sum(each.item.size for each in told.items),
            "expires": from_text(told.expires),
            "event": event,
        }

    @staticmethod
    def _transfer(partner: str, told: AnsweredConsignment, direction: Direction, item: Any) -> dict[str, Any]:
        return {
            "id": item.transfer,
            "direction": str(direction),
            "flow": item.flow,
            "partner": partner,
            "name": item.name,
            "size": item.size,
            "sha256": item.sha256,
            "schema": item.schema_,
            "reference": item.reference,
            "redirected_from": item.redirected_from,
            "consignment": told.consignment,
            "custody": False,
            "expires": from_text(told.expires),
        }


_WAY: Final[Mapping[State, Sequence[tuple[State, State]]]] = {
    State.LANDED: ((State.LANDED, State.OPENED), (State.OPENED, State.DELIVERED)),
    State.HELD: ((State.HELD, State.LANDED), (State.LANDED, State.OPENED), (State.OPENED, State.DELIVERED)),
    State.OPENED: ((State.OPENED, State.DELIVERED),),
}


def _move_aside(path: Path, sha256: str, home: Home) -> None:
    if not path.is_file() or path.is_symlink() or file_digest(path) != sha256:
        return
    target = home.put_aside / path.relative_to(home.spool)
    make_below(target.parent, SHARED)
    path.rename(target)
