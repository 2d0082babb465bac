"""Partners that the running gateway works without: logged, and kept in a file for commands that ask.

Raises DiskFailed for the file. The configuration on disk may have changed since the gateway took it over. So only the
gateway's own file says whether it works with a partner, by earlier settings, whose configuration now has a fault.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationInvalid, DiskFailed
from gateway.logs import Logger
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.write import write_text

_FILE: Final = "stopped-partners"
_SHUT_OUT: Final = "shut-out"
REMEDY: Final = (
    "Correct it, then `gateway config check` and `gateway reload`. What belongs to the partner waits until then."
)


def say_stopped(log: Logger, settings: Settings) -> None:
    """Log a line for each fault of each partner that is stopped, and for each that is suspended."""
    for code, stopped in settings.stopped.items():
        if stopped.suspended is not None:
            log.warning("partner.left-out", partner=code)
        for fault in stopped.faults:
            log.error("partner.stopped", partner=code, code=ConfigurationInvalid.code, reason=str(fault), remedy=REMEDY)


def note_stopped(home: Home, codes: Collection[str]) -> None:
    """Write down which partners this gateway runs without."""
    _note(home.run / _FILE, codes, 0o660)


def noted_stopped(home: Home) -> frozenset[str]:
    """Which partners the gateway runs without; true only while it runs."""
    return _noted(home.run / _FILE)


def note_shut_out(home: Home, codes: Collection[str]) -> None:
    """Write down which partners the managed server does not let in, since too much lies in their landing."""
    _note(home.sshd / _SHUT_OUT, codes, 0o600)


def noted_shut_out(home: Home) -> frozenset[str]:
    """Which partners the managed server does not let in; true only while it runs. Empty where this user may not look."""
    return _noted(home.sshd / _SHUT_OUT)


def _note(path: Path, codes: Collection[str], mode: int) -> None:
    try:
        write_text(path, "".join(f"{code}\n" for code in sorted(codes)), mode=mode)
    except OSError as error:
        raise DiskFailed(f"state/{path.parent.name} cannot be written: {error.strerror}") from error


def _noted(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text(encoding="utf-8").split("\n")) - {""}
    except OSError:
        return frozenset()


def newly_stopped(settings: Settings, known: Collection[str]) -> list[str]:
    """The faults of partners that a change of the configuration would stop and that are not among the `known`."""
    fresh = {fault for code, each in settings.stopped.items() if code not in known for fault in each.faults}
    return [str(fault) for fault in sorted(fresh)]


def require_going(before: Settings, after: Settings) -> None:
    """Raise ConfigurationInvalid where a running gateway must not take over `after`, since it would stop a partner that it
    works with. A configuration that withdraws trust from a key, or suspends a partner, is taken over in any case.
    """
    faults = newly_stopped(after, before.stopped)
    if faults and not _takes_trust_away(before, after):
        raise ConfigurationInvalid("\n".join(faults))


def _takes_trust_away(before: Settings, after: Settings) -> bool:
    """Whether `after` trusts a key or a partner no more: that takes effect whatever else is wrong."""
    if any(each.suspended is not None and code in before.partners for code, each in after.stopped.items()):
        return True
    if set(after.keys.revoked_openpgp) - set(before.keys.revoked_openpgp):
        return True
    return any(
        set(partner.revoked) - set(before.partners[code].revoked)
        for code, partner in after.partners.items()
        if code in before.partners
    )
