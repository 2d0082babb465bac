"""When disposal that two people asked for is carried out: the pages say what the last run left."""

from __future__ import annotations

import pytest

from gateway.administration.requests import asking
from gateway.administration.retention import last_run
from gateway.console.rendering import when
from gateway.domain.identity import to_text
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act
from tests.fakes.browsers import Visitor, visitor, words
from tests.fakes.programs import Program
from tests.fakes.staff import hire


@pytest.fixture(scope="module")
def supervisor(console: Program) -> Visitor:
    hire(console.bench.ledger, "sup2")
    return visitor(console, "sup1", PersonRole.SUPERVISOR)


@pytest.fixture(scope="module")
def asked(console: Program, supervisor: Visitor) -> str:
    """The address of a disposal to which both have agreed."""
    settings, ledger = console.site.settings, console.bench.ledger
    identity = asking.ask(settings, ledger, Act.DISPOSE, "retention", "sup1", "the year is over")
    asking.agree(settings, ledger, identity, "sup2", "I looked")
    return f"/requests/{identity}"


@pytest.mark.parametrize(
    ("ago", "says"),
    [
        (None, "No run of gateway retention is on record here."),
        (20 * 3600.0, "By gateway-retention.timer the next one starts by {latest}."),
        (25 * 3600.0, "and one every day is expected. Have whoever runs the machine see"),
        (-3600.0, "and one every day is expected. Have whoever runs the machine see"),
    ],
)
def test_pages_say_when_the_next_run_is_due(
    console: Program, supervisor: Visitor, asked: str, ago: float | None, says: str
) -> None:
    run = console.site.settings.home.run
    (run / "retention").unlink(missing_ok=True)
    if ago is not None:
        last = console.bench.now - ago
        last_run.note(run, last)
        says = says.format(latest=when(to_text(last + last_run.DAILY_SECONDS)))
        assert last_run.last_run(run) == pytest.approx(last, abs=0.01)
    for path in ("/retention", asked):
        assert says in words(supervisor.get(path)), path


def test_what_lies_there_damaged_is_no_run(console: Program) -> None:
    run = console.site.settings.home.run
    for content in (b"", b"soon", b"\xff\xfe", b"nan", b"1e300", b"2026-11-28"):
        (run / "retention").write_bytes(content)
        assert last_run.last_run(run) is None
