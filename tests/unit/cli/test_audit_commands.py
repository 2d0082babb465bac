"""`gateway audit verify`: from an anchor on, and what `gateway status` tells of the last audit."""

from __future__ import annotations

import shutil

from gateway.errors import ChainBroken
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run


def test_an_audit_is_on_record_where_it_is_asked_for_and_the_next_one_goes_on_from_it(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    pair.work()
    assert run(site, "status", "--json").data["audit"] is None
    assert run(site, "audit", "verify", "--since", "last").status == 64
    assert run(site, "audit", "verify").status == 0
    assert not site.home.audit.exists()
    whole = run(site, "audit", "verify", "--record", "--json").data
    assert (whole["ok"], whole["since"]) == (True, 0)
    told = run(site, "status", "--json").data["audit"]
    assert (told["since"], told["events"], told["faults"]) == (0, whole["events"], 0)
    assert f"as far as event {whole['events']}, no faults" in run(site, "status").out
    site.submit("b.xml", b"claim b")
    pair.work()
    site.sql("UPDATE transfers SET reference = 'other' WHERE name = 'a.xml'")
    assert run(site, "audit", "verify", "--record", "--since", "last", "--json").data["since"] == whole["events"]
    assert run(site, "status", "--json").data["audit"]["events"] > whole["events"]
    spoilt = run(site, "audit", "verify", "--record", "--json")
    assert (spoilt.status, len(spoilt.data["faults"])) == (ChainBroken.exit_status, 1)
    status = run(site, "status")
    assert (status.status, "found 1 fault: `gateway audit verify`" in status.out) == (69, True)
    assert run(site, "audit", "verify", "--since", "last").status == 64, "no audit goes on from a faulty one"


def test_an_anchor_is_an_event_of_this_chain(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    known = run(site, "audit", "verify", "--json").data
    anchor = f"{known['events']}:{known['head']}"
    assert f"anchor of this audit: {anchor}" in run(site, "audit", "verify").err
    assert run(site, "audit", "verify", "--since", anchor).status == 0
    for wrong in (
        "yesterday",
        "0:" + known["head"],
        f"{known['events']}:ff",
        f"{known['events']}:{known['head'].upper()}",
    ):
        assert run(site, "audit", "verify", "--since", wrong).status == 64, wrong
    for other in (f"{known['events']}:{'f' * 64}", f"{known['events'] + 5}:{known['head']}"):
        found = run(site, "audit", "verify", "--since", other, "--json")
        assert found.status == ChainBroken.exit_status
        assert any(fault["subject"] == "--since" for fault in found.data["faults"])


def test_an_audit_needs_no_key_and_no_spool(pair: Pair, run: Run) -> None:
    """The nightly one sees neither: `systemd/gateway-audit.service` hides them."""
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    pair.work()
    for hidden in (
        site.home.keyrings,
        site.home.ssh,
        site.home.sshd,
        site.home.logins,
        site.home.spool,
        site.home.landing,
    ):
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(mode=0o000)
    assert run(site, "audit", "verify", "--record").status == 0
