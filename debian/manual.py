"""Manual pages, made from the commands themselves: what `--help` says is what `man` says.

`gateway.1`, and a page for each command with its subcommands, as git has them: `man gateway init` finds `gateway-init.1`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Final

import click

_FILES: Final = """.SH EXIT STATUS
Those of sysexits.h: 0 done, 64 wrong use, 65 refused content, 69 not available, 70 must not go on, 75 try later, 77 not permitted, 78
configuration.
.SH ENVIRONMENT
.TP
.B GATEWAY_HOME
The site's directory, where \\fB\\-\\-home\\fR does not name it.
.SH FILES
.TP
.I /var/lib/gateway/site
The site of this machine, where nothing else is named.
.TP
.I /usr/share/doc/gateway/docs/operators
Desk aids: one page for each task or trouble.
"""


def pages(program: click.Group, version: str, day: str) -> Mapping[str, str]:
    """Every page by its file's name, of a day such as 2026-11-28."""
    top = click.Context(program, info_name=program.name)
    found = {}
    for command, ctx in _below(program, top):
        name = ctx.command_path.replace(" ", "-")
        lines = [*_head(name, _summary(command), version, day), *_described(command, ctx, ".SH")]
        if isinstance(command, click.Group):
            for below, below_ctx in _below(command, ctx):
                lines += [f".SH {_text(below_ctx.command_path).upper()}", *_described(below, below_ctx, ".SS")]
        found[f"{name}.1"] = _joined([*lines, ".SH SEE ALSO", r".BR gateway (1)"])
    lines = [*_head("gateway", _summary(program), version, day), *_described(program, top, ".SH"), ".SH COMMANDS"]
    for command, ctx in _below(program, top):
        lines += [".TP", rf".BR {_text(ctx.command_path.replace(' ', '-'))} (1)", _text(_summary(command))]
    found["gateway.1"] = _joined(lines) + _FILES
    return found


def _below(group: click.Group, ctx: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            yield command, click.Context(command, info_name=name, parent=ctx)


def _head(name: str, summary: str, version: str, day: str) -> list[str]:
    return [
        f'.TH {_text(name).upper()} 1 "{day}" "gateway {version}" "Gateway"',
        ".SH NAME",
        rf"{_text(name)} \- {_text(summary)}",
    ]


def _summary(command: click.Command) -> str:
    return command.get_short_help_str(limit=200).rstrip(".")


def _described(command: click.Command, ctx: click.Context, heading: str) -> Iterator[str]:
    """Synopsis, description, options and example of one command."""
    yield f"{heading} SYNOPSIS" if heading == ".SH" else ".PP"
    yield rf"\fB{_text(ctx.command_path)}\fR {_text(' '.join(command.collect_usage_pieces(ctx)))}"
    if heading == ".SH":
        yield ".SH DESCRIPTION"
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    kept = [text.removeprefix("\b\n") for text in paragraphs if text.startswith("\b")]
    for text in paragraphs:
        if not text.startswith("\b"):
            yield from (".PP", _text(" ".join(text.split())))
    records = [
        found for found in (param.get_help_record(ctx) for param in command.get_params(ctx)) if found and found[1]
    ]
    if heading == ".SH":
        yield ".SH OPTIONS"
    for declared, told in records:
        yield from (".TP", rf"\fB{_text(declared)}\fR", _text(" ".join(told.split())))
    for text in kept:
        yield from (".PP", ".nf", *map(_text, text.splitlines()), ".fi")


def _text(text: str) -> str:
    """As roff takes it for plain text: nothing in it is a request, and hyphens can be copied as what they are."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
