"""Open: a landed consignment is decrypted, verified and unpacked, or locked away: the acceptance rule in full.

Plaintext is written below `state/vault/opened` only. The rows of its transfers are written after their bytes are
durable. What breaks the rule after the manifest proved to be the partner's and meant for us is answered with a receipt
of outcome `quarantined`; anything less certain gets no answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import orjson

from gateway.crypto.contract import Opened, OpenPgp
from gateway.domain.identity import from_text
from gateway.domain.manifest import Manifest, accept
from gateway.domain.receipt import Answer, Outcome
from gateway.domain.states import Direction, State
from gateway.errors import (
    ArchiveRefused,
    ConsignmentAltered,
    DiskFailed,
    GatewayError,
    ImpossibleMove,
    ManifestExpired,
    ManifestFlow,
    ManifestFromFuture,
    ManifestItemTooLarge,
    ManifestName,
    Quarantine,
    SequenceReused,
    TransferReused,
)
from gateway.ledger.queries import consignments, deadlines, fair_share, identities
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment
from gateway.stages.attempts import claim, failed, pass_halt_on
from gateway.stages.background import LARGE_SEALED, Background
from gateway.stages.context import StageContext, Step
from gateway.stages.inbound.acknowledge import issue
from gateway.stages.quarantine import quarantine_file
from gateway.stages.signing import note_use

# What may be told to the sender: each is judged after the manifest's sender, recipient and fingerprints.
_ANSWERED = (
    ArchiveRefused,
    ManifestExpired,
    ManifestFlow,
    ManifestFromFuture,
    ManifestItemTooLarge,
    ManifestName,
    TransferReused,
)


class Unpack(Protocol):
    """Unpacks an opened archive durably; see `spool.archive`."""

    def __call__(self, source: Path, target: Path, on_manifest: Callable[[bytes], Manifest]) -> None: ...


@dataclass
class _Attempt:
    """What became known while a consignment was being opened."""

    manifest: Manifest | None = None
    opened: Opened | None = None
    duplicates: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Done:
    """How the reading of a landed consignment went; its files lie in the vault where there is no error."""

    row: Consignment
    attempt: _Attempt
    error: GatewayError | None


class Open:
    """Landed to opened, one consignment a step; with `beside`, large ones meanwhile, one at a time."""

    name = "open"

    def __init__(
        self, context: StageContext, engine: OpenPgp, unpack: Unpack, beside: Background[_Done] | None = None
    ) -> None:
        self._context = context
        self._engine = engine
        self._unpack = unpack
        self._beside = beside
        self._after = {True: "", False: ""}  # by whether large
        self._claimed: set[int] = set()

    def step(self) -> Step:
        done = self._look_beside()
        with self._context.ledger.read() as connection:
            row = self._next(connection, large=False if self._beside else None)
            stopped = self._context.settings.stopped
            due = deadlines.next_due(connection, Consignment, Direction.IN, [State.LANDED], but=stopped)
        if row is not None:
            self._after[False] = row.partner
            poison = claim(self._context, "consignment", row, self._claimed)
            self._note(_Done(row, _Attempt(), poison) if poison else self._tried(row, self._engine))
            done += 1
        # The one beside counts as due until it is written down: nobody is to look for it again and again.
        return Step(done=done, due=None if self._beside and self._beside.busy else due)

    def close(self) -> None:
        self._engine.close()
        if self._beside is not None:
            self._beside.close()

    def _look_beside(self) -> int:
        """Write down what was opened beside, and begin the next large one; how many were done."""
        beside, done = self._beside, 0
        if beside is None:
            return 0
        if (ended := beside.take()) is not None:
            self._note(ended)
            done = 1
        if not beside.busy:
            with self._context.ledger.read() as connection:
                row = self._next(connection, large=True)
            if row is not None:
                self._after[True] = row.partner
                if (poison := claim(self._context, "consignment", row, self._claimed)) is not None:
                    self._note(_Done(row, _Attempt(), poison))
                else:
                    beside.start(partial(self._tried, row))
        return done

    def _next(self, connection: Connection, *, large: bool | None) -> Consignment | None:
        """The partners in turn, but for those that are stopped; only large ones, or only others."""
        going = fair_share.but(self._context.settings.stopped)
        fitting = fair_share.both(going, fair_share.larger("sealed_size", LARGE_SEALED, large=large))
        now = self._context.clock()
        return fair_share.next_in_turn(
            connection, Consignment, Direction.IN, State.LANDED, now, self._after[bool(large)], fitting
        )

    def _tried(self, row: Consignment, engine: OpenPgp) -> _Done:
        """Read it. May run in a thread: no ledger here."""
        attempt = _Attempt()
        try:
            self._read(row, attempt, engine)
        except GatewayError as error:
            return _Done(row, attempt, error)
        return _Done(row, attempt, None)

    def _note(self, done: _Done) -> None:
        row, attempt = done.row, done.attempt
        try:
            if done.error is not None:
                raise done.error
            with self._context.ledger.write() as transaction:
                self._accepted(transaction, row, attempt)
        except GatewayError as error:
            self._refused(row, attempt, error)
        self._claimed.discard(row.key)

    def _sealed(self, row: Consignment) -> Path:
        return self._context.home.sealed_in / str(row.partner) / f"{row.id}.pgp"

    def _read(self, row: Consignment, attempt: _Attempt, engine: OpenPgp) -> None:
        """Decrypt, verify, unpack; the files lie durably in the vault when this returns."""
        context = self._context
        target = context.home.opened / row.id
        plain = context.home.opened / f"{row.id}.tar.zst"
        try:
            context.home.opened.mkdir(mode=0o770, parents=True, exist_ok=True)
            _clear(target)
            plain.unlink(missing_ok=True)
            target.mkdir(mode=0o770)
        except OSError as error:
            raise DiskFailed(f"the vault: {error.strerror}") from error
        try:
            opened = engine.open(self._sealed(row), row.partner, plain, context.settings.limits.receive_bytes)
            if opened.sealed_sha256 != row.sealed_sha256:
                raise ConsignmentAltered("the sealed file changed after it had landed")
            attempt.opened = opened
            self._unpack(plain, target, lambda content: self._judge(content, row, attempt))
        finally:
            plain.unlink(missing_ok=True)

    def _judge(self, content: bytes, row: Consignment, attempt: _Attempt) -> Manifest:
        context, opened = self._context, attempt.opened
        if opened is None:
            raise ImpossibleMove("an archive that was unpacked before the verdict")
        manifest = Manifest.parse(content)
        flows = context.settings.flows
        try:
            accept(
                manifest,
                name=row.id,
                sender=row.partner,
                recipient=context.site,
                signer=opened.signer,
                encrypted_to=opened.encrypted_to,
                now=context.clock(),
                permitted=lambda flow: flow in flows and context.routes.may_receive(flow, row.partner),
                max_bytes=lambda flow: flows[flow].max_bytes,
            )
        except _ANSWERED:
            attempt.manifest = manifest
            raise
        attempt.manifest = manifest
        return manifest

    def _accepted(self, transaction: Transaction, row: Consignment, attempt: _Attempt) -> None:
        manifest = attempt.manifest
        if manifest is None:
            raise ImpossibleMove("an archive without a manifest was accepted")
        connection = transaction.connection
        if consignments.sequence_taken(connection, row.partner, manifest.sequence):
            raise SequenceReused(f"sequence {manifest.sequence}")
        fresh, doubles = [], []
        digests = identities.digests(connection, Direction.IN, row.partner, [item.transfer for item in manifest.items])
        for position, item in enumerate(manifest.items, 1):
            known = digests.get(item.transfer)
            if known is None:
                fresh.append((position, item))
            elif known != item.sha256:
                raise TransferReused(f"item {position}")
            else:
                doubles.append({"transfer": item.transfer, "sha256": item.sha256})
        head = manifest.audit_head
        event = transaction.record(
            "consignment.opened",
            "consignment",
            row.id,
            row.partner,
            sequence=manifest.sequence,
            count=len(manifest.items),
            bytes=sum(item.size for item in manifest.items),
            transfers=[item.transfer for item in manifest.items],
            head=[head.sequence, head.sha256],
        )
        transaction.insert(
            TRANSFERS,
            [
                {
                    "id": item.transfer,
                    "direction": str(Direction.IN),
                    "custody": False,
                    "flow": item.flow,
                    "partner": row.partner,
                    "name": item.name,
                    "size": item.size,
                    "sha256": item.sha256,
                    "schema": item.schema_,
                    "reference": item.reference,
                    "redirected_from": item.redirected_from,
                    "consignment": row.id,
                    "position": position,
                    "state": str(State.OPENED),
                    "expires": from_text(manifest.expires),
                    "event": event,
                }
                for position, item in fresh
            ],
        )
        transaction.move(
            CONSIGNMENTS,
            Direction.IN,
            State.LANDED,
            [
                {
                    "key": row.key,
                    "state": State.OPENED,
                    "sequence": manifest.sequence,
                    "items": len(manifest.items),
                    "bytes": sum(item.size for item in manifest.items),
                    "expires": from_text(manifest.expires),
                    "duplicates": orjson.dumps(doubles).decode() if doubles else None,
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
        if attempt.opened is not None:
            note_use(transaction, self._context.settings, row.partner, attempt.opened.encrypted_to)
        seen = transaction.lane(row.partner).seen_sequence
        if seen is None or head.sequence > seen:
            transaction.set_lane(row.partner, seen_sequence=head.sequence, seen_sha256=head.sha256)

    def _refused(self, row: Consignment, attempt: _Attempt, error: GatewayError) -> None:
        context = self._context
        _clear(context.home.opened / row.id)
        pass_halt_on(context, "consignment", row, error)
        with context.ledger.write() as transaction:
            if not isinstance(error, Quarantine):
                failed(context, transaction, "consignment", row, error)
                return
            quarantine_file(
                context,
                transaction,
                path=self._sealed(row),
                kind="consignment",
                stem=row.id,
                partner=row.partner,
                error=error,
            )
            event = transaction.head().sequence
            transaction.move(
                CONSIGNMENTS,
                Direction.IN,
                State.LANDED,
                [
                    {
                        "key": row.key,
                        "state": State.QUARANTINED,
                        "code": error.code,
                        "reason": error.reason,
                        "event": event,
                    }
                ],
            )
            if attempt.manifest is not None and isinstance(error, _ANSWERED):
                issue(transaction, row, _all_quarantined(attempt.manifest, error))


def _all_quarantined(manifest: Manifest, error: GatewayError) -> list[Answer]:
    return [
        Answer(
            transfer=item.transfer,
            sha256=item.sha256,
            outcome=Outcome.QUARANTINED,
            code=error.code,
            reason=error.reason,
        )
        for item in manifest.items
    ]


def _clear(directory: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)
