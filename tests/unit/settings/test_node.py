"""`[node]`: a name needs a ledger and a store of files that several machines reach, and a heartbeat may be late twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.directories import make, site_directories
from gateway.settings.home import Home
from gateway.settings.read import examine
from gateway.settings.write import change, render_gateway_toml, write_text

URL = "postgresql:///ledger"


@pytest.mark.parametrize(
    ("url", "node", "where"),
    [
        ("", {"name": "north-1"}, "[node] name"),
        (URL, {"name": "North 1"}, "[node] name"),
        (URL, {"name": "n" * 41}, "[node] name"),
        (URL, {"name": "north-1", "heartbeat_seconds": 6}, "[node] heartbeat_seconds"),
        (URL, {"name": "north-1", "lease_seconds": 9}, None),
        (URL, {"name": "north-1", "store": ""}, "[node] name"),
        ("", {}, None),
    ],
)
def test_what_a_node_needs(tmp_path: Path, url: str, node: dict[str, str | int], where: str | None) -> None:
    home = Home(tmp_path)
    made = render_gateway_toml(
        code="DWP", name="DWP", fingerprint="A" * 40, host="127.0.0.1", port=2222, user="gateway"
    )
    make(site_directories(home))
    stored = change(made, "payloads", {"url": node.pop("store", "file:///srv/store")})
    write_text(home.gateway_toml, change(change(stored, "ledger", {"url": url}), "node", node))
    _, faults = examine(home)
    assert [fault.where for fault in faults] == ([] if where is None else [where])


@pytest.mark.parametrize("table", ["load", "index"])
def test_what_takes_delivered_files_away_is_for_one_machine(tmp_path: Path, table: str) -> None:
    home = Home(tmp_path)
    made = render_gateway_toml(
        code="DWP", name="DWP", fingerprint="A" * 40, host="127.0.0.1", port=2222, user="gateway"
    )
    make(site_directories(home))
    stored = change(made, "payloads", {"url": "file:///srv/store"})
    text = change(change(stored, "ledger", {"url": URL}), "node", {"name": "north-1"})
    write_text(home.gateway_toml, change(text, table, {"enabled": True}))
    _, faults = examine(home)
    assert [fault.where for fault in faults] == [f"[{table}] enabled"]
