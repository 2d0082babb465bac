"""Government types: the one place that knows which NINO, date, amount, postcode or code is right.

Pure functions. Each `..._fault` returns None where the text is right, and otherwise the end of a sentence that says
which rule is broken and never repeats the text, so that a finding made of it may be logged. Nothing here raises.

The XML schemas and the extract's layout state the same rules as far as they can; libxml2 passes some values that the
XSD standard refuses, and no schema knows today's date, so validators ask here as well.

Sources: GovTalk Address and Personal Details schemas (NINO, names, postcode, UPRN), BS 7666, HMRC's manual NIM39110
(prefixes), ONS GSS coding policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gateway.transfer.enquiry import reference_fault
from gateway.transfer.known_faults import id_fault, text_fault

TEST_PREFIX: Final = "QQ"
"""The NINO prefix of official specimen forms. No number of a living person starts with it: Q is never a first letter."""

NEVER_ISSUED: Final = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
EARLIEST: Final = date(1880, 1, 1)
OLDEST_PERSON: Final = timedelta(days=130 * 366)
FURTHEST_AHEAD: Final = timedelta(days=20 * 366)
CLOCK_TOLERANCE: Final = timedelta(days=1)
"""How far "today" may lie in another time zone, or on another clock."""

_NINO: Final = re.compile(r"[A-Z]{2}[0-9]{6}[A-D ]", re.ASCII)
_ISSUED: Final = re.compile(r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)
_POUNDS: Final = re.compile(r"[0-9]{1,9}\.[0-9]{2}", re.ASCII)
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,6}", re.ASCII)
_POSTCODE: Final = re.compile(r"[A-Z]{1,2}[0-9R][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}", re.ASCII)
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


def nino_fault(text: str, *, allow_test_numbers: bool) -> Fault:
    """National Insurance number: two letters, six digits, and a suffix A to D or a space.

    The first letter is never D F I Q U V, the second never D F I O Q U V, and seven prefixes were never issued.
    With `allow_test_numbers` the prefix QQ is taken as well: for sites that are tried out on made-up people.
    """
    if not _NINO.fullmatch(text):
        return "not two capital letters, six digits and a suffix A, B, C, D or space"
    prefix = text[:2]
    if prefix == TEST_PREFIX:
        return None if allow_test_numbers else "a test number, which this site does not accept"
    if prefix in NEVER_ISSUED or not _ISSUED.fullmatch(prefix):
        return "its first two letters were never issued"
    return None


def to_date(text: str) -> date | None:
    """A day written YYYY-MM-DD, or None where it is written otherwise or does not exist."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _day_fault(text: str, earliest: date, latest: date, too_late: str) -> Fault:
    if not _DATE.fullmatch(text):
        return "not a date written as year-month-day (YYYY-MM-DD)"
    day = to_date(text)
    if day is None:
        return "not a date that exists"
    if day < earliest:
        return "a date too long ago to be meant"
    return too_late if day > latest else None


def date_fault(text: str, *, today: date) -> Fault:
    """A day that exists, from 1880 to twenty years ahead."""
    return _day_fault(text, EARLIEST, today + FURTHEST_AHEAD, "a date too far ahead to be meant")


def past_date_fault(text: str, *, today: date) -> Fault:
    """A day that has come."""
    return _day_fault(text, EARLIEST, today + CLOCK_TOLERANCE, "a date in the future")


def birth_date_fault(text: str, *, today: date) -> Fault:
    """The day of birth of somebody who may be alive."""
    return _day_fault(text, max(EARLIEST, today - OLDEST_PERSON), today + CLOCK_TOLERANCE, "a date in the future")


def timestamp_fault(text: str, *, today: date) -> Fault:
    """A moment in UTC that has come, written YYYY-MM-DDThh:mm:ssZ."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return "not a moment in UTC written as YYYY-MM-DDThh:mm:ssZ"
    day, hour, minute, second = match.groups()
    if hour > "23" or minute > "59" or second > "59":
        return "not a time of day that exists"
    return past_date_fault(day, today=today)


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


def postcode_fault(text: str) -> Fault:
    return None if _POSTCODE.fullmatch(text) else "not a postcode in capitals with one space"


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
    """A government type as validators use it: the code of its findings, and the check for a given day."""

    code: str
    fault: Callable[[str], Fault]


def rules(*, today: date, allow_test_numbers: bool) -> dict[str, Rule]:
    """The check of every type that schemas name, such as `NinoType`, as it holds on the day `today`."""
    return {
        "NinoType": Rule("nino", lambda text: nino_fault(text, allow_test_numbers=allow_test_numbers)),
        "DateType": Rule("date", lambda text: date_fault(text, today=today)),
        "PastDateType": Rule("date", lambda text: past_date_fault(text, today=today)),
        "BirthDateType": Rule("date", lambda text: birth_date_fault(text, today=today)),
        "TimestampType": Rule("date", lambda text: timestamp_fault(text, today=today)),
        "MoneyType": Rule("amount", amount_fault),
        "CountType": Rule("count", count_fault),
        "PostcodeType": Rule("postcode", postcode_fault),
        "UprnType": Rule("code", uprn_fault),
        "AuthorityCodeType": Rule("code", authority_fault),
        "SortCodeType": Rule("code", sort_code_fault),
        "AccountNumberType": Rule("code", account_number_fault),
        "RmsNumberType": Rule("code", rms_number_fault),
        "RuleIdType": Rule("code", rule_id_fault),
        "SiteCodeType": Rule("code", site_fault),
        "TransferIdType": Rule("code", transfer_fault),
        "Sha256Type": Rule("code", sha256_fault),
        "SizeType": Rule("count", size_fault),
        "EnquiryReferenceType": Rule("code", reference_fault),
        "FaultIdType": Rule("code", id_fault),
        "NoticeTextType": Rule("nino", text_fault),
    }
