"""Everything that would stop a site from working, check by check. Raises SiteMissing where there is none."""

# ruff: noqa: PLC0415 - the engines are imported when they are tried
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gateway.errors import LedgerSchema, SiteMissing
from gateway.settings.directories import lacking, make
from gateway.settings.home import Home
from gateway.settings.secrets import secrets_of
from gateway.storage.durable import disk_error

if TYPE_CHECKING:
    from gateway.administration.site.machine_checks import Check
    from gateway.domain.decision import Decision
    from gateway.logs import Logger
    from gateway.settings.faults import Fault
    from gateway.settings.model import Settings


def examine_site(home: Home, *, links: bool) -> Iterator[Check]:
    """Each check as it ends: of files and the machine, of the engines, of the site's nodes, and with `links` of the link to every partner."""
    require_site(home)
    from gateway.administration.site.engine_checks import examine_engines, examine_links
    from gateway.administration.site.machine_checks import examine_machine
    from gateway.administration.site.node_checks import examine_nodes
    from gateway.preflight import fit
    from gateway.settings.read import examine

    settings, _ = examine(home)
    settings = None if settings is None else fit(settings)
    yield from examine_machine(home, settings)
    if settings is not None:
        yield from examine_engines(settings)
        yield from examine_nodes(settings)
        if links:
            yield from examine_links(settings)


def migrate_ledger(settings: Settings, log: Logger, decision: Decision) -> int | None:
    """Bring the ledger to this program's version, in one transaction, and make the directories in state/ that are new; SiteBusy while
    anything of the gateway runs.

    Returns how many rows its chain adopted, None where it had committed to them before.
    """
    home, place = settings.home, settings.ledger_place
    from gateway.administration.requests import actors
    from gateway.daemon.lock import held
    from gateway.ledger.integrity import check, require_file
    from gateway.ledger.migrate import migrate
    from gateway.stages.itinerary import Role

    with ExitStack() as locks:
        for name in ("gateway", *(role.value for role in Role)):
            locks.enter_context(held(home.run, name))
        require_file(place)
        _make_missing(settings)
        older = False
        try:
            check(place)
        except LedgerSchema:
            older = True
        adopted = migrate(place)
        if older or adopted is not None:
            actors.done(settings, log, "ledger.migrated", decision)
        return adopted


def _make_missing(settings: Settings) -> None:
    if settings.accounts.split:
        from gateway.settings.rights import make_missing

        make_missing(settings)
        return
    try:
        make(lacking(settings.home))
    except OSError as error:
        raise disk_error(error, "making the directories that are new") from error


def configuration_faults(home: Home) -> Sequence[Fault]:
    """Every fault of the configuration, its directories and its certificates at once."""
    require_site(home)
    from gateway import preflight

    return preflight.check(home, secrets_of(home, os.environ))


def require_site(home: Home) -> None:
    """SiteMissing where there is no configuration."""
    if not home.gateway_toml.exists():
        raise SiteMissing(f"There is no site in {home.root}: config/gateway.toml is not there.")
