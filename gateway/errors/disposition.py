"""What an error is: its class says what becomes of the work, the exit status, and what a person does next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import ClassVar


class Disposition(StrEnum):
    """What becomes of the work when an error ends an attempt."""

    DEFER = "defer"
    REJECT = "reject"
    QUARANTINE = "quarantine"
    HOLD = "hold"
    HALT = "halt"
    MISUSE = "misuse"


class GatewayError(Exception):
    """Base of all. `reason` is one sentence without personal data; `str(error)` is that sentence."""

    code: ClassVar[str] = "error"
    disposition: ClassVar[Disposition] = Disposition.HALT
    exit_status: ClassVar[int] = 70
    remedy: ClassVar[str] = "Report it with the log lines around it."

    def __init__(self, reason: str = "") -> None:
        self.reason = reason or (type(self).__doc__ or self.code).strip().splitlines()[0]
        super().__init__(self.reason)

    def __reduce__(self) -> tuple[type[GatewayError], tuple[str]]:
        return type(self), (self.reason,)


@cache
def remedies() -> Mapping[str, str]:
    """What a person does next, by the codes of all errors."""
    return MappingProxyType({error.code: error.remedy for error in documented_errors()})


def documented_errors() -> Iterator[type[GatewayError]]:
    """Every concrete error class, depth first, in source order."""
    pending = list(GatewayError.__subclasses__())
    while pending:
        cls = pending.pop(0)
        children = cls.__subclasses__()
        if "code" in cls.__dict__:
            yield cls
        pending[:0] = children
