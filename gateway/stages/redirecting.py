"""Redirect: a delivered file that belongs to another authority goes on to that one, and leaves this one.

One transaction records all of it: the document for the right authority is admitted (it lies durably in custody before),
the sender's receipt is issued, and the file here is answered and named for removal. Only then it is removed. Its row names
it until then, so `purging`, which every later redirect and every start of the gateway runs, finishes what a crash cut
short. Raises UsageWrong, NotFound, PartnerUnknown, FlowNotPermitted, FileTooLarge, ContentInvalid and OriginalMissing,
all before anything is changed.

Long because the file may go or may not go by rules that are asked twice, before the document is made and where it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from gateway.domain.decision import Decision
from gateway.domain.receipt import Outcome, ReceiptItem
from gateway.domain.redirect import CARRIED, FLOW, MAX_HOLDINGS, Holding, Opened, Original, Redirect, write
from gateway.domain.states import Direction, State
from gateway.errors import (
    ConfigurationInvalid,
    ContentInvalid,
    FileTooLarge,
    FlowNotPermitted,
    OriginalMissing,
    PartnerUnknown,
    PoisonFile,
    Redirected,
    UsageWrong,
)
from gateway.ledger.queries.checks import openings
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.settings.model import SiteKind
from gateway.spool.delivered import read_delivered, read_given
from gateway.spool.submission import Copied
from gateway.stages.admission import record_admitted, submitted_copies
from gateway.stages.composition import office_of
from gateway.stages.context import StageContext
from gateway.stages.inspection import invalid, wrong_authority
from gateway.stages.issued_receipts import add_answers, answered_consignment
from gateway.stages.purging import delivered_as, delivered_names, purge
from gateway.validation.sandbox.pool import Crash, Job, Sandbox


@dataclass(frozen=True)
class Order:
    """What a person wants: to whom, why (a code of `Why`, and words), who saw the file here, and who wants it (`decision`, whose
    reason are the words again).

    `given` is the file itself where it does not lie in spool/inbound any more.
    """

    to: str
    reason: str
    opened: str
    note: str | None
    decision: Decision
    given: Path | None = None


@dataclass(frozen=True)
class Passed:
    """What was done, or would be: the transfer that came, the redirect that goes, and in `removed` the name of the file that
    leaves spool/inbound, None where it was not there.
    """

    transfer: str
    came_from: str
    flow: str
    name: str
    sha256: str
    redirect: str
    passed_to: str
    document: str
    document_size: int
    document_sha256: str
    holders: tuple[str, ...]
    removed: str | None


def redirect(context: StageContext, identity: str, order: Order, readers: Sandbox, *, dry_run: bool = False) -> Passed:
    """Pass a delivered file on. `readers` hold the document against its rules before anything is decided."""
    if not dry_run:
        purge(context.home, context.ledger)
    row = to_pass_on(context, identity, order)
    with prepared(context, row, order, readers) as ready:
        if not dry_run:
            with context.ledger.write() as transaction:
                ready.record(transaction)
            purge(context.home, context.ledger)
    return ready.passed


@dataclass(frozen=True)
class Prepared:
    """What was made ready outside of any transaction; `record` passes the file on within one. `purge` is to follow."""

    passed: Passed
    record: Callable[[Transaction], None]


def to_pass_on(context: StageContext, identity: str, order: Order) -> Transfer:
    """The transfer that the order is about, where it may go there."""
    with context.ledger.read() as connection:
        row = find_transfer(connection, identity)
        looked = order.opened != Opened.BY_OFFICER and openings(connection, unit=row.id, most=1)
    _require(context, row, order)
    if looked:
        raise UsageWrong("The System Access Log says that somebody here has looked at it: it was opened by-officer.")
    return row


@contextmanager
def prepared(context: StageContext, row: Transfer, order: Order, readers: Sandbox) -> Iterator[Prepared]:
    """The document, durable and held against its rules; the ledger is left alone until it is recorded."""
    found, content = _content(context, row, order)
    now = datetime.fromtimestamp(context.clock(), UTC)
    passed_as = context.new_id()
    document = _document(context, row, order, content, now, passed_as)
    limit = context.settings.flows[FLOW].max_bytes
    if len(text := write(document)) > limit:
        raise FileTooLarge(f"The document would have {len(text)} bytes; its flow allows {limit}.")
    name = f"redirect-{now:%Y%m%d}-{passed_as}.xml"
    with submitted_copies(context) as draft:
        path, copy = draft.write(text, passed_as)
        _validate(context, readers, path, order.to)
        draft.commit()
        draft.move_in()

        def record(transaction: Transaction) -> None:
            now = find_transfer(transaction.connection, row.id)
            _require(context, now, order)
            _record(context, transaction, now, order, copy, name, found=found)

        passed = Passed(
            transfer=row.id,
            came_from=row.partner,
            flow=row.flow,
            name=row.name,
            sha256=row.sha256,
            redirect=passed_as,
            passed_to=order.to,
            document=name,
            document_size=copy.size,
            document_sha256=copy.sha256,
            holders=tuple(holding.holder for holding in document.holdings),
            removed=found,
        )
        yield Prepared(passed, record)


def _require(context: StageContext, row: Transfer, order: Order) -> None:
    """Raise where this file may not go there from here."""
    if context.settings.site.kind is not SiteKind.LA:
        raise UsageWrong("Only an authority passes files on to another one.")
    if row.direction != Direction.IN:
        raise UsageWrong(f"transfer {row.id} was sent from here: only what came can be passed on")
    if row.redirected_to is not None:
        raise UsageWrong(f"transfer {row.id} was passed on before, as transfer {row.redirected_to}")
    if row.answer_file is not None or row.state == State.INGESTED:
        raise UsageWrong(f"the back office has answered transfer {row.id}: it cannot be passed on any more")
    if row.state != State.DELIVERED:
        raise UsageWrong(f"transfer {row.id} is {row.state}: only a delivered file can be passed on")
    if row.flow not in (*CARRIED, FLOW):
        raise FlowNotPermitted(f"Files of the flow {row.flow} do not go from authority to authority.")
    partner = context.settings.partners.get(order.to)
    # By its other code too; but the authority that took this one over is another, and may well get what came here.
    aliases = context.settings.authorities.aliases
    if aliases(order.to, context.site):
        raise UsageWrong(f"{order.to} is this site.")
    if order.to in context.settings.stopped:
        raise ConfigurationInvalid(context.settings.stopped[order.to].why)
    if partner is None:
        raise PartnerUnknown(f"There is no partner {order.to[:40]!r}.")
    if partner.kind is not SiteKind.LA:
        raise UsageWrong(f"{order.to} is no authority: a refusal with its reason tells the sender.")
    if aliases(order.to, row.partner):
        raise UsageWrong(f"{order.to} is where it came from: settle with them, by telephone, whose it is.")
    if order.to not in context.routes.outgoing.get(FLOW, frozenset()):
        raise FlowNotPermitted(f"The flow {FLOW} does not go to {order.to}.")
    if order.given is not None and order.opened == Opened.NO:
        raise UsageWrong("The back office took the file away, so a system has opened it: --opened by-system at least.")


def _content(context: StageContext, row: Transfer, order: Order) -> tuple[str | None, bytes]:
    """The name in spool/inbound and the bytes; the bytes may be given by whoever asks."""
    wanted = delivered_as(row, delivered_names(context.settings, row))
    found = read_delivered(context.home.inbound, wanted)
    if order.given is not None:
        return None if found is None else found[0], read_given(order.given, wanted)
    if found is None:
        raise OriginalMissing(
            f"{row.delivered_name or row.name} does not lie in spool/inbound/{row.flow}/{row.partner} any more"
        )
    return found


def _document(
    context: StageContext, row: Transfer, order: Order, content: bytes, now: datetime, passed_as: str
) -> Redirect:
    """The file with its history: what was passed on to us already is not wrapped twice."""
    earlier: tuple[Holding, ...] = ()
    original = Original(row.flow, row.name, content)
    if row.flow == FLOW:
        from gateway.validation.redirect import unwrap  # noqa: PLC0415 - lxml, which a role needs for nothing else

        earlier, original = unwrap(content, context.settings.authorities)
    if any(context.settings.authorities.aliases(order.to, holding.holder) for holding in earlier):
        raise UsageWrong(f"{order.to} held the file before, and passed it on: settle by telephone whose it is.")
    if len(earlier) >= MAX_HOLDINGS:
        raise UsageWrong(f"{len(earlier)} authorities have passed the file on: settle by telephone whose it is.")
    here = Holding(
        holder=context.site,
        received_from=row.partner,
        transfer=row.id,
        received=_day(row.created),
        opened=order.opened,
        reason=order.reason,
        passed=now.date(),
        passed_to=order.to,
        explanation=order.note,
    )
    return Redirect(f"RED-{passed_as.replace('-', '')}", office_of(context), now, (*earlier, here), original)


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, UTC).date()


def _validate(context: StageContext, readers: Sandbox, path: Path, to: str) -> None:
    """Raise ContentInvalid for a document that the right authority would refuse."""
    _, result = next(iter(readers.validate([Job("document", FLOW, path)])))
    if isinstance(result, Crash):
        raise PoisonFile(result.reason)
    report = wrong_authority(result, to, context.is_same_authority)
    if not report.valid:
        error = invalid(report)
        raise ContentInvalid(f"The document would break its rules:\n{error.reason}", error.finding)


def _record(
    context: StageContext,
    transaction: Transaction,
    row: Transfer,
    order: Order,
    copy: Copied,
    name: str,
    *,
    found: str | None,
) -> None:
    """Record both transfers and the receipt, with events that name each other."""
    event = transaction.record(
        "transfer.redirected",
        "transfer",
        row.id,
        row.partner,
        flow=row.flow,
        sha256=row.sha256,
        state=str(State.DELIVERED),
        code=order.reason,
        **order.decision.detail,
        passed_to=order.to,
        passed_as=copy.transfer,
    )
    admitted = {
        "id": copy.transfer,
        "flow": FLOW,
        "partner": order.to,
        "name": name,
        "size": copy.size,
        "sha256": copy.sha256,
        "spool_file": None,
        "reference": None,
        "redirected_from": row.partner,
    }
    record_admitted(context, transaction, [admitted], order.decision)
    transaction.record(
        "transfer.redirected",
        "transfer",
        copy.transfer,
        order.to,
        flow=FLOW,
        sha256=row.sha256,
        code=order.reason,
        **order.decision.detail,
        came_from=row.partner,
        came_as=row.id,
    )
    answer = ReceiptItem(
        transfer=row.id,
        sha256=row.sha256,
        outcome=Outcome.REFUSED,
        code=Redirected.code,
        reason=f"It belongs to {order.to} ({order.reason}), and was passed on to it as transfer {copy.transfer}.",
    )
    change = {
        "key": row.key,
        "state": State.DELIVERED,
        "code": answer.code,
        "reason": answer.reason,
        "redirected_to": copy.transfer,
        "purge_name": found,
        "event": event,
    }
    transaction.move(TRANSFERS, Direction.IN, State.DELIVERED, [change])
    if (consignment := answered_consignment(transaction, row.partner, required(row.consignment))) is not None:
        add_answers(transaction, consignment, [answer])
