"""The settings of a site for whoever works on it.

Raises SiteMissing where none is there, ConfigurationInvalid where its configuration has faults, NotFound for a partner that
there is not, PartnerSuspended for one that is suspended, NotPermitted for what takes root.
"""

from __future__ import annotations

import os
from typing import Final

from gateway import preflight
from gateway.daemon.lock import holder
from gateway.errors import ChangedMeanwhile, ConfigurationInvalid, NotFound, NotPermitted, PartnerSuspended
from gateway.settings.home import Home
from gateway.settings.model import Partner, Settings, Stopped
from gateway.settings.read import partner_file
from gateway.stages.itinerary import Role

_GOES_ON: Final = "The gateway that runs goes on with the settings that it read when it started or reloaded last; a restart would end it."


def load(home: Home) -> Settings:
    """The site's settings. Where gateway.toml has faults, ConfigurationInvalid also says what a gateway that runs does."""
    try:
        return preflight.load(home)
    except ConfigurationInvalid as error:
        if all(holder(home.run, name) is None for name in ("gateway", *Role)):
            raise
        raise ConfigurationInvalid(f"{error.reason}\n{_GOES_ON}") from error


def partner_of(settings: Settings, code: str) -> Partner:
    """The partner of that code, NotFound without one; for one that is stopped, what `stopped_fault` says."""
    if code in settings.stopped:
        raise stopped_fault(settings.stopped[code])
    if code not in settings.partners:
        raise NotFound(f"There is no partner {code[:40]}: `gateway partner list` shows those that there are.")
    return settings.partners[code]


def readable_partner(settings: Settings, code: str) -> Partner:
    """The partner as its file has it, whether it is stopped or not; ConfigurationInvalid where the file cannot be read."""
    stopped = settings.stopped.get(code)
    if stopped is None:
        return partner_of(settings, code)
    if stopped.partner is None or stopped.partner.code != code:
        raise stopped_fault(stopped)
    return stopped.partner


def stopped_fault(stopped: Stopped) -> ConfigurationInvalid | PartnerSuspended:
    """The error for whoever wants something of a partner that is stopped: its faults, or that it is suspended."""
    if stopped.suspended is not None and not stopped.faults:
        return PartnerSuspended(f"The partner is suspended: {stopped.suspended}")
    return ConfigurationInvalid("\n".join(str(fault) for fault in stopped.faults))


def require_unchanged(settings: Settings, code: str) -> None:
    """ChangedMeanwhile where somebody changed the partner's file since `settings` were read: to write what was planned would undo
    that, a suspension or a revoked key among it.
    """
    stopped = settings.stopped.get(code)
    before = settings.partners.get(code) if stopped is None else stopped.partner
    now = partner_file(settings.home, code)
    if now is None and stopped is not None:
        return  # its file has another name, or cannot be read: nothing that was decided stands there
    if now != before:
        raise ChangedMeanwhile(f"The file of partner {code} was changed while this command was at work.")


def require_all_rights(settings: Settings) -> None:
    """NotPermitted for a command that concerns every role, where each has an account of its own and this is not root."""
    if settings.accounts.split and os.geteuid() != 0:
        raise NotPermitted("This concerns every role, and each has an account of its own here: run it as root.")


def share_out(home: Home) -> None:
    """Give what a command has made to the accounts of the roles, where they have any."""
    settings = load(home)
    if settings.accounts.split:
        from gateway.settings.rights import apply  # noqa: PLC0415  # most sites do without

        apply(settings)
