"""Business continuity: how it stands, here and at partners; invoking and ending it by two people, and saying how it goes by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.views.continuity import continuity
from gateway.administration.views.requests import listed
from gateway.console.rendering import when
from gateway.console.site import Site
from gateway.console.visits import Note, Visit
from gateway.domain.people import Right
from gateway.domain.requests import OPEN, Act
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.continuity import SUBJECT, Moments, invoked, noted
from gateway.ledger.store import Connection

ACTS: Final = tuple(act for act in Act if act.right is Right.CONTINUITY)
_DECISIONS: Final = {"invoke": Act.INVOKE_CONTINUITY, "update": Act.UPDATE_CONTINUITY, "end": Act.END_CONTINUITY}
_FRESH_SECONDS: Final = 10.0
_SHOWN: Final = 5


class _Kept:
    """What partners say of themselves, looked at once for all who ask within some seconds: there may be hundreds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, tuple[float, dict[str, Moments]]] = {}

    def partners(self, site: Site, connection: Connection) -> dict[str, Moments]:
        key = str(site.settings.home.root)
        with self._lock:
            now = site.now
            kept = self._of.get(key)
            if kept is None or not 0 <= now - kept[0] < _FRESH_SECONDS:
                said = {code: noted(connection, code) for code in site.settings.codes}
                kept = self._of[key] = (now, {code: each for code, each in said.items() if each is not None})
            return kept[1]


_KEPT: Final = _Kept()


def notes(site: Site, *, leads: bool) -> Iterator[Note]:
    """The banner of every page while continuity is invoked here, and one for the partners at which it is."""
    path = "/continuity" if leads else "/help/continuity"
    with site.reading() as connection:
        here, partners = invoked(connection), _KEPT.partners(site, connection)
    if here is not None:
        yield Note("continuity", "Business continuity", f"Invoked here since {when(here.since)} UTC.", path)
    if partners:
        some, rest = list(partners)[:_SHOWN], len(partners) - _SHOWN
        names = ", ".join(some) + (f" and {rest} more" if rest > 0 else "")
        yield Note("continuity-partners", "Business continuity at partners", f"Invoked at {names}.", path)


def shown(visit: Visit) -> Response:
    """How it stands."""
    return _page(visit, "")


def decide(visit: Visit) -> Response:
    """Invoke, say how it stands, note that somebody was told, or end: by the button that was pressed."""
    site, form = visit.console, visit.form
    try:
        place = form.get("told")
        act = _DECISIONS.get(form.get("decision", "")) if place is None else Act.NOTE_TOLD
        if act is None:
            raise NotFound("that is no decision")
        reason = form.get("reason", "") if place is None else "told"
        identity = asking.ask(site.settings, site.ledger, act, SUBJECT, visit.user, reason, place)
    except (RightMissing, UsageWrong) as error:
        return _page(visit, error.reason)
    return visit.to(f"/requests/{identity}")


def _page(visit: Visit, fault: str) -> Response:
    site = visit.console
    with site.reading() as connection:
        here = continuity(site.settings.continuity.tell, connection)
        said = {code: noted(connection, code) for code in site.settings.codes}
        waits = listed(site.settings, connection, 20, states=OPEN, acts=ACTS).rows
    return visit.page(
        "continuity",
        422 if fault else 200,
        here=here,
        partners=[(code, each) for code, each in said.items() if each is not None],
        waits=waits,
        fault=fault,
        reason_given=visit.form.get("reason", "") if fault else "",
    )
