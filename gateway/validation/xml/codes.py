"""The closed list of what XML validators find, and the sizes beyond which they do not look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


class XmlCode(StrEnum):
    """Codes of findings. Codes of single values (`nino`, `date`, ...) are those of `govtypes.rules`."""

    # -- the file as a whole: nothing further is looked at
    EMPTY = "xml-empty"
    TOO_LARGE = "xml-too-large"
    COMPRESSED = "xml-compressed"
    ENCODING = "xml-encoding"
    DECLARATION = "xml-declaration"
    DOCTYPE = "xml-doctype"
    INSTRUCTION = "xml-instruction"
    TEXT_TOO_LONG = "xml-text-too-long"
    TOO_MANY_NODES = "xml-too-many-nodes"
    TOO_DEEP = "xml-too-deep"
    TOO_MANY_ATTRIBUTES = "xml-too-many-attributes"
    NOT_WELLFORMED = "xml-not-wellformed"
    NAMESPACE = "xml-namespace"
    # -- against the schema
    ELEMENT_MISSING = "xml-element-missing"
    ELEMENT_UNEXPECTED = "xml-element-unexpected"
    ATTRIBUTE = "xml-attribute"
    VALUE = "xml-value"
    SCHEMA = "xml-schema"
    # -- single values
    NINO = "nino"
    NINO_ADMINISTRATIVE = "nino-administrative"
    NINO_TEMPORARY = "nino-temporary"
    NINO_NO_SUFFIX = "nino-no-suffix"
    DATE = "date"
    AMOUNT = "amount"
    COUNT = "count"
    POSTCODE = "postcode"
    POSTCODE_SPACE = "postcode-space"
    POSTCODE_CASE = "postcode-case"
    CODE = "code"
    # -- values against each other
    DATE_ORDER = "date-order"
    COUNT_MISMATCH = "count-mismatch"
    TOTAL_MISMATCH = "total-mismatch"
    REPEATED = "repeated-reference"
    AUTHORITY = "authority-mismatch"
    # -- a file inside the document
    CONTENT_ALTERED = "content-altered"
    HISTORY = "history-broken"


@dataclass(frozen=True)
class XmlLimits:
    """How much a document may hold. Sizes are bytes, of text characters.

    `run` bounds the bytes between one `<` and the next, which bounds every tag with its attributes and every text
    before anything is parsed; `nodes` bounds how many `<` there are. `record` bounds the elements of
    one record (a household has about 120), and those outside the records. `findings` is how many are told in full;
    after `enough` a document is not read to its end, and the total says "at least".
    """

    size: int = 20 << 20
    run: int = 16 << 10
    nodes: int = 1_000_000
    record: int = 10_000
    depth: int = 24
    attributes: int = 16
    text: int = 2_000
    findings: int = 50
    enough: int = 10_000


DEFAULT_LIMITS: Final = XmlLimits()


class Complaint(Protocol):
    """One entry of lxml's error log, as far as it is used: never its message, which quotes the document."""

    @property
    def line(self) -> int: ...

    @property
    def path(self) -> str | None: ...

    @property
    def type_name(self) -> str: ...
