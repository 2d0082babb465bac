"""Carry out at the machine what two people of the console decided and no role can: partners' cards.

The policy is asked again for both people, and the card is judged as `gateway partner add` judges it, with its fingerprint confirmed. A run that is
killed leaves the request, and the next one takes it: a card that was taken is taken again. Raises UsageWrong for a request that does not
wait for this, NotFound, and what keeping a partner raises.
"""

from __future__ import annotations

from gateway.administration.access import reading
from gateway.administration.requests.actors import stage_context
from gateway.administration.site import partners
from gateway.administration.site.introduction import PartnerOptions
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.errors import Misuse, UsageWrong
from gateway.ledger import requests
from gateway.ledger.requests import Done, Refused
from gateway.ledger.units import Request
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.refusals import record_refused


def waiting(settings: Settings, identity: str | None) -> list[Request]:
    """What waits for somebody at the machine; or the one of that id, if it does."""
    with reading(settings) as connection:
        found = requests.waiting(connection, [Act.TAKE_CARD])
        if identity is None:
            return found
        one = requests.find(connection, identity)
    if one.key not in {each.key for each in found}:
        raise UsageWrong(f"Request {one.id} ({one.act}, {one.state}) does not wait for somebody at the machine.")
    return [one]


def carry_out(settings: Settings, log: Logger, request: Request, by: Decision, now: float) -> Request:
    """Take the card of a request, or refuse it; the request with its answer. `by` is who does it, and stands as the account."""
    both = Decision(request.actor, request.reason, by.account or by.actor, second=request.decider)
    with stage_context(settings, log) as context:
        owner = f"machine/{context.new_id()}"
        try:
            _take(context, request, owner)
            offered = partners.open_card(settings, (request.argument or "").encode(), now, unlisted=False)
            confirmed = offered.card.fingerprint
            proposal = partners.propose(settings, offered, PartnerOptions(), now, fingerprint=confirmed, overlap=None)
            code = partners.introduce(settings, log, proposal, both).partner.code
        except Misuse as error:
            return _finish(context, request, owner, both, error)
        return _finish(context, request, owner, both, Done("partner", code, code, f"pinned {confirmed[-8:]}"))


def _take(context: StageContext, request: Request, owner: str) -> None:
    with context.ledger.write() as transaction:
        taken = requests.take(transaction, request, owner)
        if taken is None:
            raise UsageWrong(f"Somebody else carries request {request.id} out.")
        requests.require_permitted(transaction.connection, taken)


def _finish(context: StageContext, request: Request, owner: str, both: Decision, answer: Done | Misuse) -> Request:
    with context.ledger.write() as transaction:
        taken = requests.take(transaction, request, owner)
        if taken is not None:
            told: Done | Refused
            if isinstance(answer, Misuse):
                record_refused(transaction, context.settings, str(request.act), request.subject, both, answer.code)
                told = Refused(answer.code, answer.reason, answer.remedy)
            else:
                told = answer
            requests.finish(transaction, taken, told)
        return requests.find(transaction.connection, request.id)
