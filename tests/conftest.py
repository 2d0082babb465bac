"""The whole suite: the slow sweeps are left out unless asked for, and what they tried is summed up at the end.

A sweep (`@pytest.mark.torture`) runs with `make torture` alone; `make test` runs a selection of the same points.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine

from gateway.ledger import engine as ledger_engine
from tests.acceptance.moulds import MOULDS
from tests.examples import register_profiles

# Containers tell Python to keep no compiled modules. Here thousands of processes would then compile the same ones again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

register_profiles()

_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 6 << 30
"""Bytes: four times what the whole suite has there at once."""


def _work_in_memory() -> None:
    """Have everything that tests make lie on memory, unless TMPDIR says where: thousands of small ledgers are written through, and
    on a disk the tests wait for that most of the time. Power cuts are told by what was written through, and not by a disk.
    """
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return
    runs_programs = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    if runs_programs and shutil.disk_usage(_MEMORY).free > _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


_work_in_memory()

Tally = Callable[..., None]
_KEY = "torture"
_LONG = frozenset({"acceptance", "crash", "integration"})
_FAST = frozenset({"archive", "crypto", "domain", "flows", "settings", "spool", "storage", "transport", "validation"})
"""Rooms whose work is done in memory, or in one directory."""
_SLOW = frozenset(
    {"main", "subprocess", "two_ledgers", "migrate", "Sandbox", "build", "ExtractValidator", "XmlValidator"}
)
"""What a module imports to start a process or a site, or to compile a schema."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole sites comes first, in random order: no worker is alone with a long file at the end."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: looking through it for garbage again and again takes a tenth of the time. Looking after each
    700 objects that are made, as Python does by itself, takes a fifth of what is left.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is fast by what it does not have: a place among whole sites, made-up cases, a process, a ledger."""
    if not isinstance(item, pytest.Function) or item.path.parent.name not in _FAST:
        return
    if not (getattr(item.obj, "is_hypothesis_test", False) or _SLOW & vars(item.module).keys()):
        item.add_marker("fast")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, Any, Any]:
    with _umask_of_its_own():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    with _umask_of_its_own():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    with _umask_of_its_own():
        return (yield)


@contextmanager
def _umask_of_its_own() -> Iterator[None]:
    """Commands that are run within this process set the process's umask: that ends with the fixture or the test."""
    before = os.umask(0o022)
    os.umask(before)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def _created_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    MOULDS.keep_in_run(tmp_path_factory)


@pytest.fixture(scope="session", autouse=True)
def _statements_compiled_once() -> Iterator[None]:
    """Tests open thousands of ledgers. SQLAlchemy keeps what it compiled by engine and dialect, so they get those of the first."""
    first: list[Engine] = []

    def create(*arguments: Any, **options: Any) -> Engine:
        engine = create_engine(*arguments, **options)
        first.append(engine)
        del first[1:]
        engine.dialect, engine._compiled_cache = first[0].dialect, first[0]._compiled_cache
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_engine, "create_engine", create)
        yield


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """`tally("crash points, outbound", tried=1, lost=0)`: counted into the summary at the end of the run."""

    def count(what: str, *, tried: int, lost: int) -> None:
        request.node.user_properties.append((_KEY, [what, tried, lost]))

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for what, tried, lost in _counted(terminalreporter):
        sums[what][0] += tried
        sums[what][1] += lost
    if not sums:
        return
    terminalreporter.section("what was tried, and what was lost")
    width = max(map(len, sums))
    for what, (tried, lost) in sorted(sums.items()):
        terminalreporter.write_line(f"{what:{width}}  {tried:>7,} tried  {lost:>3,} lost")
    total = sum(tried for tried, _ in sums.values())
    gone = sum(lost for _, lost in sums.values())
    terminalreporter.write_line(f"{'in all':{width}}  {total:>7,} tried  {gone:>3,} lost")


def _counted(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, int, int]]:
    for reports in reporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for key, value in report.user_properties:
                    if key == _KEY:
                        yield value[0], value[1], value[2]
