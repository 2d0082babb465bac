"""The main job through the command line: a claim goes, is delivered byte for byte, and its receipt comes back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.acceptance.sites import Site, claim, wait_until


def test_dropped_claim_lies_byte_identical_at_the_partner_and_its_receipt_is_here(
    pair_as_installed: tuple[Site, Site],
) -> None:
    dwp, la = pair_as_installed
    name, content = claim()
    dwp.start(by_exec=True)  # as systemd does
    la.start(by_exec=True)
    dwp.drop("claim", la.code, name, content)
    row = dwp.wait_for(name, "receipted")
    assert la.inbound("claim", "DWP") == {name: content}
    told = dwp.home.receipts / "claim" / la.code / f"{name}.receipt.json"
    wait_until(told.exists, what="the receipt in the spool")
    receipt = json.loads(told.read_text())
    assert receipt["sender"] == la.code
    assert receipt["consignment"] == row["consignment"]
    assert [item["outcome"] for item in receipt["items"]] == ["delivered"]
    assert receipt["items"][0]["sha256"] == row["sha256"]
    assert not (dwp.home.outbound / "claim" / la.code / name).exists()
    for site in pair_as_installed:
        site.stop()
        site.gateway("audit", "verify")
        assert list(site.home.custody.iterdir()) == []
        assert list(site.home.opened.iterdir()) == []


def test_until_idle_works_through_what_is_due_and_ends(pair_as_installed: tuple[Site, Site]) -> None:
    dwp, la = pair_as_installed
    name, content = claim()
    la.start()
    dwp.drop("claim", la.code, name, content)
    dwp.run_until_idle()
    la.stop()
    la.run_until_idle()
    dwp.run_until_idle()
    assert la.inbound("claim", "DWP") == {name: content}


def test_stock_tools_open_a_consignment_and_find_the_manifest_first(
    pair_as_installed: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair_as_installed
    name, content = claim()
    # Nobody is at home: the sealed file waits in the queue.
    dwp.drop("claim", la.code, name, content)
    dwp.run_until_idle()
    (sealed,) = (dwp.home.sealed_out / la.code).glob("*.pgp")
    keyring = tmp_path / "gnupg"
    shutil.copytree(la.home.keyrings / "own", keyring, ignore=shutil.ignore_patterns("S.*"))
    keyring.chmod(0o700)
    plain = tmp_path / "plain.zst"
    gpg = ["gpg", "--homedir", str(keyring), "--batch", "-q", "-o", str(plain), "-d", str(sealed)]
    try:
        subprocess.run(gpg, check=False, capture_output=True)  # exits 2: the signer is not in this keyring
        tar = subprocess.run(["zstd", "-dc", str(plain)], check=True, capture_output=True).stdout
        listed = subprocess.run(["tar", "t"], input=tar, check=True, capture_output=True).stdout.decode().split()
    finally:
        subprocess.run(["gpgconf", "--homedir", str(keyring), "--kill", "gpg-agent"], check=False)
    assert listed == ["manifest.json", "payload/0001"]
