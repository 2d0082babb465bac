"""Pack: what waits for a partner becomes a consignment when that partner's lane comes free.

Natural batching: an idle lane takes a single file at once, a busy one takes what has gathered meanwhile, up to the
limits on files and bytes. Only the ledger changes here; the bytes are read when the consignment is sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from gateway.ledger import queries
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.stages.workplace import Step, Workplace
from gateway.transfer.states import Direction, State


class Pack:
    """Validated transfers into packed consignments, one partner at a time."""

    name = "pack"

    def __init__(self, place: Workplace) -> None:
        self._place = place

    def step(self) -> Step:
        place = self._place
        with place.ledger.read() as connection:
            lanes = queries.lanes(connection)
            unsent = queries.unsent(connection)
            waiting = queries.waiting_partners(connection, place.clock())
        room = place.settings.limits.lane_consignments
        ready = [
            partner
            for partner in waiting
            if partner in place.settings.partners
            and unsent.get(partner, 0) < room
            and not lanes.get(partner, {}).get("held", False)
        ]
        return Step(done=sum(self._pack(partner) for partner in ready))

    def close(self) -> None:
        pass

    def _pack(self, partner: str) -> int:
        place = self._place
        with place.ledger.write() as transaction:
            chosen = self._choose(
                transaction.connection.execute(
                    select(TRANSFERS)
                    .where(
                        TRANSFERS.c.state == str(State.VALIDATED),
                        TRANSFERS.c.direction == str(Direction.OUT),
                        TRANSFERS.c.partner == partner,
                        TRANSFERS.c.due <= transaction.now,
                        TRANSFERS.c.expires > transaction.now,
                    )
                    .order_by(TRANSFERS.c.key)
                    .limit(4 * place.settings.limits.consignment_files)
                ).all()
            )
            if not chosen:
                return 0
            consignment = place.new_id()
            sequence = transaction.lane(partner)["sequence"] + 1
            total = sum(row.size for row in chosen)
            event = transaction.record(
                "consignment.packed",
                "consignment",
                consignment,
                partner,
                sequence=sequence,
                count=len(chosen),
                bytes=total,
                transfers=[row.id for row in chosen],
            )
            transaction.set_lane(partner, sequence=sequence)
            transaction.insert(
                CONSIGNMENTS,
                [
                    {
                        "id": consignment,
                        "direction": str(Direction.OUT),
                        "partner": partner,
                        "state": str(State.PACKED),
                        "sequence": sequence,
                        "items": len(chosen),
                        "bytes": total,
                        "expires": min(row.expires for row in chosen),
                        "event": event,
                    }
                ],
            )
            transaction.move(
                TRANSFERS,
                Direction.OUT,
                State.VALIDATED,
                [
                    {
                        "key": row.key,
                        "state": State.PACKED,
                        "consignment": consignment,
                        "position": number,
                        "event": event,
                    }
                    for number, row in enumerate(chosen, 1)
                ],
            )
        return len(chosen)

    def _choose(self, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
        """The most urgent that fit; a file larger than a consignment may be travels alone."""
        limits, flows = self._place.settings.limits, self._place.settings.flows
        chosen: list[Row[Any]] = []
        total = 0
        for row in sorted(rows, key=lambda row: (flows[row.flow].priority, row.key)):
            if chosen and total + row.size > limits.consignment_bytes:
                break
            chosen.append(row)
            total += row.size
            if len(chosen) == limits.consignment_files:
                break
        return chosen
