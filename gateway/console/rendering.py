"""Pages out of templates: Jinja2, which escapes everything that is put in; a name that is missing is an error and no empty place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from gateway.administration.views.words import bytes_of
from gateway.errors import GatewayError


def when(text: str | None) -> str:
    """RFC 3339, UTC, as people read it: `28 November 2026 at 14:05:09`."""
    if not text:
        return ""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{moment.day} {moment:%B %Y at %H:%M:%S}"


def brief(text: str | None) -> str:
    """RFC 3339, UTC, as a table has it: `28 Nov 2026, 14:05`."""
    if not text:
        return ""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{moment.day}\u00a0{moment:%b}\u00a0{moment:%Y, %H:%M}"


def tail(identity: str) -> str:
    """What tells an id from others of the same minute: its last 8 characters. Its first ones are a time."""
    return identity[-8:]


def duration(seconds: float) -> str:
    """A duration as people read it: two units."""
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return counted(days, "day") + (f" {counted(hours, 'hour')}" if hours else "")
    if minutes >= 60:
        return f"{counted(hours, 'hour')} {counted(minutes % 60, 'minute')}"
    return counted(minutes, "minute") if minutes else counted(int(seconds), "second")


def at_most(seconds: float) -> str:
    """A duration that is not less: a part of a second counts as one, and of a minute, once there are some."""
    whole = math.ceil(seconds)
    return duration(whole if whole < 60 else -(-whole // 60) * 60)


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sentence(error: GatewayError) -> str:
    """An error's reason as a sentence of its own."""
    return f"{error.reason[:1].upper()}{error.reason[1:].rstrip('.')}."


def address(path: str, **query: object) -> str:
    """A path with a query of what is there."""
    text = urlencode([(name, str(value)) for name, value in query.items() if value not in (None, "")])
    return f"{path}?{text}" if text else path


def _size(number: int) -> str:
    """A size that stays on one line."""
    return bytes_of(number).replace(" ", "\u00a0")


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "size": _size,
        "when": when,
        "brief": brief,
        "tail": tail,
        "duration": duration,
        "counted": counted,
        "atmost": at_most,
    }
    made.globals |= {"address": address}
    return made


_ENVIRONMENT: Final = _environment()


def render(template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The page that the template of that name makes."""
    return HTMLResponse(_ENVIRONMENT.get_template(f"{template}.html").render(**context), status)
