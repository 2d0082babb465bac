"""A partner cannot fill the disk: how full its landing is, and what is taken from it within a day."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.landing_quota import LandingUsage
from gateway.ledger.queries.landed import taken_since
from gateway.settings.model import LandingQuota
from gateway.stages.day_take import DAY
from gateway.stages.inbound.collect import Collect
from gateway.stages.landing_quota import landing_usage
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

QUOTA = LandingQuota(1000, 10)


@pytest.mark.parametrize(
    ("lies", "was", "shut_out"),
    [
        (LandingUsage(1000, 10), False, False),
        (LandingUsage(1001, 1), False, True),
        (LandingUsage(0, 11), False, True),
        (LandingUsage(501, 1), True, True),
        (LandingUsage(500, 5), True, False),
    ],
)
def test_a_landing_is_full_by_bytes_or_files_and_has_room_again_at_half(
    lies: LandingUsage,
    was: bool,  # noqa: FBT001  # of the table above
    shut_out: bool,  # noqa: FBT001
) -> None:
    assert lies.shuts_out(QUOTA, is_shut_out=was) is shut_out


def test_unfinished_files_and_holes_count_and_what_is_not_there_is_not_measured(tmp_path: Path) -> None:
    assert landing_usage(tmp_path / "none") is None
    (tmp_path / "a.pgp.part").write_bytes(b"x" * 10_000)
    with (tmp_path / "hole").open("wb") as file:
        os.truncate(file.fileno(), 1 << 30)
    (tmp_path / "link").symlink_to("/dev/zero")
    lies = landing_usage(tmp_path)
    assert lies is not None
    assert lies.files == 3
    assert (1 << 30) + 10_000 <= lies.bytes < (1 << 30) + 20_000


def limited(bench: Bench, day_bytes: int, said: list[tuple[str, Any]]) -> Collect:
    limits = bench.settings.limits.model_copy(update={"day_bytes": day_bytes})
    settings = replace(bench.settings, limits=limits)
    return Collect(
        replace(bench.context, settings=settings, log=lambda event, **keys: said.append((event, keys.get("partner"))))
    )


def landed(pair: Pair, name: str) -> None:
    """A consignment of DWP's in the landing of the authority."""
    pair.dwp.submit(name, name.encode())
    pair.work_alone(pair.dwp)


def test_what_comes_beyond_the_days_bytes_waits_in_the_landing_until_there_is_room(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        said: list[tuple[str, Any]] = []
        landing = pair.la.home.landing_in("DWP")
        collect = limited(pair.la, 1, said)
        landed(pair, "a.xml")
        assert collect.step().done == 1, "a first file, however large, is taken"
        taken = pair.la.now
        landed(pair, "b.xml")
        for _ in range(2):
            waits = collect.step()
            assert waits.done == 0
            assert waits.due == pytest.approx(taken + DAY, abs=1)
        assert len(list(landing.iterdir())) == 1
        assert said == [("partner.limited", "DWP")], "it is told once"
        with pair.la.ledger.read() as connection:
            assert [code for code, _, _ in taken_since(connection, taken - DAY)] == ["DWP"]
        anew = limited(pair.la, 1, said)
        assert anew.step().done == 0, "a role that starts anew knows what was taken before"
        pair.la.now = taken + DAY + 1
        assert collect.step().done == 1
        assert not list(landing.iterdir())


def test_files_of_no_gateway_count_too(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        said: list[tuple[str, Any]] = []
        landing = pair.la.home.landing_in("DWP")
        (landing / "rubbish.bin").write_bytes(b"x" * 5000)
        assert limited(pair.la, 4000, said).step().done == 1
        landed(pair, "a.xml")
        assert limited(pair.la, 4000, said).step().done == 0, "by the ledger alone"
        assert limited(pair.la, 6000, said).step().done == 1
