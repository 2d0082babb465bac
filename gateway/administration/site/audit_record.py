"""What the last audit of a site found, kept in state/audit.json for `gateway status` and for the next audit.

Whoever may write to the site's state may write this too: it tells people when somebody looked last, and proves nothing.
Raises DiskFailed where it cannot be written.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.administration.views.health import LastAudit
from gateway.domain.manifest import Digest
from gateway.errors import DiskFailed
from gateway.settings.home import Home
from gateway.settings.write import write_text

_MODE = 0o644


class AuditRecord(BaseModel):
    """An audit: when it ended (RFC 3339), from which event on (0 for all), to which head, and how many faults it told."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    verified: str
    since: Annotated[int, Field(ge=0)]
    events: Annotated[int, Field(ge=0)]
    head: Digest
    faults: Annotated[int, Field(ge=0)]


def keep(home: Home, record: AuditRecord) -> None:
    """Make this the last audit."""
    try:
        write_text(home.audit, record.model_dump_json() + "\n", _MODE)
    except OSError as error:
        raise DiskFailed(f"the audit's result cannot be kept: {error.strerror}") from error


def kept(home: Home) -> AuditRecord | None:
    """The last audit; None where none was kept, or this user may not look."""
    try:
        return AuditRecord.model_validate_json(home.audit.read_bytes())
    except (OSError, ValidationError):
        return None


def last_audit(home: Home) -> LastAudit | None:
    """The same, as a site's health has it."""
    record = kept(home)
    return None if record is None else LastAudit(record.verified, record.since, record.events, record.faults)
