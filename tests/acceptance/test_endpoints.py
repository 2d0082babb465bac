"""A site that is reached at two addresses: its card names both, its partner uses one while the other is down, and nothing comes twice."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.copies import copied_pair, set_port
from tests.acceptance.promises import Book
from tests.acceptance.sites import Site, claim, introduce, wait_until
from tests.fakes.proxy import Faults, Proxy, spoiling_proxy

SECONDS = 60.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Site, Site, Proxy]]:
    """DWP, and an authority whose first address leads through a proxy, and the second straight to its server."""
    with copied_pair(tmp_path) as (dwp, la), spoiling_proxy(la.port) as first:
        la.edit_config("sftp_server", addresses=[f"127.0.0.1:{first.port}", f"127.0.0.1:{la.port}"])
        card = json.loads(la.gateway("card").stdout)
        assert card["endpoint"] | {"user": ""} == {
            "host": "127.0.0.1",
            "port": first.port,
            "user": "",
            "path": "in",
            "others": [{"host": "127.0.0.1", "port": la.port}],
        }
        introduce(dwp, la)
        dwp.edit_config("link", endpoint_rest_seconds=2.0, connect_timeout=2.0)
        yield dwp, la, first


@pytest.fixture
def back(pair: tuple[Site, Site, Proxy]) -> Iterator[Proxy]:
    """The way of the authority's receipts."""
    with spoiling_proxy(pair[0].port) as proxy:
        yield proxy


def _lane(dwp: Site, la: Site) -> dict[str, Any]:
    status = json.loads(dwp.gateway("status", "--json", check=False).stdout)
    return next(lane for lane in status["lanes"] if lane["partner"] == la.code)


def test_an_upload_that_is_cut_off_at_one_address_is_delivered_once_by_the_other(
    pair: tuple[Site, Site, Proxy], back: Proxy
) -> None:
    dwp, la, first = pair
    book = Book((dwp, la))
    name, content = claim(1)
    set_port(la, "DWP", back.port)
    la.start()
    dwp.start()
    book.drop(dwp, "claim", la.code, name, content)
    dwp.wait_for(name, "receipted", SECONDS)
    whole = first.from_server
    assert first.connections == 1
    dwp.stop()
    # The last answers crawl: all is there by then, and the line is cut before the sender knows.
    first.faults_back = Faults(slow_at=whole - 150, bytes_per_second=20)
    back.faults = Faults(cut_at=0)  # nor does a receipt tell
    again, other = claim(2)
    dwp.start()
    book.drop(dwp, "claim", la.code, again, other)
    wait_until(lambda: len(la.events("consignment.landed")) == 2, SECONDS, "its landing")
    first.close()
    wait_until(lambda: la.events("consignment.repeated"), SECONDS, "its landing once more")
    back.faults = Faults()
    dwp.wait_for(again, "receipted", SECONDS)
    (failed, *_) = dwp.events("endpoint.failed")
    assert (failed["address"], failed["partner"], failed["level"]) == (f"127.0.0.1:{first.port}", la.code, "warning")
    assert la.inbound("claim", "DWP") == {name: content, again: other}
    assert len(la.events("consignment.landed")) == 2
    book.assert_promises()


def test_what_fails_is_told_with_its_address_and_the_first_is_used_again_once_it_answers(
    pair: tuple[Site, Site, Proxy],
) -> None:
    dwp, la, first = pair
    book = Book((dwp, la))
    address = f"127.0.0.1:{first.port}"
    first.faults = Faults(cut_at=0)
    la.start()
    dwp.start()
    name, content = claim(1)
    book.drop(dwp, "claim", la.code, name, content)
    dwp.wait_for(name, "receipted", SECONDS)
    (failing,) = _lane(dwp, la)["failing"]
    assert failing["address"] == address
    assert f"not reached at {address}" in dwp.gateway("status", check=False).stdout
    assert not dwp.events("lane.deferred"), "the lane goes on"
    shown = dwp.gateway("partner", "test", la.code, check=False)
    assert shown.returncode == 69
    assert f"{address}: " in shown.stderr
    servers = {
        each["address"]: each["usable"]
        for each in json.loads(dwp.gateway("partner", "test", la.code, "--json", check=False).stdout)["servers"]
    }
    assert servers == {address: False, f"127.0.0.1:{la.port}": True}
    first.faults = Faults()
    for number in range(2, 60):
        again, other = claim(number)
        book.drop(dwp, "claim", la.code, again, other)
        dwp.wait_for(again, "receipted", SECONDS)
        if dwp.events("endpoint.recovered"):
            break
    assert [event["address"] for event in dwp.events("endpoint.recovered")] == [address]
    assert _lane(dwp, la)["failing"] == []
    dwp.gateway("partner", "test", la.code)
    # A card with one address takes the other out again.
    la.edit_config("sftp_server", addresses=[])
    introduce(dwp, la)
    text = (dwp.home.partners_d / f"{la.code}.toml").read_text("utf-8")
    assert "# other_addresses" in text
    assert dwp.daemon is not None
    dwp.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: dwp.events("gateway.reloaded"), SECONDS, "the reload")
    book.assert_promises()
