"""What the gateway asks of a validator: read one file, say what is wrong with it, never what it says.

A finding names the place (line, record, field, object) and the rule, and never carries a value: findings go to logs, to
the ledger, to the operator's `.why.txt` and to the partner's receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

MOST_MARKS: Final = 20_000
"""Records of one file that are marked at most: their marks fit into one message of a reader."""


@dataclass(frozen=True)
class Finding:
    """One thing wrong: a kebab-case code out of a closed list, where, and a sentence a benefits officer understands."""

    code: str
    where: str
    message: str


@dataclass(frozen=True)
class RecordException:
    """One thing wrong with one record: the record's `row`, the `field`, and the code and sentence of a finding.

    In an extract, `row` counts rows from the header on (1) and `field` is the field's number, empty
    where it is about the whole row. In an XML document, `row`
    counts the records from 1 and `field` is the path of elements below the record.
    """

    row: int
    field: str
    code: str
    message: str


class RecordMark(NamedTuple):
    """What triage needs of one record: its number, counted from 1, and digests (16 bytes) that say nothing by themselves.

    `fact` is of everything that counts in it, `award` of whom and of which award it tells, empty where it does not say whom;
    `day` is the day of the decision (`date.toordinal`) or 0, and `claims` are digests of the references of its claim.
    """

    row: int
    fact: bytes
    award: bytes
    day: int
    claims: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a validator found in one file.

    `findings` holds at most the validator's limit, `total` all that there were. `schema` is the name and version that
    the file follows, such as `claim/1.0`, or None where that could not be told. `facts` are values that stages need
    and that are no personal data: `authority` (the code of the authority the content is about), `message_id`,
    `records`.

    `exceptions` names everything that is wrong where all of it concerns single records of a file that can be read; it is
    empty where anything else is wrong, and where there is too much to name. Whether a file with exceptions may travel is
    the flow's settings' to say (`exceptions.tolerated`); `valid` is a file without any. `marks` are of the records that are
    right, where the flow is one of those that triage looks at.
    """

    schema: str | None
    findings: tuple[Finding, ...] = ()
    total: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    exceptions: tuple[RecordException, ...] = ()
    marks: tuple[RecordMark, ...] = ()

    @property
    def valid(self) -> bool:
        return self.total == 0

    @property
    def faulty(self) -> int:
        """How many records the exceptions concern."""
        return len({exception.row for exception in self.exceptions})


class Validator(Protocol):
    """Reads one kind of file. It raises no error for anything that a file can hold: that is a finding.

    It runs in a process of its own under limits on memory, CPU time and file size (`validation.sandbox`), and opens no
    connection and no other file than the one it is given and the schemas.
    """

    def validate(self, path: Path) -> Report: ...
