"""Looking at a file that is locked away for its content: a reader of the sandbox renders it, beside what is wrong with it.

`state/vault/infected` is inspect's alone, so inspect does it; `stages.quarantine` looks at what is sealed. Raises NotFound, UsageWrong
where there are no bytes to look at, and what the disk and the sandbox raise. `file_in_quarantine` reads the ledger; `show` touches files
alone, so a thread may call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.shown import FINDINGS, META, Findings, Kind, Shown, page_name, to_bytes
from gateway.errors import Unshown, UsageWrong
from gateway.ledger.queries.quarantine import find_quarantined, kept_file, transfer_of
from gateway.ledger.tables import FILE
from gateway.ledger.units import Quarantined, Transfer
from gateway.stages.background_readers import BackgroundReaders
from gateway.stages.context import StageContext
from gateway.stages.kept_files import brought
from gateway.stages.quarantine import start_of
from gateway.stages.showing import place_for, render, subject_of
from gateway.storage.durable import write_file
from gateway.storage.payloads import KeptFile
from gateway.validation.plan import Plan
from gateway.validation.sandbox.pool import Crash, Job

_MOST_TOLD: Final = 100
_MOST_BYTES: Final = 512
_A_LINE: Final = 16


@dataclass(frozen=True)
class Isolated:
    """A file that is locked away for its content, where it lies, its transfer, and the record or page to begin with."""

    locked: Quarantined
    path: Path
    transfer: Transfer
    first: int


def file_in_quarantine(context: StageContext, subject: str) -> Isolated:
    """What `subject` names: the whole id of a file in quarantine, and perhaps `:NUMBER`."""
    identity, first = subject_of(subject)
    with context.ledger.read() as connection:
        row = find_quarantined(connection, identity)
        if row.id != identity or row.kind != FILE:
            raise UsageWrong(f"{identity} is no file that was locked away for its content")
        return Isolated(row, kept_file(context.home, row), transfer_of(connection, row), first)


def show(
    context: StageContext, readers: BackgroundReaders, request: str, what: Isolated, plans: Mapping[str, Plan]
) -> None:
    """Render it for a request, with what its flow's rules say of it. What no reader can render is shown by its first bytes."""
    brought(context.payloads, KeptFile(what.path, what.locked.sha256))
    flow, start = what.transfer.flow, start_of(what.path, _MOST_BYTES)
    with readers.sandbox({flow: plans[flow]}) as sandbox:
        ((_, result),) = sandbox.validate([Job("findings", flow, what.path)])
    if isinstance(result, Crash):
        findings = Findings(accepted=False, total=1, findings=(("reader-died", "file", result.reason),))
    else:
        told = tuple((each.code, each.where, each.message) for each in result.findings[:_MOST_TOLD])
        findings = Findings(result.valid, result.total, told)
    with place_for(context, request) as directory:
        try:
            render(readers, flow, what.path, directory, what.first)
        except Unshown as error:
            for path in directory.iterdir():
                path.unlink()
            findings = Findings(
                findings.accepted, findings.total, findings.findings, f"No reader can render it: {error.reason}."
            )
            write_file(directory / page_name(1, Kind.BYTES), to_bytes(_dump(start)), mode=0o640)
            write_file(directory / META, to_bytes(Shown(Kind.BYTES, 1, 1, 1, 1)), mode=0o640)
        write_file(directory / FINDINGS, to_bytes(findings), mode=0o640)


def _dump(content: bytes) -> str:
    """Bytes as people read them: place, hexadecimal, and the characters of ASCII."""
    lines = []
    for at in range(0, len(content), _A_LINE):
        row = content[at : at + _A_LINE]
        text = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in row)
        lines.append(f"{at:06x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines)
