"""The enquiries that were sent from here and those that came, and whether they have been answered. Raises nothing of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gateway.administration.views.records import moment
from gateway.domain.calendar import day_of
from gateway.domain.enquiries import Enquiry
from gateway.ledger.queries.enquiries import everything
from gateway.ledger.store import Connection
from gateway.settings.model import Settings


@dataclass(frozen=True)
class EnquiryView:
    """One enquiry: `way` is `sent` or `received`, `state` open, overdue, answered or closed."""

    reference: str
    kind: str
    partner: str
    way: str
    reply_by: str | None
    state: str
    outstanding: bool
    overdue: bool
    late: bool
    asked: str | None
    transfer: str
    transfer_state: str
    answered: str | None
    answer_transfer: str | None
    answer_state: str | None
    closed: str | None


@dataclass(frozen=True)
class EnquiryList:
    """The enquiries, and how many replies name a reference that was never asked."""

    enquiries: tuple[EnquiryView, ...]
    unasked: int


def enquiries(
    settings: Settings, connection: Connection, now: float, partner: str | None, *, outstanding: bool
) -> EnquiryList:
    """All enquiries, those with one partner, or those without a reply."""
    found = everything(connection, settings.codes)
    chosen = [
        each
        for each in found.enquiries
        if partner in (None, each.asking.partner) and (each.outstanding or not outstanding)
    ]
    return EnquiryList(
        enquiries=tuple(_line(each, day_of(now)) for each in chosen),
        unasked=len([each for each in found.unasked if partner in (None, each.partner)]),
    )


def _line(enquiry: Enquiry, today: date) -> EnquiryView:
    asking, answer = enquiry.asking, enquiry.answer
    overdue = enquiry.overdue(today)
    return EnquiryView(
        reference=asking.reference,
        kind=asking.kind,
        partner=asking.partner,
        way="sent" if enquiry.sent else "received",
        reply_by=None if asking.reply_by is None else asking.reply_by.isoformat(),
        state="overdue" if overdue else "open" if enquiry.outstanding else "answered" if answer else "closed",
        outstanding=enquiry.outstanding,
        overdue=overdue,
        late=enquiry.late(),
        asked=moment(asking.at),
        transfer=asking.transfer,
        transfer_state=asking.state,
        answered=None if answer is None else moment(answer.at),
        answer_transfer=None if answer is None else answer.transfer,
        answer_state=None if answer is None else answer.state,
        closed=moment(enquiry.closed),
    )
