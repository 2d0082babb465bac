"""Suspend a partner, and resume the exchange with it: a person's decisions, which its file and the audit chain keep; the chain alone where
the site has several nodes.

While it is suspended nothing goes to the partner and nothing comes from it: the managed server ends its sessions and does not
let it in, nothing of it is opened, delivered or sent, and all of it waits where it is. The chain has the decision before the
file says it, so no partner is suspended without a record. What people of the console suspended stands in the ledger alone; to resume ends that too.

Raises NotFound for a partner that there is not, UsageWrong for one that is suspended already, or is not; ConfigurationInvalid
where the partner's file cannot be read, and what the ledger, the disk and `reload` raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.administration.requests.actors import stage_context
from gateway.administration.site.reload import TakeOver, take_over_where_running
from gateway.administration.site.settings import readable_partner, share_out
from gateway.domain.decision import Decision
from gateway.domain.states import Direction, State
from gateway.errors import UsageWrong
from gateway.ledger import suspensions
from gateway.ledger.queries.overview import count_transfers
from gateway.logs import Logger
from gateway.settings.model import Partner, Settings
from gateway.settings.write import write_partner

_WAITING: Final = {
    Direction.OUT: (State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED),
    Direction.IN: (State.OPENED,),
}


@dataclass(frozen=True)
class Suspension:
    """What was decided about a partner, the files that wait for it and of it, and what the running gateway made of it."""

    partner: str
    suspended: bool
    waiting_out: int
    waiting_in: int
    taken_over: TakeOver | None


def suspend(settings: Settings, log: Logger, code: str, decision: Decision, *, dry_run: bool = False) -> Suspension:
    """Exchange nothing with the partner from now on. What is being sent at this moment is broken off, and waits."""
    partner = readable_partner(settings, code)
    if code in settings.stopped and (why := settings.stopped[code].suspended) is not None:
        raise UsageWrong(f"Partner {code} is suspended already: {why}")
    changed = partner.model_copy(update={"suspended": decision.reason})
    return _change(settings, log, changed, "partner.suspended", decision, dry_run=dry_run)


def resume(settings: Settings, log: Logger, code: str, decision: Decision, *, dry_run: bool = False) -> Suspension:
    """Exchange with the partner again; what waited goes on."""
    partner = readable_partner(settings, code)
    if code not in settings.stopped or settings.stopped[code].suspended is None:
        raise UsageWrong(f"Partner {code} is not suspended.")
    changed = partner.model_copy(update={"suspended": None})
    return _change(settings, log, changed, "partner.resumed", decision, dry_run=dry_run)


def _change(
    settings: Settings, log: Logger, partner: Partner, event: str, decision: Decision, *, dry_run: bool
) -> Suspension:
    code, taken = partner.code, None
    stopped = settings.stopped.get(code)
    suspends = partner.suspended is not None
    # A file is one machine's: where the site has several nodes, the ledger says it, and all of them take it over.
    by_ledger = bool(settings.node.name) if suspends else stopped is not None and stopped.by_ledger is not None
    by_file = not settings.node.name if suspends else stopped is None or stopped.by_file is not None
    with stage_context(settings, log) as context:
        with context.ledger.read() as connection:
            waiting = {
                way: sum(count_transfers(connection, partner=code, direction=way, state=each) for each in states)
                for way, states in _WAITING.items()
            }
        if not dry_run:
            with context.ledger.write() as transaction:
                if by_file:
                    transaction.record(event, "site", code, code, **decision.detail)
                if by_ledger:
                    (suspensions.suspend if suspends else suspensions.resume)(transaction, code, decision)
    if not dry_run and by_file:
        write_partner(settings.home, partner)
        share_out(settings.home)
        taken = take_over_where_running(settings.home, regardless=suspends)
    return Suspension(code, suspends, waiting[Direction.OUT], waiting[Direction.IN], taken)
