"""Composition: documents that the gateway writes itself are admitted like submitted files.

The readers check each document before anything is recorded, and `outbound.validate` checks it again, like a dropped file.
Raises FlowNotPermitted, PartnerUnknown, ConfigurationInvalid for a partner that is stopped, FileTooLarge, ContentInvalid,
PoisonFile, DiskFull and DiskFailed, all before anything is recorded.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.xml_lines import Office
from gateway.errors import (
    ConfigurationInvalid,
    ContentInvalid,
    DiskFull,
    FileTooLarge,
    FlowNotPermitted,
    PartnerUnknown,
    PoisonFile,
)
from gateway.ledger.store import Transaction
from gateway.settings.model import SiteKind
from gateway.stages.admission import record_admitted, submitted_copies
from gateway.stages.context import StageContext
from gateway.stages.inspection import invalid, wrong_authority
from gateway.validation.sandbox.pool import Crash, Job, Sandbox

_FOREIGN: Final = re.compile(r"[^\w '’.,&()/-]|_")
_OFFICE_NAME: Final = 70


@dataclass(frozen=True)
class Composed:
    """A document for one partner, and the name that it has there."""

    partner: str
    name: str
    content: bytes


def office_of(context: StageContext) -> Office:
    """The site as the office that a document comes from, in the letters and marks that schemas give to names."""
    name = " ".join(_FOREIGN.sub(" ", context.settings.site.name).split())[:_OFFICE_NAME].strip()
    return Office(context.site.replace("-", "")[:10], name or context.site)


def authority_of(context: StageContext, partner: str) -> str:
    """The authority that a document to that partner concerns: the partner, or this site where it goes to DWP."""
    known = context.settings.partners.get(partner)
    return context.site if known is not None and known.kind is SiteKind.DWP else partner


def require_route(context: StageContext, flow: str, partner: str) -> None:
    """Raise where the flow may not go to that partner from here."""
    if partner in context.settings.stopped:
        raise ConfigurationInvalid(context.settings.stopped[partner].why)
    if partner not in context.settings.partners:
        raise PartnerUnknown(f"There is no partner {partner[:40]!r}.")
    if partner not in context.routes.outgoing.get(flow, frozenset()):
        raise FlowNotPermitted(f"The flow {flow} does not go to {partner}.")


def submit(
    context: StageContext,
    readers: Sandbox,
    flow: str,
    documents: Sequence[Composed],
    decision: Decision | None,
    require: Callable[[Transaction], None] = lambda _transaction: None,
) -> list[str]:
    """Take the documents into custody, all or none; the ids of their transfers. `decision` is that of the person who asked for it,
    None where nobody did. `require` is called in the transaction that records them, and raises where what they were written
    for no longer holds.
    """
    for document in documents:
        require_route(context, flow, document.partner)
    limit = context.settings.flows[flow].max_bytes
    if (largest := max((len(document.content) for document in documents), default=0)) > limit:
        raise FileTooLarge(f"The document would have {largest} bytes; its flow allows {limit}.")
    needed = sum(len(document.content) for document in documents) + context.settings.limits.min_free_bytes
    if shutil.disk_usage(context.home.vault).free < needed:
        raise DiskFull(f"{needed} bytes are needed to take the documents in")
    with submitted_copies(context) as draft:
        written = [draft.write(document.content, context.new_id()) for document in documents]
        _validate(context, readers, flow, documents, [path for path, _ in written])
        draft.commit()
        draft.move_in()
        rows = [
            {
                "id": copy.transfer,
                "flow": flow,
                "partner": document.partner,
                "name": document.name,
                "size": copy.size,
                "sha256": copy.sha256,
                "spool_file": None,
                "reference": None,
            }
            for document, (_, copy) in zip(documents, written, strict=True)
        ]
        with context.ledger.write() as transaction:
            require(transaction)
            record_admitted(context, transaction, rows, decision)
    return [copy.transfer for _, copy in written]


def _validate(
    context: StageContext, readers: Sandbox, flow: str, documents: Sequence[Composed], paths: Sequence[Path]
) -> None:
    """Raise ContentInvalid for a document that its partner would refuse."""
    jobs = [Job(str(at), flow, path) for at, path in enumerate(paths)]
    for job, result in readers.validate(jobs):
        if isinstance(result, Crash):
            raise PoisonFile(result.reason)
        report = wrong_authority(
            result, authority_of(context, documents[int(job.key)].partner), context.is_same_authority
        )
        if not report.valid:
            error = invalid(report)
            raise ContentInvalid(f"The document would break its rules:\n{error.reason}", error.finding)
