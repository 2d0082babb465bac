"""What events mean, in words for people who never saw the code. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transfer.admitted": "taken into custody",
        "transfer.validated": "checked: it may go",
        "transfer.rejected": "not accepted",
        "transfer.returned": "given back in spool/returned, with the reason",
        "transfer.held": "held, for a person to decide",
        "transfer.released": "let go on",
        "transfer.written-late": "written to after it was taken: this may be half a file, and the whole one comes back",
        "transfer.retried": "to be tried again at once",
        "transfer.delivered": "delivered to spool/inbound",
        "transfer.ingested": "taken over by the back office",
        "transfer.refused": "the back office could not take it",
        "transfer.redirected": "passed on to the right authority",
        "transfer.receipted": "receipt verified: the partner has it",
        "transfer.quarantined": "locked away by the partner's gateway",
        "transfer.isolated": "infected: locked away at this site",
        "transfer.expired": "given up: no receipt in time",
        "consignment.packed": "packed into a consignment",
        "consignment.sealed": "consignment signed and encrypted",
        "consignment.sent": "consignment sent",
        "consignment.overdue": "no receipt yet: the same bytes go again",
        "consignment.retried": "sent again by request",
        "consignment.receipted": "consignment answered",
        "consignment.expired": "consignment given up",
        "consignment.landed": "consignment arrived",
        "consignment.opened": "consignment decrypted, signature verified",
        "consignment.delivered": "every file of the consignment dealt with",
        "consignment.quarantined": "consignment locked away",
        "consignment.repeated": "consignment came again: the same answer goes again",
        "consignment.held": "consignment held, for a person to decide",
        "consignment.released": "consignment let go on",
        "receipt.issued": "receipt due",
        "receipt.sealed": "receipt signed and encrypted",
        "receipt.sent": "receipt sent",
        "receipt.landed": "receipt arrived",
        "receipt.accepted": "receipt decrypted, signature verified",
        "receipt.refused": "receipt locked away",
        "receipt.held": "receipt held, for a person to decide",
        "receipt.released": "receipt let go on",
        "enquiry.overdue": "not answered in time",
        "enquiry.closed": "closed without a reply",
        "quarantine.discarded": "quarantined file discarded",
        "work.deferred": "put off: it is tried again",
    }
)

_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


def describe(event: str, detail: Mapping[str, Any]) -> str:
    """An event as a sentence without a full stop: what happened, by whom, and why."""
    said = _WORDS.get(event, event)
    if passed_to := detail.get("passed_to"):
        said += f", {passed_to}, as transfer {detail.get('passed_as')}"
    if came_from := detail.get("came_from"):
        said += f", having come here from {came_from} as transfer {detail.get('came_as')}"
    if odd := detail.get("exceptions"):
        said += f", with {exceptions(odd, detail.get('faulty_records', 0))}"
    if actor := detail.get("actor"):
        said += f", by {actor}"
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
