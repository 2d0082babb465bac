"""Say what is wrong with a configuration file so that a sysadmin can correct it: file, line, setting, what it must be.

Raises nothing. A fault shows a value only where it is a number, a switch or a short plain word, so that a key or a
passphrase pasted into the wrong place is not repeated in logs.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from gateway.settings.locate import Path, Places

_KEY: Final = "[key]"
"""What pydantic puts behind a key that it does not accept."""
_SHOWN_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,24}")


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong. `file` is relative to HOME, `line` counts from 1 (0: the file as a whole), `where` may be ''."""

    file: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        location = f"{self.file}:{self.line}" if self.line else self.file
        return f"{location}: {self.where}: {self.message}" if self.where else f"{location}: {self.message}"


def setting_name(path: Path) -> str:
    """A path as a person looks for it: `[limits] consignment_files`, or the key alone at the top of a file."""
    *tables, key = path
    return f"[{'.'.join(tables)}] {key}" if tables else key


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for the known name most like this one, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def shown(value: object) -> str:
    """What a value is, without repeating one that might be a secret."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str() if _SHOWN_WORD.fullmatch(value):
            return f'text "{value}"'
        case str():
            return "other text" if value else "empty text"
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
        case _:
            return "a date or time"


def _table(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model of the table `name` inside `model`, or None where it is no table."""
    field = model.model_fields.get(name)
    annotation = field.annotation if field else None
    for kind in typing.get_args(annotation) or (annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _is_named(model: type[BaseModel], name: str) -> bool:
    """Whether the tables in `name` have names of their own: `[notify.mail.NAME]`."""
    field = model.model_fields.get(name)
    return field is not None and typing.get_origin(field.annotation) is dict


def _holder(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the table that holds the last name of the path."""
    holder: type[BaseModel] | None = model
    names = iter(path[:-1])
    for name in names:
        if holder is not None and _is_named(holder, name) and next(names, None) is None:
            return None
        holder = _table(holder, name) if holder else None
    return holder


def _expected(holder: type[BaseModel] | None, name: str) -> str:
    """What the setting must be, as a noun phrase."""
    field = holder.model_fields.get(name) if holder else None
    if field is not None and field.description:
        return field.description
    return "a table" if holder and _table(holder, name) else "of another kind"


def translate(
    error: ValidationError, model: type[BaseModel], file: str, places: Places, prefix: Path = ()
) -> list[Fault]:
    """Every fault in a validation error of `model`, whose table stands at `prefix` in the file."""
    faults: list[Fault] = []
    for detail in error.errors(include_url=False, include_context=False):
        inner = tuple(str(part) for part in detail["loc"] if isinstance(part, str))
        named = inner[-1:] == (_KEY,)  # the name of a table that has one of its own
        inner = inner[:-1] if named else inner
        path = prefix + inner
        holder = _holder(model, inner)
        match detail["type"]:
            case _ if named:
                message = "must have a name of small letters, digits and `-` that begins with a letter, at most 32 long"
            case "extra_forbidden":
                known = holder.model_fields if holder else ()
                message = f"is not known here{nearest(path[-1], known)}"
            case "missing":
                message = f"is missing; it must be {_expected(holder, path[-1])}"
            case "dict_type":
                message = f"must be a table (got {shown(detail['input'])})"
            case _:
                message = f"must be {_expected(holder, path[-1])} (got {shown(detail['input'])})"
        is_table = (holder and _table(holder, path[-1])) or path in places.tables
        faults.append(
            Fault(file, places.line(path), f"[{'.'.join(path)}]" if is_table else setting_name(path), message)
        )
    return faults
