"""Passing on: what reached the wrong authority goes to the right one, which is chosen by its name; inspect carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.views.records import TransferView, transfer
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.redirect import CARRIED, FLOW, MAX_EXPLANATION, Opened, Why, Wish
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import Redirected, RefusedByBackOffice, RightMissing, UsageWrong
from gateway.flows.routes import routes
from gateway.ledger.queries.identities import find_transfer
from gateway.settings.model import Settings, SiteKind

_LEAST: Final = 3
WHY: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.ADDRESS_ELSEWHERE: "The address lies in another authority",
        Why.MOVED: "The person has moved there",
        Why.BOUNDARY_CHANGED: "A boundary has changed",
        Why.AUTHORITY_REPLACED: "Another authority has taken over",
        Why.LANDLORD_ELSEWHERE: "The landlord is another authority's",
        Why.OTHER: "Something else, said below",
    }
)
OPENED: Final[Mapping[Opened, str]] = MappingProxyType(
    {
        Opened.BY_OFFICER: "An officer has seen what is in it",
        Opened.BY_SYSTEM: "A system has loaded it, and nobody has looked",
        Opened.NO: "Nobody and nothing here has opened it",
    }
)


def may_pass_on(visit: Visit, about: TransferView) -> bool:
    """Whether it makes sense to ask, for whoever reads the page: the role that carries it out decides."""
    return (
        visit.console.settings.site.kind is SiteKind.LA
        and visit.may(Right.ANSWER)
        and about.direction == Direction.IN
        and about.state == State.DELIVERED
        and about.flow in (*CARRIED, FLOW)
        and about.code not in (RefusedByBackOffice.code, Redirected.code)
    )


def form(visit: Visit) -> Response:
    """The form: to whom, why, who has seen it."""
    return _form(visit, {})


def ask(visit: Visit) -> Response:
    """Ask inspect to pass it on."""
    given, site = visit.form, visit.console
    about = _about(visit)
    to, reason = given.get("to", ""), given.get("reason", "")
    why = next((each for each in Why if each == given.get("why")), None)
    opened = next((each for each in Opened if each == given.get("opened")), None)
    faults: dict[str, str] = {}
    if to not in dict(authorities(site.settings, about.partner)):
        faults["to"] = "Choose the authority that it belongs to."
    if why is None:
        faults["why"] = "Choose why it belongs there."
    if opened is None:
        faults["opened"] = "Choose who has seen what is in it."
    if not _LEAST <= len(" ".join(reason.split())) <= MAX_EXPLANATION:
        faults["reason"] = f"Say it in {_LEAST} to {MAX_EXPLANATION} characters: the right authority reads it."
    if faults or why is None or opened is None:
        return _form(visit, faults)
    wish = Wish(to, why, opened).to_text()
    try:
        identity = asking.ask(site.settings, site.ledger, Act.REDIRECT, about.id, visit.user, reason, wish)
    except (RightMissing, UsageWrong) as error:
        return _form(visit, {"reason": error.reason})
    return visit.to(f"/requests/{identity}")


def authorities(settings: Settings, came_from: str) -> list[tuple[str, str]]:
    """The partners that a file can be passed on to, by code and name, in the order of their names."""
    there = routes(settings).outgoing.get(FLOW, frozenset())
    same = settings.authorities.aliases
    found = [
        (code, f"{partner.name} ({code})")
        for code, partner in settings.partners.items()
        if code in there
        and partner.kind is SiteKind.LA
        and not same(code, settings.site.code)
        and not same(code, came_from)
    ]
    return sorted(found, key=lambda each: each[1].casefold())


def _form(visit: Visit, faults: Mapping[str, str]) -> Response:
    about, given = _about(visit), visit.form
    return visit.page(
        "passing_on",
        422 if faults else 200,
        about=about,
        faults=faults,
        authorities=authorities(visit.console.settings, about.partner),
        whys=[(str(why), words) for why, words in WHY.items()],
        openings=[(str(opened), words) for opened, words in OPENED.items()],
        to=given.get("to", ""),
        why=given.get("why", ""),
        opened=given.get("opened", str(Opened.BY_OFFICER)),
        reason_given=given.get("reason", ""),
        most=MAX_EXPLANATION,
    )


def _about(visit: Visit) -> TransferView:
    with visit.console.reading() as connection:
        return transfer(find_transfer(connection, visit.path["id"]))
