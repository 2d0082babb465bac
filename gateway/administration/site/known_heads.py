"""Heads of this site's chain that lie beside its ledger: in files that partners exported, and in its own statements.

Raises NotPermitted, and UsageWrong for a file that holds no heads of this site's chain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.administration.access import permitted
from gateway.domain.manifest import Digest
from gateway.domain.statement import Statement, read
from gateway.errors import ContentInvalid, StoreFileLost, UsageWrong
from gateway.ledger.audit.heads import Claimed
from gateway.settings.model import Settings
from gateway.settings.values import SITE_CODE
from gateway.storage.payloads import Payloads


class KnownHead(BaseModel):
    """A head of a site's chain as a partner exports it; `partner` is the site whose chain it is, `held_by` who exports it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sequence: Annotated[int, Field(ge=0)]
    sha256: Digest
    partner: Annotated[str | None, Field(pattern=f"^{SITE_CODE}$")] = None
    held_by: Annotated[str | None, Field(pattern=f"^{SITE_CODE}$")] = None
    source: Annotated[str | None, Field(max_length=200)] = None
    """What it came with: `consignment ID`, a receipt or a statement."""


def read_heads(path: Path, site: str) -> list[Claimed]:
    """The heads that a partner exported, to be compared; UsageWrong as `read_known`."""
    known = read_known(path, site)
    return [Claimed(head.sequence, head.sha256, path.name, f"{head.held_by or 'a partner'} holds") for head in known]


def read_known(path: Path, site: str) -> list[KnownHead]:
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
    return known


def own_statements(settings: Settings, payloads: Payloads) -> list[Claimed]:
    """The heads in the statements of this site that lie on the disk, whether the ledger speaks of them or not."""
    return [
        Claimed(stated.head.sequence, stated.head.sha256, f"the file {path.name}", "this site's statement names")
        for path, stated in statement_files(settings, payloads)
    ]


def statement_files(settings: Settings, payloads: Payloads) -> Iterator[tuple[Path, Statement]]:
    """The statements of this site that are kept, in the order of their names. One that cannot be read is left out: the
    comparison of the files tells it.
    """
    directory, names = settings.home.statements / settings.site.code, list[str]()
    for path, sha256 in payloads.names(directory):
        with suppress(FileNotFoundError, StoreFileLost):
            payloads.fetch(path, sha256)
    with permitted(), suppress(FileNotFoundError):
        names = sorted(
            entry.name
            for entry in os.scandir(directory)
            if entry.name.endswith(".asc") and entry.is_file(follow_symlinks=False)
        )
    for name in names:
        path = directory / name
        try:
            statement = read(path.read_bytes())
        except (OSError, ContentInvalid):
            continue
        yield path, statement
