"""What nodes that were killed left behind, and that it goes by the gateway's own stages once its time has come: nothing stays for ever.

The stages run here with the nodes' configuration, lanes and keys, beside the nodes, and with a clock of their own, since the nodes' clocks cannot pass over two days
without the partners' doing so.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.assembly import roles, stores
from gateway.ledger.audit.files import check_files
from gateway.logs import configure
from gateway.settings.home import Home
from gateway.settings.read import load
from gateway.stages.context import Stage, StageContext
from gateway.stages.ended_files import ORPHAN_SECONDS
from gateway.stages.itinerary import Role
from gateway.stages.timers.local_copies import AWAY, LocalCopies
from gateway.stages.timers.stored_files import StoredFiles
from tests.fakes.stores import store_listing
from tests.nodes.authorities import DWP
from tests.nodes.department import Department, Node, wait_until

_SOON: Final = 30.0


@dataclass
class _Later:
    """A clock that is so many seconds ahead."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.seconds


def clear(department: Department) -> tuple[int, int]:
    """Two days and some minutes go by for the stages that clear store and vaults: how many objects and how many copies of plaintext they took away.

    AssertionError where the store does not hold exactly the objects that rows speak of then, where a vault is not empty, or where a hidden copy lies beside people's files.
    """
    before = len(_objects(department)), len(_plaintext(department))
    later = _Later()
    with ExitStack() as stack:
        at_work = [each for node in department.nodes for each in stack.enter_context(_stages(node, later))]
        # A lane has been elsewhere since the first look at it.
        for later.seconds in (ORPHAN_SECONDS + AWAY, ORPHAN_SECONDS + 3 * AWAY):
            for context, stage in at_work:
                assert context.lanes is not None
                context.lanes.look()
                if context.lanes.may_begin(stage.name):
                    stage.step()
    wait_until(
        lambda: _odd_objects(department) == [], _SOON, f"{_odd_objects(department)}: a store of what rows speak of"
    )
    assert _plaintext(department) == []
    assert _hidden(department) == []
    return before[0] - len(_objects(department)), before[1]


@contextmanager
def _stages(node: Node, clock: Callable[[], float]) -> Iterator[list[tuple[StageContext, Stage]]]:
    with ExitStack() as stack:
        made: list[tuple[StageContext, Stage]] = []
        for role in Role:
            log = configure(DWP, role, stream=io.BytesIO())
            context = replace(roles.stage_context(load(node.home), role, log, lambda: False), clock=clock)
            stack.callback(context.ledger.close)
            made.append((context, StoredFiles(context, role)))
            if role is Role.INSPECT:
                made.append((context, LocalCopies(context)))
        yield made


def _objects(department: Department) -> list[tuple[Path, str]]:
    home = department.first
    return [*stores.shared_payloads(load(home)).names(home.state)]


def _odd_objects(department: Department) -> list[str]:
    """What is in the store and no row speaks of, or speaks of otherwise; and what is lacking."""
    home, settings = department.first, load(department.first)
    log = configure(DWP, "test", stream=io.BytesIO())
    context = roles.stage_context(settings, "test", log, lambda: False)
    with ExitStack() as stack:
        stack.callback(context.ledger.close)
        connection = stack.enter_context(context.ledger.read())
        found = check_files(connection, store_listing(home, context.payloads, DWP))
    paths = [path for path, _ in context.payloads.names(home.state)]
    areas = (home.vault, home.state / "sealed", home.quarantine, home.evidence)
    return [
        *(f"{fault.subject}: {fault.message}" for fault in (*found.faults, *found.left_over)),
        *(f"{path}: twice" for path in {path for path in paths if paths.count(path) > 1}),
        *(f"{path}: of no area" for path in paths if not any(path.is_relative_to(area) for area in areas)),
    ]


def _plaintext(department: Department) -> list[Path]:
    """Copies in the nodes' vaults."""
    return [path for node in department.nodes for path in _working(node.home) if path.is_file()]


def _working(home: Home) -> Iterator[Path]:
    for directory in (home.vault, home.uploads, home.shown):
        yield from directory.rglob("*")


def _hidden(department: Department) -> list[Path]:
    """What lies beside people's files that was to get a name there."""
    return [path for path in department.shared.rglob(".gateway-*.part") if path.is_file()]
