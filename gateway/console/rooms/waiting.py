"""What waits for a person: what is held, what this person may decide, lanes on which something waits or fails; and asking for an act about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.views.health import held_units, lane_healths
from gateway.administration.views.held_back import HeldBack, held_back
from gateway.administration.views.quarantine import one as quarantined_one
from gateway.administration.views.records import remedy, transfer
from gateway.console.listing import Column, whole
from gateway.console.rooms import decisions
from gateway.console.visits import Visit
from gateway.domain.requests import Act
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.identities import find

_HELD: Final = (
    Column("Since", "since", descends_first=True),
    Column("What", "kind"),
    Column("Partner", "partner"),
    Column("Why"),
    Column("Decide"),
)
_LANES: Final = (
    Column("Partner", "partner"),
    Column("Lane", "state"),
    Column("Failures", "failures", numeric=True),
    Column("Why"),
    Column("Decide"),
)
_WORDS: Final = {
    Act.HOLD: ("Hold", "It stays here until somebody lets it go on."),
    Act.RELEASE: ("Release", "It goes on where it stopped."),
    Act.RETRY: ("Try again now", "What waits for a later attempt is tried now."),
    Act.RETURN: ("Return", "It goes back to whoever submitted it; one that came is refused, and its sender is told."),
    Act.ACCEPT: ("Accept as the back office", "The back office has it: its sender gets a receipt that says so."),
    Act.REJECT: ("Reject as the back office", "The back office cannot take it: its sender is told this reason."),
    Act.DISCARD: ("Discard", "The quarantined file is removed for good."),
    Act.RELEASE_RETENTION: (
        "End a legal hold",
        "What it kept goes when its time is over, which may be at the next run.",
    ),
    Act.DISPOSE: (
        "Dispose",
        "All that is over its time is removed, and names in it erased, by the next run of gateway retention.",
    ),
}


@dataclass(frozen=True)
class Held:
    """A line of what is held."""

    since: str | None
    kind: str
    id: str
    partner: str
    why: str
    remedy: str | None
    path: str


def listed(visit: Visit) -> Response:
    """The page of what waits."""
    site = visit.console
    with site.reading() as connection:
        units = list(held_units(connection))
        lanes = list(lane_healths(site.settings, connection, site.now))
        mine = decisions.mine(visit, connection, decisions.proposals(visit, connection))
    held = [
        Held(
            each.since,
            each.kind,
            each.id,
            each.partner,
            each.reason or "",
            remedy(each.code, "held", "", each.id),
            f"/{'transfers' if each.kind == 'transfer' else 'consignments'}/{each.id}",
        )
        for each in units
    ]
    lanes = [lane for lane in lanes if lane.state != "open" or lane.alarm is not None or lane.waits]
    return visit.page(
        "waiting",
        mine=mine,
        held=whole("/waiting", visit.query, _HELD, held, empty="Nothing is held for a decision."),
        lanes=whole("/waiting", {}, _LANES, lanes, empty="All lanes are open, and nothing waits on them."),
    )


def ask(visit: Visit) -> Response:
    """The form that asks for an act."""
    return _form(visit, _act(visit))


def decide(visit: Visit) -> Response:
    """Ask for it."""
    act, site = _act(visit), visit.console
    reason = visit.form.get("reason", "")
    try:
        once = act.people > 1  # the second person finds one to decide on
        identity = asking.ask(site.settings, site.ledger, act, visit.path["subject"], visit.user, reason, once=once)
    except (RightMissing, UsageWrong) as error:
        return _form(visit, act, fault=error.reason)
    return visit.to(f"/requests/{identity}")


def _form(visit: Visit, act: Act, fault: str = "") -> Response:
    words, what = _WORDS[act]
    subject = visit.path["subject"]
    return visit.page(
        "decide",
        status=422 if fault else 200,
        act=act,
        words=words,
        what=what,
        subject=subject,
        about=list(_about(visit, act, subject)),
        held_back=_held_back(visit, act, subject),
        fault=fault,
        reason_given=visit.form.get("reason", ""),
    )


def _about(visit: Visit, act: Act, subject: str) -> Iterator[tuple[str, str]]:
    if act is Act.DISPOSE:
        yield "About", "All that is over its time"
        return
    if act is Act.RELEASE_RETENTION:
        yield "Kept", subject
        return
    if subject in visit.console.settings.codes:
        yield "Lane to", subject
        return
    with visit.console.reading() as connection:
        if act is Act.DISCARD:
            locked = quarantined_one(connection, subject)
            yield "In quarantine", locked.id
            yield "Partner", locked.partner
            return
        row = find(connection, subject)
    yield row.kind.capitalize(), row.id
    if row.kind == "transfer":
        view = transfer(row)  # type: ignore[arg-type]
        yield "File", view.name
        yield "Flow", view.flow
    yield "Partner", row.partner
    yield "State", row.state


def _held_back(visit: Visit, act: Act, subject: str) -> HeldBack | None:
    with visit.console.reading() as connection:
        return held_back(connection, act, subject)


def _act(visit: Visit) -> Act:
    try:
        act = next(act for act in _WORDS if act == visit.path["act"])
    except StopIteration:
        raise NotFound("nobody can ask for that") from None
    if not visit.may(act.right):
        raise NotFound("your roles do not have the right that this takes")
    return act
