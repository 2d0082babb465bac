"""What one field of an extract may hold: each rule twice, as a check that explains and as a pattern that is fast.

The check is the rule. The pattern accepts nothing that the check refuses; a test compares the two. A row that the patterns
accept needs no explanation. Pure, and raises nothing. No fault repeats a value.
"""

from __future__ import annotations

import re
from datetime import date
from types import MappingProxyType
from typing import Final

from gateway.validation.alphabets import alphabet_of, alphabet_of_codes
from gateway.validation.extract.layout import RECORD_TYPES, Field, Kind
from gateway.validation.government_types import POSTCODE_PATTERN, CodedFault, nino_fault, postcode_fault
from gateway.validation.nino_prefixes import FlowPrefixes

MESSAGES: Final = MappingProxyType(
    {
        "file-empty": "The file is empty.",
        "extract-too-large": "The file is larger than the limit.",
        "extract-too-many-rows": "The file has more rows than the limit; nothing after this row was checked.",
        "extract-line-too-long": "The row is longer than any extract needs; nothing after it was checked.",
        "extract-header": "The first row does not hold the field numbers of an extract of a version that is known here.",
        "extract-extra-columns": "Columns follow the last known one: they belong to no version that is known here, and what"
        " stands in them was not checked.",
        "extract-separator": "The columns of an extract are separated by commas.",
        "extract-line-end": "The rows end with CARRIAGE RETURN (U+000D) alone; a LINE FEED (U+000A) belongs to each end.",
        "extract-blank-row": "Nothing stands in it: delete it. One empty line at the end of the file does no harm.",
        "extract-commas-alone": "Rows of commas alone: a spreadsheet has written empty rows.",
        "extract-no-records": "The file has no rows after the first.",
        "extract-encoding": "The text is not UTF-8: save the file in that encoding.",
        "extract-control-character": "The row holds a character that cannot be printed, or a line break inside a field.",
        "extract-quotes": "The quotation marks do not fit: a quoted field is not closed, or has text after it.",
        "extract-column-count": "The row does not have as many columns as the first row.",
        "extract-truncated": "The file ends in the middle of this row.",
        "extract-record-type": "The record type is not one of D, A, C, T, E, G, P, R, S.",
        "extract-required": "The field may not be empty in a record of this type.",
        "extract-reference-missing": "The record has neither a housing benefit nor a council tax benefit claim reference.",
        "extract-reference-length": "The reference is longer than 40 characters.",
        "extract-nino": "Not a National Insurance number, nor the placeholder XX999 for a missing one.",
        "nino-administrative": "An office's own reference, which only looks like a National Insurance number: its first two"
        " letters were never issued to people.",
        "nino-temporary": "A temporary number of tax credits, which this kind of file does not have.",
        "nino-no-suffix": "A National Insurance number without its last letter: A, B, C or D, or a space where it is not"
        " known.",
        "extract-postcode": "Not a postcode, nor one of those for people without one (ZZ99), nor a BFPO number.",
        "postcode-space": "A postcode that does not have one space in its middle, and no other.",
        "postcode-case": "A postcode that is not in capitals.",
        "extract-date": "Not a date that exists, written as day/month/year (DD/MM/YYYY).",
        "extract-date-order": "The date is before the one that it may not be before.",
        "extract-integer": "Not a whole number of at most ten digits, without pounds sign, comma or point.",
        "extract-decimal": "Not a number with at most two decimals.",
        "extract-code": "Not one of the values that this field may take.",
        "extract-duplicate-claim": "An earlier D, A or C record has the same claim reference.",
        "extract-orphan": "No D, A or C record has this claim reference, so the record belongs to no claim.",
        "extract-unknown-change": "No T record has this identifier, so the payment error belongs to no change.",
        "extract-gave-up": "There are more faults than the limit; nothing after this row was checked.",
    }
)

REFERENCES: Final = frozenset({2, 3, 320})
"""Fields by which records belong together; they are kept in memory, so their length is bounded."""
REFERENCE_LENGTH: Final = 40

_OWN_CODES: Final = MappingProxyType({"nino": "extract-nino", "postcode": "extract-postcode"})
"""What the extract calls faults of values that the government types find."""
_FAULT_OF_KIND: Final = MappingProxyType(
    {
        Kind.DATE: "extract-date",
        Kind.INTEGER: "extract-integer",
        Kind.DECIMAL: "extract-decimal",
        Kind.CODE: "extract-code",
    }
)
_ALPHABETS: Final = MappingProxyType(
    {
        Kind.RECORD_TYPE: alphabet_of_codes(RECORD_TYPES),
        Kind.NINO: alphabet_of(["[A-Z0-9 ]"]),
        Kind.POSTCODE: alphabet_of(["[A-Z0-9 ]"]),
        Kind.DATE: alphabet_of(["[0-9/]"]),
        Kind.INTEGER: alphabet_of([r"[0-9\-]"]),
        Kind.DECIMAL: alphabet_of([r"[0-9.\-]"]),
    }
)
_DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/((?:18[89]|19[0-9]|20[0-9])[0-9])")
_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,8}(?:\.[0-9]{1,2})?")
_PLACEHOLDER: Final = re.compile(r"XX999[0-9A-Z ]{0,4}")

TEXT: Final = rb'[^,"\x00-\x1f\x7f-\xff]'
"""A character of a field in a row that patterns may accept: ASCII, unquoted."""
_INK: Final = rb'[^ ,"\x00-\x1f\x7f-\xff]'
"""Such a character that is no space."""
_YEAR: Final = rb"(?:18[89]|19[0-9]|20[0-9])[0-9]"
_LEAP: Final = rb"(?:188[048]|189[26]|(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)"
_DATE_FAST: Final = (
    rb"(?:(?:(?:0[1-9]|1[0-9]|2[0-8])/(?:0[1-9]|1[0-2])|(?:29|30)/(?:0[13-9]|1[0-2])|31/(?:0[13578]|1[02]))/"
    + _YEAR
    + rb"|29/02/"
    + _LEAP
    + rb")"
)
_PLACEHOLDER_FAST: Final = rb"XX999[0-9A-Z ]{0,4}+"
_POSTCODE_FAST: Final = rb"(?:%b)" % POSTCODE_PATTERN.encode()


def field_fault(field: Field, value: str, prefixes: FlowPrefixes) -> str | None:
    """The code of the rule that a value breaks in a record that uses the field; None where it breaks none."""
    kind = field.kind
    if field.number in REFERENCES and len(value) > REFERENCE_LENGTH:
        return "extract-reference-length"
    if kind is Kind.NINO:
        return None if _PLACEHOLDER.fullmatch(value) else _own_code(nino_fault(value, prefixes))
    if kind is Kind.POSTCODE:
        return _own_code(postcode_fault(value))
    if kind is Kind.DATE:
        right = _is_date(value)
    elif kind is Kind.CODE:
        right = value in field.values
    elif kind is Kind.INTEGER:
        right = _INTEGER.fullmatch(value) is not None
    elif kind is Kind.DECIMAL:
        right = _DECIMAL.fullmatch(value) is not None
    else:
        right = True
    return None if right else _FAULT_OF_KIND[kind]


def character_fault(field: Field, value: str) -> str | None:
    """The sentence that names a character which may not stand in any value of the field; None where there is none."""
    alphabet = alphabet_of_codes(field.values) if field.kind is Kind.CODE else _ALPHABETS.get(field.kind)
    fault = None if alphabet is None else alphabet.fault(value)
    return None if fault is None else f"{fault}."


def field_pattern(field: Field, prefixes: FlowPrefixes) -> bytes:
    """A regular expression for a value that is there and keeps the same rule; it has no groups, and never backs up."""
    if field.number in REFERENCES:
        return _INK + TEXT + rb"{0,%d}+" % (REFERENCE_LENGTH - 1)
    if field.kind is Kind.NINO:
        return rb"(?:(?:%b)[0-9]{6}[A-D ]|%b)" % (_prefix_pattern(prefixes), _PLACEHOLDER_FAST)
    if field.kind is Kind.POSTCODE:
        return _POSTCODE_FAST
    if field.kind is Kind.DATE:
        return _DATE_FAST
    if field.kind is Kind.CODE:
        longest_first = sorted(field.values, key=lambda value: (-len(value), value))
        return rb"(?:" + b"|".join(re.escape(value.encode()) for value in longest_first) + rb")"
    if field.kind is Kind.INTEGER:
        return rb"-?[0-9]{1,10}+"
    if field.kind is Kind.DECIMAL:
        return rb"-?[0-9]{1,8}+(?:\.[0-9]{1,2}+)?"
    return _INK + TEXT + rb"*+"


def _own_code(fault: CodedFault | None) -> str | None:
    return None if fault is None else _OWN_CODES.get(fault.code, fault.code)


def _prefix_pattern(prefixes: FlowPrefixes) -> bytes:
    """The prefixes that pass; first letters that go with the same second ones are together, the largest group first."""
    seconds: dict[str, str] = {}
    for letters, status in prefixes.items():
        if status is None:
            seconds[letters[0]] = seconds.get(letters[0], "") + letters[1]
    firsts: dict[str, str] = {}
    for first, second in seconds.items():
        firsts[second] = firsts.get(second, "") + first
    groups = sorted(firsts.items(), key=lambda group: -len(group[1]))
    return b"|".join(b"[%b][%b]" % (first.encode(), second.encode()) for second, first in groups)


def _is_date(value: str) -> bool:
    match = _DATE.fullmatch(value)
    if match is None:
        return False
    day, month, year = match.groups()
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
