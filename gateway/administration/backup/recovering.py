"""Going on with a site that was put back from a copy, once its partners have said that they know of nothing newer.

Each partner exports the heads of this site's chain that it holds (`gateway audit heads`). Where one of them knows an event or a consignment
that the copy lacks, the site must not go on: LedgerRolledBack, and nothing is changed. Where none does, nothing that left this site
since is missing. What came is another matter: a file may have been delivered just before the loss, and its receipt not sent. So every
file that may be one of those is held, for a person to ask the back office: those of which the ledger says that they were about to be
delivered, and those in consignments made before the loss that the ledger does not know (`stages.inbound.open`).

Raises UsageWrong where the site needs no recovery or a partner's word is missing, NotFound, and what the ledger raises.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from gateway.administration.access import ROLE, permitted
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.known_heads import KnownHead, read_known
from gateway.daemon.lock import held
from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import DeliveryUnknown, LedgerRolledBack, UsageWrong
from gateway.ledger.audit.heads import Claimed, compare_heads
from gateway.ledger.head_file import HeadFile
from gateway.ledger.queries import identities
from gateway.ledger.queries.restorations import RESTORED, about_to_be_delivered
from gateway.ledger.store import Connection, Ledger, Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Consignment, Transfer
from gateway.logs import Logger, announcer_of_all
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.stages.doubtful import hold
from gateway.storage.durable import sync_directory

_TOLD: Final = 10


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
    """How the site goes on: the contract of `recover --json`. `event` is the number of the restoration in the chain, `held` are files
    for a person to decide about, `without` the partners that were not asked.
    """

    event: int
    head: int
    taken: str
    lost: str
    without: tuple[str, ...]
    held: tuple[HeldFile, ...]


def recover(
    settings: Settings,
    log: Logger,
    exported: Sequence[Path],
    without: Collection[str],
    lost: float | None,
    decision: Decision,
) -> Recovered:
    """Confirm the restored site. `exported` are files of heads, one for each partner but those in `without`; `lost` is when the site
    stopped working (seconds since 1970), now where nobody knows.
    """
    home = settings.home
    if not home.restored.exists():
        raise UsageWrong("This site was not put back from a copy, or goes on already: there is nothing to recover.")
    known = _known(settings, exported, without)
    with permitted(), held(home.run, "recover"), closing(_ledger(settings, log)) as ledger:
        with ledger.read() as connection:
            wrong = [*_contradictions(connection, known)]
        if wrong:
            raise LedgerRolledBack(f"Partners know more than the copy has: {'; '.join(wrong[:_TOLD])}.")
        with ledger.write() as transaction:
            done = _go_on(settings, transaction, sorted(without), transaction.now if lost is None else lost, decision)
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
    return Ledger(home.ledger, clock=time.time, role=ROLE, announce=announcer_of_all(log), head_file=head_file)


def _known(settings: Settings, exported: Sequence[Path], without: Collection[str]) -> list[tuple[str, KnownHead]]:
    """What partners know of this site's chain, and who; UsageWrong where somebody's word is missing."""
    strangers = sorted({*without} - {*settings.codes})
    if strangers:
        raise UsageWrong(f"There is no partner {strangers[0]}.")
    known = [(head.held_by or "", head) for path in exported for head in read_known(path, settings.site.code)]
    missing = sorted({*settings.codes} - {*without} - {code for code, _ in known})
    if missing:
        raise UsageWrong(
            f"What {', '.join(missing)} know of this site is missing: each runs `gateway audit heads {settings.site.code} --json`. "
            "--without CODE goes on without a partner's word, such as of one that has never had anything from this site."
        )
    return known


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
    settings: Settings, transaction: Transaction, without: Sequence[str], lost: float, decision: Decision
) -> Recovered:
    head, mark = transaction.head(), _mark(settings.home)
    event = transaction.record(
        RESTORED,
        "site",
        settings.site.code,
        head=[head.sequence, head.sha256],
        taken=mark,
        stopped=to_text(lost),
        partners=[code for code in settings.codes if code not in without],
        without=[*without],
        **decision.detail,
    )
    rows = about_to_be_delivered(transaction.connection)
    changes = [{"key": row.key} | hold(transaction, row.partner, row.id, row.flow) for row in rows]
    transaction.move(TRANSFERS, Direction.IN, State.OPENED, changes)
    held_files = tuple(HeldFile(row.id, row.partner, row.flow, row.name, row.size) for row in rows)
    return Recovered(event, head.sequence, mark, to_text(lost), tuple(without), held_files)


def _mark(home: Home) -> str:
    """When the copy was taken, as the restoration noted it."""
    try:
        return str(orjson.loads(home.restored.read_bytes())["taken"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return ""  # the mark's being there is what counts
