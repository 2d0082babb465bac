"""The templates of `config/index/NAME.toml`: how delivered documents are handed to a document system.

`templates` raises ConfigurationInvalid with every fault, one a line; `examine` gives the faults and raises nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from gateway.errors import ConfigurationInvalid
from gateway.settings.faults import Fault
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.resources import resource
from gateway.settings.toml_file import TomlFile, read_toml, shown, validated
from gateway.settings.values import Count, Line, Reason, Switch, Table

ALWAYS: Final = (
    *("transfer", "consignment", "flow", "partner", "partner_name", "received", "size", "sha256", "schema"),
    *("file", "batch", "batched", "number"),
)
"""What a field may hold without anybody's leave: what this gateway made or measured, and no words of the sender's."""
BY_LEAVE: Final = ("name", "reference")
"""What the sender wrote, which may name a person; and `part.X`, where X is one of `parts`."""
PART: Final = "part."

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ELEMENT: Final = re.compile(r"(?!(?i:xml))[A-Za-z_][A-Za-z0-9_.-]{0,63}")
"""An XML name without a prefix, in ASCII. Those that begin with `xml` are reserved."""

_Element = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$", description="the name of an XML element")]
_PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class IndexField(Table):
    """`[[fields]]`: one field of the index: its `name` there, and either a `value` of the document's or a `constant`."""

    name: Line
    value: Annotated[str | None, Field(max_length=64, description='what the field holds, such as "transfer"')] = None
    constant: Annotated[str | None, Field(max_length=200, description="text that is the same for every document")] = (
        None
    )


class PersonalFields(Table):
    """`[personal]`: which of the values that the sender wrote the index may hold, whose decision that was, and why."""

    fields: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(strict=False, min_length=1, description='a list of "name", "reference" and "part.X"'),
    ]
    decided_by: Line
    why: Reason


class TemplateFile(Table):
    """A template as its file has it."""

    flows: Annotated[
        tuple[str, ...], Field(strict=False, min_length=1, description='a list of flows, such as ["laid"]')
    ]
    format: Annotated[Literal["csv", "xml", "json"], Field(description='one of "csv", "xml" and "json"')]
    per: Annotated[Literal["document", "batch"], Field(description='one of "document" and "batch"')] = "document"
    encoding: Annotated[
        Literal["utf-8", "utf-8-sig", "cp1252", "iso-8859-1"],
        Field(description='one of "utf-8", "utf-8-sig", "cp1252" and "iso-8859-1"'),
    ] = "utf-8"
    date: Annotated[
        str,
        Field(
            pattern=r"^(%[YmdyjHMS]|[ T/.:-]){1,20}$",
            description='a form of a date, such as "%d/%m/%Y": %Y %m %d %y %j %H %M %S, and / . : - T or blanks between them',
        ),
    ] = "%Y-%m-%d"
    delimiter: Annotated[Literal[",", ";", "|", "\t"], Field(description='one of ",", ";", "|" and "\\t"')] = ","
    header: Switch = True
    formula_guard: Switch = True
    root: _Element = "Documents"
    record: _Element = "Document"
    separator: Annotated[
        str, Field(pattern=r"^[ _+~.,-]$", description='one of "_", "-", "+", "~", ".", "," and " "')
    ] = "_"
    parts: Annotated[
        tuple[_PartName, ...],
        Field(
            strict=False, max_length=20, description='a list of names of small letters, such as ["office", "reference"]'
        ),
    ] = ()
    documents: Annotated[int, Field(ge=1, le=10_000, description="a whole number from 1 to 10000")] = 500
    mib: Count = 100
    wait_seconds: Annotated[
        float, Field(ge=0, le=7 * 86400, allow_inf_nan=False, description="a number of seconds, at most a week")
    ] = 900.0
    fields: Annotated[
        tuple[IndexField, ...],
        Field(strict=False, min_length=1, max_length=100, description="a [[fields]] table for each field"),
    ]
    personal: Annotated[PersonalFields | None, Field(description="a table")] = None


@dataclass(frozen=True)
class Template:
    """A template without faults; `name` is its file's."""

    name: str
    says: TemplateFile

    @property
    def personal(self) -> tuple[str, ...]:
        """Which values of the sender's the index may hold."""
        return () if self.says.personal is None else self.says.personal.fields

    @property
    def sha256(self) -> str:
        """Of all that it says: what a person approved is this very template. Comments and layout do not count."""
        said = json.dumps(self.says.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(said.encode()).hexdigest()


def templates(settings: Settings) -> tuple[Template, ...]:
    """The site's templates, by name; ConfigurationInvalid where one has a fault."""
    found, faults = examine(settings)
    if faults:
        raise ConfigurationInvalid("\n".join(map(str, faults)))
    return found


def examine(settings: Settings) -> tuple[tuple[Template, ...], tuple[Fault, ...]]:
    """The templates that can be read, and every fault of all of them."""
    home, faults = settings.home, list[Fault]()
    found: list[Template] = []
    taken: dict[str, str] = {}
    for path in _files(home, faults):
        source = read_toml(home, path, faults)
        says = validated(source, TemplateFile, faults) if source else None
        if source is None or says is None:
            continue
        template = Template(path.stem, says)
        for where, message in (*_within(template), *_beside(template, settings, taken)):
            faults.append(_fault(source, where, message))
        taken |= dict.fromkeys(says.flows, path.stem)
        found.append(template)
    return tuple(found), tuple(sorted(faults))


def example_text(form: str) -> str:
    """A template to begin with, for `csv`, `xml` or `json`."""
    return (resource("config") / "index" / f"laid-{form}.toml").read_text(encoding="utf-8")


def _files(home: Home, faults: list[Fault]) -> list[Path]:
    try:
        return sorted(path for path in home.index.iterdir() if path.suffix == ".toml" and path.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        faults.append(Fault(shown(home.index.relative_to(home.root)), 0, "", f"cannot be read: {error.strerror}"))
        return []


def _fault(source: TomlFile, where: str, message: str) -> Fault:
    return Fault(source.file, source.places.line((where,)) if where else 0, where, message)


def _within(template: Template) -> Iterator[tuple[str, str]]:
    """What the types cannot say about one template: the setting, and what is wrong with it."""
    says = template.says
    if not _NAME.fullmatch(template.name):
        yield "", "must have a name of small letters, digits and `-` that begins with a letter, at most 32 long"
    names = [field.name for field in says.fields]
    if len(set(names)) < len(names):
        yield "fields", "has two fields of one name"
    if len(set(says.parts)) < len(says.parts):
        yield "parts", "has two parts of one name"
    if says.format == "xml":
        for name in (*names, says.root, says.record):
            if not _ELEMENT.fullmatch(name):
                yield "fields", f"has a name that no XML element can have: {_word(name)}"
    if says.format == "json" and says.encoding != "utf-8":
        yield "encoding", "must be utf-8 for JSON"
    of_the_senders = {*BY_LEAVE, *(f"{PART}{part}" for part in says.parts)}
    for field in says.fields:
        if (field.value is None) is (field.constant is None):
            yield "fields", f"needs a value or a constant, and not both, for {_word(field.name)}"
        elif field.value is None or field.value in ALWAYS:
            continue
        elif field.value not in of_the_senders:
            known = ", ".join((*ALWAYS, *sorted(of_the_senders)))
            yield "fields", f"has a value that there is not, for {_word(field.name)}; there are {known}"
        elif field.value not in template.personal:
            yield (
                "fields",
                f"has {field.value}, which the sender wrote and may name a person: name it in [personal] fields",
            )
    for value in template.personal:
        if value not in of_the_senders:
            yield "personal", f"names {_word(value)}, which is no value of the sender's"


def _beside(template: Template, settings: Settings, taken: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with it at this site, with these flows and templates before it."""
    for flow in template.says.flows:
        if flow not in DEFAULT_FLOWS:
            yield "flows", f"names {_word(flow)}, which is no flow"
        elif flow in taken:
            yield "flows", f"names {flow}, which {taken[flow]}.toml has: a document goes into one batch"
        elif settings.load.enabled and flow in settings.load.flows:
            yield "flows", f"names {flow}, which [load] of gateway.toml has loaded into a database"
        elif "{transfer}" not in settings.flows[flow].inbound_name:
            yield (
                "flows",
                f'names {flow}: set inbound_name = "{{transfer}}{{ext}}" in [flows.{flow}] of gateway.toml first',
            )


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", text) else "one of its names"
