"""What is the matter with a site, as the machine shows it: roles that are gone or stuck, partners, disk, audit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.administration.notify.matters import Matters
from gateway.administration.site.audit_record import AuditRecord, keep
from gateway.daemon.pulse import Pulse
from gateway.daemon.stopped_partners import note_stopped
from gateway.settings.faults import Fault
from gateway.settings.model import Daemon, Limits, Stopped
from tests.fakes.two_ledgers import Bench, two_ledgers

FAULT = Fault("config/partners.d/E09000030.toml", 1, "link", "is not known")
ROLES = ("inspect", "vault", "link")
_HOLD = """
import sys
from pathlib import Path
from contextlib import ExitStack
from gateway.daemon.lock import held
with ExitStack() as stack:
    for name in sys.argv[2:]:
        stack.enter_context(held(Path(sys.argv[1]), name))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with two_ledgers(tmp_path) as pair:
        yield pair.dwp


@contextmanager
def running(bench: Bench, *names: str) -> Iterator[None]:
    """These processes' locks are held by another one."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(bench.home.run), *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


def test_a_role_is_gone_at_the_second_look_and_only_while_the_gateway_runs(bench: Bench) -> None:
    matters = Matters(bench.settings)
    with running(bench, *ROLES, "gateway"):
        assert matters.look() == matters.look() == set()
    with running(bench, "gateway", "inspect", "link"):
        assert matters.look() == set()
        assert matters.look() == {("role.died", "vault")}
    assert matters.look() == set(), "nothing is to run"
    split = Matters(replace(bench.settings, accounts=bench.settings.accounts.model_copy(update={"split": True})))
    split.look()
    assert split.look() == {("role.died", role) for role in ROLES}


def test_a_role_that_the_settings_ask_for_and_that_is_gone_is_a_matter(bench: Bench) -> None:
    load = bench.settings.load.model_copy(update={"enabled": True})
    matters = Matters(replace(bench.settings, load=load))
    with running(bench, *ROLES, "gateway", "load"):
        assert matters.look() == matters.look() == set()
    with running(bench, *ROLES, "gateway"):
        matters.look()
        assert matters.look() == {("role.died", "load")}


def test_a_role_whose_pulse_stands_still_is_stuck(bench: Bench) -> None:
    now = [0.0]
    settings = replace(bench.settings, daemon=Daemon(stuck_seconds=30.0, rescan_seconds=1.0))
    matters = Matters(settings, lambda: now[0])
    with ExitStack() as stack:
        stack.enter_context(running(bench, *ROLES))
        pulses = {role: stack.enter_context(Pulse(bench.home.run, role)) for role in ROLES}
        assert len(pulses) == len(ROLES)
        matters.look()
        now[0] += 40.0
        assert matters.look() == {("role.stuck", role) for role in ROLES}


def test_stopped_partners_a_disk_without_room_and_faults_of_the_audit_are_matters(bench: Bench) -> None:
    assert Matters(bench.settings).look() == set()
    note_stopped(bench.home, {"4220": Stopped(())})
    full = replace(
        bench.settings,
        stopped={"E09000030": Stopped((FAULT,)), "4221": Stopped(())},
        limits=Limits(min_free_bytes=2**60),
    )
    expected = {("partner.stopped", "4220"), ("partner.stopped", "E09000030"), ("intake.stopped", "")}
    assert Matters(full).look() == expected
    record = AuditRecord(verified="2026-11-21T10:00:00.000Z", since=0, events=0, head="0" * 64, faults=0)
    keep(bench.home, record)
    assert Matters(full).look() == expected
    keep(bench.home, record.model_copy(update={"faults": 2}))
    assert Matters(full).look() == expected | {("chain.broken", "")}
