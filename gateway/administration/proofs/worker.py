"""Verifies a site, or makes evidence, for one request that the vault has taken: `python -m gateway.administration.proofs.worker HOME PARENT REQUEST`.

A process of its own, so that the vault goes on meanwhile, and one that gives way to it. It decides nothing and records nothing: the
last line that it prints is JSON, what it found or why it found nothing, and the vault asks the policy and answers. An error of
the gateway is such a line; of anything else, or without memory, there is none. It ends with the vault.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from gateway import preflight
from gateway.administration.access import reading
from gateway.administration.evidence import bundle
from gateway.administration.proofs.progress import Progress, note
from gateway.administration.site import audit
from gateway.domain.identity import is_id
from gateway.domain.requests import Act
from gateway.errors import Defer, DiskFull, GatewayError, NotFound, StoreFileLost
from gateway.ledger import requests
from gateway.ledger.audit.chain import Watch
from gateway.ledger.store import read_head
from gateway.ledger.units import Request
from gateway.linux.process import limit_resource, refuse_inspection, signal_at_parents_end
from gateway.logs import safe_text
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.values import GIB
from gateway.storage.digest import file_digest

_NICE: Final = 5
"""Linux gives it a third of what a process of the vault gets where both want a processor. With 19 it got a hundredth, and on a busy
machine somebody waited minutes for what takes three seconds."""
_MEMORY: Final = GIB
_EVERY: Final = 1.0
"""Seconds between two words of how far it is."""
_MODE: Final = 0o640


def main(arguments: list[str]) -> int:
    """Do what the request of that id asks, and print the answer; 1 where the vault has ended already."""
    home, parent, identity = arguments
    signal_at_parents_end(signal.SIGKILL)
    if os.getppid() != int(parent):
        return 1
    refuse_inspection()
    limit_resource(resource.RLIMIT_AS, _MEMORY)  # it ends before the vault's unit runs out, which would end the vault
    os.nice(_NICE)
    sys.stdout.buffer.write(orjson.dumps(answer(Home(Path(home)), identity)))
    return 0


def answer(home: Home, identity: str) -> Mapping[str, Any]:
    """What came of the request, or `code`, `reason` and `remedy` of what was raised; `later` says that it may go better then."""
    try:
        settings = preflight.load(home)
        os.umask(settings.umask)
        with reading(settings) as connection:
            request, events = requests.find(connection, identity), read_head(connection).sequence
        if request.act is Act.VERIFY:
            return _verified(settings, partial(_watching, settings.home.run, request.id, events))
        return _evidence(settings, request)
    except GatewayError as error:
        later = isinstance(error, Defer) and not isinstance(error, StoreFileLost)
        return {"code": error.code, "reason": error.reason, "remedy": error.remedy, "later": later}


def _verified(settings: Settings, watch: Callable[[], Any]) -> Mapping[str, Any]:
    report = audit.verify(settings, [], watch, deep=False, partial=True)
    first = next(iter(report.faults), None)
    return {
        "events": report.events,
        "head": report.head,
        "faults": len(report.faults),
        "first": None if first is None else safe_text(f"{first.check} {first.subject}: {first.message}"),
        "unseen": report.unseen,
    }


def _evidence(settings: Settings, request: Request) -> Mapping[str, Any]:
    if not is_id(request.subject):
        raise NotFound(f"there is no transfer {request.subject[:40]!r}")
    where = os.statvfs(settings.home.proofs)
    if where.f_bavail * where.f_frsize < settings.limits.min_free_bytes:
        raise DiskFull("less than [limits] min_free_bytes is free where evidence is kept for the console")
    out = settings.home.proofs / f"{request.id}.zip"
    out.unlink(missing_ok=True)  # of an attempt that broke off
    made = bundle.make(settings, request.subject, out, time.time())
    out.chmod(_MODE)  # the directory's group is the console's
    told = {"first": made.first_event, "last": made.last_event, "confirmed": made.confirmed, "by": made.by}
    return {**told, "missing": made.missing, "keys": made.keys, "sha256": file_digest(out), "bytes": out.stat().st_size}


@contextmanager
def _watching(run: Path, request: str, events: int) -> Iterator[Watch]:
    told, before = 0.0, ""

    def tell(what: str, count: int) -> None:
        nonlocal told, before
        now = time.monotonic()
        if what != before or now >= told + _EVERY:
            told, before = now, what
            note(run, Progress(request, what, count, events if what == "events" else 0))

    yield tell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
