"""Copying a site's ledger into another database, from SQLite to PostgreSQL or back. Raises what `ledger.copying` raises; SiteBusy while
anything of the gateway runs here, NodeThere while another node of the site does.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from gateway.administration.access import permitted
from gateway.daemon.lock import held
from gateway.daemon.roles import roles_of
from gateway.domain.ownership import living
from gateway.errors import NodeThere, UsageWrong
from gateway.settings.ledger import LedgerSettings
from gateway.stages.itinerary import Role

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.domain.decision import Decision
    from gateway.ledger.copying import Copied, Plan, Watch
    from gateway.logs import Logger
    from gateway.settings.model import Settings

SQLITE: Final = "sqlite"
"""What names SQLite's file below HOME."""


def place_of(settings: Settings, name: str) -> Path | str:
    """The database that `name` says: SQLITE, or a URL. UsageWrong for anything else, and for where the ledger is already."""
    place = settings.home.ledger if name == SQLITE else LedgerSettings.of(name).url
    if place == settings.ledger_place:
        raise UsageWrong("The ledger is there already.")
    return place


def plan_copy(settings: Settings, place: Path | str) -> Plan:
    """What would be copied; nothing is changed."""
    from gateway.ledger import copying  # noqa: PLC0415 - slow to import

    with permitted():
        return copying.plan(settings.ledger_place, place)


def _require_no_other_node(settings: Settings) -> None:
    """NodeThere while another node works with the ledger: what it writes meanwhile would be in neither copy."""
    if not settings.ledger.url:
        return
    from gateway.administration.access import reading  # noqa: PLC0415 - slow to import
    from gateway.ledger import nodes  # noqa: PLC0415 - slow to import

    with reading(settings) as connection:
        site = nodes.read(connection)
    if others := [name for name in living(site.standing(), site.now) if name != settings.node.name]:
        raise NodeThere(f"Other nodes of this site work with the ledger: {', '.join(others)}.")


def copy_ledger(settings: Settings, log: Logger, decision: Decision, place: Path | str, watch: Watch) -> Copied:
    """Copy it, and have the chain of both say so. The site goes on with the database that its settings name."""
    from gateway.administration.requests import actors  # noqa: PLC0415 - slow to import
    from gateway.ledger import copying  # noqa: PLC0415 - slow to import

    with ExitStack() as locks:
        locks.enter_context(permitted())
        for name in ("gateway", *{*(role.value for role in Role), *roles_of(settings)}):
            locks.enter_context(held(settings.home.run, name))
        copying.plan(settings.ledger_place, place)
        _require_no_other_node(settings)
        actors.done(settings, log, "ledger.copying", decision)
        return copying.copy(settings.ledger_place, place, watch)
