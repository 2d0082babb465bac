"""Measure a site, and put down as a page what was found: what falls short first. Raises SiteMissing and ConfigurationInvalid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gateway.administration.access import reading
from gateway.administration.connection import arrangements, keys, versions, walls
from gateway.administration.connection.finding import Chapter, ConnectionStatement, Finding, Standing
from gateway.administration.evidence import pages
from gateway.administration.evidence.pages import Section
from gateway.administration.site.doctor import examine_site
from gateway.administration.site.engine_checks import KEYS_UNSEEN
from gateway.domain.identity import to_text
from gateway.errors import GatewayError, NotPermitted, UsageWrong
from gateway.ledger.store import read_head
from gateway.settings.model import Settings
from gateway.storage.durable import write_new_file

_PROGRAM: Final = "program "
_MODE: Final = 0o640


def measure(settings: Settings, now: float, *, links: bool = False) -> ConnectionStatement:
    """The site as it is now; with `links`, each partner's server is connected to as well."""
    # Where only the vault's account can look at keys, the chapter about them says so: nothing falls short by it.
    looked = [check for check in examine_site(settings.home, links=links) if check.name != KEYS_UNSEEN]
    checks = [Finding.of(check) for check in looked]
    programs = [each for each in checks if each.subject.startswith(_PROGRAM)]
    chapters = (
        Chapter("Checks of gateway doctor", tuple(each for each in checks if each not in programs)),
        Chapter("Walls, as the kernel has them", tuple(walls.examine_walls(settings))),
        Chapter("Keys", tuple(keys.examine_keys(settings, now))),
        Chapter("Algorithms", tuple(keys.examine_algorithms(settings, links=links))),
        Chapter("Accounts and rights", tuple(arrangements.examine_accounts(settings))),
        Chapter("Files", tuple(arrangements.examine_files(settings))),
        Chapter("Retention", tuple(arrangements.examine_retention(settings))),
        Chapter("Audit and copies", tuple(arrangements.examine_audit(settings, now))),
        Chapter("Versions", (*versions.examine_versions(), *programs)),
    )
    found = [each for chapter in chapters for each in chapter.findings]
    event, head = _chain(settings)
    return ConnectionStatement(
        site=settings.site.code,
        measured=to_text(now),
        version=versions.program_version(),
        sbom_sha256=versions.sbom_digest(),
        event=event,
        head=head,
        short=_of(found, Standing.SHORT),
        unmeasured=_of(found, Standing.UNMEASURED),
        chapters=chapters,
    )


def sections(statement: ConnectionStatement) -> Iterator[Section]:
    """The page's sections, what falls short first."""
    yield Section("What this is", tuple(_about(statement)))
    yield Section("What falls short", tuple(map(_line, statement.short)) or ("Nothing that was measured.",))
    yield Section("What was not measured", tuple(map(_line, statement.unmeasured)) or ("Nothing.",))
    for chapter in statement.chapters:
        yield Section(chapter.title, tuple(map(_line, chapter.findings)) or ("Nothing to say.",))


def text(statement: ConnectionStatement) -> bytes:
    """The page as UTF-8 text."""
    return pages.text(_title(statement), list(sections(statement)))


def write_pdf(statement: ConnectionStatement, out: Path) -> None:
    """The page as a new PDF, durably. UsageWrong where the file is there already or its directory is not, NotPermitted, DiskFull, DiskFailed."""
    try:
        out.parent.stat()
        allowed = os.access(out.parent, os.W_OK | os.X_OK)
    except PermissionError:
        allowed = False
    except OSError as error:
        raise UsageWrong(f"{out.absolute().parent}: {error.strerror}.") from error
    if not allowed:
        raise NotPermitted(f"You may not write into {out.absolute().parent}; into /tmp you may.")
    if not write_new_file(out, pages.pdf(_title(statement), list(sections(statement))), mode=_MODE):
        raise UsageWrong(f"{out} is there already: a statement is written to a new file.")


def _title(statement: ConnectionStatement) -> str:
    return f"Connection statement of {statement.site}, {statement.measured[:10]}"


def _about(statement: ConnectionStatement) -> Iterator[str]:
    yield (
        f"Measured by gateway {statement.version} on the site {statement.site} at {_time_of(statement.measured)} UTC, by the program itself: "
        "it says what the program saw then, and is signed by nobody."
    )
    if statement.sbom_sha256 is not None:
        yield f"Bill of materials (CycloneDX): SHA-256 {statement.sbom_sha256}"
    if statement.head is not None:
        yield f"The audit chain ended with event {statement.event}: {statement.head}"
    yield "“stated” is a fact that no rule is compared with; whoever reads this judges it."


def _time_of(measured: str) -> str:
    """An RFC 3339 moment as people read it."""
    return f"{measured[:10]} {measured[11:19]}"


def _line(found: Finding) -> str:
    remedy = f"{'' if found.says.endswith('.') else '.'} What to do: {found.remedy}" if found.remedy else ""
    return f"[{found.standing.value}] {found.subject}: {found.says}{remedy}"


def _of(found: Iterable[Finding], standing: Standing) -> tuple[Finding, ...]:
    return tuple(each for each in found if each.standing is standing)


def _chain(settings: Settings) -> tuple[int | None, str | None]:
    """The end of the audit chain; nothing where the ledger cannot be read, which doctor tells."""
    try:
        with reading(settings) as connection:
            head = read_head(connection)
    except GatewayError:
        return None, None
    return head.sequence, head.sha256
