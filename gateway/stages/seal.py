"""Seal: a packed consignment becomes one signed and encrypted file, once; a retry sends the same bytes.

The manifest names the audit chain's head as of now. A crash before the ledger has the digest leaves a file that was
never sent: it is sealed anew, under the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row

from gateway.crypto.contract import ByteReader, OpenPgp
from gateway.errors import GatewayError, PartnerKeyUnusable
from gateway.ledger import queries, turns
from gateway.ledger.chain import Head
from gateway.ledger.store import read_head
from gateway.ledger.tables import CONSIGNMENTS
from gateway.stages.attempts import claim, failed
from gateway.stages.signing import Signing
from gateway.stages.workplace import Step, Workplace
from gateway.transfer.identity import to_text
from gateway.transfer.manifest import AuditHead, Item, Manifest
from gateway.transfer.states import Direction, State

Archive = Callable[[bytes, Sequence[Row[Any]]], ByteReader]
"""Makes the stream of a consignment's archive from its manifest and its transfers' rows."""


class Seal:
    """Packed to sealed, one consignment a step."""

    name = "seal"

    def __init__(self, place: Workplace, engine: OpenPgp, archive: Archive) -> None:
        self._place = place
        self._engine = engine
        self._archive = archive
        self._signing = Signing(place)
        self._after = ""
        self._claimed: set[int] = set()

    def step(self) -> Step:
        place = self._place
        with place.ledger.read() as connection:
            due = queries.next_due(connection, CONSIGNMENTS, Direction.OUT, [State.PACKED])
            row = self._next(connection)
        if row is None:
            return Step(due=due)
        self._after = row.partner
        self._seal(row)
        self._claimed.discard(row.key)
        return Step(done=1)

    def close(self) -> None:
        self._engine.close()

    def _next(self, connection: Connection) -> Row[Any] | None:
        """The partners in turn, urgent consignments before those of bulk flows."""
        now, bulk = self._place.clock(), [name for name, flow in self._place.settings.flows.items() if flow.bulk]

        def urgent(rows: FromClause) -> tuple[ColumnElement[bool]]:
            return (rows.c.flow.not_in(bulk),)

        lane = (connection, CONSIGNMENTS, Direction.OUT, State.PACKED, now, self._after)
        return turns.next_in_turn(*lane, urgent) or turns.next_in_turn(*lane)

    def _seal(self, row: Row[Any]) -> None:
        place = self._place
        # A packed consignment is our own: what breaks its reader is no poison, so a claim is counted and never holds.
        claim(place, "consignment", row, self._claimed)
        output = place.home.sealed_out / row.partner / f"{row.id}.pgp"
        try:
            output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            output.unlink(missing_ok=True)
            with place.ledger.read() as connection:
                items = queries.carried(connection, Direction.OUT, row.partner, row.id)
                head = read_head(connection)
            signer = self._signing.signer(row.partner, row.expires)
            manifest = self._manifest(row, items, head, signer)
            sealed = self._engine.seal(self._archive(manifest.to_bytes(), items), row.partner, output, signer)
        except GatewayError as error:
            with place.ledger.write() as transaction:
                move = failed(place, transaction, "consignment", row, error)
                if not move.retry:
                    event = transaction.head().sequence
                    transaction.move_with({"id": row.id, "partner": row.partner}, State.PACKED, move.state, event)
            return
        with place.ledger.write() as transaction:
            event = transaction.record(
                "consignment.sealed",
                "consignment",
                row.id,
                row.partner,
                sequence=row.sequence,
                bytes=sealed.size,
                sha256=sealed.sha256,
            )
            transaction.move(
                CONSIGNMENTS,
                Direction.OUT,
                State.PACKED,
                [
                    {
                        "key": row.key,
                        "state": State.SEALED,
                        "sealed_size": sealed.size,
                        "sealed_sha256": sealed.sha256,
                        "head_sequence": head.sequence,
                        "head_sha256": head.sha256,
                        "attempts": 0,
                        "due": 0.0,
                        "code": None,
                        "reason": None,
                        "event": event,
                    }
                ],
            )
            transaction.move_with({"id": row.id, "partner": row.partner}, State.PACKED, State.SEALED, event)

    def _manifest(self, row: Row[Any], items: Sequence[Row[Any]], head: Head, signer: str) -> Manifest:
        place = self._place
        partner = place.settings.partners.get(row.partner)
        if partner is None:
            raise PartnerKeyUnusable("the partner is no longer configured")
        return Manifest(
            consignment=row.id,
            sender=place.site,
            recipient=row.partner,
            signer=signer,
            encrypted_to=partner.fingerprint,
            sequence=row.sequence,
            created=to_text(place.clock()),
            expires=to_text(row.expires),
            audit_head=AuditHead(sequence=head.sequence, sha256=head.sha256),
            items=tuple(
                Item(
                    transfer=item.id,
                    flow=item.flow,
                    name=item.name,
                    size=item.size,
                    sha256=item.sha256,
                    schema_=item.schema,
                    reference=item.reference,
                    redirected_from=item.redirected_from,
                )
                for item in items
            ),
        )
