"""Pack: what waits for a partner becomes a consignment when that partner's lane comes free.

Batches form by themselves: an idle lane takes a single file at once, and a busy one takes what has gathered meanwhile, up
to the limits on files and bytes, the most urgent flow first. Bulk flows never share a consignment with others, and have
room of their own in the lane, so that a claim neither waits for an extract nor travels with it. The same holds for flows
with windows of their own, which wait here until theirs open. Only the ledger changes; `seal` reads the bytes.

To a partner without a gateway (`envelope = "plain"`) each file goes by itself, without a manifest and so without a number.
Here it gets the name that it will have there: `NAME.pgp`, or where another file went under that one `STEM~TRANSFERID.EXT.pgp`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.domain.states import Direction, State
from gateway.domain.windows import Timetable
from gateway.ledger.queries import consignments, fair_share
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.spool.names import PLAIN_ENDING, second_name, with_ending
from gateway.stages.context import StageContext, Step

_PART: Final = ".part"
"""What the link puts behind a name while it uploads: there has to be room for it."""


class _PackingGroup(NamedTuple):
    """Flows that may share consignments to one partner: all bulk or none, and with the same windows."""

    partner: str
    bulk: bool
    windows: tuple[str, ...]


class Pack:
    """Validated transfers into packed consignments, one partner at a time."""

    name = "pack"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._windows = Timetable.of(context.settings)

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        with context.ledger.read() as connection:
            found = fair_share.lanes(connection, Transfer, Direction.OUT, State.VALIDATED)
            waiting = [lane for lane in found if lane[0] not in context.elsewhere]
            if not waiting:
                return Step()
            lanes = all_lanes(connection)
            under_way = consignments.unsent(connection)
        taken: Counter[_PackingGroup] = Counter()
        for (partner, flow), count in under_way.items():
            taken[self._group(partner, flow)] += count
        ready: defaultdict[_PackingGroup, list[str]] = defaultdict(list)
        openings = []
        for partner, flow in waiting:
            opens = self._windows.opening(partner, flow, now)
            if opens is not None and opens != now:
                openings.append(opens)
            elif opens and partner in context.settings.partners and not (partner in lanes and lanes[partner].held):
                ready[self._group(partner, flow)].append(flow)
        room = context.settings.limits.lane_consignments
        done = sum(self._pack(group.partner, ready[group]) for group in ready if taken[group] < room)
        return Step(done=done, due=min(openings, default=None))

    def close(self) -> None:
        pass

    def _group(self, partner: str, flow: str | None) -> _PackingGroup:
        known = self._context.settings.flows.get(flow or "")
        return _PackingGroup(partner, False, ()) if known is None else _PackingGroup(partner, known.bulk, known.windows)

    def _pack(self, partner: str, flows: Sequence[str]) -> int:
        context = self._context
        with context.ledger.write() as transaction:
            chosen = self._choose(transaction, partner, flows)
            if not chosen:
                return 0
            consignment = context.new_id()
            plain = context.settings.partners[partner].envelope == "plain"
            sequence = None if plain else transaction.lane(partner).sequence + 1
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
            if sequence is not None:
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
                        "flow": chosen[0].flow,
                        "items": len(chosen),
                        "bytes": total,
                        "expires": min(required(row.expires) for row in chosen),
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
                    | ({"delivered_name": _name_there(transaction, row)} if plain else {})
                    for number, row in enumerate(chosen, 1)
                ],
            )
        return len(chosen)

    def _choose(self, transaction: Transaction, partner: str, flows: Sequence[str]) -> list[Transfer]:
        """The most urgent that fit; a file larger than a consignment may be travels alone."""
        limits, settings = self._context.settings.limits, self._context.settings.flows
        by_mail = self._context.settings.partners[partner].link == "mail"
        most_bytes = limits.consignment_bytes
        if by_mail:
            most_bytes = min(most_bytes, self._context.settings.mail.carries)
        most = 1 if self._context.settings.partners[partner].envelope == "plain" else limits.consignment_files
        chosen: list[Transfer] = []
        total = 0
        for flow in sorted(flows, key=lambda flow: (settings[flow].priority, flow)):
            waiting = consignments.packable(transaction.connection, partner, flow, transaction.now, most - len(chosen))
            for row in waiting:
                if chosen and total + row.size > most_bytes:
                    return chosen
                chosen.append(row)
                total += row.size
            if len(chosen) == most:
                break
        return chosen


def _name_there(transaction: Transaction, row: Transfer) -> str:
    """The name of the sealed file at a partner without a gateway: one that none before had, whatever became of that."""
    name = with_ending(row.name, PLAIN_ENDING, row.id, room=len(_PART))
    if consignments.has_gone_as(transaction.connection, row.partner, name):
        return f"{second_name(row.name, row.id)}{PLAIN_ENDING}"
    return name
