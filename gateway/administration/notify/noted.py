"""How telling goes, for roles and people that may not look into state/notify: a file in state/run, worth nothing after a restart.

Raises nothing: whoever writes it has other work, and it can be written the next time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from gateway.administration.notify.memory import Memory

_FILE: Final = "notices"


class Noted(NamedTuple):
    """Of one channel: notices that went through it, and failures in a row of what is under way."""

    sent: int
    failures: int


def note(run: Path, channels: Mapping[str, Memory]) -> None:
    """Write down how the channels do."""
    fresh = run / f".{_FILE}"
    with suppress(OSError):
        fresh.write_bytes(orjson.dumps({name: [each.sent, each.failures] for name, each in channels.items()}))
        fresh.chmod(0o660)
        fresh.replace(run / _FILE)


def noted(run: Path) -> Mapping[str, Noted]:
    """What was written down last, by channel."""
    try:
        found = orjson.loads((run / _FILE).read_bytes())
        return {str(name): Noted(int(sent), int(failures)) for name, (sent, failures) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
