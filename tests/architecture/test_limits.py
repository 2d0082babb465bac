"""docs/limits.md says what the code does: every number on the page is compared with where it comes from."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.settings.console import ConsoleSettings
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.model import Daemon, Limits, LinkSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"
UNITS = {"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "characters": 1, "s": 1, "h": 1, "day": 1}
TABLES: dict[str, Any] = {"limits": Limits(), "link": LinkSettings(), "daemon": Daemon(), "console": ConsoleSettings()}
TABLES |= {f"flows.{name}": flow for name, flow in DEFAULT_FLOWS.items()}
_NUMBER = re.compile(r"([0-9][0-9,]*)(?: ([A-Za-z]+))?")
_SETTING = re.compile(r"`\[([a-z.]+)\] ([a-z_]+)`")
_CONSTANT = re.compile(r"`([a-z_.]+): ([A-Za-z_.]+)`")


def listed() -> Iterator[tuple[str, str, str]]:
    """What, the number, and the source, of every row of every table but the last, which is of measured figures."""
    text = PAGE.read_text(encoding="utf-8").partition("## What bombs cost")[0]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in {"what", "---"}:
            yield cells[0], cells[1], cells[2]


ROWS = list(listed())


def in_the_code(source: str) -> Any:
    if setting := _SETTING.fullmatch(source):
        return getattr(TABLES[setting[1]], setting[2])
    constant = _CONSTANT.fullmatch(source)
    assert constant is not None, f"{source} names neither a setting nor a constant"
    found: Any = importlib.import_module(f"gateway.{constant[1]}")
    for name in constant[2].split("."):
        if isinstance(found, type) and is_dataclass(found):
            return next(field.default for field in fields(found) if field.name == name)
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(("what", "said", "source"), ROWS, ids=[row[0] for row in ROWS])
def test_number_on_the_page_is_the_one_in_the_code(what: str, said: str, source: str) -> None:
    number = _NUMBER.fullmatch(said)
    assert number is not None, f"{what}: {said} is no number with a unit"
    assert int(number[1].replace(",", "")) * UNITS[number[2] or ""] == in_the_code(source)


def test_settings_that_bound_something_are_on_the_page() -> None:
    said = {setting[0] for *_, source in ROWS if (setting := _SETTING.fullmatch(source))}
    assert {f"`[limits] {name}`" for name in Limits.model_fields} <= said


def test_page_says_of_flows_that_share_a_limit_what_holds_for_each() -> None:
    (together,) = [what for what, *_ in ROWS if "`claim`, " in what]
    for name in re.findall(r"`([a-z]+)`", together):
        assert DEFAULT_FLOWS[name].max_bytes == DEFAULT_FLOWS["claim"].max_bytes
    named = {name for what, *_ in ROWS if "of flow" in what for name in re.findall(r"`([a-z]+)`", what)}
    assert named == set(DEFAULT_FLOWS)
