"""Daily statements against each other and against the files that are kept of them.

Nothing is raised for what is found wrong: it is a Fault. The heads that statements name are compared with the chain by
`audit.heads`, as all others are; here are their digests, and what each says of the one before.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import Connection

from gateway.domain.statement import evidence_name, stamp_name
from gateway.ledger.audit.chain import Fault
from gateway.ledger.chain import Head
from gateway.ledger.queries import statements


def heads_made(connection: Connection) -> Iterator[tuple[Head, str]]:
    """The heads of our chain that our statements name, and where that is recorded."""
    for each in statements.made(connection):
        yield each.head, f"statement of {each.day}"


def heads_kept(connection: Connection, partner: str | None = None) -> Iterator[tuple[str, Head, str]]:
    """The heads of partners' chains that their statements name: partner, head, and where it lies."""
    for each in statements.kept(connection, partner):
        yield str(each.partner), each.head, f"statement of {each.day}"


def check_kept(connection: Connection) -> Iterator[Fault]:
    """A partner that sends two statements of one day, or one that follows on another than it sent."""
    known: dict[tuple[str | None, str], str] = {}
    for each in statements.kept(connection):
        subject = f"statement of {each.day}"
        if known.setdefault((each.partner, each.day), each.sha256) != each.sha256:
            yield Fault("partner", subject, f"{each.partner} has sent two different statements of that day")
        if (
            each.previous is not None
            and known.get((each.partner, each.previous[0]), each.previous[1]) != each.previous[1]
        ):
            message = f"{each.partner} names another statement of {each.previous[0]} than it has sent"
            yield Fault("partner", subject, message)


def files(connection: Connection, site: str) -> Iterator[tuple[str, str, str, bool]]:
    """The files that the chain speaks of: whose, its place below the statements' directory, its SHA-256, and whether it has to be
    there. A stamp is in the chain, and the vault writes the file later.
    """
    for each in (*statements.made(connection), *statements.kept(connection)):
        owner = each.partner or site
        name = f"{owner}/{evidence_name(each.day, each.sha256)}"
        yield f"statement of {owner} of {each.day}", name, each.sha256, True
    for each in statements.made(connection, statements.STAMPED):
        with suppress(ValueError):  # an event that was edited, which the audit of the chain tells
            digest = hashlib.sha256(base64.b64decode(each.text or "")).hexdigest()
            yield f"time stamp of {each.day}", f"{site}/{stamp_name(each.day, each.sha256)}", digest, False
