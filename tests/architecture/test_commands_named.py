"""Commands that errors and pages name are there: each command, each option, and with what it is never taken without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from gateway.cli import gateway
from gateway.errors import GatewayError, documented_errors

ROOT: Final = Path(__file__).resolve().parents[2]
_QUOTED: Final = re.compile(r"`gateway ([^`]+)`")
_NO_OPTION: Final = {"--help", "-h"}


def faults(words: str) -> Iterator[str]:
    """What is wrong with a call, its words after `gateway`. One without arguments names a command, and need not be whole."""
    parts = re.sub(r"\"[^\"]*\"|'[^']*'", "TEXT", words.partition("#")[0]).split()
    if parts[0] == "redirect" and parts[1:] and parts[1] not in {"pass", "unpack"}:
        parts.insert(1, "pass")  # which it is short for
    command: click.Command = gateway
    context = click.Context(gateway, info_name="gateway")
    given, arguments, value = set[str](), 0, False
    for part in parts:
        part = part.strip("[](),.;")  # noqa: PLW2901  # as a sentence has it
        if part in {"|", ">", "<", "&&", "or", "and", "\\", "-", "for"}:
            break
        if part.startswith("-"):
            name = part.partition("=")[0]
            options = {
                name: each for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)
            }
            if name not in options and name not in _NO_OPTION:
                yield f"{command.name} has no {name}"
                return
            given.add(name)
            option = options.get(name)
            value = isinstance(option, click.Option) and not option.is_flag and not option.count and "=" not in part
        elif value:
            value = False
        elif isinstance(command, click.Group) and (found := command.get_command(context, part)) is not None:
            command, context = found, click.Context(found, context, info_name=part)
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", part):
            yield f"there is no {part!r} of {command.name}"
            return
        elif part not in {"...", "…"}:
            arguments += 1
    if not arguments or "..." in parts or "…" in parts or given & _NO_OPTION:
        return
    for each in command.get_params(context):
        if isinstance(each, click.Option) and each.required and not given & {*each.opts}:
            yield f"{command.name} is refused without {each.opts[-1]}"


def said_in(text: str) -> list[str]:
    return [
        f"`gateway {words}`: {fault}" for words in _QUOTED.findall(text) for fault in faults(" ".join(words.split()))
    ]


@pytest.mark.parametrize("error", [*documented_errors()], ids=lambda error: error.code)
def test_commands_that_remedies_name_exist(error: type[GatewayError]) -> None:
    assert said_in(error.remedy) == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs/operators").glob("*.md")), ids=lambda page: page.stem)
def test_commands_that_pages_name_exist(page: Path) -> None:
    assert said_in(page.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("nodes console --reason TEXT", "there is no 'console' of nodes"),
        ("nodes take-console --why TEXT", "take-console has no --why"),
        ("people link USER", "link is refused without --reason"),
        ("people link USER --reason 'a and b'", ""),
        ("people link", ""),
        ("--home HOME nodes join FILE --node NAME", ""),
    ],
)
def test_what_is_not_there_is_found(words: str, fault: str) -> None:
    assert [*faults(words)] == ([fault] if fault else [])
