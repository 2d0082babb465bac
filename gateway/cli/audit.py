"""`gateway audit verify` and `heads`: does the ledger hold, and do partners remember the same?"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Final

import click
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from rich.console import Console

from gateway.cli import output, reading
from gateway.cli.site import settings_of
from gateway.daemon.lock import holder
from gateway.daemon.roles import Role
from gateway.domain.manifest import Digest
from gateway.errors import ChainBroken, DiskFailed, NotFound, UsageWrong
from gateway.ledger.audit.chain import Fault, Watch, check_chain
from gateway.ledger.audit.files import Area, Findings, Listing, check_files
from gateway.ledger.audit.heads import Claimed, check_heads, heads_of
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.head_file import HeadFile
from gateway.ledger.store import Connection, Ledger, read_head
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.values import SITE_CODE

_LOOKS: Final = 5
_BETWEEN_LOOKS: Final = 1.0
_SHOWN: Final = 50
_AREAS: Final[dict[Area, Callable[[Home], Path]]] = {
    Area.CUSTODY: lambda home: home.custody,
    Area.SEALED_OUT: lambda home: home.sealed_out,
    Area.SEALED_IN: lambda home: home.sealed_in,
    Area.QUARANTINE: lambda home: home.quarantine,
    Area.INFECTED: lambda home: home.infected,
    Area.EVIDENCE: lambda home: home.evidence,
}


class KnownHead(BaseModel):
    """A head of a site's chain as a partner exports it; `partner` is the site whose chain it is."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sequence: Annotated[int, Field(ge=0)]
    sha256: Digest
    partner: Annotated[str | None, Field(pattern=f"^{SITE_CODE}$")] = None


@dataclass
class _Report:
    """What an audit found."""

    events: int = 0
    head: str = ""
    heads_given: int = 0
    faults: list[Fault] = field(default_factory=list)
    left_over: list[Fault] = field(default_factory=list)


@click.group()
def audit() -> None:
    """Verify the audit chain, and exchange heads with partners.

    \b
    Example:
      gateway --home /srv/gateway audit verify
    """


@audit.command()
@click.option(
    "--heads",
    "heads_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Heads of our chain that a partner exported: `gateway audit heads OUR-CODE --json` at their site.",
)
@click.option("--deep", is_flag=True, help="Read every file that is kept, and compare its content too.")
@output.as_json
@click.pass_context
def verify(ctx: click.Context, heads_file: Path | None, *, deep: bool, as_json: bool) -> None:
    """Verify the whole audit chain, the rows, the heads that partners hold, and the files on disk. Changes nothing.

    Every fault is told. Exit status 0 if there is none, else 70. The gateway may be at work meanwhile.

    \b
    Example:
      gateway --home /srv/gateway audit verify --deep
      gateway --home /srv/gateway audit verify --heads from-dwp.json
    """
    settings = settings_of(ctx)
    exported = [] if heads_file is None else _read_heads(heads_file, settings.site.code)
    report = _Report(heads_given=len(exported))
    remembered = HeadFile(settings.home.ledger_head).remembered()
    if remembered is not None:
        exported.append(Claimed(remembered.sequence, remembered.sha256, "state/ledger-head", "this site remembers"))
    with reading.opened(settings) as ledger, _progress() as watch:
        with ledger.read() as connection:
            _check_ledger(connection, exported, report, watch)
        watch("files", 0)
        found = _check_disk(settings, ledger, deep=deep)
    report.faults += found.faults
    report.left_over = found.left_over
    if as_json:
        output.show_json({"ok": not report.faults, **asdict(report)})
    else:
        _tell(report)
    if report.faults:
        ctx.exit(ChainBroken.exit_status)


@audit.command()
@click.argument("partner", metavar="PARTNER")
@output.as_json
@click.pass_context
def heads(ctx: click.Context, partner: str, *, as_json: bool) -> None:
    """Print the heads of a PARTNER's audit chain that this site holds, for them to compare.

    A chain that was cut, or made anew, agrees with itself. It does not agree with what partners have seen of it:
    send them what this prints, and they run `gateway audit verify --heads FILE`.

    \b
    Example:
      gateway --home /srv/gateway audit heads E09000030 --json > for-tower-hamlets.json
    """
    settings = settings_of(ctx)
    if partner not in settings.codes:
        raise NotFound(f"There is no partner {partner[:40]!r}: `gateway partner list` shows those that there are.")
    with reading.opened(settings) as ledger, ledger.read() as connection:
        known = {(head.sequence, head.sha256): source for _, head, source in heads_of(connection, partner)}
    rows = [
        {"partner": partner, "sequence": sequence, "sha256": sha256, "source": source, "held_by": settings.site.code}
        for (sequence, sha256), source in sorted(known.items())
    ]
    if as_json:
        output.show_json(rows)
    elif rows:
        output.show_table(
            ("EVENT", "SHA-256", "CAME WITH"),
            [(str(row["sequence"]), str(row["sha256"]), str(row["source"])) for row in rows],
        )
    else:
        output.say(f"Nothing has come from {partner} yet, so no head of its chain is known here.")


def _check_ledger(connection: Connection, exported: list[Claimed], report: _Report, watch: Watch) -> None:
    """All that one consistent view of the ledger can tell."""
    head = read_head(connection)
    report.events, report.head = head.sequence, head.sha256
    report.faults += check_chain(connection, watch)
    report.faults += check_rows(connection, watch)
    watch("heads", 0)
    report.faults += check_heads(connection, exported)


def _check_disk(settings: Settings, ledger: Ledger, *, deep: bool) -> Findings:
    """The files against the rows. While the gateway works both change, so a fault is one that stays over several looks."""
    findings = _look(settings, ledger, deep=deep)
    looks = 1
    while (findings.faults or findings.left_over) and looks < _LOOKS and _works(settings.home):
        time.sleep(_BETWEEN_LOOKS)
        again = _look(settings, ledger, deep=deep)
        findings = Findings(
            [fault for fault in findings.faults if fault in again.faults],
            [fault for fault in findings.left_over if fault in again.left_over],
        )
        looks += 1
    return findings


def _works(home: Home) -> bool:
    return any(holder(home.run, role) is not None for role in Role)


def _look(settings: Settings, ledger: Ledger, *, deep: bool) -> Findings:
    home = settings.home
    with reading.permitted():
        files = {area: _listing(root(home)) for area, root in _AREAS.items()}
    listing = Listing(files, (lambda area, name: _digest(_AREAS[area](home) / name)) if deep else None)
    with ledger.read() as connection:
        return check_files(connection, listing)


def _listing(root: Path) -> dict[str, int]:
    """The regular files of a directory and of those right below it, by their path in it, with their sizes."""
    found: dict[str, int] = {}
    try:
        for entry in os.scandir(root):
            if entry.is_dir(follow_symlinks=False):
                found |= {f"{entry.name}/{name}": size for name, size in _plain(entry.path)}
        found |= dict(_plain(root))
    except FileNotFoundError:
        return found
    except PermissionError:
        raise
    except OSError as error:
        raise DiskFailed(f"cannot look through {root.name}: {error.strerror}") from error
    return found


def _plain(directory: str | Path) -> Iterator[tuple[str, int]]:
    for entry in os.scandir(directory):
        try:
            if entry.is_file(follow_symlinks=False):
                yield entry.name, entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # the gateway has just let go of it


def _digest(path: Path) -> str | None:
    """The file's SHA-256, None where it has gone meanwhile."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DiskFailed(f"a kept file cannot be read: {error.strerror}") from error


def _read_heads(path: Path, site: str) -> list[Claimed]:
    """The heads that a partner exported; UsageWrong where the file is none, or is about another site's chain."""
    try:
        known = TypeAdapter(list[KnownHead]).validate_json(path.read_bytes())
    except OSError as error:
        raise UsageWrong(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise UsageWrong(f"{path} is no list of heads as `gateway audit heads --json` prints it.") from error
    foreign = sorted({head.partner for head in known if head.partner not in (None, site)} - {None}, key=str)
    if foreign:
        raise UsageWrong(f"{path} holds heads of the chain of {foreign[0]}, not of {site}.")
    return [Claimed(head.sequence, head.sha256, f"heads in {path.name}") for head in known]


@contextmanager
def _progress() -> Iterator[Watch]:
    """What is being looked at, on a terminal's stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _what, _count: None
        return
    with console.status("verifying") as shown:
        yield lambda what, count: shown.update(f"verifying {what}{f': {count}' if count else ''}")


def _tell(report: _Report) -> None:
    for fault in report.faults[:_SHOWN]:
        click.echo(f"{click.style(fault.check, fg='red')} {fault.subject}: {fault.message}")
    if len(report.faults) > _SHOWN:
        click.echo(f"... and {len(report.faults) - _SHOWN} more: --json lists all")
    if report.left_over:
        output.say(f"{len(report.left_over)} files of no row were left by a crash; the next start removes them.")
    sys.stdout.flush()
    if report.faults:
        output.say(f"{len(report.faults)} faults in {report.events} events. What to do: {ChainBroken.remedy}")
    else:
        click.echo(f"The chain holds: {report.events} events, head {report.head[:16]}; rows, heads and files agree.")
