"""The manifest: the signed list of what a consignment carries (docs/wire-format.md, version 1).

`Manifest.parse` raises ManifestMalformed or ManifestVersion; `accept` raises the ManifestRefused subclass for the line of
the acceptance rule that is broken. Both are pure, so every line can be tested alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.identity import from_text, is_id
from gateway.errors import (
    ManifestEncryptedTo,
    ManifestExpired,
    ManifestFlow,
    ManifestFromFuture,
    ManifestIdentity,
    ManifestItemTooLarge,
    ManifestMalformed,
    ManifestName,
    ManifestRecipient,
    ManifestSender,
    ManifestSigner,
    ManifestVersion,
)

VERSION: Final = 1
MAX_BYTES: Final = 4 * 1024 * 1024
"""A manifest of 10,000 items is about 3 MB."""

MOST_ITEMS: Final = 10_000

CLOCK_LEEWAY: Final = 300.0
"""Seconds by which a partner's clock may be ahead of ours."""


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("not a UUIDv7 in lower case")
    return text


def _moment(text: str) -> str:
    from_text(text)
    return text


Identity = Annotated[str, AfterValidator(_id), Field(min_length=36, max_length=36)]
Moment = Annotated[str, AfterValidator(_moment), Field(max_length=40)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]
SiteCode = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,15}$")]
FlowName = Annotated[str, Field(pattern=r"^[a-z]{2,20}$")]

# Strict: a number is a number. Fields that this version does not know are ignored, so that a later one may add some.
_RECORD = ConfigDict(frozen=True, strict=True, extra="ignore")


class AuditHead(BaseModel):
    """The last event of a site's audit chain when it wrote this."""

    model_config = _RECORD
    sequence: Annotated[int, Field(ge=0, lt=2**53)]  # the ledger keeps it: SQLite's integers end, JSON's do not
    sha256: Digest


class ContinuityNotice(BaseModel):
    """There while business continuity is invoked at the site that signs: since when, and when somebody said last how it stands.

    Nothing that a person wrote is in it.
    """

    model_config = _RECORD
    since: Moment
    updated: Moment


class Item(BaseModel):
    """One transfer: `size` in bytes and `sha256` of the file as submitted."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", populate_by_name=True)
    transfer: Identity
    flow: FlowName
    name: Annotated[str, Field(min_length=1, max_length=255)]
    size: Annotated[int, Field(ge=0, lt=2**43)]
    sha256: Digest
    schema_: Annotated[str | None, Field(alias="schema", max_length=64)] = None
    reference: Annotated[str | None, Field(max_length=200)] = None
    redirected_from: SiteCode | None = None


class Manifest(BaseModel):
    """What the sender signed. `parse` refuses two items of one transfer."""

    model_config = _RECORD
    version: Literal[1] = VERSION
    consignment: Identity
    sender: SiteCode
    recipient: SiteCode
    signer: Fingerprint
    encrypted_to: Fingerprint
    sequence: Annotated[int, Field(ge=1, lt=2**53)]
    created: Moment
    expires: Moment
    audit_head: AuditHead
    accepts: Annotated[tuple[FlowName, ...] | None, Field(max_length=100, strict=False)] = None
    """The flows that the sender takes from the recipient; None where an older gateway does not say."""
    continuity: Annotated[ContinuityNotice | None, Field(exclude_if=lambda value: value is None)] = None
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=MOST_ITEMS, strict=False)]

    def to_bytes(self) -> bytes:
        """The JSON that goes into the archive."""
        return orjson.dumps(self.model_dump(by_alias=True), option=orjson.OPT_INDENT_2)

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """Read what a partner wrote. ManifestVersion for another version, ManifestMalformed for anything else wrong."""
        if len(content) > MAX_BYTES:
            raise ManifestMalformed("the manifest is larger than 4 MiB")
        document = read_document(content, ManifestMalformed, ManifestVersion)
        try:
            manifest = cls.model_validate(document)
        except ValidationError as error:
            raise ManifestMalformed(describe(error)) from None
        if len({item.transfer for item in manifest.items}) != len(manifest.items):
            raise ManifestMalformed("two items have the same transfer id")
        return manifest


def read_document(content: bytes, malformed: type[Exception], unknown: type[Exception]) -> dict[str, Any]:
    """The JSON object that a partner wrote, if it is of our version and its list of items can be looked at one by one.

    pydantic's own reading of JSON takes a gigabyte for four megabytes of empty lists, and its errors about a million
    empty items three: so orjson reads, and more items than there may be never reach pydantic.
    """
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise malformed("not JSON") from None
    if not isinstance(document, dict):
        raise malformed("not a JSON object")
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int):
        raise malformed("no version number")
    if version != VERSION:
        raise unknown(f"version {version}; this gateway knows version {VERSION}")
    items = document.get("items")
    if isinstance(items, list) and len(items) > MOST_ITEMS:
        raise malformed(f"more than {MOST_ITEMS} items")
    return document


def describe(error: ValidationError) -> str:
    """Where and which rule, never the value: the text goes to logs and to the ledger."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    where = ".".join(str(part) for part in first["loc"]) or "document"
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"{where[:80]}: {first['type']}{more}"


def accept(
    manifest: Manifest,
    *,
    name: str,
    sender: str,
    recipient: str,
    signer: str,
    encrypted_to: str,
    now: float,
    permitted: Callable[[str], bool],
    max_bytes: Callable[[str], int],
) -> None:
    """The manifest's part of the acceptance rule.

    `name` is the id in the file's name, `sender` the partner whose landing it lay in, `recipient` ourselves, `signer` and
    `encrypted_to` the fingerprints that the engine verified, `now` our own clock, `permitted` and `max_bytes` the flows.
    """
    if manifest.consignment != name:
        raise ManifestIdentity
    if manifest.recipient != recipient:
        raise ManifestRecipient
    if manifest.sender != sender:
        raise ManifestSender
    if manifest.signer != signer:
        raise ManifestSigner
    if manifest.encrypted_to != encrypted_to:
        raise ManifestEncryptedTo
    if from_text(manifest.created) > now + CLOCK_LEEWAY:
        raise ManifestFromFuture
    if from_text(manifest.expires) <= now:
        raise ManifestExpired
    for number, item in enumerate(manifest.items, 1):
        if item.name in {".", ".."} or any(mark in item.name for mark in "/\0"):
            # No gateway sends one: whoever did means to write elsewhere. Names that are merely odd are rejected later.
            raise ManifestName(f"item {number}")
        if not permitted(item.flow):
            raise ManifestFlow(f"item {number}: flow {item.flow} is not permitted from {sender}")
        if item.size > max_bytes(item.flow):
            raise ManifestItemTooLarge(
                f"item {number}: {item.size} bytes, flow {item.flow} allows {max_bytes(item.flow)}"
            )
