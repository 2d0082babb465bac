"""What administrators ask about a partner in the console: its link tried, a suspension at once, a resumption by two.

Needs the ledger and the domain only: roles carry it out. Raises NotFound for a partner that there is not, UsageWrong where that makes no sense now,
and what `requests.asking` raises.
"""

from __future__ import annotations

from typing import Final

from gateway.administration.requests import asking
from gateway.domain.requests import Act
from gateway.errors import NotFound, UsageWrong
from gateway.ledger.store import Ledger
from gateway.settings.model import Settings

ACTS: Final = (Act.TEST_LINK, Act.SUSPEND_PARTNER, Act.RESUME_PARTNER)


def ask(settings: Settings, ledger: Ledger, act: Act, code: str, actor: str, reason: str) -> str:
    """Ask for one of ACTS; the request's id. `settings` have the suspensions of this moment."""
    if act not in ACTS or code not in settings.codes:
        raise NotFound(f"there is no partner {code[:20]!r}")
    stopped = settings.stopped.get(code)
    if act is Act.SUSPEND_PARTNER and stopped is not None and stopped.suspended is not None:
        raise UsageWrong(f"Partner {code} is suspended already.")
    if act is Act.RESUME_PARTNER and (stopped is None or stopped.by_ledger is None):
        raise UsageWrong(
            f"Partner {code} was not suspended in the console: a suspension by its file ends at the machine."
        )
    if act is Act.TEST_LINK:
        if stopped is not None:
            raise UsageWrong(f"Partner {code} is stopped or suspended: its link is not tried.")
        partner = settings.partners[code]
        if partner.endpoint is None and partner.link != "mail":
            raise UsageWrong(f"Partner {code} has no server that could be tried: its link is {partner.link}.")
    return asking.ask(settings, ledger, act, code, actor, reason, once=True)
