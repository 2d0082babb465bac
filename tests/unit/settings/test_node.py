"""`[node]`: a name needs a ledger that several machines reach, and a heartbeat may be late twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.home import Home
from gateway.settings.read import examine
from tests.fakes.two_ledgers import two_ledgers

URL = '[ledger]\nurl = "postgresql:///ledger"\n'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[node]\nname = "north-1"\n', "[node] name"),
        (f'{URL}[node]\nname = "North 1"\n', "[node] name"),
        (f'{URL}[node]\nname = "n{"o" * 40}"\n', "[node] name"),
        (f'{URL}[node]\nname = "north-1"\nheartbeat_seconds = 6\n', "[node] heartbeat_seconds"),
        (f'{URL}[node]\nname = "north-1"\nlease_seconds = 9\n', None),
        ("", None),
    ],
)
def test_what_a_node_needs(tmp_path: Path, text: str, where: str | None) -> None:
    with two_ledgers(tmp_path) as pair:
        home: Home = pair.dwp.context.home
        home.gateway_toml.write_text(f"{home.gateway_toml.read_text('utf-8')}\n{text}", "utf-8")
        _, faults = examine(home)
    assert [fault.where for fault in faults] == ([] if where is None else [where])
