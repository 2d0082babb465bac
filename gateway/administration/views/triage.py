"""How much of what came, or went, repeats what came before: by partner, flow, office and system; and the documents of one claim.

`case` makes the same numbers of a claim's reference as the inspect role did, and so needs the site's key. Raises what the ledger and
`settings.triage_key` raise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.administration.views.records import TransferView, transfer
from gateway.domain.receipt import Receipt, TriageNote
from gateway.domain.states import Direction
from gateway.domain.triage import CLAIM, TriageCounts, claim_digest, keyed, scope_of
from gateway.ledger import marks
from gateway.ledger.queries.facts import arrived, count_of, told_of
from gateway.ledger.queries.identities import by_keys
from gateway.ledger.queries.receipts import told_triage
from gateway.ledger.queries.search import of_reference
from gateway.ledger.store import Connection
from gateway.settings.flow_settings import TriagedSettings
from gateway.settings.model import Settings


@dataclass
class TriageLine:
    """What arrived of one origin: files, records, and of how many records triage says what.

    `direction` is in or out. The three counts are this site's; `told_...` are those of the partner, by its signed receipts, of what
    went out. `office` and `system` are codes of the documents' headers, empty where they have none.
    """

    direction: str
    partner: str
    flow: str
    office: str
    system: str
    files: int = 0
    records: int = 0
    repeats: int = 0
    superseded: int = 0
    out_of_date: int = 0
    told_repeats: int = 0
    told_superseded: int = 0
    told_out_of_date: int = 0


@dataclass(frozen=True)
class CaseDocument(TransferView):
    """A transfer, and the numbers of its records that name the claim; none where its sender named the claim for the whole file."""

    records: Sequence[int] = field(default=())


def triage_report(settings: Settings, connection: Connection, since: float = 0.0) -> list[TriageLine]:
    """What arrived since then, by direction, partner, flow, office and system."""
    flows = [name for name, flow in settings.flows.items() if isinstance(flow, TriagedSettings)]
    told = dict(_told(connection, since))
    lines: dict[tuple[str, ...], TriageLine] = {}
    for direction in Direction:
        for row in arrived(connection, direction, flows, settings.partners.keys()):
            if row.created < since:
                continue
            facts = told_of(row.facts)
            origin = (str(direction), row.partner, row.flow, facts.get("office", ""), facts.get("system", ""))
            line = lines.setdefault(origin, TriageLine(*origin))
            line.files += 1
            line.records += count_of(facts, "records") or 0
            if (counts := TriageCounts.of(facts)) is not None:
                line.repeats += counts.repeats
                line.superseded += counts.superseded
                line.out_of_date += counts.out_of_date
            if direction is Direction.OUT and (note := told.get((row.partner, row.id))) is not None:
                line.told_repeats += note.repeats
                line.told_superseded += note.superseded
                line.told_out_of_date += note.out_of_date
    return [lines[origin] for origin in sorted(lines)]


def _told(connection: Connection, since: float) -> Iterator[tuple[tuple[str, str], TriageNote]]:
    for partner, body in told_triage(connection, since):
        for item in Receipt.parse(body.encode()).items:
            if item.triage is not None:
                yield (partner, item.transfer), item.triage


def case(connection: Connection, key: bytes | None, reference: str) -> list[CaseDocument]:
    """What came in about a claim, oldest first: documents with a record that names it, and files that were sent under it. Without
    a key, which no triage has made yet, only the latter.
    """
    found: Mapping[int, list[int]] = {}
    if key is not None:
        found = marks.of_claim(connection, keyed(key, scope_of(Direction.IN, CLAIM), claim_digest(reference)))
    rows = {
        row.key: row for row in (*by_keys(connection, list(found)), *of_reference(connection, Direction.IN, reference))
    }
    return [CaseDocument(**vars(transfer(rows[each])), records=found.get(each, [])) for each in sorted(rows)]
