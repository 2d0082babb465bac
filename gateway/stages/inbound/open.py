"""Open: a landed consignment is decrypted, verified and unpacked, or quarantined: the acceptance rule in full.

Plaintext is written below `state/vault/opened` only. The rows of its transfers are written after their bytes are
durable. A consignment that breaks the rule after its manifest proved to be the partner's and meant for this site is
answered with a receipt of outcome `quarantined`; any other gets no answer. Large consignments are opened in the background.
Files that may have been delivered before the site was restored from a copy are held.

Plaintext stays at the node where it was written. A consignment that was opened at another node, and not delivered there, is opened once
more, of the same bytes, and no row changes.

Long because of that: both ways are one rule.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import orjson

from gateway.crypto.contract import Opened, OpenPgp
from gateway.domain.identity import from_text
from gateway.domain.manifest import Manifest, accept
from gateway.domain.retry import is_due
from gateway.domain.states import Direction, State
from gateway.errors import (
    ArchiveRefused,
    ConsignmentAltered,
    ContentInvalid,
    Defer,
    DiskFailed,
    GatewayError,
    ImpossibleMove,
    ManifestExpired,
    ManifestFlow,
    ManifestFromFuture,
    ManifestItemTooLarge,
    ManifestName,
    SequenceReused,
    StoreFileLost,
    TransferReused,
)
from gateway.ledger.queries import consignments, fair_share, identities
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment
from gateway.stages.attempts import claim, refuse
from gateway.stages.background import LARGE_SEALED, Background, ConsignmentQueues
from gateway.stages.context import StageContext, Step
from gateway.stages.continuity import note_continuity
from gateway.stages.doubtful import doubtful
from gateway.stages.issued_receipts import issue_quarantined
from gateway.stages.kept_files import needed, sealed_file
from gateway.stages.lost_files import put_off
from gateway.stages.signing import note_use
from gateway.stages.statements import Received, keep, keeping, note_accepts, received

_LOOK_EVERY: Final = 1.0
_TRY_AGAIN: Final = 30.0
_AGAIN: Final = ".again"
"""Behind the name of a directory that is not whole yet."""

# The sender gets a receipt for these: each is checked after the manifest's sender, recipient and fingerprints.
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
    """Unpacks an opened archive durably; see `archive.unpacking`."""

    def __call__(self, source: Path, target: Path, on_manifest: Callable[[bytes], Manifest]) -> None: ...


@dataclass
class _Attempt:
    """What became known while a consignment was opened."""

    manifest: Manifest | None = None
    opened: Opened | None = None
    duplicates: list[dict[str, str]] = field(default_factory=list)
    statements: Mapping[str, Received | ContentInvalid] = field(default_factory=dict)


@dataclass(frozen=True)
class _Result:
    """How it went; without an `error`, the files lie in the vault."""

    row: Consignment
    attempt: _Attempt
    error: GatewayError | None


class Open:
    """Landed to opened, one consignment a step; with a `background`, large ones meanwhile, one at a time."""

    name = "open"

    def __init__(
        self, context: StageContext, engine: OpenPgp, unpack: Unpack, background: Background[_Result] | None = None
    ) -> None:
        self._context = context
        self._unpack = unpack
        self._engine = engine
        self._claimed: set[int] = set()
        self._look = 0.0
        self._later: dict[str, float] = {}
        """Until when consignments are left alone that could not be opened again."""
        self._queues = ConsignmentQueues(
            context,
            engine,
            background,
            waiting=(Direction.IN, State.LANDED),
            choose=self._choose,
            prepare=self._prepare,
            work=self._open,
            record=self._record,
        )

    def step(self) -> Step:
        step = self._queues.step()
        if self._context.node is None:
            return step
        again = self._open_again()
        return replace(step, done=step.done + again, due=min(self._look, step.due or self._look))

    def close(self) -> None:
        self._queues.close()

    def _choose(self, connection: Connection, after: str, *, large: bool | None) -> Consignment | None:
        """The partners in turn, but for those that are stopped."""
        going = fair_share.but(self._context.stopped)
        fitting = fair_share.both(going, fair_share.larger("sealed_size", LARGE_SEALED, large=large))
        now = self._context.clock()
        return fair_share.next_in_turn(connection, Consignment, Direction.IN, State.LANDED, now, after, fitting)

    def _prepare(self, row: Consignment) -> Consignment | None:
        poison = claim(self._context, row, self._claimed)
        if poison is not None:
            self._record(_Result(row, _Attempt(), poison))
            return None
        return row

    def _open(self, row: Consignment, engine: OpenPgp) -> _Result:
        """Decrypt, verify and unpack it. May run in a thread."""
        attempt = _Attempt()
        try:
            self._read(row, attempt, engine)
        except GatewayError as error:
            return _Result(row, attempt, error)
        return _Result(row, attempt, None)

    def _record(self, result: _Result) -> None:
        row, attempt = result.row, result.attempt
        try:
            if result.error is not None:
                raise result.error
            with (
                keeping(self._context, row.partner, attempt.statements.values()),
                self._context.ledger.write() as transaction,
            ):
                self._accept(transaction, row, attempt)
        except GatewayError as error:
            self._refuse(row, attempt, error)
        self._claimed.discard(row.key)

    def _open_again(self) -> int:
        """Open what came to this node with its lane; how many that were."""
        context, now = self._context, self._context.clock()
        if not is_due(self._look, now, _LOOK_EVERY):
            return 0
        with context.ledger.read() as connection:
            rows = consignments.to_deliver(connection, context.stopped)
        self._later = {row.id: self._later[row.id] for row in rows if row.id in self._later}
        done = 0
        for row in rows:
            waits = row.due > now or not is_due(self._later.get(row.id, 0.0), now, _TRY_AGAIN)
            if (context.home.opened / row.id).exists() or waits:
                continue
            try:
                self._write_again(row)
                done += 1
                if row.code is not None:  # its sealed file was lost, and is there again
                    with context.ledger.write() as transaction:
                        transaction.set(CONSIGNMENTS, [row.key], code=None, reason=None, attempts=0, due=0.0)
            except StoreFileLost as error:
                with context.ledger.write() as transaction:
                    if identities.state_of(transaction.connection, Consignment, row.key) == State.OPENED:
                        put_off(context, transaction, row, error)
            except Defer:
                raise
            except GatewayError as error:
                self._later[row.id] = now + _TRY_AGAIN
                fault = DiskFailed(
                    f"a consignment that was opened at another node cannot be opened here: {error.reason}"
                )
                context.say_deferred(fault, partner=row.partner, consignment=row.id, stage=self.name)
        self._look = now + _LOOK_EVERY
        return done

    def _write_again(self, row: Consignment) -> None:
        home = self._context.home
        target, plain = home.opened / f"{row.id}{_AGAIN}", home.opened / f"{row.id}.tar.zst"
        try:
            _clear(target)
            plain.unlink(missing_ok=True)
            target.mkdir(mode=0o770, parents=True)
            self._unpack_sealed(row, self._engine, plain, target, lambda _opened, content: Manifest.parse(content))
            target.rename(home.opened / row.id)
        except OSError as error:
            raise DiskFailed(f"the vault: {error.strerror}") from error
        with self._context.ledger.read() as connection:
            if not consignments.is_unfinished(connection, row.id):
                _clear(home.opened / row.id)  # the last of it was delivered meanwhile

    def _read(self, row: Consignment, attempt: _Attempt, engine: OpenPgp) -> None:
        """Decrypt, verify and unpack; the files lie durably in the vault when this returns."""
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

        def judge(opened: Opened, content: bytes) -> Manifest:
            attempt.opened = opened
            return self._judge(content, row, attempt)

        self._unpack_sealed(row, engine, plain, target, judge)
        if attempt.manifest is not None:
            attempt.statements = received(context, engine, row.partner, attempt.manifest, target)

    def _unpack_sealed(
        self,
        row: Consignment,
        engine: OpenPgp,
        plain: Path,
        target: Path,
        judge: Callable[[Opened, bytes], Manifest],
    ) -> None:
        """Into the directory `target`, by way of `plain`; `judge` makes the manifest of its bytes, or refuses it."""
        context = self._context
        try:
            sealed = needed(context.payloads, sealed_file(context.home, row))
            opened = engine.open(sealed, row.partner, plain, context.settings.limits.receive_bytes)
            if opened.sealed_sha256 != row.sealed_sha256:
                raise ConsignmentAltered("the sealed file changed after it had landed")
            self._unpack(plain, target, partial(judge, opened))
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

    def _accept(self, transaction: Transaction, row: Consignment, attempt: _Attempt) -> None:
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
        ended = keep(transaction, row.partner, (item for _, item in fresh), attempt.statements)
        rest = [item for _, item in fresh if item.transfer not in ended]
        ended |= doubtful(transaction, row.partner, manifest, rest)
        opened = {"state": str(State.OPENED), "event": event, "code": None, "reason": None}
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
                    "expires": from_text(manifest.expires),
                    **ended.get(item.transfer, opened),
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
        note_accepts(transaction, row.partner, manifest)
        if attempt.opened is not None:
            note_use(transaction, self._context.settings, row.partner, attempt.opened.encrypted_to)
        seen = transaction.lane(row.partner).seen_sequence
        if seen is None or head.sequence > seen:
            note_continuity(transaction, row.partner, manifest.continuity)
            transaction.set_lane(row.partner, seen_sequence=head.sequence, seen_sha256=head.sha256)

    def _refuse(self, row: Consignment, attempt: _Attempt, error: GatewayError) -> None:
        _clear(self._context.home.opened / row.id)

        def answer(transaction: Transaction) -> None:
            if attempt.manifest is not None and isinstance(error, _ANSWERED):
                issue_quarantined(transaction, row, attempt.manifest, error)

        refuse(self._context, row, error, answer)


def _clear(directory: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)
