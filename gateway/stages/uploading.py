"""Uploads of the console: checked as `gateway validate` does, and taken in as a dropped file is.

An upload's id becomes its transfer's. So whoever sends it twice, or is cut short between the commit and the removal of the upload, has
sent it once: the second request finds the transfer. Raises NotFound, PartnerUnknown, FlowNotPermitted, FileNameRefused, FileEmpty,
FileTooLarge, StillBeingWritten, and what the disk and the sandbox raise.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.shown import META, Findings, to_bytes
from gateway.domain.states import Direction
from gateway.domain.uploads import Upload
from gateway.errors import DiskFull, FlowNotPermitted, NotFound, PartnerUnknown, Unshown
from gateway.ledger.queries import identities
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.settings.model import SiteKind
from gateway.spool.names import check_name
from gateway.spool.submission import examine
from gateway.spool.uploads import find_upload
from gateway.stages.admission import record_admitted, submitted_copies
from gateway.stages.background_readers import BackgroundReaders
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided
from gateway.stages.inspection import other_authority, too_many, wrong_authority
from gateway.stages.request_answers import Policy
from gateway.stages.showing import place_for
from gateway.storage.durable import write_file
from gateway.validation.contract import Report
from gateway.validation.exceptions import tolerated
from gateway.validation.plan import Plan
from gateway.validation.sandbox.pool import Crash, Job

UPLOAD: Final = "upload"
_MOST_TOLD: Final = 100


def check(context: StageContext, readers: BackgroundReaders, request: Request, plans: Mapping[str, Plan]) -> Upload:
    """Read the upload in the sandbox by its flow's rules, and leave the findings for the console to show. Leaves the ledger alone."""
    path, upload = _upload(context, request)
    with readers.sandbox({upload.flow: plans[upload.flow]}) as sandbox:
        ((_, result),) = sandbox.validate([Job(upload.id, upload.flow, path, upload.size)])
    if isinstance(result, Crash):
        raise Unshown(f"it ended its reader: {result.reason}")
    with place_for(context, request.id) as directory:
        write_file(directory / META, to_bytes(_judged(context, upload, result)), mode=0o640)
    return upload


@contextmanager
def sending(context: StageContext, request: Request) -> Iterator[Policy]:
    """A copy of the upload, durable in custody, and what takes it in within the transaction that answers."""
    before = _sent(context, request)
    if before is not None:
        yield before
        return
    path, upload = _upload(context, request)
    submission = examine(path, context.settings.flows[upload.flow].max_bytes)
    if shutil.disk_usage(context.home.vault).free < upload.size + context.settings.limits.min_free_bytes:
        raise DiskFull(f"{upload.size} bytes are needed to take the file in")
    with submitted_copies(context) as copies:
        copied = copies.copy(submission, upload.id)
        copies.commit()
        copies.move_in()

        def take(context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
            if (found := _transfer(transaction, identity)) is not None:
                return found
            row = {
                "id": copied.transfer,
                "flow": upload.flow,
                "partner": upload.partner,
                "name": upload.name,
                "size": copied.size,
                "sha256": copied.sha256,
                "spool_file": None,
                "reference": None,
            }
            record_admitted(context, transaction, [row], decision)
            return Decided("transfer", upload.id, upload.partner, "admitted")

        yield take


def _upload(context: StageContext, request: Request) -> tuple[Path, Upload]:
    """The upload, which the person who asks made, and may send where it is to go."""
    path, upload = find_upload(context.home.uploads, request.subject)
    if upload.user != request.actor:
        raise NotFound("that is somebody else's upload")
    check_name(upload.name)
    settings, partner = context.settings, upload.partner
    if partner in settings.stopped:
        raise FlowNotPermitted(f"{partner} is stopped: its file has faults.")
    if partner not in settings.partners:
        raise PartnerUnknown(f"There is no partner {partner[:40]!r}.")
    if partner not in context.routes.outgoing.get(upload.flow, frozenset()):
        raise FlowNotPermitted(f"The flow {upload.flow[:40]} does not go to {partner}.")
    return path, upload


def _sent(context: StageContext, request: Request) -> Policy | None:
    with context.ledger.read() as connection:
        there = identities.by_ids(connection, Direction.OUT, [request.subject])
    if not there:
        return None

    def answer(_context: StageContext, transaction: Transaction, identity: str, _decision: Decision) -> Decided:
        found = _transfer(transaction, identity)
        if found is None:
            raise NotFound(f"there is no transfer {identity}")
        return found

    return answer


def _transfer(transaction: Transaction, identity: str) -> Decided | None:
    """The transfer that the upload became before."""
    found = next(iter(identities.by_ids(transaction.connection, Direction.OUT, [identity])), None)
    return None if found is None else Decided("transfer", found.id, found.partner, str(found.state))


def _judged(context: StageContext, upload: Upload, report: Report) -> Findings:
    """What `validate` would say of it; what only the ledger tells, duplicates and unusual numbers, is looked at when it is sent."""
    partner = context.settings.partners[upload.partner]
    authority = context.site if partner.kind is SiteKind.DWP else upload.partner
    same = context.is_same_authority
    report = wrong_authority(report, authority, same)
    report = other_authority(report, upload.flow, upload.name, context.site, same)
    percent = context.settings.flows[upload.flow].tolerated_percent
    odd = tolerated(report, percent)
    note = too_many(report, percent) if percent and not odd and not report.valid and report.exceptions else ""
    told = tuple((finding.code, finding.where, finding.message) for finding in report.findings[:_MOST_TOLD])
    return Findings(report.valid or odd, report.total, told, note)
