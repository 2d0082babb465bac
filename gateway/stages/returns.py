"""Returns: what was put into the spool and cannot be taken is moved to spool/returned as it is, with the reason and an event.

For operators' drops and for the back office's answers alike. Raises DiskFull and what the ledger raises. Nothing is opened,
and neither the chain nor a path of ours holds a name that was found.
"""

from __future__ import annotations

from pathlib import Path

from gateway.errors import DiskFailed, Reject, SharedAway
from gateway.settings.shared_place import require_shared
from gateway.spool.drops import Refusal
from gateway.spool.names import safe_name
from gateway.spool.returns import return_file
from gateway.stages.context import StageContext


def return_refused(context: StageContext, tree: Path, refusal: Refusal) -> None:
    """Move the entry below `tree` to spool/returned, where that can mend it."""
    error = refusal.error
    if not isinstance(error, Reject):
        # The directory cannot be read, which is not the file's fault: it stays where it is.
        context.log("work.deferred", partner=refusal.partner, flow=refusal.flow, code=error.code, reason=error.reason)
        return
    why = f"{error.reason}\n\nWhat to do: {error.remedy}\n"
    directory = context.home.returned / refusal.flow / refusal.partner
    tag = context.new_id()
    try:
        require_shared(context.settings, context.home.returned)
        return_file(tree / refusal.flow / refusal.partner / refusal.name, directory, refusal.name, why, tag=tag)
    except (DiskFailed, SharedAway) as failure:
        # One entry that cannot be moved must not stop the others; the next scan looks at it again.
        context.log(
            "work.deferred", partner=refusal.partner, flow=refusal.flow, code=failure.code, reason=failure.reason
        )
        return
    partner = refusal.partner if refusal.partner in context.settings.codes else None
    with context.ledger.write() as transaction:
        transaction.record(
            "spool.refused",
            "spool",
            tag,
            partner,
            code=error.code,
            reason=error.reason,
            log={"name": safe_name(refusal.name), "remedy": error.remedy},
        )
