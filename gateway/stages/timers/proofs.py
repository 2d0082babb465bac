"""Proofs: what auditors of the console ask of the vault. The site is verified, and evidence is made, each in a process of its own, one of
each at a time; a statement is signed at once. Evidence is removed when its time is over.

A request belongs to this stage while its process works: its lease is renewed. Whether whoever asked may have it is asked before, and again
in the transaction that answers. A crash leaves a request that waits, and is begun anew: the process ends with the vault.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.crypto.contract import OpenPgp
from gateway.domain.decision import Decision
from gateway.domain.requests import PROVING, Act
from gateway.domain.retry import is_due
from gateway.errors import CryptoFailed, KeyAgentAway, KeyUnconfirmed, OwnKeyUnusable, ProofFailed, UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries import statements, verifications
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.requests import Refused
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.stages.context import StageContext, Step
from gateway.stages.decisions import Decided
from gateway.stages.request_answers import REFUSALS, Policy, carry_out, refuse
from gateway.stages.statements import make, yesterday
from gateway.storage.durable import disk_error

Start = Callable[[str], subprocess.Popen[bytes]]
"""Starts the process that does what the request of that id asks, and prints the answer as JSON."""

KEPT_SECONDS: Final = 3600.0
"""How long evidence stays for whoever asked for it."""
_SWEEP_EVERY: Final = 60.0
_LATER: Final = 30.0
"""Seconds until what a full disk or a busy ledger put off is tried again."""
_MOST: Final = 65_536
"""Bytes of an answer."""
_KEYS_AWAY: Final = (OwnKeyUnusable, KeyAgentAway, KeyUnconfirmed, CryptoFailed)


@dataclass
class _Work:
    """A request that a process works for; `answer` is what it printed, once it has ended."""

    request: Request
    process: subprocess.Popen[bytes]
    answer: bytes | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class Proofs:
    """Carries out the PROVING acts. `start` starts a process for one; `wake` is called from a thread when it has ended."""

    name = "proofs"

    def __init__(self, context: StageContext, engine: OpenPgp, start: Start, wake: Callable[[], None]) -> None:
        self._context = context
        self._engine = engine
        self._start = start
        self._wake = wake
        self._owner = f"{context.ledger.role}/{context.new_id()}"
        self._works: dict[Act, _Work] = {}
        self._look = self._renewed = self._later = 0.0
        self._sweep(kept=0.0)

    def step(self) -> Step:
        now, done = self._context.clock(), 0
        if is_due(self._look, now, _SWEEP_EVERY):
            self._look = now + _SWEEP_EVERY
            self._sweep(kept=KEPT_SECONDS)
        for work in [each for each in self._works.values() if each.ended.is_set()]:
            del self._works[work.request.act]
            self._finish(work, now)
            done += 1
        if self._works and is_due(self._renewed, now, requests.RENEW_SECONDS):
            self._renewed = now + requests.RENEW_SECONDS
            self._renew()
        if is_due(self._later, now, _LATER):
            done += self._take(now)
        dues = [self._renewed] if self._works else []
        return Step(done=done, due=min([*dues, *([self._later] if self._later > now else [])], default=None))

    def close(self) -> None:
        for work in self._works.values():
            work.process.kill()
        for work in self._works.values():
            work.ended.wait()
        self._works.clear()
        self._engine.close()

    def _take(self, now: float) -> int:
        """Begin what waits: of each act that takes a process, one; how many requests that were."""
        context, begun = self._context, 0
        with context.ledger.read() as connection:
            waiting = requests.waiting_at(connection, PROVING, context.node)
        for request in waiting:
            if request.act in self._works or not requests.is_free(request, self._owner, now):
                continue
            with context.ledger.write() as transaction:
                taken = requests.take(transaction, request, self._owner)
            if taken is not None:
                begun += 1
                self._begin(taken)
        return begun

    def _begin(self, request: Request) -> None:
        context = self._context
        try:
            with context.ledger.read() as connection:
                requests.require_permitted(connection, request)
            if request.act is Act.MAKE_STATEMENT:
                carry_out(context, request, self._owner, self._statement())
                return
        except (*REFUSALS, *_KEYS_AWAY) as error:
            refuse(context, request, self._owner, Refused(error.code, error.reason, error.remedy))
            return
        try:
            work = _Work(request, self._start(request.id))
        except OSError as error:
            raise disk_error(error, "starting the process that verifies or makes evidence") from error
        self._works[request.act] = work
        threading.Thread(target=self._await, args=(work,), name="proofs", daemon=True).start()

    def _await(self, work: _Work) -> None:
        output = work.process.stdout
        if output is not None:
            with output:
                work.answer = output.read(_MOST)
        work.process.wait()
        work.ended.set()
        self._wake()

    def _renew(self) -> None:
        """Keep what is worked for; what another process has taken meanwhile is that one's."""
        for work in self._works.values():
            with self._context.ledger.write() as transaction:
                if requests.take(transaction, work.request, self._owner) is None:
                    work.process.kill()

    def _finish(self, work: _Work, now: float) -> None:
        request, said = work.request, _read(work.answer)
        if said.get("later"):
            self._later = now + _LATER
            self._context.log(
                "work.deferred", code=str(said.get("code")), reason=str(said.get("reason")), stage=self.name
            )
            return
        try:
            policy = _verified(request, said) if request.act is Act.VERIFY else _made(request, said)
        except (KeyError, TypeError, ValueError):
            reason = str(said.get("reason") or f"it ended with status {work.process.returncode}")
            code, remedy = str(said.get("code") or ProofFailed.code), str(said.get("remedy") or ProofFailed.remedy)
            refuse(self._context, request, self._owner, Refused(code, reason, remedy))
        else:
            carry_out(self._context, request, self._owner, policy)
        with self._context.ledger.read() as connection:
            kept = requests.find(connection, request.id).became is not None
        if not kept:
            _remove(self._context.home.proofs / f"{request.id}.zip")

    def _statement(self) -> Policy:
        """Make yesterday's; what is said of it in the transaction that answers."""
        context, day = self._context, yesterday(self._context)
        if not make(context, self._engine, day):
            raise UsageWrong(
                f"There is a statement of {day} or of a later day already, or nothing had happened by then."
            )

        def policy(_context: StageContext, _transaction: Transaction, _identity: str, _decision: Decision) -> Decided:
            return Decided(statements.KIND, statements.OWN, "", f"made of {day}")

        return policy

    def _sweep(self, kept: float) -> None:
        """Remove evidence that is older than that; with 0, as when the role starts, all of it."""
        try:
            with os.scandir(self._context.home.proofs) as entries:
                for entry in entries:
                    age = self._context.clock() - entry.stat(follow_symlinks=False).st_mtime
                    if not 0 <= age < kept:
                        _remove(Path(entry.path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error, "removing evidence that was kept for the console") from error


def _verified(request: Request, said: Mapping[str, Any]) -> Policy:
    faults, first, unseen = int(said["faults"]), said["first"], list(said["unseen"])
    told: dict[str, Any] = {
        "until": int(said["events"]),
        "sha256": str(said["head"]),
        "findings": faults,
        "request": request.id,
    }
    told |= {"first": [] if first is None else [str(first)], "unseen": [str(each) for each in unseen]}

    def policy(_context: StageContext, transaction: Transaction, _identity: str, decision: Decision) -> Decided:
        event, subject = verifications.FAULTED if faults else verifications.VERIFIED, verifications.SUBJECT
        transaction.record(event, subject, subject, **told, **decision.detail)
        return Decided(subject, subject, "", f"{faults} faults" if faults else "no fault")

    return policy


def _made(request: Request, said: Mapping[str, Any]) -> Policy:
    told = {"sha256": str(said["sha256"]), "bytes": int(said["bytes"]), "until": int(said["last"])}
    lists: dict[str, list[Any]] = {name: [str(each) for each in said[name]] for name in ("missing", "keys")}
    lists["confirmed"] = [int(said["confirmed"]), said["by"]]

    def policy(_context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
        row = find_transfer(transaction.connection, identity)
        said = {"transfer": row.id, **told, **lists, **decision.detail}
        transaction.record("evidence.made", requests.KIND, request.id, row.partner, **said)
        return Decided("transfer", row.id, row.partner, "made")

    return policy


def _read(answer: bytes | None) -> Mapping[str, Any]:
    """What the process printed; nothing where that is no answer."""
    try:
        found = orjson.loads(answer or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, "removing evidence that was kept for the console") from error
