"""Playing the script: dropping the files as an operator would, waiting for each to come to its end, and judging it.

The judgement uses what a person could see: the directories of both sites, and the sender's ledger for times.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

from gateway.demo.script import Act, Ending
from gateway.demo.sites import DemoSite, check_alive, gateway
from gateway.ledger.queries import overview
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.store import Ledger
from gateway.settings.read import load
from gateway.spool.exception_lists import ENDING, from_csv

_LOOK_EVERY: Final = 0.25
_REASON: Final = "shown in the demonstration: the operator meant it"

Progress = Callable[[int, int], None]
"""Told how many files have come to their end, and how many there are."""

Watch = Callable[[int], AbstractContextManager[Progress]]
"""Gives, for so many files, who is told of their progress."""


@dataclass(frozen=True)
class Result:
    """How one file came out. `seconds` runs from the drop to the verified receipt, or to the return."""

    file: str
    flow: str
    sender: str
    recipient: str
    size: int
    state: str
    seconds: float
    code: str | None
    reason: str | None
    expected: str
    as_expected: bool
    why_not: str | None = None
    schema: str | None = None
    exceptions: int | None = None

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def play(
    acts: Sequence[Act],
    sites: Sequence[DemoSite],
    progress: Progress,
    seconds: float,
    drop_at: Callable[[Act], DemoSite] | None = None,
) -> list[Result]:
    """Drop every file, wait for all of them (at most so long), and say how each came out. A file is dropped at its sender's site, or where
    `drop_at` says.
    """
    homes = {site.code: site for site in sites}
    dropped: dict[tuple[str, str, str, str], float] = {}
    ended: dict[tuple[str, str, str, str], tuple[Any, float]] = {}
    released: set[str] = set()
    with ExitStack() as stack:
        ledgers = {}
        for site in sites:
            ledgers[site.code] = Ledger(load(site.home).ledger_place, clock=time.time, role="demo")
            stack.callback(ledgers[site.code].close)
        for act in acts:
            _drop(act, homes[act.sender] if drop_at is None else drop_at(act))
            dropped[_key(act)] = time.time()
        deadline = time.monotonic() + seconds
        while len(ended) < len(dropped) and time.monotonic() < deadline:
            check_alive(sites)
            submitted = set()
            for code, ledger in ledgers.items():
                with ledger.read() as connection:
                    rows = overview.transfers(connection, direction="out")
                for row in rows:
                    key = (row.flow, code, row.partner, row.name)
                    submitted.add(key)
                    if key in dropped and key not in ended and not row.custody:
                        ended[key] = (row, row.updated)
                    if row.state == "held" and row.id not in released:
                        gateway("release", row.id, "--reason", _REASON, home=homes[code].home.root)
                        released.add(row.id)
            for act in acts:
                # What cannot be a submission at all comes back without ever becoming a transfer.
                key = _key(act)
                why = homes[act.sender].home.returned / act.flow / act.recipient / f"{act.name}.why.txt"
                if key not in submitted and key not in ended and why.exists():
                    ended[key] = (None, why.stat().st_mtime)
            progress(len(ended), len(dropped))
            time.sleep(_LOOK_EVERY)
    return [_judge(act, homes, ended.get(_key(act)), dropped[_key(act)], released) for act in acts]


def _key(act: Act) -> tuple[str, str, str, str]:
    return act.flow, act.sender, act.recipient, act.name


def _drop(act: Act, site: DemoSite) -> None:
    """As a careful program drops a file: written under a hidden name, then renamed into place."""
    directory = site.home.outbound / act.flow / act.recipient
    hidden = directory / f".{act.name}"
    hidden.write_bytes(act.sample.content)
    hidden.rename(directory / act.name)


def _judge(
    act: Act, homes: Mapping[str, DemoSite], end: tuple[Any, float] | None, dropped: float, released: set[str]
) -> Result:
    row, ended = (None, dropped) if end is None else end
    state = "waiting" if end is None else "returned" if row is None else row.state
    why = homes[act.sender].home.returned / act.flow / act.recipient / f"{act.name}.why.txt"
    arrived = _arrived(act, homes[act.recipient])
    why_not = _why_not(act, state, row, homes, arrived=arrived, back=why.exists(), released=released)
    reason = why.read_text(encoding="utf-8").partition("\n")[0] if row is None and why.exists() else None
    return Result(
        file=act.name,
        flow=act.flow,
        sender=act.sender,
        recipient=act.recipient,
        size=len(act.sample.content),
        state=state,
        seconds=round(max(ended - dropped, 0.0), 2),
        code=None if row is None else row.code,
        reason=reason if row is None else row.reason,
        expected=act.ending,
        as_expected=why_not is None,
        why_not=why_not,
        schema=None if row is None else row.schema,
        exceptions=counts[0] if row is not None and (counts := exceptions_in(row.facts)) is not None else None,
    )


def _why_not(
    act: Act, state: str, row: Any, homes: Mapping[str, DemoSite], *, arrived: bool, back: bool, released: set[str]
) -> str | None:
    """What is not as it should be, None where everything is."""
    if act.ending is Ending.RETURNED:
        if not back:
            return f"it should have come back, and is {state}"
        if arrived:
            return "it came back, and reached the partner all the same"
        found = row is None or act.expected_code in (None, row.code) or f"[{act.expected_code}]" in (row.reason or "")
        return None if found else f"it should have been returned for {act.expected_code}"
    if state not in ("receipted", "ingested"):
        return f"it should have been receipted, and is {state}"
    if act.schema not in (None, row.schema):
        return f"it should have been read as {act.schema}, and was read as {row.schema}"
    if not arrived:
        return "it is receipted, and not in the partner's inbound directory as it was dropped"
    if act.ending is Ending.WITH_EXCEPTIONS:
        return _list_fault(act, row, homes)
    if exceptions_in(row.facts) is not None:
        return "it has exceptions, and should have none"
    if act.ending is Ending.RELEASED and row.id not in released:
        return "the same bytes were not held as a suspected duplicate"
    return None


def _list_fault(act: Act, row: Any, homes: Mapping[str, DemoSite]) -> str | None:
    """What is wrong with the list of the file's exceptions, which has to be the same at both ends."""
    ends = (
        homes[act.sender].home.receipts / act.flow / act.recipient,
        homes[act.recipient].home.inbound / act.flow / act.sender,
    )
    lists = [(end / f"{act.name}{ENDING}") for end in ends]
    if exceptions_in(row.facts) is None or not all(path.is_file() for path in lists):
        return "it is delivered without the list of its exceptions"
    here, there = (from_csv(path.read_bytes()) for path in lists)
    if here != there:
        return "its exceptions are others at the partner"
    return None if act.expected_code in {each.code for each in here} else f"{act.expected_code} is not on the list"


def _arrived(act: Act, partner: DemoSite) -> bool:
    """Whether the file lies at the partner, byte for byte."""
    target = partner.home.inbound / act.flow / act.sender / act.name
    wanted = hashlib.sha256(act.sample.content).digest()
    return target.is_file() and hashlib.sha256(target.read_bytes()).digest() == wanted
