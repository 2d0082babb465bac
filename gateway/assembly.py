"""Putting a site together: the only module that names concrete engines.

Each function takes what it needs from the settings and opens nothing that it does not hand to its caller to close. It
imports its engines itself: a role or a command pays for those that it uses, and `gateway card` does not wait for the
database's library. Long because no other module may name an engine.
"""

from __future__ import annotations

import os
import pwd
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigurationInvalid, EngineMissing, GatewayError, ServerFailed, UsageWrong
from gateway.flows.catalog import FLOWS
from gateway.flows.routes import routes
from gateway.settings.home import Home
from gateway.settings.model import Partner, Settings
from gateway.settings.resources import resource
from gateway.settings.secrets import secrets_of

if TYPE_CHECKING:
    from gateway.archive.packing import PieceReader
    from gateway.crypto.contract import KeyStore, OpenPgp
    from gateway.domain.manifest import Item, Manifest
    from gateway.ledger.units import Transfer
    from gateway.logs import Logger
    from gateway.spool.stability import Stability
    from gateway.stages.context import Stage, StageContext
    from gateway.stages.landing import LandingUploads
    from gateway.stages.timers.link_trials import Trial
    from gateway.storage.objects.contract import ObjectStore
    from gateway.storage.payloads import Payloads
    from gateway.storage.shared_payloads import SharedPayloads
    from gateway.transport.contract import Transport
    from gateway.transport.mail.client import MailTransport
    from gateway.transport.sftp.client import SftpTransport
    from gateway.transport.sshd.spec import ServerSpec
    from gateway.validation.plan import Plan
    from gateway.validation.sandbox.pool import Sandbox
    from gateway.validation.virus_scanner import Clamd


def import_engines() -> None:
    """Import what the functions below import for roles at work, so that roles forked afterwards need not."""
    import gateway.stages.answering_endpoints
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
    )
    from gateway.transport import endpoints, folder  # noqa: F401
    from gateway.transport.sftp import client  # noqa: F401
    from gateway.validation.sandbox import pool  # noqa: F401


def stage_context(settings: Settings, role: str, log: Logger, stopping: Callable[[], bool]) -> StageContext:
    """A role's or a command's surroundings, with its ledger open; the caller closes the ledger."""
    from gateway.ledger.fence import outside, session_of
    from gateway.ledger.head_file import HeadFile
    from gateway.ledger.store import Ledger
    from gateway.logs import announcer, announcer_of_all
    from gateway.stages.context import StageContext
    from gateway.stages.itinerary import Role
    from gateway.stages.node_lanes import NodeLanes

    node = settings.node
    lanes = bool(node.name) and role in set(Role)
    ledger = Ledger(
        settings.ledger_place,
        clock=time.time,
        role=role,
        announce=announcer_of_all(log),
        head_file=HeadFile(settings.home.ledger_head),
        fence=outside(node.name),
        session=session_of(node.name, node.lease_seconds) if lanes else None,
    )
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
        lanes=NodeLanes(ledger, settings.codes, node.name) if lanes else None,
        payloads=payloads_of(settings),
    )


def payloads_of(settings: Settings) -> Payloads:
    """Where the site's files are kept, beside this machine's directories. Made after a role was forked: S3's client has threads."""
    if settings.payloads.url:
        return shared_payloads(settings)
    from gateway.storage.payloads import OneMachine

    return OneMachine()


def shared_payloads(settings: Settings) -> SharedPayloads:
    """The store of `[payloads] url`. EngineMissing where the packages for it are not there, and what `settings.payload_keys` raises."""
    try:
        from gateway.storage.sealing import Sealing
        from gateway.storage.shared_payloads import SharedPayloads
    except ImportError as error:
        raise EngineMissing("[payloads] url needs the extra `nodes`: `pip install 'gateway[nodes]'`") from error
    from gateway.settings.payload_keys import read_key

    def sealing(path: Path) -> Sealing:
        try:
            return Sealing(read_key(settings, path))
        except ValueError as error:
            raise ConfigurationInvalid(f"{path.name} is no key of age") from error

    plain, sealed = settings.home.payload_keys
    return SharedPayloads(settings.home.state, _objects(settings), partial(sealing, plain), partial(sealing, sealed))


def _objects(settings: Settings) -> ObjectStore:
    said, home = settings.payloads, settings.home
    if said.directory is not None:
        from gateway.storage.objects.directory import DirectoryStore

        token = f"{settings.node.name or settings.site.code}-{os.getpid()}-{os.urandom(4).hex()}"
        return DirectoryStore(said.directory, token, shared=settings.accounts.split)
    from gateway.settings.payload_keys import access_key
    from gateway.storage.objects.s3 import Bucket, S3Store

    bucket, prefix = said.bucket or ("", "")
    key = access_key(settings, secrets_of(home, os.environ), os.environ)
    encryption = (said.server_side_encryption, said.kms_key)
    return S3Store(Bucket(bucket, prefix, said.region, said.endpoint, *key, *encryption), home.run)


def without(context: StageContext, suspended: Mapping[str, str]) -> StageContext:
    """The same surroundings where these partners, and no others, are suspended by the ledger's word: why, by their codes."""
    settings = context.settings.with_suspended(suspended)
    return replace(context, settings=settings, routes=routes(settings))


def plans(settings: Settings) -> Mapping[str, Plan]:
    """How each flow's files are read."""
    from gateway.domain.redirect import FLOW as REDIRECT
    from gateway.validation.plan import with_authorities

    schemas = resource("schemas")
    made = {name: flow.plan(schemas, settings.validation.test_numbers, settings.links) for name, flow in FLOWS.items()}
    return made | {REDIRECT: with_authorities(made[REDIRECT], settings.authorities.added)}


def sandbox(settings: Settings, workers: int | None = None) -> Sandbox:
    """The processes in which files are read."""
    from gateway.validation.sandbox.pool import Sandbox

    return Sandbox(plans(settings), workers or settings.daemon.workers)


def scanner(settings: Settings) -> Clamd | None:
    """The virus scanner, where any flow asks for it."""
    if not any(flow.scan for flow in settings.flows.values()):
        return None
    from gateway.validation.virus_scanner import Clamd

    said = settings.antivirus
    return Clamd(said.socket, said.host, said.port, said.answer_timeout, said.max_bytes)


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

    settings, viruses = context.settings, scanner(context.settings)
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
        Payloads(context, plans(settings), wake),
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
    from gateway.stages.inbound.acknowledge import Acknowledge
    from gateway.stages.inbound.open import Open
    from gateway.stages.itinerary import Role
    from gateway.stages.outbound.accept import Accept
    from gateway.stages.outbound.pack import Pack
    from gateway.stages.outbound.seal import Seal
    from gateway.stages.timers.daily_statement import DailyStatement
    from gateway.stages.timers.key_expiry import KeyExpiry
    from gateway.stages.timers.overdue_receipts import OverdueReceipts
    from gateway.stages.timers.proofs import Proofs
    from gateway.stages.timers.requests import VAULT_ACTS, Requests
    from gateway.stages.timers.stored_files import StoredFiles

    engine = open_pgp(context.settings)
    unpack = partial(_unpack, context.settings.limits.receive_bytes)
    return [
        OverdueReceipts(context),
        KeyExpiry(context, engine),
        DailyStatement(context, engine),
        Requests(context, "vault-requests", VAULT_ACTS),
        Proofs(context, engine, partial(_prove, context.home), wake),
        Accept(context, engine),
        Open(context, engine, unpack, Background(open_pgp(context.settings), wake)),
        Pack(context),
        Seal(context, engine, partial(_archive, context), Background(open_pgp(context.settings), wake)),
        Acknowledge(context, engine),
        StoredFiles(context, Role.VAULT),
    ]


def _prove(home: Home, request: str) -> subprocess.Popen[bytes]:
    """The process that verifies the site or makes evidence for a request, and prints its answer."""
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-s",
            "-m",
            "gateway.administration.proofs.worker",
            str(home.root),
            str(os.getpid()),
            request,
        ],
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
        code: transport(context.settings, partner, noting(code), passed_over(code), partial(answering.tell, code))
        for code, partner in context.settings.partners.items()
    }
    return [
        *(Collect(context, uploads), Send(context, transports, wake, answering.note), LoginRecords(context)),
        *(StatementStamp(context, _stamp(context.settings), wake), LinkTrials(context, _trial(context.settings), wake)),
        StoredFiles(context, Role.LINK),
    ]


def _trial(settings: Settings) -> Trial:
    """How the link to a partner is tried, and its steps told."""
    from gateway.stages.timers.link_trials import TrialEnd, TrialStep
    from gateway.transport.sftp.check import check_link

    def trial(partner: Partner, tell: Callable[[TrialStep], None]) -> TrialEnd:
        if partner.link == "mail":
            found = mail_transport(settings, partner).trial()
            tell(TrialStep("submission", "worked", f"{found.submission_seconds:.2f} s"))
            tell(TrialStep("imap", "worked", f"{found.imap_seconds:.2f} s"))
            return TrialEnd()
        servers = sftp_transports(settings, partner)
        ends = [_tried(name if len(servers) > 1 else "", each, partner, tell) for name, each in servers.items()]
        return next((end for end in ends if end.code is not None), TrialEnd())

    def _tried(name: str, server: SftpTransport, partner: Partner, tell: Callable[[TrialStep], None]) -> TrialEnd:
        """How the trial of one server ended; `name` is said before its steps where the partner has several."""
        before = f"{name}: " if name else ""
        try:
            failed = check_link(
                server,
                os.urandom(8).hex(),
                collects=partner.link == "collect",
                tell=lambda step: tell(TrialStep(before + step.name, str(step.outcome), step.reason, step.code)),
            ).failed
        except GatewayError as error:
            if not name:
                raise
            tell(TrialStep(f"{before}log in", "failed", error.reason, error.code))
            return TrialEnd(error.code, before + error.reason)
        return TrialEnd() if failed is None else TrialEnd(failed.code, f"{before}{failed.name}: {failed.reason}")

    return trial


def _stamp(settings: Settings) -> Callable[[bytes], bytes] | None:
    """How an authority stamps the time of a statement, where the site has named one."""
    url = settings.audit.timestamp_url
    if not url or not settings.audit.statements:
        return None
    from gateway.transport.timestamps import stamp

    return lambda content: stamp(url, settings.home.timestamp_roots, content, settings.link.connect_timeout)


def open_pgp(settings: Settings) -> OpenPgp:
    """The OpenPGP engine of a site."""
    from gateway.crypto.contract import FormerKey, Rotations
    from gateway.crypto.gnupg.engine import GnuPgEngine

    pinned = {code: partner.fingerprint for code, partner in settings.partners.items()}
    rotations = Rotations(
        own=settings.keys.old_openpgp,
        partners={
            code: FormerKey(partner.old_fingerprint, partner.old_fingerprint_until.timestamp())
            for code, partner in settings.partners.items()
            if partner.old_fingerprint is not None and partner.old_fingerprint_until is not None
        },
        revoked={code: partner.revoked for code, partner in settings.partners.items()},
    )
    return GnuPgEngine(settings.home.keyrings, settings.openpgp.fingerprint, pinned, time.time, rotations=rotations)


def key_store(keyrings: Path) -> KeyStore:
    """The keys below `keyrings`; no agent is left running after a call."""
    from gateway.crypto.gnupg.keystore import GnuPgKeyStore

    return GnuPgKeyStore(keyrings)


def encrypt_with(passphrase: str, plaintext: bytes) -> bytes:
    """An OpenPGP message that the passphrase opens."""
    from gateway.crypto.gnupg import passphrase as engine

    return engine.encrypt(passphrase, plaintext)


def decrypt_with(passphrase: str, message: bytes) -> bytes:
    """What is in such a message; PassphraseWrong where it does not open."""
    from gateway.crypto.gnupg import passphrase as engine

    return engine.decrypt(passphrase, message)


def create_ledger(place: Path | str) -> None:
    """An empty ledger; UsageWrong where the database has one already."""
    from gateway.errors import UsageWrong
    from gateway.ledger.integrity import is_there
    from gateway.ledger.migrate import migrate

    if isinstance(place, str) and is_there(place):
        raise UsageWrong("There is a ledger in that database already: each site has a database of its own.")
    migrate(place)


def transport(
    settings: Settings,
    partner: Partner,
    note: Callable[[str], None] = lambda _habit: None,
    passed_over: Callable[[str], None] = lambda _why: None,
    answering: Callable[[str, GatewayError | None], None] = lambda _name, _error: None,
) -> Transport:
    """How sealed files get to a partner: to its server, by e-mail, or into the directory that it collects from.

    `note` is told what its server does otherwise than the protocol has it, and what is done instead; `passed_over` why a mail from its
    address was left in the mailbox; `answering` which of its servers begins to fail, or works again, where it has several.
    """
    if partner.link == "mail":
        return mail_transport(settings, partner, passed_over)
    if partner.endpoint is None or partner.link == "none":
        from gateway.transport.folder import FolderTransport

        return FolderTransport(settings.home.landing_out(partner.code))
    servers = sftp_transports(settings, partner, note)
    if len(servers) == 1:
        (server,) = servers.values()
        return server
    from gateway.transport.endpoints import SeveralEndpoints

    return SeveralEndpoints(servers, settings.link.endpoint_rest_seconds, time.monotonic, answering)


def sftp_transports(
    settings: Settings, partner: Partner, note: Callable[[str], None] = lambda _habit: None
) -> Mapping[str, SftpTransport]:
    """The partner's SFTP servers by HOST:PORT, in the order in which they are tried. UsageWrong for one that has none, or that is not
    reached so.
    """
    from gateway.transport.contract import Endpoint, Pace
    from gateway.transport.sftp.bandwidth import Bandwidth
    from gateway.transport.sftp.client import SftpTransport

    there, link, most = partner.endpoint, settings.link, partner.max_bytes_per_second
    if there is None or partner.link in {"mail", "none"}:
        raise UsageWrong(f"Partner {partner.code} has no server that could be tested: its link is {partner.link}.")
    pace = Pace(link.connect_timeout, link.auth_timeout, link.answer_timeout, link.least_bytes_per_second, link.grace)
    until = there.old_host_key_until
    pins = (
        _unless_revoked(there.host_key, partner) or "",
        _unless_revoked(there.old_host_key, partner),
        0.0 if until is None else until.timestamp(),
    )
    secrets = secrets_of(settings.home, os.environ)
    old = None if settings.keys.old_client_key_until is None else secrets.old_client_key
    bandwidth = None if most is None else Bandwidth(most, time.monotonic, time.sleep)
    return {
        name: SftpTransport(
            Endpoint(host, port, there.user, there.path, *pins),
            secrets.client_key,
            pace,
            bandwidth=bandwidth,
            old_client_key=old,
            note=note,
        )
        for name, (host, port) in there.addresses.items()
    }


def mail_transport(
    settings: Settings, partner: Partner, passed_over: Callable[[str], None] = lambda _why: None
) -> MailTransport:
    """How sealed files get to a partner by e-mail. ConfigurationInvalid for one without an address."""
    from gateway.transport.mail.client import MailTransport
    from gateway.transport.mail.servers import MailRoute, MailServer

    if partner.mail_address is None:
        raise ConfigurationInvalid(f"partner {partner.code}: mail_address is missing")
    ours, secrets = settings.mail, secrets_of(settings.home, os.environ)
    submission = MailServer(
        *(ours.submission_host, ours.submission_port, ours.submission_tls, ours.submission_user, secrets.submission)
    )
    imap = MailServer(ours.imap_host, ours.imap_port, ours.imap_tls, ours.imap_user, secrets.imap)
    route = MailRoute(
        submission, imap, ours.imap_folder, ours.address, partner.mail_address, ours.max_message_bytes, ours.ca_file
    )
    return MailTransport(route, settings.link.answer_timeout, time.time, lambda: os.urandom(16).hex(), passed_over)


def server_spec(settings: Settings) -> ServerSpec:
    """What the managed SFTP server is to serve, to whom, under the account of this process; ServerFailed without one."""
    from gateway.transport.sshd.spec import Account, Chroot, ServerSpec

    home, server = settings.home, settings.sftp_server
    accounts = tuple(
        Account(
            partner.code,
            partner.ssh_key,
            partner.link == "collect" and partner.endpoint is None,
            partner.os_account,
            partner.old_ssh_key,
            0.0 if partner.old_ssh_key_until is None else partner.old_ssh_key_until.timestamp(),
        )
        for partner in settings.partners.values()
        if partner.ssh_key is not None and partner.link not in {"none", "mail"}
    )
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError as error:
        raise ServerFailed(f"the user id {os.getuid()}, which the gateway runs under, has no account here") from error
    secrets = secrets_of(home, os.environ)
    chroot = Chroot(server.chroot)
    old = None if settings.keys.old_host_key_until is None else secrets.old_host_key
    listens = (server.host, server.port, secrets.host_key)
    return ServerSpec(*listens, home.sshd, home.landing, account, accounts, chroot, old, shared=settings.accounts.split)


def _unless_revoked(line: str | None, partner: Partner) -> str | None:
    from gateway.transport.keys import parse_public_key

    return None if line is None or parse_public_key(line).fingerprint in partner.revoked else line


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
