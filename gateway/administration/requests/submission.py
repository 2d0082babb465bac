"""Hand files over for a partner, as dropping them in the spool does, and look what becomes of them.

Raises FlowNotPermitted, PartnerUnknown, ConfigurationInvalid for a partner that is stopped, DiskFull, NotPermitted, and
what the ledger and the disk raise. If any file cannot be submitted, none is taken.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.administration.access import permitted
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.machine import roles_that_do_not_run
from gateway.administration.site.settings import stopped_fault
from gateway.administration.views.records import TransferView, transfer
from gateway.domain.decision import Decision
from gateway.domain.states import Direction, State
from gateway.errors import DiskFull, FlowNotPermitted, GatewayError, NotFound, NotPermitted, PartnerUnknown, UsageWrong
from gateway.flows.routes import WAYS
from gateway.ledger.queries import identities
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.spool.submission import Submission, examine
from gateway.stages.admission import record_admitted, submitted_copies
from gateway.stages.context import StageContext

GOOD: Final = frozenset({State.RECEIPTED, State.INGESTED})
BAD: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})
LONGEST_REFERENCE: Final = 200
_LOOK_EVERY: Final = 0.2


@dataclass(frozen=True)
class FileFault:
    """Why a file cannot be submitted, and what to do about it."""

    path: Path
    reason: str
    code: str
    remedy: str


class Submitting:
    """A site that takes files. Made by `submitting`."""

    def __init__(self, context: StageContext) -> None:
        self._context = context

    def examine(self, flow: str, partner: str, files: Sequence[Path]) -> tuple[list[Submission], list[FileFault]]:
        """The files as they are to be taken, and the faults of those that cannot be."""
        _require_route(self._context, flow, partner)
        found, faults = [], []
        for path in files:
            try:
                found.append(examine(path, self._context.settings.flows[flow].max_bytes))
            except GatewayError as error:
                faults.append(FileFault(path, error.reason, error.code, _remedy(error)))
        return found, faults

    def take(
        self,
        flow: str,
        partner: str,
        submissions: Sequence[Submission],
        reference: str | None,
        decision: Decision,
    ) -> list[str]:
        """Into custody and into the ledger, all together; their ids, in order. Their commit wakes the roles."""
        context, home = self._context, self._context.home
        needed = sum(submission.size for submission in submissions) + context.settings.limits.min_free_bytes
        with permitted():
            if shutil.disk_usage(home.vault).free < needed:
                raise DiskFull(f"{needed} bytes are needed to take these files in")
            with submitted_copies(context) as copies:
                copied = [copies.copy(submission, context.new_id()) for submission in submissions]
                copies.commit()
                copies.move_in()
                with context.ledger.write() as transaction:
                    record_admitted(
                        context,
                        transaction,
                        [
                            {
                                "id": copy.transfer,
                                "flow": flow,
                                "partner": partner,
                                "name": submission.path.name,
                                "size": copy.size,
                                "sha256": copy.sha256,
                                "spool_file": None,
                                "reference": reference,
                            }
                            for submission, copy in zip(submissions, copied, strict=True)
                        ],
                        decision,
                    )
        return [copy.transfer for copy in copied]

    def missing(self) -> list[str]:
        """The roles that do not run: what was taken waits for them in custody."""
        return roles_that_do_not_run(self._context.settings)

    def look(self, ids: Sequence[str]) -> Mapping[str, TransferView]:
        """The transfers as they are now, by their ids."""
        with self._context.ledger.read() as connection:
            return {row.id: transfer(row) for row in identities.by_ids(connection, Direction.OUT, ids)}

    def wait(
        self, ids: Sequence[str], timeout: float, show: Callable[[int, Mapping[str, TransferView]], Any]
    ) -> Mapping[str, TransferView]:
        """Look until nothing moves any more without a person, or the seconds are over; the transfers as they are then.

        `show` is told after each look how many have ended.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.look(ids)
            ended = [each for each in found.values() if self.is_over(each)]
            show(len(ended), found)
            if len(ended) == len(ids) or time.monotonic() >= deadline:
                return found
            time.sleep(_LOOK_EVERY)

    def is_over(self, each: TransferView) -> bool:
        """Whether a transfer moves no more without a person."""
        if each.state in GOOD or each.state in BAD or each.state == State.HELD:
            return True
        return each.unconfirmed


@contextmanager
def submitting(settings: Settings, log: Logger) -> Iterator[Submitting]:
    """The site, its ledger open."""
    with stage_context(settings, log) as context:
        yield Submitting(context)


def require_reference(reference: str | None) -> None:
    """UsageWrong for a sender's reference that is not one short line."""
    if reference is not None and not (reference.isprintable() and 0 < len(reference) <= LONGEST_REFERENCE):
        raise UsageWrong(f"--reference takes one line of at most {LONGEST_REFERENCE} characters.")


def _require_route(context: StageContext, flow: str, partner: str) -> None:
    if flow not in WAYS:
        raise FlowNotPermitted(f"There is no flow {flow[:40]!r}: there are {', '.join(WAYS)}.")
    if partner in context.settings.stopped:
        raise stopped_fault(context.settings.stopped[partner])
    if partner not in context.settings.partners:
        raise PartnerUnknown(f"There is no partner {partner[:40]!r}.")
    if partner not in context.routes.outgoing.get(flow, frozenset()):
        raise FlowNotPermitted(f"The flow {flow} does not go to {partner}.")


def _remedy(error: GatewayError) -> str:
    """Where the class speaks of another kind of thing, words about a file."""
    if isinstance(error, NotFound):
        return "Check its name."
    return "Ask its owner, or run the command as another user." if isinstance(error, NotPermitted) else error.remedy
