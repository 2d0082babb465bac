"""What the chain is told of refusals: the first of each source at once, more of the same once a minute, with how many there were.

Strangers can make refusals as fast as they like, and the chain is kept for good. So a source (an address, by its keyed digest) has one
event a minute about one user id, all of them together ten, and what is over is counted and told later by `tell_rest`. Nothing that somebody typed is in
an event. Raises what the store and the ledger raise.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.administration.credentials.context import CONSOLE, CredentialContext
from gateway.administration.credentials.store import Records
from gateway.domain.people import Person, Right
from gateway.events import Event
from gateway.ledger.people import KIND

EVERY_SECONDS: Final = 60.0
MOST_A_MINUTE: Final = 10
_ALL: Final = "all"
TOKEN: Final = "token"  # noqa: S105 - a word
"""What events about tokens are about; their subject is the token's name."""


def sign_in_refused(context: CredentialContext, address: str, user: str | None, typed: str) -> None:
    """An attempt that failed; `user` only where it is somebody's user id. `typed` is the digest of what was typed as one, so that a
    user id that there is not takes as long as any other; "" where the attempt was not taken at all.
    """
    _refused(context, Event.SIGNIN_REFUSED, address, user, typed)


def identity_refused(context: CredentialContext, address: str, user: str | None, typed: str, outcome: str) -> None:
    """Somebody came back from the identity provider, and was not let in: `outcome` is a word of ours."""
    _refused(context, Event.SIGNIN_REFUSED, address, user, typed, act="identity-provider", outcome=outcome)


def sign_in_locked(context: CredentialContext, address: str, user: str | None, typed: str, attempt: int) -> None:
    """The failure of that number in a row: the next attempt of that user id has to wait for longer."""
    _refused(context, Event.SIGNIN_LOCKED, address, user, typed, attempt=attempt)


def page_refused(
    context: CredentialContext, address: str, person: Person | None, page: str, right: Right | None
) -> None:
    """Somebody asked for a page that is not theirs. `page` is its name in the console's table of pages, never what was typed."""
    user = None if person is None else person.user
    _refused(context, Event.PAGE_REFUSED, address, user, user or "", act=page, right=right)


def token_refused(context: CredentialContext, address: str, token: str | None, act: str, right: Right | None) -> None:
    """A program was refused: without a token that counts, or with the token of that name, which does not have the right. `act` is the
    operation's name in the table of operations.
    """
    kind, subject = (CONSOLE, CONSOLE) if token is None else (TOKEN, token)
    _record(context, Event.TOKEN_REFUSED, address, (kind, subject), token or "", {}, act=act, right=right)


def tell_rest(context: CredentialContext, *, everything: bool = False) -> None:
    """Tell the chain of what was counted and is more than a minute old: from time to time, and with `everything` at the end."""
    with context.store.write() as records:
        now = context.clock()
        left = records.take_refusals(now if everything else now - EVERY_SECONDS)
        if left:
            with context.ledger.write() as transaction:
                for event, count in sorted(left.items()):
                    transaction.record(event, CONSOLE, CONSOLE, count=count)


def _refused(context: CredentialContext, event: Event, address: str, user: str | None, about: str, **told: Any) -> None:
    subject = (CONSOLE, CONSOLE) if user is None else (KIND, user)
    _record(context, event, address, subject, about, {} if user is None else {"user": user}, **told)


def _record(
    context: CredentialContext,
    event: Event,
    address: str,
    subject: tuple[str, str],
    about: str,
    log: dict[str, str],
    **told: Any,
) -> None:
    source = context.store.digest("address", address)
    with context.store.write() as records:
        now = context.clock()
        known = records.refusals(_ALL)
        rolled = known is not None and not 0 <= now - known[0] < EVERY_SECONDS
        count = _due(records, event, f"{event} {source} {about}", now)
        if count is not None:
            with context.ledger.write() as transaction:
                transaction.record(event, *subject, source=source, count=count, log={"address": address, **log}, **told)
    if rolled:
        tell_rest(context)


def _due(records: Records, event: Event, what: str, now: float) -> int | None:
    """How many refusals to tell of now, this one among them; None where it is only counted."""
    known = records.refusals(what)
    waiting = 1 if known is None else known[1] + 1
    if known is not None and 0 <= now - known[0] < EVERY_SECONDS:
        records.keep_refusals(what, event, known[0], waiting)
        return None
    since, told = records.refusals(_ALL) or (now, 0)
    if not 0 <= now - since < EVERY_SECONDS:
        since, told = now, 0
    if told >= MOST_A_MINUTE:
        records.keep_refusals(what, event, now, waiting)
        return None
    records.keep_refusals(_ALL, "", since, told + 1)
    records.keep_refusals(what, event, now, 0)
    return waiting
