"""The consoles of the demonstration's sites: where each listens, its people, and their one-time links. Raises DemoFailed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.demo.sites import DemoSite, free_ports, gateway

_PEOPLE: Final = (
    ("demo-operator", "Operator of the demonstration", ("operator",)),
    ("demo-supervisor", "Supervisor of the demonstration", ("supervisor", "auditor")),
    ("demo-administrator", "Administrator of the demonstration", ("administrator",)),
)
_WHY: Final = "for the demonstration"


@dataclass(frozen=True)
class ConsoleLink:
    """Whom a link makes somebody at which site; `address` is where the console answers."""

    site: str
    user: str
    address: str
    link: str


def prepare(sites: Sequence[DemoSite]) -> None:
    """Have each site's gateway serve its console, on this machine alone. Before they are started."""
    for site, port in zip(sites, free_ports(len(sites)), strict=True):
        path = site.home.config / "gateway.toml"
        before, section, after = path.read_text(encoding="utf-8").partition("[console]\n")
        path.write_text(f'{before}{section}listen = "127.0.0.1:{port}"\n{after}', encoding="utf-8")


def people(sites: Sequence[DemoSite]) -> list[ConsoleLink]:
    """Add people to each site, and make a link for each."""
    today = datetime.now(UTC).date().isoformat()
    links = []
    for site in sites:
        for user, name, roles in _PEOPLE:
            chosen = [word for role in roles for word in ("--role", role)]
            days = ["--agreement", today, "--training", today]
            gateway(
                *("people", "add", user, "--name", name, "--unit", "Demonstration", *chosen, *days, "--reason", _WHY),
                home=site.home.root,
            )
            said = json.loads(gateway("people", "link", user, "--reason", _WHY, "--json", home=site.home.root))
            links.append(ConsoleLink(site.code, user, said["link"].partition("/start/")[0], said["link"]))
    return links
