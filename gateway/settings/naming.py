"""The names that delivered files get: a template of a flow, such as `{date}_{partner}_{name}`.

`check_template` raises ValueError, `expand` nothing. A template is letters, marks that names may have, and whole fields:
no format language, so that nothing which a partner chose is ever read as an instruction.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePath
from typing import Final

FIELDS: Final = ("name", "stem", "ext", "transfer", "partner", "flow", "date")
"""`stem` and `ext` together are `name`; `ext` has its dot, and is empty where the name has no ending."""

TELLING: Final = ("name", "stem", "transfer")
"""Fields that differ from file to file: a template has at least one of them."""

MARKER: Final = ".done"
"""NAME.done says that NAME is there, where a flow has `done_marker`."""

_FIELD: Final = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")
_TEMPLATE: Final = re.compile(
    rf"(?=[A-Za-z0-9_({{])(?:{_FIELD.pattern}|[A-Za-z0-9 _.()~+,&'-]){{1,120}}(?<=[A-Za-z0-9_)+'}}-])"
)
_ESCAPED_FIELD: Final = re.compile(r"\\\{(\w+)\\\}")
_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ENDINGS: Final = (".part", ".filepart", ".tmp", ".ready", MARKER)


def check_template(template: str) -> str:
    """The template, where every file can be named by it."""
    if not _TEMPLATE.fullmatch(template) or template.lower().endswith(_ENDINGS):
        raise ValueError("not a name with fields")
    if not {field for field in _FIELD.findall(template) if field in TELLING}:
        raise ValueError("the same name for every file")
    return template


def expand(template: str, *, name: str, transfer: str, partner: str, flow: str, day: date) -> str:
    """The name of one file: `name` as it was sent, `day` when it came in (UTC)."""
    path = PurePath(name)
    values = {
        "name": name,
        "stem": path.stem,
        "ext": path.suffix,
        "transfer": transfer,
        "partner": partner,
        "flow": flow,
        "date": day.isoformat(),
    }
    return _FIELD.sub(lambda found: values[found[1]], template)


def with_transfer(template: str) -> re.Pattern[str]:
    """What names look like that the template made: the transfer's id, as `transfer`, at its place there; whatever else a sender chose."""
    seen = False

    def field(found: re.Match[str]) -> str:
        nonlocal seen
        if found[1] != "transfer" or seen:
            return ".*"
        seen = True
        return f"(?P<transfer>{_ID})"

    return re.compile(_ESCAPED_FIELD.sub(field, re.escape(template)), re.DOTALL)
