"""Collect which data-matching referrals an extract resolves: fields 316 to 318 of its R records, without personal data.

These fields are free text. Only what has the form of a referral's number, a rule and a date is kept; anything else is counted
and forgotten. The list is cut at `MOST_LISTED`. Raises nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.validation.government_types import rms_number_fault, rule_id_fault

RMS_NUMBER: Final = 316
RULE: Final = 317
MATCHED: Final = 318
MOST_LISTED: Final = 5_000
_DATE_LENGTH: Final = 10


class Matches:
    """Of one extract."""

    def __init__(self) -> None:
        self._listed: list[dict[str, str]] = []
        self._total = 0
        self._other = 0

    def add(self, number: str, rule: str, matched: str) -> None:
        """One R record's three fields, as they stand in the file."""
        number = number.strip(" ")
        if not number:
            return
        if rms_number_fault(number) is not None:
            self._other += 1
            return
        self._total += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append({"rms": number, "rule": _rule(rule), "matched": _iso(matched.strip(" "))})

    def plain(self) -> dict[str, Any]:
        """For another process that reads the rows before these."""
        return {"listed": self._listed, "total": self._total, "other": self._other}

    def join(self, later: Mapping[str, Any]) -> None:
        """Take in the `plain` form of the rows that come after these."""
        self._listed = [*self._listed, *later["listed"]][:MOST_LISTED]
        self._total += later["total"]
        self._other += later["other"]

    def facts(self) -> dict[str, str]:
        """`rms`: a JSON list of {rms, rule, matched}; how many there were; and how many had no number of that form."""
        if not self._total and not self._other:
            return {}
        listed = json.dumps(self._listed, separators=(",", ":"))
        return {"rms": listed, "rms_total": str(self._total), "rms_other": str(self._other)}


def _rule(text: str) -> str:
    text = text.strip(" ")
    return "" if rule_id_fault(text) is not None else text


def _iso(day: str) -> str:
    """DD/MM/YYYY, which the row's own rules have checked, as YYYY-MM-DD; nothing where the field is empty."""
    return f"{day[6:]}-{day[3:5]}-{day[:2]}" if len(day) == _DATE_LENGTH else ""
