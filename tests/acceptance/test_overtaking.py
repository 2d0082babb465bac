"""A claim overtakes a large document on the same link, which has a limit; and a stalled partner stops nobody else."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.acceptance.copies import quicken, set_port
from tests.acceptance.large import large_laid
from tests.acceptance.promises import Book
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, introduce, make_site, wait_until
from tests.fakes.proxy import Faults, spoiling_proxy

pytestmark = pytest.mark.timeout(400)
SECONDS = 90.0
LIMIT = 40_000
"""Bytes a second: the large document would take minutes."""


def test_claim_that_is_dropped_while_a_large_document_is_sent_is_receipted_before_it(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    book = Book(pair)
    _set_limit(dwp, la, LIMIT)
    la.start()
    dwp.start()
    document, content = large_laid(la.code)
    book.drop(dwp, "laid", la.code, document, content)
    _told(dwp, lambda: list(la.home.landing_in("DWP").glob("*.part")), "an upload under way")
    name, small = claim()
    book.drop(dwp, "claim", la.code, name, small)
    _told(dwp, lambda: _state(dwp, name) == "receipted", "the claim's receipt")
    assert _state(dwp, document) == "sealed", "it is being sent still"
    listed = {row["name"]: row for row in dwp.json("transfers")}
    assert listed[document]["waits"] == "limited to 40 KB a second"
    # Without the limit the rest is a matter of seconds.
    _set_limit(dwp, la, None)
    assert dwp.daemon is not None
    dwp.daemon.send_signal(signal.SIGHUP)
    _told(dwp, lambda: _state(dwp, document) == "receipted", "the document's receipt")
    assert la.inbound("laid", "DWP") == {document: content}
    receipted = [event["consignment"] for event in dwp.events("consignment.receipted")]
    assert receipted == [listed[name]["consignment"], listed[document]["consignment"]]
    book.assert_promises()


def test_partner_that_stalls_stops_no_other(pair: tuple[Site, Site], tmp_path: Path) -> None:
    dwp, la = pair
    other = make_site(tmp_path, "W06000015")
    introduce(dwp, other)
    introduce(other, dwp)
    quicken(other)
    dwp.edit_config("link", answer_timeout=300.0, auth_timeout=300.0)
    la.start()
    other.start()
    try:
        with spoiling_proxy(other.port, Faults(stall_at=1)) as proxy:
            set_port(dwp, other.code, proxy.port)
            dwp.start()
            stuck, content = claim(0, authority=other.code)
            dwp.drop("claim", other.code, stuck, content)
            wait_until(lambda: proxy.connections, SECONDS, "a connection that stalls")
            for index in range(1, 6):
                name, content = claim(index)
                dwp.drop("claim", la.code, name, content)
                _told(dwp, lambda name=name: _state(dwp, name) == "receipted", f"the receipt of {name}")
            assert _state(dwp, stuck) == "sealed"
            assert proxy.connections == 1, "the first attempt is under way all the time"
    finally:
        other.stop()


def _state(site: Site, name: str) -> str | None:
    found = rows(site, "SELECT state FROM transfers WHERE direction = 'out' AND name = ?", name)
    return str(found[0]["state"]) if found else None


def _told(site: Site, condition: object, what: str) -> None:
    try:
        wait_until(condition, SECONDS, what)  # type: ignore[arg-type]  # a callable
    except AssertionError as error:
        raise AssertionError(f"{error}; the log of {site.code} ends\n{site.log_text()[-4000:]}") from None


def _set_limit(site: Site, partner: Site, most: int | None) -> None:
    path = site.home.partners_d / f"{partner.code}.toml"
    line = f"max_bytes_per_second = {most}" if most else "# max_bytes_per_second = 2000000"
    text, count = re.subn(r"(?m)^(# )?max_bytes_per_second = .*$", line, path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(text, encoding="utf-8")
