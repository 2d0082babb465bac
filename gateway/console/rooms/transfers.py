"""Transfers: the list, one's story, what carries it, and what a word finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from gateway.administration.views.records import TransferView, transfer
from gateway.administration.views.search import Hit, find
from gateway.administration.views.story import ConsignmentStory, TransferStory, story
from gateway.administration.views.words import exceptions
from gateway.console.files import MOST_LINES, csv_file
from gateway.console.listing import PAGE_ROWS, Column, Listing, listing, place_of, whole
from gateway.console.rooms import saved_filters
from gateway.console.rooms.passing_on import may_pass_on
from gateway.console.timeline import timeline
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.states import Direction, State
from gateway.errors import NotFound, Redirected, RefusedByBackOffice, UsageWrong
from gateway.ledger.queries.overview import MOST_ARE_IN, Meant
from gateway.ledger.queries.transfer_pages import Order, Place, page

_COLUMNS: Final = (
    Column("Submitted", "submitted", descends_first=True),
    Column("File", "name"),
    Column("Flow"),
    Column("Partner"),
    Column("Size", numeric=True),
    Column("State"),
)
_ORDERS: Final[Mapping[str, Order]] = {
    "-submitted": Order(),
    "submitted": Order(descending=False),
    "name": Order(by_name=True, descending=False),
    "-name": Order(by_name=True),
}
_FILTERS: Final = ("direction", "partner", "flow", "state", "from", "to")
_CSV: Final = ("id", "direction", "flow", "partner", "name", "size", "sha256", "state", "code", "created", "updated")
_CSV_PAGE: Final = 1_000
_FOUND: Final = (Column("Found by"), Column("What"), Column("Partner"), Column("State"), Column("Since", "created"))
_MOST_FOUND: Final = 200
UNDER_WAY: Final = (State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.SENT)
_SEVERAL: Final[Mapping[str, tuple[State, ...]]] = {"on-the-way": UNDER_WAY, "arrived": MOST_ARE_IN}
"""Choices of the filter that are several states: as the overview counts them."""
_STATES: Final = (
    ("on-the-way", "On the way"),
    ("arrived", "Arrived"),
    *((str(state), str(state).capitalize()) for state in State if state not in ("landed", "issued", "accepted")),
)


def listed(visit: Visit) -> Response:
    """The list, filtered, sorted, page by page."""
    query = _filters(visit.query)
    meant, fault = _meant(query)
    sort = visit.query.get("sort", "")
    order = _ORDERS.get(sort) or _ORDERS["-submitted"]
    sort = sort if sort in _ORDERS else "-submitted"
    with visit.console.reading() as connection:
        found = page(
            connection,
            order,
            PAGE_ROWS,
            after=_place(visit.query.get("after")),
            before=_place(visit.query.get("before")),
            meant=meant,
            states=_several(query),
        )
    shown = listing(
        "/transfers",
        query,
        _COLUMNS,
        [transfer(row) for row in found.rows],
        sort=sort,
        previous=_text(found.before),
        following=_text(found.after),
        empty="None of the transfers that were looked through is meant. The next page looks on."
        if found.looked_on
        else "No transfer is meant by this.",
    )
    settings = visit.console.settings
    return visit.page(
        "transfers",
        listing=shown,
        query=query,
        fault=fault,
        looked_on=found.looked_on,
        partners=[(code, code) for code in sorted(settings.codes)],
        flows=[(name, name) for name in sorted(settings.flows)],
        states=_STATES,
        saved=saved_filters.of(visit, "/transfers", query if sort == "-submitted" else {**query, "sort": sort}),
    )


save: Final = saved_filters.changes("/transfers", (*_FILTERS, "sort"), listed)


def as_csv(visit: Visit) -> Response:
    """What is meant as CSV, the newest first; at most 100,000 lines."""
    meant, fault = _meant(_filters(visit.query))
    if fault:
        raise UsageWrong(fault)
    return csv_file(
        f"transfers-{visit.site}-{visit.console.now_text[:10]}", _CSV, _lines(visit, meant, _several(visit.query))
    )


def _lines(visit: Visit, meant: Meant, states: tuple[State, ...]) -> Iterator[list[object]]:
    place, written = None, 0
    while written < MOST_LINES:
        with visit.console.reading() as connection:
            found = page(connection, Order(), _CSV_PAGE, after=place, meant=meant, states=states)
        for row in found.rows:
            view = transfer(row)
            yield [getattr(view, name) for name in _CSV]
        written += len(found.rows)
        place = found.after
        if place is None:
            return


def one(visit: Visit) -> Response:
    """One transfer's story."""
    with visit.console.reading() as connection:
        found = story(visit.console.settings, connection, visit.path["id"], visit.console.now)
    if isinstance(found, ConsignmentStory):
        return visit.to(f"/consignments/{found.consignment.id}")
    about = found.transfer
    if visit.path["id"] != about.id:
        return visit.to(f"/transfers/{about.id}")
    return visit.page(
        "transfer",
        story=found,
        about=about,
        way="to" if about.direction == Direction.OUT else "from",
        facts=list(_facts(found)),
        events=timeline(found.events),
        acts=list(_acts(visit, about)),
        may_open=visit.may(Right.OPEN) and not (about.direction == Direction.IN and about.code == Redirected.code),
        may_pass_on=may_pass_on(visit, about),
        passed=list(_passed(found)),
    )


def _facts(found: TransferStory) -> Iterator[tuple[str, object]]:
    about = found.transfer
    yield "Flow", about.flow
    yield "Size", f"{about.size:,} bytes"
    yield "Digest (SHA-256)", about.sha256
    yield "Reference", about.reference
    yield "Schema", about.schema
    if about.delivered_as and about.delivered_as != about.name:
        yield "Delivered as", about.delivered_as
    if about.redirected_from:
        yield "Redirected from", about.redirected_from
    if about.exceptions is not None:
        yield "Exceptions", exceptions(about.exceptions.count, about.exceptions.records)
    if found.waits:
        yield "Waits for", found.waits
    if about.code:
        yield "Error code", about.code
    if about.next_try:
        yield "Next try", about.next_try
    yield "In custody here", "yes" if about.in_custody else "no"
    if found.erased:
        yield "Names erased", found.erased


def _passed(found: TransferStory) -> Iterator[tuple[str, str, str]]:
    """The other transfer of a file that was passed on, and where its page is."""
    for each in found.events:
        told = each.detail
        if to := told.get("passed_to"):
            yield "Passed on", f"To {to}, as {told.get('passed_as')}", f"/transfers/{told.get('passed_as')}"
        if came := told.get("came_from"):
            yield "Came here", f"From {came}, as {told.get('came_as')}", f"/transfers/{told.get('came_as')}"


def _acts(visit: Visit, about: TransferView) -> Iterator[tuple[str, str]]:
    """What may be asked for, by the state that the transfer is in: the role that carries it out decides."""
    if about.state == State.HELD:
        if visit.may(Right.RELEASE):
            yield "release", "Release"
        if visit.may(Right.HOLD):
            yield "return", "Return" if about.direction == Direction.OUT else "Refuse"
    elif (
        visit.may(Right.HOLD) and about.direction == Direction.OUT and about.state in (State.ADMITTED, State.VALIDATED)
    ):
        yield "hold", "Hold"
        yield "return", "Return"
    elif (
        visit.may(Right.ANSWER)
        and about.direction == Direction.IN
        and about.state == State.DELIVERED
        and about.code not in (RefusedByBackOffice.code, Redirected.code)
    ):
        yield "accept", "Accept as the back office"
        yield "reject", "Reject as the back office"
    if visit.may(Right.HOLD) and about.attempts:
        yield "retry", "Try again now"


def consignment(visit: Visit) -> Response:
    """What a consignment carries, and what happened to it."""
    with visit.console.reading() as connection:
        found = story(visit.console.settings, connection, visit.path["id"], visit.console.now)
    if isinstance(found, TransferStory):
        raise NotFound("that is the id of a transfer")
    about = found.consignment
    columns = [
        Column("File", "name"),
        Column("Flow", "flow"),
        Column("Size", "size", numeric=True),
        Column("State", "state"),
    ]
    return visit.page(
        "consignment",
        story=found,
        about=about,
        way="to" if about.direction == Direction.OUT else "from",
        listing=whole(f"/consignments/{about.id}", visit.query, columns, found.transfers),
        events=timeline(found.events),
    )


def find_it(visit: Visit) -> Response:
    """What an id, a digest, a name or a reference finds."""
    word = visit.query.get("q", "").strip()[:200]
    hits: Sequence[Hit] = ()
    more = False
    if len(word) >= 3:
        with visit.console.reading() as connection:
            found = find(connection, word, _MOST_FOUND)
        hits, more = found.hits[::-1], found.more
    shown: Listing = whole(
        "/find", {**visit.query, "q": word}, _FOUND, hits, empty=f"Nothing is known of {word}." if word else ""
    )
    return visit.page("find", listing=shown, word=word, more=more, short=0 < len(word) < 3)


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query[name][:100] for name in _FILTERS if query.get(name)}


def _several(query: Mapping[str, str]) -> tuple[State, ...]:
    return _SEVERAL.get(query.get("state", ""), ())


def _meant(query: Mapping[str, str]) -> tuple[Meant, str]:
    """What the filters mean, and what is wrong with them."""
    meant = Meant()
    fault = ""
    if query.get("direction") in tuple(Direction):
        meant["direction"] = query["direction"]
    for name in ("partner", "flow", "state"):
        if name in query:
            meant[name] = query[name]
    for name, key, add in (("from", "since", 0), ("to", "before", 1)):
        if name in query:
            try:
                day = datetime.fromisoformat(f"{query[name][:10]}T00:00:00+00:00") + timedelta(days=add)
                meant[key] = day.timestamp()  # type: ignore[literal-required]
            except (ValueError, OverflowError):
                fault = "Give days as 2026-11-28."
    return meant, fault


def _place(text: str | None) -> Place | None:
    """A place out of an address: a key, and behind `~` a name."""
    key, _, name = (text or "").partition("~")
    number = place_of(key)
    return None if number is None else Place(number, name)


def _text(place: Place | None) -> str | None:
    if place is None:
        return None
    return f"{place.key}~{place.name}" if place.name else str(place.key)
