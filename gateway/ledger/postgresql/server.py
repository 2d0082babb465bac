"""Whether a PostgreSQL server keeps what the ledger needs of it. Raises what `errors.translate` gives."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.ledger.postgresql.asking import asked

OLDEST: Final = 140000
"""PostgreSQL 14: `CREATE OR REPLACE TRIGGER`, and the first one that Debian's makers still keep."""

_DURABLE: Final = ("fsync", "full_page_writes")
_REFUSED: Final = "The ledger is not durable like this: set it in postgresql.conf and reload the server."


class ServerReport(NamedTuple):
    """The server's version; what keeps it from being a ledger's, and what would be better, each with what to do."""

    version: str
    faults: list[tuple[str, str]]
    advice: list[tuple[str, str]]


def server_report(url: str) -> ServerReport:
    """Ask the server."""
    faults, advice = [], []
    with asked(url) as ask:
        version = str(ask("SHOW server_version"))
        if int(ask("SHOW server_version_num")) < OLDEST:
            faults.append((f"PostgreSQL {version} is too old", "Take 14 or a later one."))
        if (encoding := ask("SHOW server_encoding")) != "UTF8":
            faults.append((f"the database is in {encoding}", "Make the database anew with ENCODING 'UTF8'."))
        faults += [(f"{name} is off", _REFUSED) for name in _DURABLE if ask(f"SHOW {name}") != "on"]
        if ask("SHOW data_checksums") != "on":
            advice.append(("pages have no checksums", "Stop the server, and let `pg_checksums --enable` write them."))
        if ask("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'") is None:
            remedy = "As a superuser in that database: CREATE EXTENSION amcheck; and GRANT EXECUTE on bt_index_check(regclass, boolean)."
            advice.append(("an audit cannot compare indices with their tables", remedy))
    return ServerReport(version, faults, advice)
