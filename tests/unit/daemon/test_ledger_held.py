"""A role that starts while another process holds the ledger, or has not ended what it began with names and rows, waits for it, and says so once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from gateway.daemon.patience import once_free
from gateway.daemon.recovery import tidy
from gateway.errors import DiskFailed, LedgerAway, LedgerBusy
from gateway.ledger.store import Ledger
from gateway.logs import Logger, configure
from gateway.stages.itinerary import Role
from gateway.storage import named_first
from gateway.storage.named_first import naming
from tests.fakes.two_ledgers import two_ledgers


@pytest.fixture
def lines() -> BytesIO:
    return BytesIO()


@pytest.fixture
def log(lines: BytesIO) -> Logger:
    return configure("DWP", "vault", stream=lines, format="json", strict=True)


def test_it_tidies_up_once_nobody_is_giving_names(
    tmp_path: Path, lines: BytesIO, log: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_first, "_BUSY_SECONDS", 0.0)
    with (
        two_ledgers(tmp_path) as pair,
        closing(Ledger(pair.dwp.home.ledger, clock=lambda: 0.0, role="vault")) as second,
    ):
        home = pair.dwp.home
        left = home.sealed_in / pair.dwp.other / f"{pair.dwp.context.new_id()}.pgp"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"of a crash")
        holder = naming(left.parent)
        holder.__enter__()
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            assert left.exists()
            if len(waits) == 3:
                holder.__exit__(None, None, None)

        once_free(lambda: tidy(home, second, Role.VAULT), log, wait, lambda: False)
        assert not left.exists()
    assert len(waits) == 3
    (line,) = lines.getvalue().splitlines()
    assert b'"level":"warning","event":"work.deferred"' in line
    assert b'"code":"ledger-busy"' in line


def test_it_waits_for_the_ledgers_server_and_says_so_once(lines: BytesIO, log: Logger) -> None:
    faults = [LedgerAway("PostgreSQL: OperationalError: refused"), LedgerAway("PostgreSQL: AdminShutdown")]

    def ask() -> str:
        if faults:
            raise faults.pop(0)
        return "there"

    assert once_free(ask, log, lambda _: None, lambda: False) == "there"
    (line,) = lines.getvalue().splitlines()
    assert b'"code":"ledger-away"' in line
    assert b"OperationalError: refused: it is waited for" in line


@pytest.mark.parametrize(("fault", "stops"), [(LedgerBusy, True), (LedgerAway, True), (DiskFailed, False)])
def test_what_is_no_passing_lock_or_a_stop_ends_the_wait(
    fault: Callable[[], Exception], log: Logger, *, stops: bool
) -> None:
    def fail() -> None:
        raise fault()

    with pytest.raises((LedgerBusy, LedgerAway, DiskFailed)):
        once_free(fail, log, lambda _: pytest.fail("it waits"), lambda: stops)
