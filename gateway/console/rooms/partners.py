"""The partners: what each is known by, what goes to it and comes from it, and whether it is stopped or suspended."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.views.health import health
from gateway.administration.views.health_fields import Health
from gateway.administration.views.partners import PartnerView, partners
from gateway.console.listing import Cell, Column, Line, Titled, simple
from gateway.console.machine import look
from gateway.console.visits import Visit
from gateway.errors import NotFound

_COLUMNS: Final = (
    Column("Code", "code"),
    Column("Name", "name"),
    Column("Lane", "lane"),
    Column("Link"),
    Column("Goes there"),
    Column("Comes from there"),
)
_GROUP: Final = 4


def listed(visit: Visit) -> Response:
    """All partners."""
    lanes = {lane.partner: lane for lane in _health(visit).lanes}
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
        links=(),
        filters=(),
        path="/partners",
        listings=[Titled("", shown)],
    )


def one(visit: Visit) -> Response:
    """One partner."""
    code = visit.path["code"]
    found = next((each for each in partners(visit.console.settings) if each.code == code), None)
    if found is None:
        raise NotFound(f"there is no partner {code[:20]}")
    report = _health(visit)
    lane = next((each for each in report.lanes if each.partner == code), None)
    return visit.page(
        "partner",
        about=found,
        lane=lane,
        link=_link(found),
        fingerprint=_spoken(found.fingerprint or ""),
        keys=[key for key in report.keys if key.owner == code],
    )


def _health(visit: Visit) -> Health:
    site = visit.console
    with site.reading() as connection:
        return health(site.settings, connection, look(site.settings), site.now)


def _link(each: PartnerView) -> str:
    if each.link is None:
        return ""
    where = each.endpoint or {}
    host = f" to {where['host']}:{where['port']}" if "host" in where and "port" in where else ""
    return f"{each.link}{host}{'' if each.envelope == 'openpgp' else f', envelope {each.envelope}'}"


def _spoken(fingerprint: str) -> str:
    """A fingerprint in groups of four, as it is read out."""
    return " ".join(fingerprint[at : at + _GROUP] for at in range(0, len(fingerprint), _GROUP))
