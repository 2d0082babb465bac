"""What is asked and has to be answered: referrals at DWP, enquiries everywhere, and the board of known faults."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.views.enquiries import enquiries
from gateway.administration.views.inbound import PendingFilter, PendingTransfer, pending, pending_groups
from gateway.administration.views.known_faults import board
from gateway.administration.views.referrals import ReferralFilter, referrals, require_referrals
from gateway.console.listing import Cell, Column, Filter, Line, Titled, simple
from gateway.console.rendering import counted, duration
from gateway.console.rooms import saved_filters
from gateway.console.rooms.passing_on import may_pass_on
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.settings.model import SiteKind

_OUTSTANDING: Final = (("yes", "Outstanding"),)
_FILTERS: Final = ("partner", "outstanding", "sort")
_REFERRALS: Final = (
    Column("Number", "rms"),
    Column("Authority", "partner"),
    Column("Rule", "rule"),
    Column("Sent", "sent"),
    Column("Age in days", "age_days", numeric=True, descends_first=True),
    Column("Stands", "state"),
)
_GROUPS: Final = (
    Column("Authority", "partner"),
    Column("Rule", "rule"),
    Column("Sent", "sent", numeric=True),
    Column("Answered", "answered", numeric=True),
    Column("Outstanding", "outstanding", numeric=True),
    Column("Overdue", "overdue", numeric=True),
)
_ENQUIRIES: Final = (
    Column("Reference", "reference"),
    Column("Partner", "partner"),
    Column("Way", "way"),
    Column("Asked", "asked"),
    Column("Reply by", "reply_by"),
    Column("Stands", "state"),
)
_FAULTS: Final = (Column("Fault", "id"), Column("What is wrong"), Column("Since", "since"), Column("Until then"))
_PENDING: Final = (
    Column("Delivered", "delivered"),
    Column("File", "name"),
    Column("Flow", "flow"),
    Column("Partner", "partner"),
    Column("Waits for", "age_seconds", descends_first=True),
)
_PASSES: Final = (Column("To another authority"),)
_MOST_PENDING: Final = 500
_SUMS: Final = (
    Column("Flow", "flow"),
    Column("Partner", "partner"),
    Column("Files", "number", numeric=True),
    Column("Oldest", "age_seconds", descends_first=True),
    Column("Agreed", "answer_days"),
)


def referral_page(visit: Visit) -> Response:
    """The loop of referrals: how each authority does, and each referral."""
    site = visit.console
    require_referrals(site.settings)
    partner, outstanding = visit.query.get("partner") or None, visit.query.get("outstanding") == "yes"
    with site.reading() as connection:
        found = referrals(site.settings, connection, ReferralFilter(partner, outstanding=outstanding), site.now)
    groups = [
        Line(
            (
                Cell(each.partner, f"/referrals?partner={each.partner}"),
                Cell(each.rule),
                *(Cell(number) for number in (each.sent, each.answered, each.outstanding, each.overdue)),
            ),
            vars(each),
        )
        for each in found.groups
    ]
    lines = [
        Line(
            (
                Cell(each.rms, f"/transfers/{each.transfer}"),
                Cell(each.partner),
                Cell(each.rule),
                Cell(each.sent, moment=True),
                Cell(each.age_days),
                Cell("overdue" if each.overdue else each.state, tag=True),
            ),
            vars(each),
        )
        for each in found.referrals
    ]
    total = found.totals
    return visit.page(
        "listed",
        heading="Referrals",
        intro=f"{counted(total.sent, 'referral')}: {total.answered:,} answered, {total.outstanding:,} outstanding, {total.overdue:,} overdue.",
        links=(),
        filters=[
            Filter("partner", "Authority", partner or "", tuple((code, code) for code in sorted(site.settings.codes))),
            Filter("outstanding", "Which", "yes" if outstanding else "", _OUTSTANDING),
        ],
        path="/referrals",
        listings=[
            Titled("By authority and rule", simple("/referrals", {}, _GROUPS, groups, "No referral was sent.")),
            Titled("Each", simple("/referrals", visit.query, _REFERRALS, lines, "No referral is meant by this.")),
        ],
        saved=saved_filters.of(visit, "/referrals", _present(visit)),
    )


save_referrals: Final = saved_filters.changes("/referrals", _FILTERS, referral_page)


def enquiry_page(visit: Visit) -> Response:
    """Enquiries, ours and partners'."""
    site = visit.console
    outstanding = visit.query.get("outstanding") == "yes"
    with site.reading() as connection:
        found = enquiries(
            site.settings, connection, site.now, visit.query.get("partner") or None, outstanding=outstanding
        )
    lines = [
        Line(
            (
                Cell(each.reference, f"/transfers/{each.transfer}"),
                Cell(each.partner),
                Cell(each.way),
                Cell(each.asked, moment=True),
                Cell(each.reply_by),
                Cell(each.state, tag=True, below=("answered late",) if each.late else ()),
            ),
            vars(each),
        )
        for each in found.enquiries
    ]
    return visit.page(
        "listed",
        heading="Enquiries",
        intro="Questions about a file, and their answers: both travel as files do.",
        links=[("Known faults", "/faults")],
        filters=[Filter("outstanding", "Which", "yes" if outstanding else "", _OUTSTANDING)],
        path="/enquiries",
        listings=[Titled("", simple("/enquiries", visit.query, _ENQUIRIES, lines, "There are no enquiries."))],
        saved=saved_filters.of(visit, "/enquiries", _present(visit)),
    )


save_enquiries: Final = saved_filters.changes("/enquiries", _FILTERS, enquiry_page)


def _present(visit: Visit) -> dict[str, str]:
    """By what a list is filtered and sorted now."""
    return {name: visit.query[name] for name in _FILTERS if visit.query.get(name)}


def fault_page(visit: Visit) -> Response:
    """The board of known faults that counts here."""
    site = visit.console
    with site.reading() as connection:
        found = board(site.settings, connection, site.now, every=True)
    lines = [
        Line(
            (
                Cell(each.id, below=(each.state,)),
                Cell(each.what),
                Cell(each.since),
                Cell(each.workaround),
            ),
            vars(each),
        )
        for each in found.faults
    ]
    issue = f"Issue {found.issue}." if found.issue else "There is no board yet."
    return visit.page(
        "listed",
        heading="Known faults",
        intro=f"{issue} {counted(found.open, 'fault')} open.",
        links=[("Enquiries", "/enquiries")],
        filters=(),
        path="/faults",
        listings=[Titled("", simple("/faults", visit.query, _FAULTS, lines, "No fault is on the board."))],
    )


def back_office_page(visit: Visit) -> Response:
    """What was delivered, and the back office has not answered yet: by flow and partner, and what has waited longest one by one."""
    site = visit.console
    wanted = PendingFilter(flow=visit.query.get("flow") or None)
    with site.reading() as connection:
        groups = pending_groups(site.settings, connection, wanted, site.now)
        found = pending(connection, wanted, site.now, _MOST_PENDING)
    number = sum(each.number for each in groups)
    passes = site.settings.site.kind is SiteKind.LA and visit.may(Right.ANSWER)
    sums = [
        Line(
            (
                Cell(each.flow, f"/back-office?flow={each.flow}"),
                Cell(each.partner),
                Cell(each.number),
                Cell(duration(each.age_seconds), below=(each.oldest_name,)),
                Cell("overdue" if each.overdue else f"{counted(each.answer_days, 'day')}" if each.answer_days else "–"),
            ),
            vars(each),
        )
        for each in groups
    ]
    lines = [
        Line(
            (
                Cell(each.delivered, moment=True),
                Cell(each.name, f"/transfers/{each.id}"),
                Cell(each.flow),
                Cell(each.partner),
                Cell(duration(each.age_seconds)),
                *([_passing(visit, each)] if passes else []),
            ),
            vars(each),
        )
        for each in found
    ]
    more = f" The first {_MOST_PENDING:,} are listed." if number > len(found) else ""
    return visit.page(
        "listed",
        heading="Back office",
        intro=f"{counted(number, 'file was', 'files were')} delivered and not answered by the back office.{more}",
        links=(),
        filters=(),
        path="/back-office",
        listings=[
            Titled(
                "By flow and partner",
                simple("/back-office", {}, _SUMS, sums, "Everything that was delivered is answered."),
            ),
            Titled(
                "Each",
                simple(
                    "/back-office",
                    visit.query,
                    (*_PENDING, *_PASSES) if passes else _PENDING,
                    lines,
                    "Nothing waits for an answer.",
                ),
            ),
        ],
    )


def _passing(visit: Visit, each: PendingTransfer) -> Cell:
    """The way to pass it on to the authority that it belongs to, for a flow whose files can be."""
    return Cell("Pass on", f"/transfers/{each.id}/redirect") if may_pass_on(visit, each) else Cell(None)
