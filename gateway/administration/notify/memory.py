"""What each channel was told so far: state/notify/told.json, written durably before anything is sent and after it was.

So a notice that a crash interrupts is made and sent again, the same events under the same id; whoever has it twice can tell. The file
holds numbers of events, moments, ids and codes. Raises DiskFull, DiskFailed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import DiskFailed
from gateway.storage.durable import write_file

_FILE: Final = "told.json"
_RECORD: Final = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False)
_Number = Annotated[int, Field(ge=0)]


class Stream(BaseModel):
    """The urgent notices of a channel, or its others. Events up to `after` are told. While a notice is under way, it is about those up to
    `until` and about what was `found` (what is the matter, and since when), has that `id` and moment of `created`, was tried `attempts`
    times, the last time without success for `code`, and is due again at `due`.
    """

    model_config = _RECORD
    after: _Number
    until: _Number | None = None
    found: dict[str, str] = {}
    id: str = ""
    created: float = 0.0
    attempts: _Number = 0
    due: float = 0.0
    code: str | None = None


class Memory(BaseModel):
    """One channel: its two streams, what is the matter now and is told or about to be, when a notice last went through it (seconds since
    1970), and how many have.
    """

    model_config = _RECORD
    urgent: Stream
    digest: Stream
    matter: tuple[str, ...] = Field(default=(), strict=False)
    last: float = 0.0
    sent: _Number = 0

    @classmethod
    def beginning(cls, after: int) -> Memory:
        """A channel that is told what happens after that event."""
        return cls(urgent=Stream(after=after), digest=Stream(after=after))

    @property
    def newest(self) -> int:
        """The last event that it knows of."""
        return max(self.urgent.until or self.urgent.after, self.digest.until or self.digest.after)

    @property
    def failures(self) -> int:
        """How often in a row the channel has not taken what is under way, by the stream that is worse off."""
        return max((each.attempts for each in (self.urgent, self.digest) if each.code is not None), default=0)


class _Told(BaseModel):
    model_config = _RECORD
    channels: dict[str, Memory]


@dataclass(frozen=True)
class Damaged:
    """There is a file, and nothing can be read from it."""


def recall(directory: Path) -> Mapping[str, Memory] | Damaged:
    """What was told, by channel; nothing where nothing ever was. PermissionError where this user may not look."""
    try:
        return _Told.model_validate_json((directory / _FILE).read_bytes()).channels
    except FileNotFoundError:
        return {}
    except ValidationError:
        return Damaged()
    except PermissionError:
        raise
    except OSError as error:
        raise DiskFailed(f"{_FILE} cannot be read: {error.strerror}") from error


def remember(directory: Path, channels: Mapping[str, Memory]) -> None:
    """Write it down, durably."""
    content = _Told(channels=dict(channels)).model_dump_json().encode()
    write_file(directory / _FILE, content)
