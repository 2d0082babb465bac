"""What a connection statement consists of. Pure; raises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.administration.site.machine_checks import Check, CheckOutcome


class Standing(StrEnum):
    """How a thing stands: as it should, short of that, a fact without a rule, or not known."""

    MET = "met"
    SHORT = "falls short"
    STATED = "stated"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what to do where it falls short."""

    subject: str
    standing: Standing
    says: str
    remedy: str = ""

    @staticmethod
    def of(check: Check) -> Finding:
        """A check of `gateway doctor`: a warning falls short as well."""
        if check.outcome is CheckOutcome.OK:
            return Finding(check.name, Standing.MET, check.message)
        return Finding(check.name, Standing.SHORT, check.message, check.remedy)


@dataclass(frozen=True)
class Chapter:
    """What belongs together."""

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ConnectionStatement:
    """A site as it was found at a moment: the contract of `gateway statement --json`.

    `event` and `head` are the end of its audit chain then. What falls short and what was not measured stands in its chapter too.
    """

    site: str
    measured: str
    version: str
    sbom_sha256: str | None
    event: int | None
    head: str | None
    short: tuple[Finding, ...]
    unmeasured: tuple[Finding, ...]
    chapters: tuple[Chapter, ...]
