"""`gateway notify`, and what `gateway status` says where nobody can be told."""

from __future__ import annotations

import csv
import io
import json
import socket

import pytest

from gateway.administration.notify.memory import Memory, Stream, remember
from gateway.administration.notify.noted import note
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

CHANNELS = """
[notify.mail.ops]
host = "127.0.0.1"
port = {port}
sender = "gateway@example.gov.uk"
recipients = ["a@example.gov.uk"]
[notify.webhook.desk]
url = "https://127.0.0.1:{port}/x"
"""


@pytest.fixture
def site(pair: Pair) -> Pair:
    """Two channels, whose servers are down."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    toml = pair.dwp.home.gateway_toml
    toml.write_text(toml.read_text("utf-8") + CHANNELS.format(port=port), "utf-8")
    return pair


def test_without_a_channel_the_page_is_named(pair: Pair, run: Run) -> None:
    for command in ("list", "test"):
        said = run(pair.dwp, "notify", command)
        assert (said.status, "docs/operators/notices.md" in said.err) == (0, True)
    assert run(pair.dwp, "run", "--role", "notify").status == 64


def test_list_says_what_waits_since_when_and_why(site: Pair, run: Run) -> None:
    fresh = run(site.dwp, "notify", "list", "--json").data
    assert [(each["channel"], each["sent"], each["told"]) for each in fresh["channels"]] == [
        ("mail-ops", 0, None), ("webhook-desk", 0, None),
    ]  # fmt: skip
    with site.dwp.ledger.write() as transaction:
        transaction.record("lane.deferred", "lane", "E09000030", "E09000030")
    failed = Stream(after=0, until=1, id="x", created=site.dwp.now, attempts=7, due=site.dwp.now, code="notice-failed")
    told = {"mail-ops": Memory(urgent=Stream(after=1), digest=failed, last=site.dwp.now, sent=3)}
    remember(site.dwp.home.notify, told)
    mail, desk = csv.DictReader(io.StringIO(run(site.dwp, "notify", "list", "--csv").out))
    assert (mail["failures"], mail["code"], mail["sent"], mail["errors_since"]) == ("7", "notice-failed", "3", "")
    assert mail["others_since"].startswith("2026-")
    assert desk["failures"] == "0"
    shown = run(site.dwp, "notify", "list")
    assert "mail-ops" in shown.out
    assert "does not run" in shown.err


def test_status_names_a_channel_that_fails_again_and_again(site: Pair, run: Run) -> None:
    failed = Memory(urgent=Stream(after=0, until=1, attempts=5, code="notice-failed"), digest=Stream(after=0))
    note(site.dwp.home.run, {"mail-ops": failed, "webhook-desk": Memory.beginning(0), "mail-gone": failed})
    said = run(site.dwp, "status", "--json")
    assert (said.status, said.data["untold"]) == (69, ["mail-ops"])
    assert [each for each in said.data["needs"] if "told" in each] == [
        "nobody is told through mail-ops, whose server takes no notices: `gateway notify test mail-ops`"
    ]


def test_a_test_says_of_each_channel_what_happened(site: Pair, run: Run) -> None:
    secret = site.dwp.home.notify / "webhook-desk.secret"
    secret.write_text(f"whsec_{'a' * 32}\n", "utf-8")
    secret.chmod(0o600)
    said = run(site.dwp, "notify", "test")
    assert said.status == 69
    assert said.out.count("refused: no connection: Connection refused") == 2
    (one,) = json.loads(run(site.dwp, "notify", "test", "webhook-desk", "--json").out)
    assert (one["channel"], one["taken"], one["code"]) == ("webhook-desk", False, "notice-failed")
    assert run(site.dwp, "notify", "test", "desk").status == 64


def test_a_note_that_is_damaged_is_as_none(site: Pair, run: Run) -> None:
    (site.dwp.home.notify / "told.json").write_bytes(b"\xff")
    assert [each["sent"] for each in run(site.dwp, "notify", "list", "--json").data["channels"]] == [0, 0]
    (site.dwp.home.run / "notices").write_bytes(b"[1]")
    assert run(site.dwp, "status", "--json").data["untold"] == []
