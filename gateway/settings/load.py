"""`[load]`: where `gateway load`, the reference back office, puts delivered documents.

Raises ValueError, which pydantic takes for a fault of the value, and UsageWrong.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationError

from gateway.errors import UsageWrong
from gateway.settings.ledger import POSTGRESQL, check_postgresql
from gateway.settings.values import Switch, Table

LOADABLE: Final = ("claim", "etd", "referral", "scan")
"""The flows whose documents become rows: XML from the Department to an authority."""
SQLITE: Final = "sqlite:///"
DATABASE: Final = '"sqlite:///" and the path of a file, or "postgresql://HOST/DATABASE" without a password, which belongs into libpq\'s password file'
_FILE: Final = re.compile(rf"{SQLITE}[^\x00-\x1f\x7f?#]+")


def _check_url(url: str) -> str:
    """A database that is known here."""
    if url.startswith(POSTGRESQL):
        return check_postgresql(url)
    if not _FILE.fullmatch(url) or "password=" in url.lower():
        raise ValueError("no database that is known here")
    return url


def _check_flows(flows: tuple[str, ...]) -> tuple[str, ...]:
    if not set(flows) <= set(LOADABLE) or len(set(flows)) < len(flows):
        raise ValueError("not a flow that is loaded, or one twice")
    return flows


class LoadSettings(Table):
    """`[load]`: `enabled` has `gateway run` keep the role `load`; `gateway load` works without it.

    A path of SQLite is below HOME unless it begins with a slash.
    """

    enabled: Switch = False
    database: Annotated[
        str,
        AfterValidator(_check_url),
        Field(
            max_length=500,
            description=f"{DATABASE}, in quotes",
        ),
    ] = f"{SQLITE}loaded/documents.sqlite3"
    flows: Annotated[
        tuple[str, ...],
        AfterValidator(_check_flows),
        Field(strict=False, min_length=1, description='a list of some of "claim", "etd", "referral" and "scan"'),
    ] = LOADABLE

    def with_database(self, url: str) -> LoadSettings:
        """The same with another database. UsageWrong for what `[load] database` would not take."""
        try:
            return LoadSettings(enabled=self.enabled, database=url, flows=self.flows)
        except ValidationError as error:
            raise UsageWrong(f"--database takes {DATABASE}.") from error

    def file(self, root: Path) -> Path | None:
        """The file of a SQLite database, below the site's `root` or elsewhere; None for any other database."""
        return root / self.database.removeprefix(SQLITE) if self.database.startswith(SQLITE) else None
