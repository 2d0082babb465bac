"""Dispatch: whoever works on a lane is told to look at it now, once the transaction that gave it work is committed.

A wake-up says nothing but that: what is due, when and how often is in the rows, and a rescan finds what a lost wake-up would have said. So
it may be lost and may come twice, and where it cannot be given nothing else fails. `Embedded` is of one machine; `postgresql.dispatch`
reaches a site's other nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from gateway.errors import GatewayError
from gateway.ledger.place import Place

if TYPE_CHECKING:
    from gateway.ledger.store import Transaction

_REMEDY: Final = (
    "What nodes have for each other is found by rescans meanwhile, and wake-ups go on by themselves. Where they do not: the reason says"
    " why, such as a schema that the account of [ledger] url may not make."
)

STAGE: Final = "wake-ups"
"""What is told of them is told as of a stage of that name."""

Ring = Callable[[], None]
"""Tells every role of this machine to look now; never fails."""

Count = Callable[[str, int], None]
"""`count(what, number)`: so many wake-ups were `given`, `lost` or `heard`; never fails."""


class Pulse(Protocol):
    """What shows to people that wake-ups come and go (`daemon.pulse`)."""

    def put_off(self, stage: str, code: str) -> None: ...

    def goes_on(self, stage: str) -> None: ...

    def count(self, stage: str, what: str, number: int) -> None: ...


class Dispatch(Protocol):
    """How the roles that work on a lane are woken."""

    def wake(self, transaction: Transaction, lanes: Collection[str]) -> None:
        """As the last act of a transaction: once it is committed, and only then, the roles that work on these lanes look. Once for all lanes
        of a node, however many rows there are. Raises what the ledger's connection raises where that is lost, and nothing of its own.
        """
        ...

    def listening(self) -> AbstractContextManager[None]:
        """While it is open, this machine's roles are told what other machines wake them for."""
        ...


class Embedded:
    """One machine: its roles wait at pipes, which `ring` rings."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def wake(self, transaction: Transaction, lanes: Collection[str]) -> None:  # noqa: ARG002 - the contract
        transaction.afterwards.append(self._ring)

    def listening(self) -> AbstractContextManager[None]:
        """No other machine knows of this site."""
        return nullcontext()


def dispatch_of(
    place: Place,
    node: str,
    ring: Ring,
    say: Callable[..., None],
    *,
    here: Callable[[], Collection[str]] = frozenset,
    rings_here: bool = True,
    pulse: Pulse | None = None,
) -> Dispatch:
    """That of the ledger at `place`, for node `node`; "" where the gateway works alone. `say(event, **keys)` logs, and a role's `pulse` shows the same.
    The others are as `postgresql.dispatch` has them.
    """
    if not node or not isinstance(place, str):
        return Embedded(ring)
    from gateway.ledger.postgresql.dispatch import AcrossNodes  # noqa: PLC0415 - only where it is used

    def tell(error: GatewayError | None) -> None:
        if error is None:
            say("work.resumed", stage=STAGE)
        else:
            say("work.deferred", code=error.code, reason=error.reason, remedy=_REMEDY, stage=STAGE)
        if pulse is not None and error is None:
            pulse.goes_on(STAGE)
        elif pulse is not None and error is not None:
            pulse.put_off(STAGE, error.code)

    def count(what: str, number: int) -> None:
        if pulse is not None:
            pulse.count(STAGE, what, number)

    return AcrossNodes(place, node, ring, tell=tell, here=here, rings_here=rings_here, count=count)
