"""What a check and an incident are on paper: LAST 1, LAST 3 and LAST 4, out of what the ledger has.

The layouts of the guide's forms were never published: these are the project's. Whoever may see a check may have its LAST 1; its LAST 3 and the
incident's LAST 4 are for nobody whom they are about. Needs the ledger, the domain and the settings alone. Raises RightMissing,
OwnCheck, CheckMisplaced while there is nothing to print yet, and NotFound, also where the time is over.
"""

from __future__ import annotations

from gateway.administration.evidence import pages
from gateway.administration.evidence.pages import Section
from gateway.administration.looking.acting import SEES_ALL, require_right
from gateway.administration.looking.checking import check_seen
from gateway.administration.looking.investigating import incident
from gateway.domain.identity import to_text
from gateway.domain.incidents import KIND_WORDS
from gateway.errors import CheckMisplaced, NotFound, OwnCheck
from gateway.ledger.check_units import Check
from gateway.ledger.commitment import ERASED
from gateway.ledger.queries.incidents import incident_of_check
from gateway.ledger.store import Connection


def last_1(connection: Connection, user: str, identity: str) -> bytes:
    """What the opener says: which papers supported the access."""
    check = _kept(check_seen(connection, user, identity))
    if check.explanation is None or check.explained is None:
        raise CheckMisplaced("the opener has not explained it: there is no LAST 1")
    sections = [*_access(check), Section("Papers, as the opener says", (check.explanation, to_text(check.explained)))]
    return pages.pdf("Management check: the access explained (LAST 1)", sections)


def last_3(connection: Connection, user: str, identity: str) -> bytes:
    """The checking officer's decision that the evidence does not support the access."""
    require_right(connection, user, *SEES_ALL)
    check = _kept(check_seen(connection, user, identity))
    if check.user == user:
        raise OwnCheck("it is about an access of your own")
    if check.supported is not False or check.decided is None:
        raise CheckMisplaced("it was not decided that the evidence does not support the access: there is no LAST 3")
    opened = incident_of_check(connection, check.id)
    sections = [
        *_access(check),
        Section("Papers, as the opener says (LAST 1)", (check.explanation or "The opener has explained nothing.",)),
        Section(
            "The evidence does not support the access",
            (check.finding or "", f"By {check.decided_by}, {to_text(check.decided)}"),
        ),
        Section(
            "Investigated as", (f"Incident {opened.id}" if opened is not None else "An incident whose time is over",)
        ),
    ]
    return pages.pdf("Access that the evidence does not support (LAST 3)", sections)


def last_4(connection: Connection, user: str, identity: str) -> bytes:
    """An incident with its audit trail, open or closed."""
    found = incident(connection, user, identity)
    if found.salt.startswith(ERASED):
        raise NotFound(f"there is no incident {identity[:40]!r} any more: its time is over")
    sections = [
        Section("Incident", (found.id, KIND_WORDS[found.kind], f"About: {found.user or 'nobody who is known'}")),
        Section("Opened", (f"By {found.opened_by}, {to_text(found.created)}",)),
        Section("What happened", (found.description,)),
    ]
    if found.check_id is not None:
        sections.append(Section("Came of the check", (found.check_id,)))
    trail = tuple(f"{to_text(each.at)}, {each.user}: {each.text}" for each in found.entries)
    sections.append(Section("What was done", trail or ("Nothing yet.",)))
    closed = "It is open."
    if found.closed is not None:
        closed = f"{found.outcome}, by {found.closed_by}, {to_text(found.closed)}"
    central = "Reported centrally" if found.central else "Not reported centrally"
    sections.append(Section("Outcome", tuple(line for line in (closed, found.conclusion, central) if line)))
    return pages.pdf("Incident (LAST 4)", sections)


def _kept(check: Check) -> Check:
    if check.salt.startswith(ERASED):
        raise NotFound(f"there is no check {check.id!r} any more: its time is over")
    return check


def _access(check: Check) -> list[Section]:
    return [
        Section("Whose access", (f"{check.user}, {check.name}", check.unit)),
        Section("Case", (check.case_reference,)),
        Section(
            "Check", (f"{check.id}, drawn {to_text(check.created)}", f"Office {check.office}, system {check.system}")
        ),
    ]
