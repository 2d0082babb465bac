"""What the console says of a file that came through it: the note beside it in `state/uploads`. Pure; ValueError for a note that is none.

The console writes the bytes as `ID`, the note as `ID.json`, and `ID.part` while they come. The id becomes that of the transfer, so that
a file which is sent twice is sent once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from gateway.domain.identity import is_id

COMING: Final = ".part"
NOTE: Final = ".json"
LONGEST_NOTE: Final = 4096
"""Bytes."""
_LONGEST: Final = 255


@dataclass(frozen=True)
class Upload:
    """A file that somebody wants to send: `user` is who, `name` what it was called there, `created` when, seconds since 1970."""

    id: str
    user: str
    flow: str
    partner: str
    name: str
    size: int
    created: float


def note(upload: Upload) -> bytes:
    """The note, as it stands beside the file."""
    return json.dumps(asdict(upload), ensure_ascii=True).encode()


def read_note(content: bytes, identity: str) -> Upload:
    """The upload of that id, every part of the note looked at: whoever wrote it may have been taken over."""
    try:
        found: Any = json.loads(content)
    except RecursionError as error:
        raise ValueError("a note nested too deep") from error
    match found:
        case {
            "id": str(own),
            "user": str(user),
            "flow": str(flow),
            "partner": str(partner),
            "name": str(name),
            "size": int(size),
            "created": int(created) | float(created),
        } if own == identity and is_id(own) and size >= 0 and max(map(len, (user, flow, partner, name))) <= _LONGEST:
            return Upload(own, user, flow, partner, name, size, float(created))
        case _:
            raise ValueError("not the note of an upload")
