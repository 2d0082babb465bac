"""What may come out of a reader: nothing, one of its refusals, or a report. Everything else is a find.

`judge` raises Surprise for an error that is none of the target's refusals, for a law that was broken, for a reason that
repeats an insurance number out of the input, and for anything that reaches for the network, for another process, or for
a file outside the scratch directory.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.errors import GatewayError
from tests.fuzz.targets import Check, Target

_NUMBER: Final = re.compile(rb"QQ\d{6}[A-D]")
_FORBIDDEN: Final = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "ctypes.dlopen")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Surprise(Exception):
    """A reader did what none may do."""


class Reached(BaseException):
    """A reader reached out of its place. No `except Exception` on the way may swallow it."""


class Fence:
    """Watches, by Python's audit events, what a reader reaches for. A hook cannot be taken off again: it is put to sleep."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = str(scratch.resolve())
        self._closed = False
        sys.addaudithook(self._hook)

    @contextmanager
    def closed(self) -> Iterator[None]:
        self._closed = True
        try:
            yield
        finally:
            self._closed = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._closed:
            return
        if event.startswith(_FORBIDDEN):
            raise Reached(event)
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike) and arguments[2] & _WRITING:
            name = os.fsdecode(arguments[0])
            if not name.startswith((self._scratch, "/proc/self/fd/")):
                raise Reached(f"open for writing: {name[:200]}")


def judge(target: Target, check: Check, fence: Fence, data: bytes) -> str:
    """What came of one input, in a word: `accepted`, `found` where a report has findings, or the refusal's code."""
    try:
        with fence.closed():
            said = check(data)
        came = "found" if said else "accepted"
    except target.refusals as error:
        said, came = [error.reason], error.code
    except Reached as error:
        raise Surprise(f"{target.name} reached for {error}") from error
    except GatewayError as error:
        raise Surprise(f"{target.name} may not answer with {type(error).__name__}: {error.reason}") from error
    except Exception as error:
        raise Surprise(f"{target.name} let {type(error).__name__} out: {error}") from error
    for number in _NUMBER.findall(data):
        if any(number.decode() in text for text in said):
            raise Surprise(f"{target.name} repeats an insurance number")
    return came
