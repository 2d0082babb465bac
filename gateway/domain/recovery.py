"""What a partner tells a site that lost its ledger: of the consignments between the two, and of nothing else (docs/wire-format.md).

`PartnerAnswer.parse` raises UsageWrong for a document that is none. The document is sealed like a receipt: signed by the partner, encrypted to
the site that asked. Pure.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.domain.manifest import AuditHead, Digest, Identity, Item, Moment, SiteCode
from gateway.domain.receipt import Outcome
from gateway.errors import UsageWrong

MAX_BYTES: Final = 512 * 1024 * 1024
"""A million transfers are about 300 MB."""

_RECORD: Final = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class AnsweredItem(BaseModel):
    """One transfer as its manifest had it, and what its receiver's gateway said of it."""

    model_config = _RECORD
    item: Item
    outcome: Outcome
    code: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,60}$")] = None
    reason: Annotated[str | None, Field(max_length=4000)] = None

    @field_validator("item")
    @classmethod
    def _is_no_path(cls, item: Item) -> Item:
        """As a manifest's acceptance has it: whoever writes such a name means to write elsewhere."""
        if item.name in {".", ".."} or any(mark in item.name for mark in "/\0"):
            raise ValueError("a name that is a path")
        return item


class AnsweredConsignment(BaseModel):
    """A consignment that its receiver has answered; `created` is when this partner's row of it was made."""

    model_config = _RECORD
    consignment: Identity
    sequence: Annotated[int, Field(ge=1, lt=2**53)]
    sealed_sha256: Digest
    sealed_size: Annotated[int, Field(ge=0, lt=2**53)]
    expires: Moment
    items: tuple[AnsweredItem, ...]


class PartnerAnswer(BaseModel):
    """`sender` is the partner, `recipient` the site that lost its ledger. `seen` is the newest head of the recipient's chain that the
    partner has seen, `sequence` the highest number of the recipient's consignments. `received` are the recipient's consignments, `sent`
    the partner's own that the recipient has answered; both `since` a moment.
    """

    model_config = _RECORD
    version: Literal[1] = 1
    sender: SiteCode
    recipient: SiteCode
    issued: Moment
    since: Moment
    seen: AuditHead | None = None
    sequence: Annotated[int, Field(ge=0, lt=2**53)]
    received: tuple[AnsweredConsignment, ...] = ()
    sent: tuple[AnsweredConsignment, ...] = ()

    def to_bytes(self) -> bytes:
        """The JSON that is signed and sealed."""
        return orjson.dumps(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def parse(cls, content: bytes) -> PartnerAnswer:
        """Read what a partner wrote."""
        try:
            return cls.model_validate(orjson.loads(content))
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise UsageWrong("It is no answer about consignments, as `gateway partner answer` writes it.") from error
