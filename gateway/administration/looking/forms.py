"""The forms that are no incident: system faults (LAST 5a), data queries (5b), changes of staff (LAST 6), into the ledger and out as PDF.

Needs the ledger, the domain and the settings alone. Raises RightMissing, UsageWrong, NotFound, and what the ledger raises.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from gateway.administration.evidence import pages
from gateway.administration.evidence.pages import Section
from gateway.administration.looking.acting import Random, identity, is_permitted, require_right, words
from gateway.domain.identity import to_text
from gateway.domain.incidents import FIELDS, TITLES, FormKind, require_fields
from gateway.domain.people import Right
from gateway.errors import NotFound
from gateway.ledger import incidents
from gateway.ledger.check_units import Form
from gateway.ledger.commitment import ERASED
from gateway.ledger.queries import incidents as queries
from gateway.ledger.store import Connection, Ledger


def fill_in(
    ledger: Ledger, user: str, kind: FormKind, given: Mapping[str, str], *, random: Random = os.urandom
) -> Form:
    """A form, by the names of `domain.incidents.FIELDS`; an empty field is none."""
    labels = {field.name: field.label for field in FIELDS[kind]}
    filled = {name: words(text, labels.get(name, name)) for name, text in given.items() if text.strip()}
    fields = require_fields(kind, filled)
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.REPORT)
        return incidents.fill_in(transaction, identity(transaction, random), kind, user, fields)


def forms(connection: Connection, user: str, kind: FormKind | None = None, before: int | None = None) -> list[Form]:
    """Forms, the newest first, at most 500: all of them for who works on incidents or looks after people, else one's own. `before` a
    key, for a further page.
    """
    require_right(connection, user, Right.REPORT)
    return queries.forms(connection, kind, None if _sees_all(connection, user) else user, before)


def pdf(connection: Connection, user: str, identity: str) -> bytes:
    """A form on paper. NotFound for another's that one may not see, and where its time is over."""
    found = queries.find_form(connection, identity)
    require_right(connection, user, Right.REPORT)
    if found.salt.startswith(ERASED) or (found.user != user and not _sees_all(connection, user)):
        raise NotFound(f"there is no form {identity[:40]!r}")
    sections = [Section(field.label, (found.filled.get(field.name, "—"),)) for field in FIELDS[found.kind]]
    head = Section("Filled in", (f"By {found.user}, {to_text(found.created)}", f"Form {found.id}"))
    return pages.pdf(TITLES[found.kind], [head, *sections])


def _sees_all(connection: Connection, user: str) -> bool:
    return is_permitted(connection, user, Right.INCIDENT, Right.PEOPLE)
