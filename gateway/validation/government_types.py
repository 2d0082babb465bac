"""Government types: the one place that knows which NINO, date, amount, postcode or code is right.

Pure functions. Each `..._fault`, and each check that a `..._check` makes for a day, returns None where the text is right, and otherwise the end of a sentence that says
which rule is broken and never repeats the text, so that a finding made of it may be logged. Nothing here raises.

The XML schemas and the extract's layout state the same rules as far as they can; libxml2 passes some values that the
XSD standard refuses, and no schema knows today's date, so validators ask here as well.

Sources: GovTalk Address and Personal Details schemas (NINO, names, postcode, UPRN), BS 7666, HMRC's manual NIM39110
(prefixes, by way of `nino_prefixes`), the NHS Data Dictionary and Hospital Episode Statistics (ZZ99), ONS GSS coding policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.domain.enquiry import reference_fault
from gateway.domain.known_faults import id_fault, text_fault
from gateway.validation.nino_prefixes import FlowPrefixes, Status

EARLIEST: Final = date(1880, 1, 1)
OLDEST_PERSON: Final = timedelta(days=130 * 366)
FURTHEST_AHEAD: Final = timedelta(days=20 * 366)
CLOCK_TOLERANCE: Final = timedelta(days=1)
"""How far "today" may lie in another time zone, or on another clock."""

_NINO: Final = re.compile(r"[A-Z]{2}[0-9]{6}([A-D ]?)", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)
_POUNDS: Final = re.compile(r"[0-9]{1,9}\.[0-9]{2}", re.ASCII)
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,6}", re.ASCII)
_OUTWARD_AND_INWARD: Final = (
    (r"[A-Z]{1,2}[0-9R][0-9A-Z]?", r"[0-9][ABD-HJLNP-UW-Z]{2}"),
    (r"ZZ99", r"[0-9][A-Z]Z"),
    (r"BFPO", r"[1-9][0-9]{0,3}"),
)
POSTCODE_PATTERN: Final = "|".join(f"{outward} {inward}" for outward, inward in _OUTWARD_AND_INWARD)
"""Postcodes as GovTalk has them; the NHS's and ONS's for people without one (ZZ99 3VZ: no fixed abode; ZZ99 6CZ: abroad), whose
letters GovTalk's pattern would not take; and British Forces Post Office numbers, from before they had postcodes (BF1)."""
_POSTCODE: Final = re.compile(POSTCODE_PATTERN, re.ASCII)
_SPACED_POSTCODE: Final = re.compile(
    " *(?:" + "|".join(f"{outward} *{inward}" for outward, inward in _OUTWARD_AND_INWARD) + ") *", re.ASCII
)
_UPRN: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_AUTHORITY: Final = re.compile(r"[0-9]{4}|[EWSN][0-9]{8}", re.ASCII)
_SORT_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[0-9]{8}", re.ASCII)
_RMS_NUMBER: Final = re.compile(r"(?:[A-Z]|[A-Z]{3})?[0-9]{6,12}", re.ASCII)
_RULE_ID: Final = re.compile(r"[A-Z]{2,6}[0-9]{3}(?:/[A-Z]{2,6}[0-9]{3})?", re.ASCII)
_SITE: Final = re.compile(r"DWP|[0-9]{4}|[EWSN][0-9]{8}", re.ASCII)
_TRANSFER: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIZE: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

Fault = str | None
"""None where the value is right; otherwise what is wrong with it, to stand after a colon."""


class CodedFault(NamedTuple):
    """What is wrong with a value, where a kind of value has several codes of findings."""

    code: str
    words: str


_PREFIX_FAULTS: Final = MappingProxyType(
    {
        Status.NEVER: CodedFault("nino", "its first two letters were never issued"),
        Status.TEST: CodedFault("nino", "a test number, which this site does not accept"),
        Status.ADMINISTRATIVE: CodedFault(
            "nino-administrative",
            "an office's own reference, which only looks like a National Insurance number: its first two letters were"
            " never issued to people",
        ),
        Status.TEMPORARY: CodedFault(
            "nino-temporary", "a temporary number of tax credits, which this kind of file does not have"
        ),
    }
)


def nino_fault(text: str, prefixes: FlowPrefixes) -> CodedFault | None:
    """National Insurance number: two letters, six digits, and a suffix A to D or a space.

    Which letters pass is the table's to say. Of a number that has several faults the first of these is told: its form,
    its letters, its suffix.
    """
    match = _NINO.fullmatch(text)
    if match is None:
        return CodedFault("nino", "not two capital letters, six digits and a suffix A, B, C, D or space")
    status = prefixes[text[:2]]
    if status is not None:
        return _PREFIX_FAULTS[status]
    if not match[1]:
        return CodedFault(
            "nino-no-suffix", "its last letter is missing: A, B, C or D, or a space where it is not known"
        )
    return None


def to_date(text: str) -> date | None:
    """A day written YYYY-MM-DD, or None where it is written otherwise or does not exist."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None  # the library knows other ways to write one


def _days(earliest: date, latest: date, too_late: str) -> Callable[[str], Fault]:
    """The check of a day from `earliest` to `latest`. Documents are full of days, so a right one passes at once."""

    def fault(text: str) -> Fault:
        day = to_date(text)
        if day is None:
            return (
                "not a date that exists"
                if _DATE.fullmatch(text)
                else "not a date written as year-month-day (YYYY-MM-DD)"
            )
        if day < earliest:
            return "a date too long ago to be meant"
        return too_late if day > latest else None

    return fault


def date_check(today: date) -> Callable[[str], Fault]:
    """A day that exists, from 1880 to twenty years ahead."""
    return _days(EARLIEST, today + FURTHEST_AHEAD, "a date too far ahead to be meant")


def past_date_check(today: date) -> Callable[[str], Fault]:
    """A day that has come."""
    return _days(EARLIEST, today + CLOCK_TOLERANCE, "a date in the future")


def birth_date_check(today: date) -> Callable[[str], Fault]:
    """The day of birth of somebody who may be alive."""
    return _days(max(EARLIEST, today - OLDEST_PERSON), today + CLOCK_TOLERANCE, "a date in the future")


def timestamp_check(today: date) -> Callable[[str], Fault]:
    """A moment in UTC that has come, written YYYY-MM-DDThh:mm:ssZ."""
    day_fault = past_date_check(today)

    def fault(text: str) -> Fault:
        match = _TIMESTAMP.fullmatch(text)
        if match is None:
            return "not a moment in UTC written as YYYY-MM-DDThh:mm:ssZ"
        day, hour, minute, second = match.groups()
        if hour > "23" or minute > "59" or second > "59":
            return "not a time of day that exists"
        return day_fault(day)

    return fault


def to_pence(text: str) -> int | None:
    """Pounds with exactly two decimals as whole pence, or None where it is written otherwise."""
    return int(text[:-3]) * 100 + int(text[-2:]) if _POUNDS.fullmatch(text) else None


def amount_fault(text: str) -> Fault:
    return None if _POUNDS.fullmatch(text) else "not an amount in pounds with exactly two decimals"


def to_count(text: str) -> int | None:
    """A whole number of at most seven digits, or None where it is written otherwise."""
    return int(text) if _COUNT.fullmatch(text) else None


def count_fault(text: str) -> Fault:
    return None if _COUNT.fullmatch(text) else "not a whole number without leading noughts"


def postcode_fault(text: str) -> CodedFault | None:
    """A postcode, one of those for people without one, or a number of the British Forces Post Office."""
    if _POSTCODE.fullmatch(text):
        return None
    if text.isascii() and _SPACED_POSTCODE.fullmatch(text.upper()):
        lower = " and is not in capitals" if text != text.upper() else ""
        if not _POSTCODE.fullmatch(text.upper()):
            return CodedFault(
                "postcode-space", f"a postcode that does not have one space in its middle, and no other{lower}"
            )
        return CodedFault("postcode-case", "a postcode that is not in capitals")
    return CodedFault("postcode", "not a postcode in capitals with one space")


def uprn_fault(text: str) -> Fault:
    return None if _UPRN.fullmatch(text) else "not a number from 1 to 999999999999"


def authority_fault(text: str) -> Fault:
    return None if _AUTHORITY.fullmatch(text) else "neither four digits nor a GSS code"


def sort_code_fault(text: str) -> Fault:
    return None if _SORT_CODE.fullmatch(text) else "not six digits"


def account_number_fault(text: str) -> Fault:
    return None if _ACCOUNT.fullmatch(text) else "not eight digits"


def rms_number_fault(text: str) -> Fault:
    """Number of a data-matching referral: 6 to 12 digits after no letter, one or three.

    Two letters are refused: that might be a National Insurance number without its suffix, and these numbers may be kept
    and shown where personal data may not.
    """
    return None if _RMS_NUMBER.fullmatch(text) else "not 6 to 12 digits after no letter, one or three"


def rule_id_fault(text: str) -> Fault:
    """A matching rule or scan, such as HBTC003/CTTC003."""
    return None if _RULE_ID.fullmatch(text) else "not a rule such as HBTC003 or HBTC003/CTTC003"


def site_fault(text: str) -> Fault:
    return None if _SITE.fullmatch(text) else "neither DWP nor four digits nor a GSS code"


def transfer_fault(text: str) -> Fault:
    return None if _TRANSFER.fullmatch(text) else "not a UUID in lower case"


def sha256_fault(text: str) -> Fault:
    return None if _SHA256.fullmatch(text) else "not 64 hexadecimal digits in lower case"


def size_fault(text: str) -> Fault:
    return None if _SIZE.fullmatch(text) else "not a number of bytes from 1 to 999999999"


@dataclass(frozen=True)
class Rule:
    """A government type as validators use it: the check for a given day, and the code of its findings that have none.

    `is_right` is true of right texts, of all or of some: asked first, it spares most texts the check with its words.
    """

    code: str
    fault: Callable[[str], Fault | CodedFault]
    is_right: Callable[[str], object] | None = None

    def coded(self, fault: str | CodedFault) -> CodedFault:
        """What the check has found, with its code."""
        return fault if isinstance(fault, CodedFault) else CodedFault(self.code, fault)


def rules(*, today: date, prefixes: FlowPrefixes) -> dict[str, Rule]:
    """The check of every type that schemas name, such as `NinoType`, as it holds on the day `today` in one flow."""
    return {
        "NinoType": Rule("nino", lambda text: nino_fault(text, prefixes)),
        "DateType": Rule("date", date_check(today)),
        "PastDateType": Rule("date", past_date_check(today)),
        "BirthDateType": Rule("date", birth_date_check(today)),
        "TimestampType": Rule("date", timestamp_check(today)),
        "MoneyType": Rule("amount", amount_fault, _POUNDS.fullmatch),
        "CountType": Rule("count", count_fault, _COUNT.fullmatch),
        "PostcodeType": Rule("postcode", postcode_fault, _POSTCODE.fullmatch),
        "UprnType": Rule("code", uprn_fault, _UPRN.fullmatch),
        "AuthorityCodeType": Rule("code", authority_fault, _AUTHORITY.fullmatch),
        "SortCodeType": Rule("code", sort_code_fault, _SORT_CODE.fullmatch),
        "AccountNumberType": Rule("code", account_number_fault, _ACCOUNT.fullmatch),
        "RmsNumberType": Rule("code", rms_number_fault, _RMS_NUMBER.fullmatch),
        "RuleIdType": Rule("code", rule_id_fault, _RULE_ID.fullmatch),
        "SiteCodeType": Rule("code", site_fault, _SITE.fullmatch),
        "TransferIdType": Rule("code", transfer_fault, _TRANSFER.fullmatch),
        "Sha256Type": Rule("code", sha256_fault, _SHA256.fullmatch),
        "SizeType": Rule("count", size_fault, _SIZE.fullmatch),
        "EnquiryReferenceType": Rule("code", reference_fault),
        "FaultIdType": Rule("code", id_fault),
        "NoticeTextType": Rule("nino", text_fault),
    }
