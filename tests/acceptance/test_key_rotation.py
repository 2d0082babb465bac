"""Keys that change while files go both ways: nothing is lost, nothing is locked away, and nothing is taken on trust."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from gateway.assembly.stores import key_store
from gateway.ledger.queries import quarantine
from gateway.ledger.queries.keys import unconfirmed
from gateway.ledger.store import Ledger
from gateway.sample.extract import ExtractSampler
from gateway.settings.model import Settings
from gateway.settings.read import load
from gateway.settings.resources import resource
from gateway.transport.keys import read_public_key
from tests.acceptance.sites import Site, claim, two_sites, wait_until

pytestmark = pytest.mark.timeout(900)  # a dozen commands and as many restarts of roles: minutes on a busy machine

LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    with two_sites(tmp_path) as made:
        for site in made:
            site.edit_config("flows.extract", settle_seconds=0.0, volume_band_percent=0)
            site.edit_config("flows.claim", settle_seconds=0.0)
        yield made


def settings(site: Site) -> Settings:
    return load(site.home)


def waits_for(site: Site) -> list[str]:
    """The partners that have not shown that they know the site's new key."""
    ledger = Ledger(site.home.ledger, clock=time.time, role="test")
    try:
        with ledger.read() as connection:
            return unconfirmed(connection, settings(site))
    finally:
        ledger.close()


def locked_away(site: Site) -> list[str]:
    """The codes of what lies in quarantine."""
    ledger = Ledger(site.home.ledger, clock=time.time, role="test")
    try:
        with ledger.read() as connection:
            return [row.code for row in quarantine.quarantined(connection)]
    finally:
        ledger.close()


def take_card(site: Site, of: Site, *arguments: str) -> str:
    """Let a site take another's card as it is now, and reload; what the command said."""
    card = of.home.root.parent / f"{of.code}.new.json"
    card.write_text(of.gateway("card").stdout, encoding="utf-8")
    said = site.gateway("partner", "add", card, *arguments).stderr
    site.gateway("reload")
    return said


class Traffic:
    """Files in both directions, each with a number of its own."""

    def __init__(self, dwp: Site, la: Site) -> None:
        self.sites = dwp, la
        self.sent: list[tuple[Site, str]] = []

    def drop(self) -> None:
        """One file each way."""
        (dwp, la), index = self.sites, len(self.sent)
        name, content = claim(index, seed=77)
        dwp.drop("claim", la.code, name, content)
        table = ExtractSampler(resource("schemas"), rows=40).make(
            sender=la.code, recipient="DWP", index=index, random=random.Random(index), today=date(2026, 11, 22)
        )
        back = f"{index}-{table.name}"
        la.drop("extract", "DWP", back, table.content)
        self.sent += [(dwp, name), (la, back)]

    def arrived(self) -> None:
        """All that was dropped is receipted, and nobody has locked anything away."""
        for site, name in self.sent:
            site.wait_for(name, "receipted", 240)
        for site in self.sites:
            assert locked_away(site) == []
            assert {row["state"] for row in site.rows()} <= {"receipted", "delivered"}


def test_both_ends_change_their_keys_under_traffic_and_nothing_is_lost_or_locked_away(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    traffic = Traffic(dwp, la)
    old = {site.code: settings(site).openpgp.fingerprint for site in pair}
    for site in pair:
        site.start()
    for site in pair:
        traffic.drop()
        site.gateway("keys", "rotate")
    new = {site.code: settings(site).openpgp.fingerprint for site in pair}
    traffic.drop()
    traffic.arrived()
    # Nobody knows a new key yet: the old ones have signed, also what was sealed after the change.
    assert [waits_for(site) for site in pair] == [[LA], ["DWP"]]
    for site, other in ((la, dwp), (dwp, la)):
        traffic.drop()
        # Nobody reads a fingerprint out: the card is signed by the key that is pinned.
        assert "signed by the key" in take_card(site, other)
        pins = settings(site).partners[other.code]
        assert (pins.fingerprint, pins.old_fingerprint) == (new[other.code], old[other.code])
        traffic.drop()
    traffic.arrived()
    for site in pair:
        wait_until(lambda site=site: waits_for(site) == [], 120, "the first use of the new key")  # type: ignore[misc]  # the loop's own site
    refused = dwp.gateway("keys", "retire", check=False)
    assert (refused.returncode, settings(dwp).keys.old_openpgp) == (69, old["DWP"]), refused.stderr
    traffic.drop()
    for site in pair:
        site.gateway("keys", "retire", "--now")
        assert settings(site).keys.old_openpgp is None
        assert key_store(site.home.keyrings).own_secrets() == (new[site.code],)
    traffic.arrived()
    for site in pair:
        site.gateway("audit", "verify")
        told = [event["event"] for event in site.events() if event["event"].startswith("key.")]
        assert told.count("key.confirmed") == 1


@pytest.mark.torture
def test_ssh_keys_change_between_running_sites_before_and_after_the_partner_has_the_card(
    pair: tuple[Site, Site],
) -> None:
    dwp, la = pair
    traffic = Traffic(dwp, la)
    for site in pair:
        site.start()
    # Both of DWP's: it logs in with one, and the authority knows its server by the other.
    for use in ("--ssh-client", "--ssh-host"):
        dwp.gateway("keys", "rotate", use)
    traffic.drop()
    traffic.arrived()
    assert "signed by the key" in take_card(la, dwp)
    traffic.drop()
    traffic.arrived()
    # Now without the old ones: no login and no server key but the new.
    for use in ("--ssh-client", "--ssh-host"):
        dwp.gateway("keys", "retire", use, "--now")
    assert not dwp.home.old_client_key.exists()
    assert dwp.home.sshd.joinpath("sshd_config").read_text().count("HostKey ") == 1
    traffic.drop()
    traffic.arrived()
    shown = la.json("partner", "test", "DWP")
    assert shown["host_key"] == read_public_key(dwp.home.host_key).fingerprint
    assert not [event for site in pair for event in site.events("lane.held")]


def test_revoked_key_is_worth_nothing_at_once_and_a_new_card_brings_back_the_work(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    traffic = Traffic(dwp, la)
    for site in pair:
        site.start()
    traffic.drop()
    traffic.arrived()
    # The telephone rings at the authority: DWP's key was stolen.
    la.gateway("partner", "revoke", "DWP", "--reason", "their incident 12")
    traffic.drop()
    _, back = traffic.sent[-1]
    wait_until(lambda: locked_away(la) == ["signer-revoked"], 120, "the refusal of what the stolen key signed")
    la.wait_for(back, "validated", 120)  # as far as it gets: nothing is packed for a lane that is held
    (lane,) = json.loads(la.gateway("status", "--json", check=False).stdout)["lanes"]
    assert (lane["state"], lane["code"]) == ("held", "crypto-partner-revoked")
    assert len(la.inbound("claim", "DWP")) == 1
    # And DWP makes itself another one; towards a partner that does not know it, nothing is signed.
    dwp.gateway("keys", "revoke", "--reason", "incident 12")
    name, content = claim(99, seed=77)
    dwp.drop("claim", LA, name, content)
    wait_until(
        lambda: "crypto-key-unconfirmed" in {event["code"] for event in dwp.events("work.deferred")},
        120,
        "the wait for the partner to know the new key",
    )
    take_card(la, dwp, "--fingerprint", settings(dwp).openpgp.fingerprint)
    la.gateway("release", "DWP", "--reason", "new key confirmed by telephone")
    la.wait_for(back, "receipted", 240)
    dwp.wait_for(name, "receipted", 240)
    assert locked_away(la) == ["signer-revoked"]
    assert locked_away(dwp) == []
