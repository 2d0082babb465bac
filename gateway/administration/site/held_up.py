"""Roles that run and get nothing done: stages whose every step a fault of the machine puts off, as the roles' pulses tell. Raises nothing."""

from __future__ import annotations

from gateway.administration.views.health_fields import AwayFrom, HeldUpRole
from gateway.daemon.lock import holder
from gateway.daemon.node_there import STAGE, trouble, what_is_away
from gateway.daemon.pulse import held_up
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role


def held_up_roles(settings: Settings) -> tuple[HeldUpRole, ...]:
    """The stages in which nothing has gone on for minutes, of the roles that run."""
    run = settings.home.run
    return tuple(
        HeldUpRole(str(role), stage, each.seconds, each.code)
        for role in Role
        if holder(run, role) is not None
        for stage, each in held_up(run, role).items()
        if stage != STAGE  # see `away_from`
    )


def away_from(settings: Settings) -> AwayFrom | None:
    """What this machine's node does not reach, and for how long, where its vault runs and says so."""
    run = settings.home.run
    if not settings.node.name or holder(run, Role.VAULT) is None or (found := trouble(run)) is None:
        return None
    return AwayFrom(what_is_away(found.code), found.seconds, found.code)
