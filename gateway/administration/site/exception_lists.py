"""What is wrong with single records of a file that travelled. Raises NotFound, NotPermitted, and what the ledger raises."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.administration.access import permitted, reading
from gateway.administration.views.records import ExceptionCount
from gateway.assembly.stores import payloads_of
from gateway.errors import NotFound
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.queries.identities import find_transfer
from gateway.settings.model import Settings
from gateway.spool.exception_lists import ExceptionLists, Listed, ListKey, from_csv, to_csv


@dataclass(frozen=True)
class ExceptionList:
    """The exceptions of the file that a transfer carried, by row and field, never a value; `counts` is None without any."""

    name: str
    counts: ExceptionCount | None
    listed: tuple[Listed, ...]

    @property
    def csv(self) -> bytes:
        """The list as it lies beside the file."""
        return to_csv(self.listed)


def exceptions_of(settings: Settings, identity: str) -> ExceptionList:
    """The list of the one transfer whose id starts so."""
    with reading(settings) as connection:
        row = find_transfer(connection, identity)
    counts = exceptions_in(row.facts)
    if counts is None:
        return ExceptionList(row.name, None, ())
    with permitted():
        content = ExceptionLists(settings.home.exceptions, payloads_of(settings)).read(
            ListKey(row.direction, row.partner, row.id)
        )
    if content is None:
        raise NotFound(
            f"The list of the {counts[0]} exceptions of transfer {row.id} is not in {settings.home.exceptions}."
        )
    return ExceptionList(row.name, ExceptionCount(*counts), tuple(from_csv(content)))
