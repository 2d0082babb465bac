"""Kinds of values in configuration files that need more than a pattern: windows of the day, time zones.

Raises ValueError alone, which pydantic takes for a fault of the value.
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field


def _window(text: str) -> str:
    if text[:5] == text[6:]:
        raise ValueError("a window that closes when it opens")
    return text


def check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError("no such time zone") from error
    return name


Windows = Annotated[
    tuple[
        Annotated[
            str,
            Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"),
            AfterValidator(_window),
        ],
        ...,
    ],
    Field(strict=False, description='a list of windows from opening to closing, such as ["20:00-06:00"]'),
]
