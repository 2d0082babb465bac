"""One partner never takes the site down: what its file, its keys or its card say stops its own lane, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.crypto.gnupg.keyrings import Keyrings
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, wait_until
from tests.acceptance.strangers import leave
from tests.fakes.forger import Forger, Payload

SECONDS = 120.0

pytestmark = pytest.mark.timeout(600)
"""A dozen commands and two sites: each start of Python takes seconds on a busy machine."""

NEWCOMER = "E08000004"
LINK = r'(?m)^link = "none"$'


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Forger]:
    forger = Forger(tmp_path / "newcomer", NEWCOMER)
    try:
        yield forger
    finally:
        forger.close()


def add(site: Site, forger: Forger, *arguments: str, check: bool = True) -> Any:
    """Take the card of a partner that has no server, as the wire format allows."""
    card = forger.root / f"{forger.code}.card.json"
    content = json.loads(forger.card())
    card.write_text(json.dumps({**content, "endpoint": None, "host_key": None}), encoding="utf-8")
    forger.learn(site.gateway("card").stdout)
    return site.gateway("partner", "add", card, "--fingerprint", forger.fingerprint, *arguments, check=check)


def file_of(site: Site) -> Path:
    return site.home.partners_d / f"{NEWCOMER}.toml"


def test_card_without_an_endpoint_gets_a_link_that_works_here_and_the_site_runs(
    pair: tuple[Site, Site], newcomer: Forger
) -> None:
    dwp, la = pair
    said = add(dwp, newcomer).stderr
    assert f"Partner {NEWCOMER} " in said
    assert "link none" in said
    assert "The card has no endpoint" in said, "and why"
    assert re.search(LINK, file_of(dwp).read_text("utf-8"))
    assert dwp.gateway("config", "check").returncode == 0
    assert dwp.gateway("doctor").returncode == 0
    for site in pair:
        site.start()
    for code in (NEWCOMER, la.code):
        dwp.drop("claim", code, *claim(0, authority=code))
    dwp.wait_for(claim(0)[0], "receipted", SECONDS)
    out = dwp.home.landing_out(NEWCOMER)
    (sealed,) = wait_until(lambda: list(out.glob("*.pgp")), SECONDS, "the sealed file for the newcomer")
    manifest, _ = newcomer.open(sealed.read_bytes())
    assert [item["name"] for item in manifest["items"]] == [claim(0, authority=NEWCOMER)[0]]
    assert dwp.gateway("reload").returncode == 0
    assert "stopped" not in dwp.gateway("status", check=False).stdout


def test_link_that_cannot_work_is_refused_by_partner_add_and_nothing_is_written(
    pair: tuple[Site, Site], newcomer: Forger
) -> None:
    dwp, _ = pair
    refused = add(dwp, newcomer, "--link", "collect", check=False)
    assert refused.returncode == 78
    assert NEWCOMER in refused.stderr
    assert "os_account" in refused.stderr
    assert not file_of(dwp).exists()
    assert add(dwp, newcomer, "--link", "push", check=False).returncode == 64


def test_partner_collects_where_the_site_has_a_server_of_its_own(pair: tuple[Site, Site], newcomer: Forger) -> None:
    dwp, _ = pair
    dwp.edit_config("sftp_server", managed=False, public_host="sftp.dwp.example")
    assert "link collect" in add(dwp, newcomer).stderr
    assert dwp.gateway("config", "check").returncode == 0


def _rewritten(pattern: str, replacement: str) -> Callable[[Site], None]:
    def spoil(site: Site) -> None:
        text = file_of(site).read_text("utf-8")
        assert re.search(pattern, text)
        file_of(site).write_text(re.sub(pattern, replacement, text, count=1), "utf-8")

    return spoil


def _without_keyring(site: Site) -> None:
    Keyrings(site.home.keyrings).partner_ring(NEWCOMER).unlink()


KINDS: dict[str, tuple[Callable[[Site], None], str]] = {
    "a file that is no TOML": (_rewritten(r"(?m)^name = .*$", 'name = "'), "is not TOML"),
    "a card without an endpoint and a link that cannot work": (_rewritten(LINK, 'link = "collect"'), "os_account"),
    "a missing keyring": (_without_keyring, "has no certificate"),
    "a login key that cannot be read": (_rewritten(r'(?m)^ssh_key = "(\S+) [^"]+"', r'ssh_key = "\1 AAAA"'), "ssh_key"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_fault_of_one_partner_stops_its_lane_alone_until_it_is_mended(
    pair: tuple[Site, Site], newcomer: Forger, kind: str
) -> None:
    dwp, la = pair
    add(dwp, newcomer)
    kept = {path: path.read_bytes() for path in (file_of(dwp), Keyrings(dwp.home.keyrings).partner_ring(NEWCOMER))}
    spoil, word = KINDS[kind]
    spoil(dwp)
    outcome = b"what an authority answered"
    parcel = newcomer.consignment("DWP", [Payload(outcome, name="answer.xml", flow="outcome")])
    waiting = [dwp.drop("claim", NEWCOMER, *claim(0, authority=NEWCOMER)), leave(dwp, newcomer, parcel)]
    answer_file = dwp.home.outcomes / "outcome" / NEWCOMER / "earlier.xml.accepted"
    answer_file.touch()
    waiting.append(answer_file)
    for site in pair:
        site.start()

    # The other partner's files go, and its receipts come.
    dwp.drop("claim", la.code, *claim(0))
    dwp.wait_for(claim(0)[0], "receipted", SECONDS)
    assert la.inbound("claim", "DWP") == dict([claim(0)])

    # Everybody who is asked says which partner, and what is wrong with it.
    (line, *_) = dwp.events("partner.stopped")
    assert (line["level"], line["partner"]) == ("error", NEWCOMER)
    assert word in str(line["reason"])
    for command, status in (("status",), 69), (("config", "check"), 78), (("doctor",), 78), (("reload",), 78):
        said = dwp.gateway(*command, check=False)
        text = " ".join((said.stdout + said.stderr).split())
        assert said.returncode == status, text
        assert f"config/partners.d/{NEWCOMER}.toml" in text, command
        assert word in text, command
    card = dwp.home.root.parent / f"{la.code}.card.json"
    card.write_text(la.gateway("card").stdout, encoding="utf-8")
    added = dwp.gateway("partner", "add", card, "--fingerprint", json.loads(card.read_text())["fingerprint"])
    assert f"config/partners.d/{NEWCOMER}.toml" in added.stderr

    # What belongs to it waits, and is neither returned nor locked away.
    assert [path for path in waiting if not path.exists()] == []
    assert rows(dwp, "SELECT * FROM quarantine") == []
    assert not dwp.events("spool.refused")
    name, content = claim(1, authority=NEWCOMER)
    (newcomer.root / name).write_bytes(content)
    assert dwp.gateway("submit", "claim", NEWCOMER, newcomer.root / name, check=False).returncode == 78

    for path, content in kept.items():
        path.write_bytes(content)
    assert "stopped in the gateway that runs" in dwp.gateway("status", check=False).stdout
    assert dwp.gateway("reload").returncode == 0
    dwp.wait_for(claim(0, authority=NEWCOMER)[0], "sent", SECONDS)
    wait_until(lambda: rows(dwp, "SELECT 1 FROM consignments WHERE direction = 'in'"), SECONDS, "its consignment")
    wait_until(lambda: not answer_file.exists(), SECONDS, "the answer about its file")
    assert [event["partner"] for event in dwp.events("partner.resumed")] == [NEWCOMER]
    assert dwp.stop() == 0


def test_new_fault_does_not_stop_a_partner_that_runs_and_a_revocation_counts_all_the_same(
    pair: tuple[Site, Site], newcomer: Forger
) -> None:
    dwp, la = pair
    add(dwp, newcomer)
    for site in pair:
        site.start()
    good = file_of(dwp).read_text("utf-8")
    file_of(dwp).write_text(good + "[[", "utf-8")
    refused = dwp.gateway("reload", check=False)
    assert refused.returncode == 78
    assert f"config/partners.d/{NEWCOMER}.toml" in refused.stderr
    dwp.drop("claim", NEWCOMER, *claim(0, authority=NEWCOMER))
    dwp.wait_for(claim(0, authority=NEWCOMER)[0], "sent", SECONDS)
    assert not dwp.events("gateway.reloaded")
    dwp.gateway("partner", "revoke", la.code, "--reason", "a laptop was stolen")
    wait_until(lambda: dwp.events("gateway.reloaded"), SECONDS, "the reload")
    assert [event["partner"] for event in dwp.events("partner.stopped")] == [NEWCOMER]
    file_of(dwp).write_text(good, "utf-8")
    assert dwp.gateway("reload").returncode == 0
    assert dwp.stop() == 0


def test_partner_that_is_stopped_when_work_is_under_way_keeps_it_and_the_site_is_idle(
    pair: tuple[Site, Site], newcomer: Forger
) -> None:
    dwp, _ = pair
    add(dwp, newcomer)
    name, content = claim(0, authority=NEWCOMER)
    (newcomer.root / name).write_bytes(content)
    dwp.gateway("submit", "claim", NEWCOMER, newcomer.root / name)
    good = file_of(dwp).read_text("utf-8")
    file_of(dwp).write_text("", "utf-8")
    dwp.run_until_idle(SECONDS)
    assert [row["state"] for row in dwp.rows()] == ["admitted"]
    assert rows(dwp, "SELECT 1 FROM events WHERE event = 'work.deferred'") == []
    assert "the partner is stopped" in dwp.json("transfers")[0]["waits"]
    file_of(dwp).write_text(good, "utf-8")
    dwp.run_until_idle(SECONDS)
    assert [row["state"] for row in dwp.rows()] == ["sent"]
