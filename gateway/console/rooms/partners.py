"""The partners: what each is known by, what goes to it and comes from it, and whether it is stopped or suspended."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.requests import about_partners, cards
from gateway.administration.views.health import ending_keys, lane_healths
from gateway.administration.views.health_fields import LaneHealth
from gateway.administration.views.partner_page import keys, last_tried, limits
from gateway.administration.views.partners import PartnerView, partners
from gateway.administration.views.requests import open_about
from gateway.console.listing import Cell, Column, Line, Titled, simple
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.requests import Act
from gateway.errors import Misuse, NotFound, RightMissing, UsageWrong
from gateway.ledger.store import Connection

_COLUMNS: Final = (
    Column("Code", "code"),
    Column("Name", "name"),
    Column("Lane", "lane"),
    Column("Link"),
    Column("Goes there"),
    Column("Comes from there"),
)
_GROUP: Final = 4
_TRIED: Final = 5
_ASKED: Final = {"test": Act.TEST_LINK, "suspend": Act.SUSPEND_PARTNER, "resume": Act.RESUME_PARTNER}


def listed(visit: Visit) -> Response:
    """All partners."""
    with visit.console.reading() as connection:
        lanes = _lanes(visit, connection)
    lines = []
    for each in partners(visit.console.settings):
        lane = lanes[each.code].state if each.code in lanes else "stopped"
        lines.append(
            Line(
                (
                    Cell(each.code, f"/partners/{each.code}"),
                    Cell(
                        each.name, below=(*each.faults, *([f"suspended: {each.suspended}"] if each.suspended else []))
                    ),
                    Cell(lane, tag=True),
                    Cell(_link(each)),
                    Cell(", ".join(each.flows_out)),
                    Cell(", ".join(each.flows_in)),
                ),
                {"code": each.code, "name": each.name, "lane": lane},
            )
        )
    shown = simple("/partners", visit.query, _COLUMNS, lines, "There are no partners yet: `gateway partner add`.")
    return visit.page(
        "listed",
        heading="Partners",
        intro="",
        links=[("Take a partner's card", "/partners/introduce")] if visit.may(Right.PARTNERS) else (),
        filters=(),
        path="/partners",
        listings=[Titled("", shown)],
    )


def card_form(visit: Visit) -> Response:
    """The form that takes a card's text."""
    return _card_form(visit, "")


def ask_for_card(visit: Visit) -> Response:
    """Ask that it is taken."""
    site, form = visit.console, visit.form
    try:
        identity = cards.ask(site.settings, site.ledger, form.get("card", ""), visit.user, form.get("reason", ""))
    except Misuse as error:
        return _card_form(visit, error.reason)
    return visit.to(f"/requests/{identity}")


def _card_form(visit: Visit, fault: str) -> Response:
    return visit.page("partner_card", 422 if fault else 200, fault=fault, given=visit.form if fault else {})


def one(visit: Visit) -> Response:
    """One partner."""
    return _one(visit, "")


def ask(visit: Visit) -> Response:
    """Ask for its link to be tried, for its suspension, or for its resumption: by the button that was pressed."""
    site, act = visit.console, _ASKED.get(visit.form.get("decision", ""))
    if act is None:
        raise NotFound("that is no decision")
    code, reason = visit.path["code"], visit.form.get("reason", "")
    try:
        identity = about_partners.ask(site.settings, site.ledger, act, code, visit.user, reason)
    except (RightMissing, UsageWrong) as error:
        return _one(visit, error.reason)
    return visit.to(f"/requests/{identity}")


def _one(visit: Visit, fault: str) -> Response:
    site, code = visit.console, visit.path["code"]
    settings = site.settings
    found = next((each for each in partners(settings) if each.code == code), None)
    if found is None:
        raise NotFound(f"there is no partner {code[:20]}")
    stopped = settings.stopped.get(code)
    with site.reading() as connection:
        lane = _lanes(visit, connection).get(code)
        ending = list(ending_keys(settings, connection, site.now))
        tried = last_tried(connection, code, _TRIED)
        bounds = list(limits(settings, connection, code, site.now))
        waits = open_about(settings, connection, about_partners.ACTS, code)
    return visit.page(
        "partner",
        422 if fault else 200,
        about=found,
        lane=lane,
        link=_link(found),
        fingerprint=_spoken(found.fingerprint or ""),
        keys=list(keys(settings, ending, code, site.now)),
        limits=bounds,
        tried=tried,
        waits=waits,
        can_test=stopped is None and (found.endpoint is not None or found.link == "mail"),
        by_ledger=stopped is not None and stopped.by_ledger is not None,
        by_file=stopped is not None and stopped.by_file is not None,
        fault=fault,
        given=visit.form if fault else {},
    )


def _lanes(visit: Visit, connection: Connection) -> dict[str, LaneHealth]:
    """The lanes by partner."""
    site = visit.console
    return {lane.partner: lane for lane in lane_healths(site.settings, connection, site.now)}


def _link(each: PartnerView) -> str:
    if each.link is None:
        return ""
    where = each.endpoint or {}
    host = f" to {where['host']}:{where['port']}" if "host" in where and "port" in where else ""
    if others := where.get("other_addresses"):
        host += f", then {', '.join(others)}"
    return f"{each.link}{host}{'' if each.envelope == 'openpgp' else f', envelope {each.envelope}'}"


def _spoken(fingerprint: str) -> str:
    """A fingerprint in groups of four, as it is read out."""
    return " ".join(fingerprint[at : at + _GROUP] for at in range(0, len(fingerprint), _GROUP))
