"""What the roles are made of: a role's surroundings and its stages.

Each function opens nothing that it does not hand to its caller to close. It imports its engines itself: a role pays for those
that it uses.

Long because it names every stage of the three roles, once.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.assembly import links, reading, stores
from gateway.flows.routes import routes
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.secrets import secrets_of

if TYPE_CHECKING:
    from gateway.archive.packing import PieceReader
    from gateway.crypto.contract import OpenPgp
    from gateway.domain.manifest import Item, Manifest
    from gateway.ledger.units import Transfer
    from gateway.logs import Logger
    from gateway.spool.stability import Stability
    from gateway.stages.context import Stage, StageContext
    from gateway.stages.landing import LandingUploads
    from gateway.validation.sandbox.pool import Sandbox


def import_engines() -> None:
    """Import what the functions below import for roles at work, so that roles forked afterwards need not."""
    import gateway.stages.answering_endpoints
    import gateway.stages.chain_trust
    import gateway.stages.timers.requests  # noqa: F401
    from gateway.crypto.gnupg import engine  # noqa: F401
    from gateway.domain import redirect  # noqa: F401
    from gateway.spool import back_office_answers, intake  # noqa: F401
    from gateway.stages.inbound import acknowledge, answer, collect, deliver, open  # noqa: A004, F401
    from gateway.stages.outbound import accept, admit, conclude, pack, seal, send, validate  # noqa: F401
    from gateway.stages.timers import (  # noqa: F401
        daily_statement,
        extract_calendar,
        key_expiry,
        link_trials,
        local_copies,
        login_records,
        overdue_answers,
        overdue_enquiries,
        overdue_receipts,
        payloads,
        proofs,
        statement_dispatch,
        statement_stamp,
        stored_files,
    )
    from gateway.transport import endpoints, folder  # noqa: F401
    from gateway.transport.sftp import client  # noqa: F401
    from gateway.validation.sandbox import pool  # noqa: F401


def stage_context(settings: Settings, role: str, log: Logger, stopping: Callable[[], bool]) -> StageContext:
    """A role's or a command's surroundings, with its ledger open; the caller closes the ledger."""
    from gateway.ledger.fence import session_of
    from gateway.ledger.of_site import site_ledger
    from gateway.logs import announcer
    from gateway.stages import node_seen
    from gateway.stages.context import StageContext
    from gateway.stages.itinerary import Role
    from gateway.stages.node_lanes import NodeLanes

    node = settings.node
    lanes = bool(node.name) and role in set(Role)
    session = session_of(node.name, node.lease_seconds) if lanes else None
    ledger = site_ledger(settings, role, log, session=session)
    ledger.check()
    return StageContext(
        settings=settings,
        routes=routes(settings),
        ledger=ledger,
        log=announcer(log),
        clock=time.time,
        random_float=random.SystemRandom().random,
        entropy=os.urandom,
        stopping=stopping,
        lanes=NodeLanes(ledger, settings.codes, node.name, partial(node_seen.incarnation, settings.home.node_seen))
        if lanes
        else None,
        payloads=stores.payloads_of(settings),
    )


def without(context: StageContext, suspended: Mapping[str, str]) -> StageContext:
    """The same surroundings where these partners, and no others, are suspended by the ledger's word: why, by their codes."""
    settings = context.settings.with_suspended(suspended)
    return replace(context, settings=settings, routes=routes(settings))


def inspect_stages(
    context: StageContext,
    readers: Sandbox,
    dropped: Stability,
    answers: Stability,
    wake: Callable[[], None] = lambda: None,
) -> Sequence[Stage]:
    """Reads what people and partners wrote. No network, no keys. The stabilities are those of spool/outbound and outcomes; `wake` is
    called when something was read in the background.
    """
    from gateway.spool.back_office_answers import BackOfficeAnswers
    from gateway.spool.drops import Rule
    from gateway.spool.intake import Intake
    from gateway.spool.passed_over import PassedOver
    from gateway.spool.set_aside import SetAside
    from gateway.stages.inbound.answer import Answer
    from gateway.stages.inbound.deliver import Deliver
    from gateway.stages.itinerary import Role
    from gateway.stages.outbound.admit import Admit
    from gateway.stages.outbound.conclude import Conclude
    from gateway.stages.outbound.validate import Validate
    from gateway.stages.timers.extract_calendar import ExtractCalendar
    from gateway.stages.timers.local_copies import LocalCopies
    from gateway.stages.timers.overdue_answers import OverdueAnswers
    from gateway.stages.timers.overdue_enquiries import OverdueEnquiries
    from gateway.stages.timers.payloads import Payloads
    from gateway.stages.timers.requests import INSPECT_ACTS, Requests
    from gateway.stages.timers.statement_dispatch import StatementDispatch
    from gateway.stages.timers.stored_files import StoredFiles

    settings, viruses = context.settings, reading.scanner(context.settings)
    key = _triage_key(context)
    passed_over = PassedOver(settings.spool.passed_over)
    rules = {
        flow: Rule(settings.flows[flow].settle_seconds, settings.flows[flow].max_bytes, partners)
        for flow, partners in context.routes.outgoing.items()
    }
    settle_seconds = {name: flow.settle_seconds for name, flow in settings.flows.items()}
    aside = SetAside(context.home.outbound, settle_seconds, settings.spool.keep_taken_seconds, time.monotonic)
    partners, stopped = frozenset(settings.partners), frozenset(settings.stopped)
    intake = Intake(context.home.outbound, rules, partners, dropped, aside, stopped=stopped, passed_over=passed_over)
    admit = Admit(context, intake, aside)
    admit.recover()
    return [
        admit,
        Requests(context, "requests", INSPECT_ACTS),
        Payloads(context, reading.plans(settings), wake),
        Validate(context, readers, viruses, key),
        Deliver(context, readers, viruses, key),
        Answer(context, BackOfficeAnswers(context.home.outcomes, settle_seconds, answers, passed_over=passed_over)),
        Conclude(context),
        ExtractCalendar(context),
        OverdueEnquiries(context),
        OverdueAnswers(context),
        StatementDispatch(context, readers),
        LocalCopies(context),
        StoredFiles(context, Role.INSPECT),
    ]


def _triage_key(context: StageContext) -> bytes | None:
    """The key of triage, where any flow asks for triage."""
    from gateway.settings.flow_settings import TriagedSettings
    from gateway.settings.triage_key import triage_key

    if not any(isinstance(each, TriagedSettings) and each.triages for each in context.settings.flows.values()):
        return None
    return triage_key(secrets_of(context.home, os.environ), context.entropy)


def vault_stages(context: StageContext, wake: Callable[[], None]) -> Sequence[Stage]:
    """Holds the keys. No network, and no payload is parsed."""
    from gateway.stages.background import Background
    from gateway.stages.chain_trust import trusted
    from gateway.stages.inbound.acknowledge import Acknowledge
    from gateway.stages.inbound.open import Open
    from gateway.stages.itinerary import Role
    from gateway.stages.outbound.accept import Accept
    from gateway.stages.outbound.pack import Pack
    from gateway.stages.outbound.seal import Seal
    from gateway.stages.timers.daily_statement import DailyStatement
    from gateway.stages.timers.key_expiry import KeyExpiry
    from gateway.stages.timers.local_copies import DiscardedCopies
    from gateway.stages.timers.overdue_receipts import OverdueReceipts
    from gateway.stages.timers.proofs import Proofs
    from gateway.stages.timers.requests import VAULT_ACTS, Requests
    from gateway.stages.timers.stored_files import StoredFiles

    def open_pgp() -> OpenPgp:
        return trusted(context, stores.open_pgp(context.settings))

    engine = open_pgp()
    unpack = partial(_unpack, context.settings.limits.receive_bytes)
    return [
        OverdueReceipts(context),
        KeyExpiry(context, engine),
        DailyStatement(context, engine),
        Requests(context, "vault-requests", VAULT_ACTS),
        DiscardedCopies(context),
        Proofs(context, engine, partial(_prove, context.home), wake),
        Accept(context, engine),
        Open(context, engine, unpack, Background(open_pgp(), wake)),
        Pack(context),
        Seal(context, engine, partial(_archive, context), Background(open_pgp(), wake)),
        Acknowledge(context, engine),
        StoredFiles(context, Role.VAULT),
    ]


def _prove(home: Home, request: str) -> subprocess.Popen[bytes]:
    """The process that verifies the site or makes evidence for a request, and prints its answer."""
    worker = "gateway.administration.proofs.worker"
    return subprocess.Popen(
        [sys.executable, "-P", "-s", "-m", worker, str(home.root), str(os.getpid()), request],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )


def link_stages(
    context: StageContext, wake: Callable[[], None], uploads: LandingUploads | None = None
) -> Sequence[Stage]:
    """Talks to the network, and sees sealed bytes only. `uploads` is told by a watcher of the landing."""
    from gateway.stages.answering_endpoints import AnsweringNotes
    from gateway.stages.inbound.collect import Collect
    from gateway.stages.itinerary import Role
    from gateway.stages.outbound.send import Send
    from gateway.stages.timers.link_trials import LinkTrials
    from gateway.stages.timers.login_records import LoginRecords
    from gateway.stages.timers.statement_stamp import StatementStamp
    from gateway.stages.timers.stored_files import StoredFiles

    def noting(code: str) -> Callable[[str], None]:
        return lambda habit: context.log("lane.adapted", partner=code, reason=str(habit))

    answering = AnsweringNotes(context.ledger)

    def passed_over(code: str) -> Callable[[str], None]:
        return lambda why: context.log("mail.passed-over", partner=code, reason=why)

    transports = {
        code: links.transport(context.settings, partner, noting(code), passed_over(code), partial(answering.tell, code))
        for code, partner in context.settings.partners.items()
    }
    return [
        Collect(context, uploads),
        Send(context, transports, wake, answering.note),
        LoginRecords(context),
        StatementStamp(context, links.stamp(context.settings), wake),
        LinkTrials(context, links.trial(context.settings), wake),
        StoredFiles(context, Role.LINK),
    ]


class _InCustody:
    """A transfer's row as the archive wants it."""

    def __init__(self, context: StageContext, row: Transfer) -> None:
        from gateway.stages.kept_files import in_custody

        self.path = in_custody(context.home, row).path
        self.size: int = row.size
        self.sha256: str = row.sha256


def _archive(context: StageContext, manifest: bytes | None, rows: Sequence[Transfer]) -> PieceReader:
    from gateway.archive.packing import archive_of, content_of

    files = [_InCustody(context, row) for row in rows]
    if manifest is None:
        (file,) = files
        return content_of(file)
    return archive_of(manifest, files, int(context.clock()))


def _unpack(receive_bytes: int, source: Path, target: Path, on_manifest: Callable[[bytes], Manifest]) -> None:
    from gateway.archive.unpacking import UnpackLimits, unpack
    from gateway.storage.file_group import Group

    def items(content: bytes) -> Sequence[Item]:
        return on_manifest(content).items

    with Group(target) as group:
        unpack(source, target, items, group, UnpackLimits(payload_bytes=receive_bytes))
        group.add_directory(target.parent)
        group.commit()
