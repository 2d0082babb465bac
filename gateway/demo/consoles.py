"""The consoles of the demonstration's sites: where each listens, its people, and their one-time links. Raises what the ledger raises.

Of each role there is somebody, and of those that decide together there are two, so that one person at several browsers can try all of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.administration.access import ROLE
from gateway.administration.credentials import links
from gateway.administration.credentials.context import credentials
from gateway.administration.people import roster
from gateway.demo.sites import DemoSite, free_ports
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.logs import configure
from gateway.settings.read import load

PEOPLE: Final = (
    ("demo-operator", PersonRole.OPERATOR),
    ("demo-supervisor", PersonRole.SUPERVISOR),
    ("demo-supervisor-2", PersonRole.SUPERVISOR),
    ("demo-checking", PersonRole.CHECKING_OFFICER),
    ("demo-print", PersonRole.SECURE_PRINT),
    ("demo-auditor", PersonRole.AUDITOR),
    ("demo-administrator", PersonRole.ADMINISTRATOR),
    ("demo-administrator-2", PersonRole.ADMINISTRATOR),
)
TELL: Final = '["Duty manager, 020 7946 0001", "Partners\' service desk, 020 7946 0002"]'
"""Numbers that nobody has: they are kept for stories."""
_WHY: Final = Decision("demonstration", "for the demonstration")


@dataclass(frozen=True)
class ConsoleLink:
    """Whom a link makes somebody, with which role, at which site; `address` is where the console answers."""

    site: str
    address: str
    user: str
    role: str
    link: str


def prepare(sites: Sequence[DemoSite]) -> None:
    """Have each site's gateway serve its console, on this machine alone, and know whom continuity tells. Before they are started."""
    for site, port in zip(sites, free_ports(len(sites)), strict=True):
        path = site.home.config / "gateway.toml"
        before, section, after = path.read_text(encoding="utf-8").partition("[console]\n")
        text = f'{before}{section}listen = "127.0.0.1:{port}"\n{after}'
        path.write_text(text.replace("[continuity]\n", f"[continuity]\ntell = {TELL}\n", 1), encoding="utf-8")


def people(sites: Sequence[DemoSite]) -> list[ConsoleLink]:
    """Add people to each site, and make a link for each."""
    today = datetime.now(UTC).date().isoformat()
    found = []
    for site in sites:
        settings = load(site.home)
        log = configure(site.code, ROLE, stream=sys.stderr.buffer, format="json", level="error")
        with credentials(settings, log, time.time, role=ROLE) as context:
            for user, role in PEOPLE:
                details = roster.Details(f"Demonstration, {role}", "Demonstration", today, today)
                roster.add(context.ledger, user, [role], details, _WHY)
                link = links.address(context, links.issue(context, user, _WHY))
                found.append(ConsoleLink(site.code, settings.console.origin, user, str(role), link))
    return found
