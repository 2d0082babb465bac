"""The feed: what happens to the transfers that a token may see, asked for now and then, waited for, or as server-sent events.

The head of the chain is looked at once a second for all who wait, and the token with each answer: a token that was revoked hears nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

import orjson
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from gateway.administration.views.happenings import Happening, from_here
from gateway.console.programs.calls import Call, Fields, answered
from gateway.console.site import Site
from gateway.console.watching import LOOK_SECONDS, Watch
from gateway.domain.people import Right, Token, may
from gateway.errors import GatewayError
from gateway.ledger.store import read_head

_QUIET_LOOKS: Final = 20
_LONGEST_LOOKS: Final = 3600
"""An hour: then the program connects again."""


Again = Callable[[], Awaitable[Token | None]]
"""Looks the token up again; None where it does not count any more."""


class EventsQuery(Fields):
    """Events after that number; where there are none, wait for so many seconds."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    wait: Annotated[int, Field(ge=0, le=60)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


@dataclass(frozen=True)
class EventList:
    """Events in their order; `next` is the number after which to look on, also where there are none."""

    events: tuple[Happening, ...]
    next: int


def is_seen(token: Token, each: Happening) -> bool:
    """Whether a token sees an event: of a transfer, or what carries it, if all its flows are the token's; of anything else by the right to
    the audit.
    """
    if each.transfer is None and each.consignment is None:
        return may(token, Right.AUDIT)
    return bool(each.flows) and all(may(token, Right.LOOK, flow, each.partner) for flow in each.flows)


async def wait(call: Call, again: Again, heads: Watch[int]) -> Response:
    """The events that there are, or those that come in time. `heads` looks by `head`."""
    query: EventsQuery = call.query
    found, after = await run_in_threadpool(_after, call, call.token, query.after, query.limit)
    for _ in range(int(query.wait / LOOK_SECONDS)):
        if found or call.site.stopping.is_set():
            break
        await asyncio.sleep(LOOK_SECONDS)
        if await heads.now() > after:
            token = await again()
            if token is None:
                break
            found, after = await run_in_threadpool(_after, call, token, after, query.limit)
    return answered(EventList(tuple(found), after))


def stream(call: Call, again: Again, heads: Watch[int], after: int) -> Response:
    """The events after a number, and those that come, as server-sent events."""

    async def lines() -> AsyncIterator[bytes]:
        yield b"retry: 5000\n\n"
        last = after
        for look in range(_LONGEST_LOOKS):
            if look % _QUIET_LOOKS == 0 or await heads.now() > last:
                token = await again()
                if token is None:
                    return
                found, last = await run_in_threadpool(_after, call, token, last, call.query.limit)
                for each in found:
                    data = (each.sequence, each.event.encode(), orjson.dumps(each))
                    yield b"id: %d\nevent: %s\ndata: %s\n\n" % data
                if not found:
                    yield b": here\n\n"
            await asyncio.sleep(LOOK_SECONDS)
            if call.site.stopping.is_set():
                return

    return StreamingResponse(lines(), media_type="text/event-stream")


def _after(call: Call, token: Token, after: int, most: int) -> tuple[list[Happening], int]:
    with call.site.reading() as connection:
        return from_here(connection, lambda each: is_seen(token, each), after, most)


def head(site: Site) -> int:
    """The number of the chain's last event; 0 while the ledger cannot be read."""
    try:
        with site.reading() as connection:
            return read_head(connection).sequence
    except GatewayError:
        return 0
