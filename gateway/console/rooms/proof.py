"""What the chain was told to others by: heads of chains, and the signed daily statements, to list and to download."""

from __future__ import annotations

import base64
from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.console.files import content_file
from gateway.console.listing import PAGE_ROWS, Cell, Column, Filter, Line, Titled, listing, place_of
from gateway.console.visits import Visit
from gateway.domain.identity import to_text
from gateway.domain.requests import Act
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries import heads as heads_named
from gateway.ledger.queries import statements as statements_noted
from gateway.ledger.queries.heads import NamedHead, Which
from gateway.ledger.queries.statements import Noted

_HEADS: Final = (
    Column("Event", numeric=True),
    Column("SHA-256"),
    Column("Partner"),
    Column("Named in"),
    Column("When"),
    Column("Our chain has it"),
)
_WHICH: Final = {
    Which.CONFIRMED: "Ours, confirmed in partners' receipts",
    Which.PUBLISHED: "Ours, in what we sent",
    Which.THEIRS: "Partners', in what they sent",
    Which.RECEIPTS: "Partners', in their receipts",
}
_STATEMENTS: Final = (
    Column("Day"),
    Column("Ends with event", numeric=True),
    Column("SHA-256 of the statement"),
    Column("To keep"),
)
_STAMPS: Final = 10
_WHY: Final = "make yesterday's statement, on the page of statements"


def heads(visit: Visit) -> Response:
    """Heads of chains: ours as others have them, or theirs as we have them; what `gateway audit heads` prints of a partner, page by page."""
    query = visit.query
    which = next((each for each in Which if each == query.get("which")), Which.CONFIRMED)
    partner = query.get("partner") or None
    with visit.console.reading() as connection:
        found, further = heads_named.page(connection, which, PAGE_ROWS, partner, place_of(query.get("after")))
    kept = {"which": str(which), **({"partner": partner} if partner else {})}
    shown = listing(
        "/audit/heads",
        kept,
        _HEADS if which.ours else _HEADS[:-1],
        [_head(each) for each in found],
        following=None if further is None else str(further),
        empty="There is none here." if further is None else "None among these: Next looks on.",
    )
    codes = tuple((code, code) for code in sorted(visit.console.settings.codes))
    words = tuple((str(each), text) for each, text in _WHICH.items())
    return visit.page(
        "listed",
        heading="Heads of chains",
        intro="A head is the number and the digest of the last event that there was. Each site names its own in all that it signs, and the newest of the "
        "other's that it has seen. Whoever holds a head of our chain can tell whether anything before it was changed.",
        links=[("The audit", "/audit")],
        filters=[
            Filter("which", "Whose, and where named", str(which), words, ""),
            Filter("partner", "Partner", partner or "", codes),
        ],
        path="/audit/heads",
        listings=[Titled("", shown)],
    )


def _head(each: NamedHead) -> Line:
    holds = () if each.holds is None else (Cell("yes" if each.holds else "no: verify now, and see what is told"),)
    where = Cell(f"{each.source} {each.consignment}", f"/consignments/{each.consignment}")
    told = (
        Cell(each.head.sequence),
        Cell(each.head.sha256),
        Cell(each.partner),
        where,
        Cell(to_text(each.at), moment=True),
    )
    return Line((*told, *holds), {})


def statements(visit: Visit) -> Response:
    """The daily statements of this site, or of a partner, the newest first."""
    return _statements(visit, "")


def make_statement(visit: Visit) -> Response:
    """Ask the vault for yesterday's statement."""
    site = visit.console
    try:
        identity = asking.ask(site.settings, site.ledger, Act.MAKE_STATEMENT, statements_noted.OWN, visit.user, _WHY)
    except (RightMissing, UsageWrong) as error:
        return _statements(visit, error.reason)
    return visit.to(f"/requests/{identity}")


def _statements(visit: Visit, fault: str) -> Response:
    partner = visit.query.get("partner") or None
    with visit.console.reading() as connection:
        found = statements_noted.some(connection, PAGE_ROWS + 1, partner, place_of(visit.query.get("after")))
        stamps = [] if partner else statements_noted.some(connection, _STAMPS, event=statements_noted.STAMPED)
    further = str(found[PAGE_ROWS - 1][0]) if len(found) > PAGE_ROWS else None
    shown = listing(
        "/audit/statements",
        {"partner": partner} if partner else {},
        _STATEMENTS,
        [_statement(number, each) for number, each in found[:PAGE_ROWS]],
        following=further,
        empty="There is none here.",
    )
    return visit.page(
        "statements",
        422 if fault else 200,
        fault=fault,
        partner=partner,
        codes=[(code, code) for code in sorted(visit.console.settings.codes)],
        listing=shown,
        stamps=[(each.day, number) for number, each in stamps],
    )


def _statement(number: int, each: Noted) -> Line:
    """Of ours the chain has the text; a partner's came as a file, and is kept by the vault."""
    path = None if each.text is None else f"/audit/statements/{number}.asc"
    keep = Cell("kept by the vault" if path is None else f"{each.day}.asc", path)
    return Line((Cell(each.day), Cell(each.head.sequence), Cell(each.sha256), keep), {})


def statement(visit: Visit) -> Response:
    """One of our statements, as it was signed."""
    with visit.console.reading() as connection:
        found = statements_noted.numbered(connection, place_of(visit.path["event"]) or 0)
    if found is None or found.text is None:
        raise NotFound("there is no such statement")
    return content_file(f"{found.day}.asc", found.text.encode("ascii", "replace"), "application/pgp-signature")


def stamp(visit: Visit) -> Response:
    """The time stamp of one of our statements (RFC 3161)."""
    with visit.console.reading() as connection:
        found = statements_noted.numbered(connection, place_of(visit.path["event"]) or 0, statements_noted.STAMPED)
    if found is None or found.text is None:
        raise NotFound("there is no such time stamp")
    return content_file(f"{found.day}.tsr", base64.b64decode(found.text), "application/timestamp-reply")
