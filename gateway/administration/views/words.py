"""Sentences for people: an event with its details, a reason with its code. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.events import BY_NAME

_LESS_SURE: Final = ("sudo", "login-uid")
"""What says less of a log-in than the owners of processes do: docs/adr/0050-who-decided.md."""
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


def describe(event: str, detail: Mapping[str, Any]) -> str:
    """An event as a sentence without a full stop: what happened, by whom, and why."""
    said = BY_NAME[event].sentence if event in BY_NAME else event
    if event == "link.stepped":
        said = f"the link is tried: {detail.get('stage')}, {detail.get('outcome')}"
    elif event == "link.tried":
        said = f"the link was tried, and {detail.get('outcome')}"
    if passed_to := detail.get("passed_to"):
        said += f", {passed_to}, as transfer {detail.get('passed_as')}"
    if came_from := detail.get("came_from"):
        said += f", having come here from {came_from} as transfer {detail.get('came_as')}"
    if odd := detail.get("exceptions"):
        said += f", with {exceptions(odd, detail.get('faulty_records', 0))}"
    said += triage(detail)
    if act := detail.get("act"):
        said += f": {act}"
    if actor := detail.get("actor"):
        said += f", by {actor}" + (f" as {account}" if (account := detail.get("account")) else "")
        said += f" and {second}" if (second := detail.get("second")) else ""
        said += f" (known by {known_by})" if (known_by := detail.get("known_by")) in _LESS_SURE else ""
    if sequence := detail.get("sequence"):
        said += f", number {sequence}"
    reason, code = detail.get("reason"), detail.get("code")
    why = with_code(reason, code)
    return f"{said}: {why}" if why else said


def within(reason: str) -> str:
    """A reason to stand within a sentence: without a full stop of its own."""
    return reason.strip().removesuffix(".")


def exceptions(count: int, records: int) -> str:
    """How many exceptions a file has: `3 exceptions in 1 record`."""
    return f"{count} exception{'' if count == 1 else 's'} in {records} record{'' if records == 1 else 's'}"


def triage(detail: Mapping[str, Any]) -> str:
    """What triage says of a file's records: `, with 3 records that repeat earlier ones`; empty where it says nothing."""
    told = {
        "repeats": "that repeat earlier ones",
        "superseded": "that later ones came before",
        "out_of_date": "out of date",
    }
    return "".join(
        f", {count} record{'' if count == 1 else 's'} {words}"
        for name, words in told.items()
        if (count := detail.get(name))
    )


def with_code(reason: str | None, code: str | None) -> str:
    """A reason with its code behind it, once: a finding's line ends in its code already."""
    text = reason or ""
    return text if code is None or text.endswith(f"[{code}]") else f"{text} [{code}]".lstrip()


def bytes_of(size: int) -> str:
    """A size as people read it, in powers of 1000."""
    value = float(size)
    for unit in _UNITS[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_UNITS[-1]}"
