"""When keys end, as the vault has seen it in their certificates: a file in state/run for roles that may not look at keys.

It is written at every look at the keys, which is once an hour, and worth nothing after a restart. Raises nothing: whoever writes
it has other work, and it can be written the next time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import orjson

_FILE = "key-ends"


def note_key_ends(run: Path, ends: Mapping[str, float | None]) -> None:
    """Write down when the OpenPGP keys of these owners (`own`, or a partner's code) end: seconds since 1970, None for never."""
    fresh = run / f".{_FILE}"
    with suppress(OSError):
        fresh.write_bytes(orjson.dumps(dict(ends)))
        fresh.chmod(0o660)  # as `gateway rights` has all of state/run
        fresh.replace(run / _FILE)


def noted_key_ends(run: Path) -> Mapping[str, float | None] | None:
    """What was written down last; None where nothing was."""
    try:
        found = orjson.loads((run / _FILE).read_bytes())
        return {str(owner): None if end is None else float(end) for owner, end in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
