"""The moment that an option such as `--since` names. Raises UsageWrong for what names none."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from gateway.errors import UsageWrong

_AGO: Final = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def earliest(text: str, now: float, option: str = "--since") -> float:
    """Seconds since 1970 of a time, a date (from midnight UTC on) or so long ago."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageWrong(
            f"{option} takes a time such as 2026-11-21T10:00:00Z, or 90m, 12h, 7d, not {text!r}."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
