"""When the last run of `gateway retention` ended: a file in state/run for the console, which sees no timer.

Raises nothing: whoever writes it has done the work, and the next run writes it anew.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.domain.identity import from_text, to_text

_FILE: Final = "retention"
DAILY_SECONDS: Final = 24.5 * 3600
"""After a run gateway-retention.timer starts the next one at the latest then: it elapses every day, and waits for half an hour at most."""


def note(run: Path, now: float) -> None:
    """Write down that a run has ended."""
    fresh = run / f".{_FILE}"
    with suppress(OSError):
        fresh.write_text(f"{to_text(now)}\n", encoding="ascii")
        fresh.chmod(0o660)
        fresh.replace(run / _FILE)


def last_run(run: Path) -> float | None:
    """When that was, in seconds since 1970; None where no run has ended since the site was made or restored."""
    try:
        return from_text((run / _FILE).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
