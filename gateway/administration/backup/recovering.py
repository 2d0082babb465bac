"""Going on with a site that was put back from a copy, once its partners have said what they know.

Each partner writes a signed answer (`gateway partner answer`): what it has of this site, what this site has answered, and the newest event of
its chain that the partner has seen. What the copy lacks of that comes back (`rebuilding`), and the chain goes on behind the events
that partners have seen. A partner may also export the heads that it holds (`gateway audit heads`): they do where none names an event or a
consignment that the copy lacks; else LedgerRolledBack, and nothing is changed. What came is another matter: a file may have been delivered just before the loss, and its receipt not sent. So every
file that may be one of those is held, for a person to ask the back office: those of which the ledger says that they were about to be
delivered, and those in consignments made before the loss that the ledger does not know (`stages.inbound.open`).

Raises UsageWrong where the site needs no recovery or a partner's word is missing, NotFound, and what the ledger raises.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from gateway.administration.access import ROLE, permitted
from gateway.administration.backup.rebuilding import Rebuilder
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.known_heads import KnownHead, read_known
from gateway.assembly import stores
from gateway.crypto.contract import OpenPgp
from gateway.daemon.lock import held
from gateway.domain.decision import Decision
from gateway.domain.identity import from_text, to_text
from gateway.domain.manifest import CLOCK_LEEWAY
from gateway.domain.recovery import MAX_BYTES, PartnerAnswer
from gateway.domain.states import Direction, State
from gateway.errors import DeliveryUnknown, EnvelopeRefused, LedgerRolledBack, PartnerKeyUnusable, UsageWrong
from gateway.ledger.audit.heads import Claimed, compare_heads
from gateway.ledger.chain import RESTORED
from gateway.ledger.fence import outside
from gateway.ledger.head_file import HeadFile
from gateway.ledger.queries import identities
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.queries.restorations import SUBJECT, about_to_be_delivered
from gateway.ledger.store import Connection, Ledger, Transaction, read_head
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Consignment, Transfer
from gateway.logs import Logger, announcer_of_all
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.stages.doubtful import hold
from gateway.storage.durable import sync_directory

_TOLD: Final = 10
_MOST_SINCE: Final = 1_000_000_000
"""Events or consignments since the copy: a partner must not use the numbers up."""
_MARGIN: Final = 1_000_000
"""Numbers of events left out for a partner that was not asked: what it may have seen since is less."""


@dataclass(frozen=True)
class HeldFile:
    """A file that may have been delivered before the loss."""

    transfer: str
    partner: str
    flow: str
    name: str
    size: int


@dataclass(frozen=True)
class Recovered:
    """How the site goes on: the contract of `recover --json`.

    `event` is the number of the restoration in the chain, `without` the partners that were not asked. `sent` are transfers that
    partners have and the copy knew nothing of, `delivered` such that came since and are not delivered again, `held` files for a
    person to decide about.
    """

    event: int
    head: int
    taken: str
    lost: str
    without: tuple[str, ...]
    sent: tuple[str, ...]
    delivered: tuple[str, ...]
    held: tuple[HeldFile, ...]


def recover(
    settings: Settings,
    log: Logger,
    exported: Sequence[Path],
    answers: Sequence[Path],
    without: Collection[str],
    lost: float | None,
    decision: Decision,
) -> Recovered:
    """Let the restored site go on. `answers` are partners' answers and `exported` files of heads, one of them for each partner but
    those in `without`; `lost` is when the site stopped working (seconds since 1970), now where nobody knows.
    """
    home = settings.home
    if not home.restored.exists():
        raise UsageWrong("This site was not put back from a copy, or goes on already: there is nothing to recover.")
    told = _told(settings, answers)
    _insist_on_all(settings.home, told.values(), lost)
    known = _known(settings, exported, {*without, *told})
    with permitted(), held(home.run, "recover"), closing(_ledger(settings, log)) as ledger:
        with ledger.read() as connection:
            wrong = [*_contradictions(connection, known), *_forked(connection, told.values())]
        if wrong:
            raise LedgerRolledBack(f"Partners know more than the copy has: {'; '.join(wrong[:_TOLD])}.")
        with ledger.write() as transaction:
            moment = transaction.now if lost is None else lost
            done = _go_on(settings, transaction, sorted(without), list(told.values()), moment, decision)
        home.restored.unlink()
        sync_directory(home.state)
    return done


def count_as_delivered(settings: Settings, log: Logger, identity: str, decision: Decision) -> Transfer:
    """Let a file that is held, since it may have been delivered before the loss, count as delivered: the back office has it."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        row = identities.find_transfer(transaction.connection, identity)
        if (row.state, row.code, row.direction) != (State.HELD, DeliveryUnknown.code, Direction.IN):
            raise UsageWrong(f"transfer {row.id} is {row.state}, and it is known whether it was delivered.")
        unpacked = context.home.opened / str(row.consignment) / f"{row.position:04d}"
        # Before the commit: *deliver* takes a file that is gone from here for one that was delivered.
        transaction.beforehand[str(unpacked)] = partial(_remove, unpacked)
        event = transaction.record(
            "transfer.released", "transfer", row.id, row.partner, state=str(State.OPENED), **decision.detail
        )
        change = {"key": row.key, "state": State.OPENED, "resume": None, "code": None, "reason": None, "event": event}
        transaction.move(TRANSFERS, Direction.IN, State.HELD, [change])
    return row


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def _ledger(settings: Settings, log: Logger) -> Ledger:
    """The ledger of a site that must not be worked with otherwise."""
    home = settings.home
    head_file = HeadFile(home.ledger_head)
    return Ledger(
        settings.ledger_place,
        clock=time.time,
        role=ROLE,
        announce=announcer_of_all(log),
        head_file=head_file,
        fence=outside(settings.node.name),
    )


def _known(settings: Settings, exported: Sequence[Path], without: Collection[str]) -> list[tuple[str, KnownHead]]:
    """What partners know of this site's chain, and who; UsageWrong where somebody's word is missing."""
    strangers = sorted({*without} - {*settings.codes})
    if strangers:
        raise UsageWrong(f"There is no partner {strangers[0]}.")
    known = [(head.held_by or "", head) for path in exported for head in read_known(path, settings.site.code)]
    missing = sorted({*settings.codes} - {*without} - {code for code, _ in known})
    if missing:
        raise UsageWrong(
            f"What is missing is the word of {', '.join(missing)}: `gateway partner answer {settings.site.code} ...` there. "
            "--without CODE goes on without a partner's word, such as of one that has never had anything from this site."
        )
    return known


def _told(settings: Settings, answers: Sequence[Path]) -> dict[str, PartnerAnswer]:
    """Partners' answers, by their codes; UsageWrong for a file that no partner has signed for this site."""
    found: dict[str, PartnerAnswer] = {}
    engine = stores.open_pgp(settings)
    try:
        with tempfile.TemporaryDirectory(dir=settings.home.vault) as directory:
            for number, path in enumerate(answers):
                plain = Path(directory, str(number))
                partner = _signer(engine, path.absolute(), sorted(settings.partners), plain)
                answer = PartnerAnswer.parse(plain.read_bytes())
                if (answer.sender, answer.recipient) != (partner, settings.site.code):
                    raise UsageWrong(f"{path} is an answer between other sites.")
                found[partner] = answer
    finally:
        engine.close()
    return found


def _insist_on_all(home: Home, answers: Iterable[PartnerAnswer], lost: float | None) -> None:
    """UsageWrong for an answer that does not tell of all the time between the copy and the loss."""
    said = _said(home)
    taken, ended = said["taken"], to_text(lost) if lost is not None else said["restored"]
    for answer in answers:
        if from_text(answer.since) > from_text(taken):
            raise UsageWrong(
                f"The answer of {answer.sender} begins after the copy was taken: ask for one with --since {taken}."
            )
        if from_text(answer.issued) + CLOCK_LEEWAY < from_text(ended):
            raise UsageWrong(
                f"The answer of {answer.sender} is from before {ended}: ask for a new one, or say with --lost when the site stopped."
            )


def _signer(engine: OpenPgp, path: Path, partners: Sequence[str], plain: Path) -> str:
    refused = ""
    for partner in partners:
        try:
            engine.open(path, partner, plain, MAX_BYTES)
        except (EnvelopeRefused, PartnerKeyUnusable) as error:
            refused = error.reason
        else:
            return partner
    raise UsageWrong(f"{path} is not signed by a partner, and sealed for this site: {refused}")


def _forked(connection: Connection, answers: Iterable[PartnerAnswer]) -> Iterator[str]:
    """Partners that have seen another event than the copy has, at a number that the copy has; or what no site can have reached."""
    head, lanes = read_head(connection), all_lanes(connection)
    for answer in answers:
        seen, partner = answer.seen, answer.sender
        most = max(head.sequence, lanes[partner].sequence if partner in lanes else 0) + _MOST_SINCE
        if answer.sequence > most or (seen is not None and seen.sequence > most):
            yield f"{partner} names numbers that this site cannot have reached since"
        if seen is not None and 0 < seen.sequence <= head.sequence:
            for fault in compare_heads(
                connection, [Claimed(seen.sequence, seen.sha256, answer.sender, f"{answer.sender} holds")]
            ):
                yield fault.message


def _contradictions(connection: Connection, known: Sequence[tuple[str, KnownHead]]) -> list[str]:
    claimed = [Claimed(head.sequence, head.sha256, code, f"{code} holds") for code, head in known]
    wrong = [fault.message for fault in compare_heads(connection, claimed)]
    for code, head in known:
        kind, _, identity = (head.source or "").partition(" ")
        if kind == "consignment":
            row = identities.one(connection, Consignment, Direction.OUT, code, identity)
            if row is None or row.state == State.PACKED:
                wrong.append(f"{code} has had consignment {identity}, which the copy has not sent")
    return list(dict.fromkeys(wrong))


def _go_on(
    settings: Settings,
    transaction: Transaction,
    without: Sequence[str],
    answers: Sequence[PartnerAnswer],
    lost: float,
    decision: Decision,
) -> Recovered:
    head, mark = transaction.head(), _said(settings.home)["taken"]
    seen = [head.sequence, *(answer.seen.sequence for answer in answers if answer.seen is not None)]
    transaction.leave_out(max(seen) + (_MARGIN if without else 0))
    event = transaction.record(
        RESTORED,
        "site",
        SUBJECT,
        head=[head.sequence, head.sha256],
        taken=mark,
        stopped=to_text(lost),
        partners=[code for code in settings.codes if code not in without],
        without=[*without],
        **decision.detail,
    )
    rebuilder = Rebuilder(transaction, settings.home)
    for answer in answers:
        rebuilder.apply(answer)
    rows = about_to_be_delivered(transaction.connection)
    changes = [{"key": row.key} | hold(transaction, row.partner, row.id, row.flow) for row in rows]
    transaction.move(TRANSFERS, Direction.IN, State.OPENED, changes)
    held_files = tuple(HeldFile(row.id, row.partner, row.flow, row.name, row.size) for row in rows)
    back = (tuple(rebuilder.sent), tuple(rebuilder.delivered))
    return Recovered(event, head.sequence, mark, to_text(lost), tuple(without), *back, held_files)


def _said(home: Home) -> dict[str, str]:
    """When the copy was taken, and when it was put back, as the restoration noted it."""
    try:
        said = orjson.loads(home.restored.read_bytes())
        return {name: to_text(from_text(said[name])) for name in ("taken", "restored")}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UsageWrong(f"{home.restored} is damaged: put the site back from its copy again.") from error
