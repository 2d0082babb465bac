"""What a stream of bytes is read from."""

from __future__ import annotations

from typing import Protocol


class ByteReader(Protocol):
    """Anything with `read(n)`: at most n bytes, empty at the end."""

    def read(self, size: int = -1, /) -> bytes: ...
