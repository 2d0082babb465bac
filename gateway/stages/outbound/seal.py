"""Seal: a packed consignment becomes one signed and encrypted file, once; a retry sends the same bytes.

The manifest names the audit chain's head as of now. A crash before the ledger has the digest leaves a file that was
never sent: it is sealed anew, under the same id. A large consignment is sealed in the background. For a partner without a
gateway the one file is sealed as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.crypto.contract import OpenPgp, Sealed
from gateway.domain.identity import to_text
from gateway.domain.manifest import AuditHead, ContinuityNotice, Item, Manifest
from gateway.domain.states import Direction, State
from gateway.errors import GatewayError, PartnerKeyUnusable
from gateway.ledger.chain import Head
from gateway.ledger.queries import consignments, fair_share, identities
from gateway.ledger.store import Connection, Transaction, read_head
from gateway.ledger.tables import CONSIGNMENTS
from gateway.ledger.units import Consignment, Transfer, required
from gateway.stages.attempts import claim, failed
from gateway.stages.background import LARGE_PLAIN, Background, ConsignmentQueues
from gateway.stages.context import StageContext, Step
from gateway.stages.continuity import own_notice
from gateway.stages.kept_files import in_custody, let_go, not_brought, sealed_path
from gateway.stages.signing import Signing
from gateway.storage.byte_reader import ByteReader
from gateway.storage.payloads import KeptFile

Archive = Callable[[bytes | None, Sequence[Transfer]], ByteReader]
"""Makes a consignment's archive, as a stream, from its manifest and its transfers' rows; without a manifest, the one file."""


@dataclass(frozen=True)
class _Job:
    """A consignment, and all that sealing it needs of the ledger."""

    row: Consignment
    items: Sequence[Transfer]
    head: Head
    manifest: bytes | None
    signer: str
    output: Path


@dataclass(frozen=True)
class _Result:
    """How it went."""

    job: _Job
    sealed: Sealed | GatewayError


class Seal:
    """Packed to sealed, one consignment a step; with a `background`, large ones meanwhile, one at a time."""

    name = "seal"

    def __init__(
        self, context: StageContext, engine: OpenPgp, archive: Archive, background: Background[_Result] | None = None
    ) -> None:
        self._context = context
        self._archive = archive
        self._signing = Signing(context)
        self._claimed: set[int] = set()
        self._queues = ConsignmentQueues(
            context,
            engine,
            background,
            waiting=(Direction.OUT, State.PACKED),
            choose=self._choose,
            prepare=self._prepare,
            work=self._seal,
            record=self._record,
        )

    def step(self) -> Step:
        return self._queues.step()

    def close(self) -> None:
        self._queues.close()

    def _choose(self, connection: Connection, after: str, *, large: bool | None) -> Consignment | None:
        """The partners in turn, but for those that are stopped; urgent consignments before those of bulk flows."""
        now, bulk = self._context.clock(), [name for name, flow in self._context.settings.flows.items() if flow.bulk]
        going = fair_share.but(self._context.stopped)
        fitting = fair_share.both(going, fair_share.larger("bytes", LARGE_PLAIN, large=large))
        urgent = fair_share.both(fair_share.not_of(bulk), fitting)
        lane = (connection, Consignment, Direction.OUT, State.PACKED, now, after)
        return fair_share.next_in_turn(*lane, urgent) or fair_share.next_in_turn(*lane, fitting)

    def _prepare(self, row: Consignment) -> _Job | None:
        context = self._context
        # The archive is made of our own files, so no attempt counts as poison: a claim is counted and never holds.
        claim(context, row, self._claimed)
        output = sealed_path(context.home, row)
        with context.ledger.read() as connection:
            items = consignments.carried(connection, Direction.OUT, row.partner, row.id)
            head, notice = read_head(connection), own_notice(connection)
        try:
            signer = self._signing.signer(row.partner, row.expires)
            manifest = None if row.is_plain else self._manifest(row, items, head, signer, notice).to_bytes()
        except GatewayError as error:
            self._failed(row, error)
            return None
        return _Job(row, items, head, manifest, signer, output)

    def _seal(self, job: _Job, engine: OpenPgp) -> _Result:
        """Make the sealed file. May run in a thread."""
        try:
            job.output.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
            job.output.unlink(missing_ok=True)
            home, payloads = self._context.home, self._context.payloads
            for error in not_brought(payloads, {item.key: in_custody(home, item) for item in job.items}).values():
                raise error
            sealed = engine.seal(self._archive(job.manifest, job.items), job.row.partner, job.output, job.signer)
            self._context.payloads.keep({job.output: sealed.sha256})
        except GatewayError as error:
            return _Result(job, error)
        return _Result(job, sealed)

    def _failed(self, row: Consignment, error: GatewayError) -> None:
        with self._context.ledger.write() as transaction:
            if identities.state_of(transaction.connection, Consignment, row.key) == State.PACKED:
                move = failed(self._context, transaction, row, error)
                if not move.retry:
                    event = transaction.head().sequence
                    transaction.move_with(row, State.PACKED, move.state, event)
        self._claimed.discard(row.key)

    def _record(self, result: _Result) -> None:
        context, row, head, sealed = self._context, result.job.row, result.job.head, result.sealed
        if isinstance(sealed, GatewayError):
            self._failed(row, sealed)
            return
        with context.ledger.write() as transaction:
            if identities.state_of(transaction.connection, Consignment, row.key) == State.PACKED:
                self._move(transaction, row, head, sealed)
            else:  # it expired meanwhile
                let_go(transaction, context.payloads, KeptFile(result.job.output, sealed.sha256))
        self._claimed.discard(row.key)

    def _move(self, transaction: Transaction, row: Consignment, head: Head, sealed: Sealed) -> None:
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
        transaction.move_with(row, State.PACKED, State.SEALED, event)

    def _manifest(
        self,
        row: Consignment,
        items: Sequence[Transfer],
        head: Head,
        signer: str,
        notice: ContinuityNotice | None,
    ) -> Manifest:
        context = self._context
        partner = context.settings.partners.get(row.partner)
        if partner is None:
            raise PartnerKeyUnusable("the partner is no longer configured")
        return Manifest(
            consignment=row.id,
            sender=context.site,
            recipient=row.partner,
            signer=signer,
            encrypted_to=partner.fingerprint,
            sequence=required(row.sequence),
            created=to_text(context.clock()),
            expires=to_text(required(row.expires)),
            audit_head=AuditHead(sequence=head.sequence, sha256=head.sha256),
            accepts=tuple(flow for flow, partners in context.routes.incoming.items() if row.partner in partners),
            continuity=notice,
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
