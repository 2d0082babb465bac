"""The receipt: the receiver's signed answer to one consignment, transfer by transfer (docs/wire-format.md, version 1).

`Receipt.parse` raises ReceiptMalformed or ReceiptVersion, `accept` the ReceiptRefused subclass that says why the answer
does not answer. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.manifest import (
    MOST_ITEMS,
    VERSION,
    AuditHead,
    ContinuityNotice,
    Digest,
    Identity,
    Moment,
    SiteCode,
    describe,
    read_document,
)
from gateway.domain.states import State
from gateway.errors import ReceiptForeign, ReceiptForOtherBytes, ReceiptIncomplete, ReceiptMalformed, ReceiptVersion

MAX_BYTES: Final = 8 * 1024 * 1024
MOST_EXCEPTIONS: Final = 1_000_000_000
"""Far beyond what any gateway names: it bounds a number that a partner writes."""


class Outcome(StrEnum):
    """What became of one transfer at the receiver."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    INGESTED = "ingested"
    REFUSED = "refused"


class Level(StrEnum):
    """Whose word it is: the gateway's (`delivered`), or the back office's (`ingested`)."""

    DELIVERED = "delivered"
    INGESTED = "ingested"


SENDERS_STATE: Final[Mapping[Outcome, State]] = {
    Outcome.DELIVERED: State.RECEIPTED,
    Outcome.DUPLICATE: State.RECEIPTED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.QUARANTINED: State.QUARANTINED,
}
"""Where a receipt of level `delivered` takes the sender's transfer."""

BACK_OFFICE: Final[Mapping[Outcome, State]] = {
    Outcome.INGESTED: State.INGESTED,
    Outcome.REFUSED: State.RECEIPTED,
}
"""And one of level `ingested`: what the back office refused was delivered all the same, and stays so."""

_OUTCOMES: Final = {Level.DELIVERED: frozenset(SENDERS_STATE), Level.INGESTED: frozenset(BACK_OFFICE)}

_RECORD = ConfigDict(frozen=True, extra="ignore")


class ExceptionCount(BaseModel):
    """How many exceptions a delivered file has (`count`), and in how many of its records."""

    model_config = _RECORD
    count: Annotated[int, Field(ge=1, le=MOST_EXCEPTIONS)]
    records: Annotated[int, Field(ge=1, le=MOST_EXCEPTIONS)]


class TriageNote(BaseModel):
    """How many of a delivered file's records triage looked at, and how many repeat what came before, are superseded by it, or are out
    of date.
    """

    model_config = _RECORD
    records: Annotated[int, Field(ge=1, le=MOST_EXCEPTIONS)]
    repeats: Annotated[int, Field(ge=0, le=MOST_EXCEPTIONS)]
    superseded: Annotated[int, Field(ge=0, le=MOST_EXCEPTIONS)]
    out_of_date: Annotated[int, Field(ge=0, le=MOST_EXCEPTIONS)]


class ReceiptItem(BaseModel):
    """One transfer's outcome; `code` and `reason` say why where it was not delivered, without personal data.

    `exceptions` is there where a file was delivered in spite of faults in some of its records, `triage` where some of them came before
    or too late.
    """

    model_config = _RECORD
    transfer: Identity
    sha256: Digest
    outcome: Outcome
    code: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,60}$")] = None
    reason: Annotated[str | None, Field(max_length=4000)] = None
    exceptions: Annotated[ExceptionCount | None, Field(exclude_if=lambda value: value is None)] = None
    triage: Annotated[TriageNote | None, Field(exclude_if=lambda value: value is None)] = None


class Receipt(BaseModel):
    """`sealed_sha256` is the digest of the sealed file as received, `sender` whoever writes the receipt.

    `seen_head` is the newest head of the *recipient's* audit chain that the writer has seen: it tells a site whose ledger
    was cut or restored from an old copy that a partner remembers more than it does.
    """

    model_config = _RECORD
    version: Literal[1] = VERSION
    consignment: Identity
    sealed_sha256: Digest
    sender: SiteCode
    recipient: SiteCode
    level: Level
    issued: Moment
    audit_head: AuditHead
    seen_head: AuditHead | None = None
    continuity: Annotated[ContinuityNotice | None, Field(exclude_if=lambda value: value is None)] = None
    items: Annotated[tuple[ReceiptItem, ...], Field(min_length=1, max_length=MOST_ITEMS)]

    def to_bytes(self) -> bytes:
        """The JSON that is signed and sealed."""
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2)

    @classmethod
    def parse(cls, content: bytes) -> Receipt:
        """Read what a partner wrote. ReceiptVersion for another version, ReceiptMalformed for anything else wrong."""
        if len(content) > MAX_BYTES:
            raise ReceiptMalformed("the receipt is larger than 8 MiB")
        document = read_document(content, ReceiptMalformed, ReceiptVersion)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ReceiptMalformed(describe(error)) from None


def accept(
    receipt: Receipt,
    *,
    name: str,
    sender: str,
    recipient: str,
    sealed_sha256: str | None,
    items: Mapping[str, str],
) -> None:
    """Whether the receipt answers what we sent.

    `name` is the id in the file's name, `sender` the partner whose landing it lay in, `recipient` ourselves;
    `sealed_sha256` is the digest of the consignment as we sealed it for that partner, None where we never did; `items`
    maps each transfer that it carried to the digest of its file.
    """
    if receipt.consignment != name or sealed_sha256 is None:
        raise ReceiptForeign
    if receipt.sender != sender or receipt.recipient != recipient:
        raise ReceiptForeign("the receipt is between other sites")
    if receipt.sealed_sha256 != sealed_sha256:
        raise ReceiptForOtherBytes
    if any(answer.outcome not in _OUTCOMES[receipt.level] for answer in receipt.items):
        raise ReceiptMalformed(f"an outcome that a receipt of level {receipt.level} cannot have")
    answered = {answer.transfer: answer.sha256 for answer in receipt.items}
    if len(answered) != len(receipt.items):
        raise ReceiptIncomplete("the receipt answers a transfer twice")
    # The gateway answers for all files at once, the back office for some at a time.
    if not answered.items() <= items.items() or (receipt.level is Level.DELIVERED and len(answered) != len(items)):
        raise ReceiptIncomplete


def local_name(consignment: str, level: str | None, mark: str) -> str:
    """The name that a sealed receipt has here, where several about one consignment may lie side by side: the gateway's
    word as on the wire, the back office's with a mark of their own.
    """
    return f"{consignment}.{mark}.receipt.pgp" if level == Level.INGESTED else f"{consignment}.receipt.pgp"


def queue_name(consignment: str, level: str | None, key: int) -> str:
    """Its name in the queue towards a partner; `key` is its row's."""
    return local_name(consignment, level, str(key))


def evidence_name(consignment: str, level: str | None, sealed_sha256: str) -> str:
    """Its name among the partners' receipts that are kept; a digest of the sealed file tells it from others."""
    return local_name(consignment, level, sealed_sha256[:16])
