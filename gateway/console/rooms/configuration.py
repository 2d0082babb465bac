"""The configuration, read-only: each setting, what it is here, and what it means by the comments of the configuration that the program brings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from starlette.responses import Response

from gateway.console.visits import Visit
from gateway.settings.model import Settings
from gateway.settings.resources import resource

_SECTION: Final = re.compile(r"#? ?\[([a-z_.-]+)\]")
_CHANNEL: Final = re.compile(r"(notify\.[a-z]+)\.[a-z-]+")
_EMPTY: Final = ('""', "[]")
_SETTING: Final = re.compile(r"#? ?([a-z][a-z0-9_]*) = (.*)")


@dataclass(frozen=True)
class Meaning:
    """A setting of the configuration that the program brings: its section, name, default as it is written, and what is said of it."""

    section: str
    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Setting:
    """A setting as it is at this site: None of one that is not set, of which there may be an example."""

    name: str
    value: str | None
    meaning: str
    example: str = ""


def configuration(visit: Visit) -> Response:
    """All settings, section by section."""
    settings = visit.console.settings
    return visit.page("configuration", sections=settings_of(settings), home=str(settings.home.root))


def settings_of(settings: Settings) -> dict[str, list[Setting]]:
    """The settings of a site by their sections, in the order of the configuration that the program brings."""
    said = {
        name: value.model_dump(mode="json") for name, value in vars(settings).items() if isinstance(value, BaseModel)
    }
    said["flows"] = {name: flow.model_dump(mode="json") for name, flow in settings.flows.items()}
    sections: dict[str, list[Setting]] = {}
    for each in meanings():
        for section in _named_here(said, each.section):
            value = _value(said, [*section.split("."), each.name])
            shown = None if value is None else _shown(value)
            example = each.default if shown is None and each.default not in _EMPTY else ""
            sections.setdefault(section, []).append(Setting(each.name, shown, each.meaning, example))
    return sections


@cache
def meanings() -> tuple[Meaning, ...]:
    """What the comments of the configuration say, in its order."""
    return tuple(_read((resource("config") / "gateway.toml").read_text()))


def _read(text: str) -> Iterator[Meaning]:
    comment: list[str] = []
    section = before = ""
    for line in text.splitlines():
        if found := _SECTION.fullmatch(line.strip()):
            section, comment, before = found[1], [], ""
        elif (found := _SETTING.fullmatch(line.strip())) and section:
            before = " ".join(comment) or before
            comment = []
            yield Meaning(section, found[1], found[2], before)
        elif line.startswith("#"):
            comment.append(line.lstrip("# ").rstrip())
        elif not line.strip():
            comment = []


def _named_here(said: Any, section: str) -> list[str]:
    """The sections of this site that one of the program's stands for: a channel's name is the site's own."""
    if (found := _CHANNEL.fullmatch(section)) is None:
        return [section]
    return [f"{found[1]}.{name}" for name in _value(said, found[1].split(".")) or {}] or [section]


def _value(said: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(said, dict) or name not in said:
            return None
        said = said[name]
    return said


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)
