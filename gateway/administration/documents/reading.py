"""A document's bytes, found right by a reader in the sandbox, or not.

Raises NotFound, FileUnsafe, and ContentInvalid for a document that ended its reader.
"""

from __future__ import annotations

from pathlib import Path

from gateway.administration.documents.check import plan_of
from gateway.errors import ContentInvalid, FileUnsafe, NotFound
from gateway.logs import safe_text
from gateway.settings.model import Settings
from gateway.validation.contract import Report
from gateway.validation.redirect import LIMITS
from gateway.validation.sandbox.pool import Job, Sandbox


def content_of(file: Path) -> bytes:
    """The document's bytes, a few more than the largest at most."""
    try:
        with file.open("rb") as opened:
            return opened.read(LIMITS.size + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {safe_text(str(file))}.") from error
    except OSError as error:
        raise FileUnsafe(f"{safe_text(str(file))} cannot be read: {error.strerror}.") from error


def reports_on(settings: Settings | None, file: Path, *flows: str) -> list[Report]:
    """What readers of the flows say of the document, up to the first that finds it right."""
    reports = []
    with Sandbox({flow: plan_of(settings, flow) for flow in flows}, 1) as readers:
        for flow in flows:
            _, result = next(iter(readers.validate([Job(flow, flow, file)])))
            if not isinstance(result, Report):
                raise ContentInvalid(f"Reading it ended its reader: {result.reason}")
            reports.append(result)
            if result.valid:
                break
    return reports
