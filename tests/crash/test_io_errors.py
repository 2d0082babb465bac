"""Every operation that the disk can refuse, refused once: the role carries on or ends in order, and nothing is lost.

As in `test_crash_points`, but nobody is killed: the nth fsync, rename, link, unlink, mkdir or commit, or the nth opening,
read or write of a file, says that it has failed and has done nothing. The role puts its work off and goes on, or ends
before it has begun; no failure passes for a success, so the trip comes to the very end that it has without it, and
promises I1 to I5 hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Tally
from tests.crash.test_crash_points import swept


def hold(found: dict[str, Any], error: str, tally: Tally) -> None:
    tally(f"{error} points", tried=sum(found["tried"].values()), lost=len(found["lost"]))
    assert not found["lost"], "\n".join(found["lost"])
    assert found["tried"]


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("error", "trip", "part", "parts"),
    [("EIO", "claim", 0, 3), ("EIO", "claim", 1, 3), ("EIO", "words", 1, 5), ("ENOSPC", "mixed", 1, 5)],
)
def test_an_operation_that_fails_anywhere_loses_and_doubles_nothing(
    ground: Path, error: str, trip: str, part: int, parts: int, tally: Tally
) -> None:
    hold(swept(ground, trip, part, parts, error), error, tally)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("error", "trip"), [("EIO", "claim"), ("ENOSPC", "mixed")])
def test_an_operation_that_fails_at_some_points_loses_and_doubles_nothing(
    ground: Path, error: str, trip: str, tally: Tally
) -> None:
    hold(swept(ground, trip, 5, 181, error), error, tally)
