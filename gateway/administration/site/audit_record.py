"""What the last audit of a site found, kept in state/audit.json for `gateway status` and for the next audit.

`events` and `head` are the anchor: the chain's end at the last audit without faults, which every later audit compares with the
chain; EMPTY's where there was none yet. Whoever may write to the site's state may write this too: it proves nothing to anybody
else.
Raises DiskFailed where it cannot be written.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.administration.views.health_fields import LastAudit
from gateway.domain.identity import from_text
from gateway.domain.manifest import Digest
from gateway.errors import DiskFailed
from gateway.ledger.head_file import Damaged
from gateway.settings.home import Home
from gateway.settings.write import write_text

_MODE = 0o644


def _moment(text: str) -> str:
    from_text(text)
    return text


class AuditRecord(BaseModel):
    """An audit: when it ended (RFC 3339), from which event on (0 for all), the anchor, and how many faults it told."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    verified: Annotated[str, AfterValidator(_moment)]
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


def kept(home: Home) -> AuditRecord | Damaged | None:
    """The last audit; None where none was kept. PermissionError where this user may not look."""
    try:
        return AuditRecord.model_validate_json(home.audit.read_bytes())
    except FileNotFoundError:
        return None
    except PermissionError:
        raise
    except (OSError, ValidationError):
        return Damaged()


def last_audit(home: Home) -> LastAudit | None:
    """The same, as a site's health has it; of a damaged record with no moment. None too where this user may not look."""
    try:
        record = kept(home)
    except PermissionError:
        return None
    if isinstance(record, AuditRecord):
        return LastAudit(record.verified, record.since, record.events, record.faults)
    return None if record is None else LastAudit(None, 0, 0, 0)
