"""Daily statements: making this site's, and keeping partners' as evidence.

A statement is signed by the vault, which alone holds the key, and recorded with its whole text: inspect, which alone may admit
files, takes it from there into custody. What a partner sends is verified by the vault before anybody reads it. Raises UsageWrong
for a day that cannot be stated, and what the engine, the disk and the ledger raise.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.crypto.contract import OpenPgp
from gateway.domain import statement as form
from gateway.domain.calendar import day_of
from gateway.domain.identity import to_text
from gateway.domain.manifest import CLOCK_LEEWAY, AuditHead, Item, Manifest
from gateway.domain.statement import FLOW, Counts, Previous, Statement
from gateway.domain.states import State
from gateway.errors import ContentInvalid, EnvelopeRefused, GatewayError, KeyUnconfirmed, UsageWrong
from gateway.ledger.queries import statements
from gateway.ledger.queries.events import last_details
from gateway.ledger.queries.restorations import last_loss
from gateway.ledger.queries.statements import AGREED, DECLINED, KEPT, KIND, MADE, OWN, STAMPED, Noted, subject_of
from gateway.ledger.store import Transaction
from gateway.stages.context import StageContext
from gateway.stages.kept_files import let_go
from gateway.stages.signing import Signing
from gateway.storage.durable import make_directory, write_file
from gateway.storage.payloads import KeptFile

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Received:
    """A partner's statement that was verified: its bytes, and the primary fingerprint that signed them."""

    statement: Statement
    signed: bytes
    signer: str


def yesterday(context: StageContext) -> date:
    """The last day that has ended, in UTC."""
    return day_of(context.clock()) - _DAY


def end_of(day: date) -> datetime:
    """The moment at which a day ends, in UTC."""
    return datetime.combine(day + _DAY, datetime.min.time(), UTC)


def make(context: StageContext, engine: OpenPgp, day: date) -> bool:
    """Make this site's statement of a day that has ended; False where there is one of that day or of a later one, and where
    nothing had happened by the end of that day.

    UsageWrong where the day has not ended.
    """
    now, end = context.clock(), end_of(day).timestamp()
    if now < end:
        raise UsageWrong(f"{day} has not ended: a statement is of a whole day, in UTC.")
    with context.ledger.read() as connection:
        before = statements.last(connection)
        head = statements.head_before(connection, to_text(end))
        lost = last_loss(connection)
        if lost is not None and day < day_of(lost):
            return False  # it may have been made, and sent, before the disk was lost
        if head.sequence == 0 or (before is not None and before.day >= day.isoformat()):
            return False
        counts: Counts = statements.counts(connection, 0 if before is None else before.head.sequence, head.sequence)
    statement = Statement(
        format=1,
        site=context.site,
        day=day.isoformat(),
        made=to_text(now),
        head=AuditHead(sequence=head.sequence, sha256=head.sha256),
        counts=counts,
        previous=None if before is None else _previous(before),
    )
    signer = _signer(context)
    signed = engine.sign(statement.to_bytes(), signer)
    sha256 = hashlib.sha256(signed).hexdigest()
    kept = _place(context, statement, sha256)
    make_directory(kept.path.parent)
    write_file(kept.path, signed)
    context.payloads.keep({kept.path: sha256})
    with context.ledger.write() as transaction:
        if statements.last(transaction.connection) != before:
            let_go(transaction, context.payloads, kept)
            return False  # another process was quicker
        transaction.record(
            MADE,
            KIND,
            OWN,
            bytes=len(signed),
            fingerprint=signer,
            text=[signed.decode("ascii")],
            **_detail(statement, sha256),
        )
    return True


def keep_stamp(context: StageContext) -> None:
    """Write the stamp of the newest stamped statement beside it, where it does not lie there yet. The chain has it too."""
    with context.ledger.read() as connection:
        stamped = statements.last(connection, STAMPED)
    if stamped is not None and stamped.text is not None:
        directory = context.home.statements / context.site
        target = directory / form.stamp_name(stamped.day, stamped.sha256)
        if not target.exists():
            make_directory(directory)
            content = base64.b64decode(stamped.text)
            write_file(target, content)
            context.payloads.keep({target: hashlib.sha256(content).hexdigest()})


def received(
    context: StageContext, engine: OpenPgp, sender: str, manifest: Manifest, directory: Path
) -> dict[str, Received | ContentInvalid]:
    """The statements in an unpacked consignment, or why they are none, by the ids of their transfers. The statements are kept from now on."""
    found: dict[str, Received | ContentInvalid] = {}
    for position, item in enumerate(manifest.items, 1):
        if item.flow != FLOW:
            continue
        path = directory / f"{position:04d}"
        found[item.transfer] = statement = _verified(context, engine, sender, path)
        if isinstance(statement, Received):
            place = _place(context, statement.statement, item.sha256)
            context.payloads.keep({place.path: item.sha256}, {place.path: path})
    return found


@contextmanager
def keeping(context: StageContext, sender: str, found: Iterable[Received | ContentInvalid]) -> Iterator[None]:
    """Have a partner's statements in their places while the transaction in the block records them; what is not recorded there goes."""
    written: list[KeptFile] = []
    try:
        for each in found:
            if isinstance(each, Received):
                place = _place(context, each.statement, hashlib.sha256(each.signed).hexdigest())
                if not place.path.exists():
                    make_directory(place.path.parent)
                    write_file(place.path, each.signed)
                    written.append(place)
        yield
    except (GatewayError, OSError):
        with suppress(GatewayError):  # what came before is the error to tell
            _forget_lost(context, sender, written)
        raise
    _forget_lost(context, sender, written)


def _forget_lost(context: StageContext, sender: str, written: list[KeptFile]) -> None:
    if written:
        with context.ledger.read() as connection:
            known = {noted.sha256 for noted in statements.kept(connection, sender)}
        context.payloads.forget_all(file for file in written if file.sha256 not in known)


def keep(
    transaction: Transaction,
    sender: str,
    items: Iterable[Item],
    found: Mapping[str, Received | ContentInvalid],
) -> dict[str, dict[str, Any]]:
    """Note the partner's statements among these new transfers, which lie in the evidence already (`keeping`), and its heads in the chain.

    Gives the columns of those that are rejected, by the ids of their transfers: nobody delivers what its site did not sign.
    """
    rejected: dict[str, dict[str, Any]] = {}
    for item in items:
        statement = found.get(item.transfer)
        if isinstance(statement, ContentInvalid):
            said: dict[str, Any] = {"code": statement.finding, "reason": statement.reason}
            event = transaction.record("transfer.rejected", "transfer", item.transfer, sender, flow=FLOW, **said)
            rejected[item.transfer] = {"state": str(State.REJECTED), "event": event, **said}
        elif statement is not None:
            transaction.record(
                KEPT,
                KIND,
                subject_of(sender),
                sender,
                bytes=item.size,
                fingerprint=statement.signer,
                transfer=item.transfer,
                **_detail(statement.statement, item.sha256),
            )
    return rejected


def note_accepts(transaction: Transaction, partner: str, manifest: Manifest) -> None:
    """Record that the partner takes statements, or takes them no more, where its manifest says so for the first time."""
    about = subject_of(partner)
    known = last_details(transaction.connection, [AGREED, DECLINED], [about]).get(about)
    takes, took = FLOW in (manifest.accepts or ()), known is not None and known[0] == AGREED
    if takes is not took:
        transaction.record(AGREED if takes else DECLINED, KIND, about, partner, flow=FLOW)


def _verified(context: StageContext, engine: OpenPgp, sender: str, path: Path) -> Received | ContentInvalid:
    """The form first, of bytes that nobody has read; then the signature, and only then what was signed."""
    with path.open("rb") as file:
        signed = file.read(form.MAX_BYTES + 1)
    try:
        form.line_of(signed)
        signer = engine.verify(signed, sender)
        statement = form.read(signed)
    except EnvelopeRefused as error:
        return ContentInvalid(f"Its signature does not hold ({error.code}): {error.reason}", form.SIGNATURE)
    except ContentInvalid as error:
        return error
    ended = end_of(date.fromisoformat(statement.day)).timestamp()
    if statement.site != sender or ended > context.clock() + CLOCK_LEEWAY:
        return ContentInvalid("It is about another site than its sender, or about a day that has not ended.", form.SITE)
    return Received(statement, signed, signer)


def _place(context: StageContext, statement: Statement, sha256: str) -> KeptFile:
    return KeptFile(context.home.statements / statement.site / form.evidence_name(statement.day, sha256), sha256)


def _detail(statement: Statement, sha256: str) -> dict[str, Any]:
    """What an event says of a statement: lists, so that log lines leave them out."""
    before = statement.previous
    return {
        "day": statement.day,
        "sha256": sha256,
        "head": [statement.head.sequence, statement.head.sha256],
        "previous": None if before is None else [before.day, before.sha256],
    }


def _previous(before: Noted) -> Previous:
    head = AuditHead(sequence=before.head.sequence, sha256=before.head.sha256)
    return Previous(day=before.day, sha256=before.sha256, head=head)


def _signer(context: StageContext) -> str:
    """The key that every partner knows: the one before, while one of them does not know the current one (`signing`)."""
    signing, known = Signing(context), context.settings.openpgp.fingerprint
    for partner in sorted(context.routes.outgoing.get(FLOW, frozenset())):
        try:
            if (signer := signing.signer(partner)) != known:
                return signer
        except KeyUnconfirmed:
            continue  # nothing goes to it before it knows the current key
    return known
