"""Which findings of one XML document are exceptions of its records.

They are where the document keeps its structure and only values are wrong: then every other record means what it meant.
libxml2 stops comparing an element's children at the first that does not belong. So its silence about the structure counts only
where all of its complaints are about values. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from lxml import etree

from gateway.validation.contract import Finding, RecordException
from gateway.validation.exceptions import all_of_records, named
from gateway.validation.xml.codes import Complaint

_OF_VALUES: Final = frozenset(
    f"SCHEMAV_CVC_{rule}"
    for rule in (
        *("DATATYPE_VALID_1_2_1", "DATATYPE_VALID_1_2_2", "PATTERN_VALID", "ENUMERATION_VALID", "FACET_VALID"),
        *("LENGTH_VALID", "MINLENGTH_VALID", "MAXLENGTH_VALID", "TOTALDIGITS_VALID", "FRACTIONDIGITS_VALID"),
        *("MININCLUSIVE_VALID", "MAXINCLUSIVE_VALID", "MINEXCLUSIVE_VALID", "MAXEXCLUSIVE_VALID"),
    )
)


def only_values(complaints: Iterable[Complaint]) -> bool:
    """Whether libxml2 complains about nothing but texts of elements."""
    return all(complaint.type_name in _OF_VALUES for complaint in complaints)


def are_texts(elements: Collection[etree._Element]) -> bool:
    """Whether the elements hold nothing but text, so that their value is all that can be wrong with them."""
    return all(len(element) == 0 and not element.attrib for element in elements)


def exceptions_of(findings: Sequence[Finding], total: int, record: str | None) -> tuple[RecordException, ...]:
    """All that is wrong as exceptions; nothing where one of the findings is not about a record, or not here.

    `record` is the tag of records.
    """
    if record is None or total != len(findings) or not all_of_records(finding.code for finding in findings):
        return ()
    head = f"{etree.QName(record).localname}["
    found: list[RecordException] = []
    for finding in findings:
        # `line 41, Claim[2]/Claimant/DateOfBirth`, and `Claim[2]` alone where a record is text.
        _, _, path = finding.where.partition(", ")
        number, bracket, field = path.removeprefix(head).partition("]/")
        if not path.startswith(head) or not bracket or not number.isdecimal():
            return ()
        found.append(RecordException(int(number), field, finding.code, finding.message))
    return named(found)
