"""Enquiring: asking a partner, answering what a partner asked, and closing what is settled without a reply.

An enquiry and its reply are documents of their own flows, written here and submitted like any file. What they say is personal
data: it goes into the document alone; ledger, chain and logs get the reference, the kind and the day. Raises UsageWrong for
what cannot be asked or answered, what `submission.examine` raises for an attachment, and what `composition.submit` raises,
all before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.enquiries import Correspondence, Enquiry
from gateway.domain.enquiry import (
    ENQUIRY,
    KINDS,
    MAX_ATTACHMENTS,
    REFERENCE_BYTES,
    REPLY,
    Attachment,
    Letter,
    new_reference,
    paragraphs,
    reference_fault,
    reply_by,
    write_enquiry,
    write_reply,
)
from gateway.errors import ContentInvalid, FileTooLarge, NotFound, UsageWrong
from gateway.ledger.queries.enquiries import CLOSED, correspondence, everything
from gateway.ledger.store import Transaction
from gateway.spool.submission import examine, read
from gateway.stages.composition import Composed, authority_of, office_of, require_route, submit
from gateway.stages.context import StageContext
from gateway.validation.sandbox.pool import Sandbox

_MOST_ATTACHED: Final = 16 << 20
"""Bytes of all attachments together: in base 64, with what stands around them, they fill a document."""
_TRIES: Final = 20


@dataclass(frozen=True)
class Question:
    """What a person wants to ask; the day and the reference are the gateway's to choose where they are None. `repr` leaves the
    text out.
    """

    kind: str
    partner: str
    text: str = field(repr=False)
    attachments: Sequence[Path] = ()
    reply_by: date | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Reply:
    """What a person replies. `partner` is needed where two partners ask under one reference; `again` allows another reply
    to an enquiry that was answered or closed. `repr` leaves the text out.
    """

    reference: str
    text: str = field(repr=False)
    attachments: Sequence[Path] = ()
    partner: str | None = None
    again: bool = False


@dataclass(frozen=True)
class Submitted:
    """What was submitted: the transfer of the document, its name, and what the enquiry is known by."""

    transfer: str
    flow: str
    partner: str
    reference: str
    kind: str
    reply_by: date | None
    document: str


def send(context: StageContext, question: Question, readers: Sandbox, decision: Decision) -> Submitted:
    """Ask a partner. `readers` hold the document against its rules before anything is decided."""
    require_route(context, ENQUIRY, question.partner)
    if question.kind not in KINDS:
        raise UsageWrong(f"There is no kind of enquiry {question.kind[:40]!r}: there are {', '.join(KINDS)}.")
    now = datetime.fromtimestamp(context.clock(), UTC)
    due = question.reply_by or reply_by(question.kind, now.date())
    if due < now.date():
        raise UsageWrong(f"The last day for a reply, {due}, has passed.")
    with context.ledger.read() as connection:
        reference = _reference(context, question, everything(connection, context.settings.codes), now.date())
    letter = _letter(context, question.partner, reference, question.text, question.attachments, now)
    document = Composed(question.partner, _name(ENQUIRY, reference), write_enquiry(letter, question.kind, due))

    def unused(transaction: Transaction) -> None:
        _require_unused(correspondence(transaction.connection, [question.partner]), question.partner, reference)

    (transfer,) = submit(context, readers, ENQUIRY, [document], decision, unused)
    return Submitted(transfer, ENQUIRY, question.partner, reference, question.kind, due, document.name)


def reply(context: StageContext, answer: Reply, readers: Sandbox, decision: Decision) -> Submitted:
    """Answer what a partner asked."""
    with context.ledger.read() as connection:
        asked = received(everything(connection, context.settings.codes), answer.reference, answer.partner)
    _require_open(asked, again=answer.again)
    partner = asked.asking.partner
    require_route(context, REPLY, partner)
    now = datetime.fromtimestamp(context.clock(), UTC)
    letter = _letter(context, partner, answer.reference, answer.text, answer.attachments, now)
    document = Composed(partner, _name(REPLY, answer.reference), write_reply(letter))

    def still_open(transaction: Transaction) -> None:
        now_asked = received(correspondence(transaction.connection, [partner]), answer.reference, partner)
        _require_open(now_asked, again=answer.again)

    (transfer,) = submit(context, readers, REPLY, [document], decision, still_open)
    kind, due = asked.asking.kind, asked.asking.reply_by
    return Submitted(transfer, REPLY, partner, answer.reference, kind, due, document.name)


def close(context: StageContext, reference: str, partner: str | None, decision: Decision) -> Enquiry:
    """Close an enquiry, ours or a partner's, that is settled without a reply, such as by telephone."""
    with context.ledger.write() as transaction:
        open_ones = [
            each for each in everything(transaction.connection, context.settings.codes).enquiries if each.outstanding
        ]
        found = _only(open_ones, reference, partner, "open")
        transaction.record(
            CLOSED,
            "transfer",
            found.asking.transfer,
            found.asking.partner,
            flow=ENQUIRY,
            **decision.detail,
        )
    return found


def received(all_of_them: Correspondence, reference: str, partner: str | None) -> Enquiry:
    """The last enquiry that came under that reference; UsageWrong where partners share it, NotFound where none did."""
    last: dict[str, Enquiry] = {}
    for each in all_of_them.enquiries:
        if not each.sent:
            last[f"{each.asking.partner} {each.asking.reference}"] = each
    return _only(last.values(), reference, partner, "received")


def _only(candidates: Iterable[Enquiry], reference: str, partner: str | None, state: str) -> Enquiry:
    found = [
        each for each in candidates if each.asking.reference == reference and partner in (None, each.asking.partner)
    ]
    if not found:
        raise NotFound(
            f"There is no {state} enquiry {reference[:40]!r}: `gateway enquiries` lists those that there are."
        )
    if len(found) > 1:
        partners = ", ".join(sorted({each.asking.partner for each in found}))
        raise UsageWrong(f"{len(found)} enquiries are known as {reference}, with {partners}: say which with --partner.")
    return found[0]


def _require_open(asked: Enquiry, *, again: bool) -> None:
    if asked.outstanding or again:
        return
    how = "was closed" if asked.answer is None else f"was answered by transfer {asked.answer.transfer}"
    raise UsageWrong(f"The enquiry {how}: with --again another reply goes.")


def _reference(context: StageContext, question: Question, before: Correspondence, day: date) -> str:
    """The person's own, or a new one."""
    if question.reference is not None:
        if fault := reference_fault(question.reference):
            raise UsageWrong(f"--reference is {fault}.")
        _require_unused(before, question.partner, question.reference)
        return question.reference
    used = {each.asking.reference for each in before.enquiries}
    made: Callable[[], str] = lambda: new_reference(context.site, day, context.entropy(REFERENCE_BYTES))  # noqa: E731
    return next(reference for reference in (made() for _ in range(_TRIES)) if reference not in used)


def _require_unused(before: Correspondence, partner: str, reference: str) -> None:
    if any(
        each.sent and (each.asking.partner, each.asking.reference) == (partner, reference) for each in before.enquiries
    ):
        raise UsageWrong(f"{partner} was asked under the reference {reference} before: choose another.")


def _letter(
    context: StageContext, partner: str, reference: str, text: str, attachments: Sequence[Path], now: datetime
) -> Letter:
    try:
        body = paragraphs(text)
    except ValueError as error:
        raise ContentInvalid(str(error)) from error
    message_id = f"ENQ-{context.new_id().replace('-', '')}"
    authority = authority_of(context, partner)
    return Letter(message_id, office_of(context), now, authority, reference, body, _attachments(attachments))


def _attachments(paths: Sequence[Path]) -> list[Attachment]:
    """The PDFs as they are; the readers check what is inside."""
    if len(paths) > MAX_ATTACHMENTS:
        raise UsageWrong(f"{len(paths)} files are attached; {MAX_ATTACHMENTS} can be.")
    submissions = [examine(path, _MOST_ATTACHED) for path in paths]
    if (total := sum(each.size for each in submissions)) > _MOST_ATTACHED:
        raise FileTooLarge(f"The attachments have {total} bytes together; {_MOST_ATTACHED} can be sent.")
    if len({each.path.name for each in submissions}) < len(submissions):
        raise UsageWrong("Two of the attached files have one name.")
    if any(not each.path.name.lower().endswith(".pdf") for each in submissions):
        raise UsageWrong("Only PDFs can be attached, under names that end in .pdf.")
    return [Attachment(each.path.name, read(each)) for each in submissions]


def _name(flow: str, reference: str) -> str:
    return f"{flow}-{reference.replace('/', '-')}.xml"
