"""Changing keys through the command line, and taking a partner's new card: real gpg, no gateway running."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.access import opened
from gateway.assembly.stores import key_store
from gateway.cli import main
from gateway.ledger.queries import events
from gateway.linux.caller import Caller, KnownBy
from gateway.settings.check import check
from gateway.settings.home import Home
from gateway.settings.model import KeySettings, Partner
from gateway.settings.read import load
from gateway.settings.write import write_keys
from gateway.transport.keys import read_public_key
from tests.deciding import KEYS

LA = "E09000030"
WHY = ("--reason", "because of the test")


@dataclass(frozen=True)
class Desk:
    """Two sites that know each other, a stranger who calls himself as one of them does, and a command line."""

    dwp: Home
    la: Home
    stranger: Home
    call: Callable[..., tuple[int, str, str]]

    def __call__(self, home: Home, *arguments: str | Path, status: int = 0) -> str:
        """Run a command; what it said on both channels."""
        found, out, err = self.call("--home", home.root, *arguments)
        assert found == status, f"{arguments}: {found}\n{out}\n{err}"
        return out + err

    def card(self, home: Home, **changes: Any) -> Path:
        """The site's card as a file, with fields changed (or, where None, left out) by somebody on the way."""
        _, out, _ = self.call("--home", home.root, "card")
        values = json.loads(out) | changes
        path = home.root.parent / f"{home.root.name}.card.json"
        path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}), "utf-8")
        return path

    def partner(self) -> Partner:
        """DWP as the authority knows it."""
        return load(self.la).partners["DWP"]

    def events(self, home: Home, name: str) -> list[str]:
        with opened(load(home)) as ledger, ledger.read() as connection:
            return [entry.subject for entry in events.chain(connection) if entry.event == name]


@pytest.fixture(scope="module")
def moulds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sites as `init` makes them; tests get copies, for making keys takes a second."""
    root = tmp_path_factory.mktemp("moulds")
    for name, code in (("dwp", "DWP"), ("la", LA), ("stranger", "DWP")):
        assert main(["init", str(root / name), "--site", code, "--sftp", f"127.0.0.1:23{len(name):02d}"]) == 0
    return root


@pytest.fixture
def desk(tmp_path: Path, moulds: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("GATEWAY_HOME", raising=False)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return (status, *capfd.readouterr())

    dwp, la, stranger = (Home(shutil.copytree(moulds / name, tmp_path / name)) for name in ("dwp", "la", "stranger"))
    made = Desk(dwp, la, stranger, call)
    fingerprint = load(made.dwp).openpgp.fingerprint
    made(made.la, "partner", "add", made.card(made.dwp), "--fingerprint", fingerprint)
    made(made.dwp, "partner", "add", made.card(made.la), "--fingerprint", load(made.la).openpgp.fingerprint)
    return made


def test_whoever_changes_a_key_or_a_partner_is_named_with_the_reason(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of `deciding.KEYS`, in an order in which each has something to do."""
    found = Caller(0, 65534, KnownBy.LOGIN_UID)
    monkeypatch.setattr("gateway.administration.requests.actors.caller", lambda *_: found)
    claim = desk.dwp.root.parent / "claim.xml"
    claim.write_bytes(b"<claim/>")
    (submitted,) = json.loads(desk.call("--home", desk.dwp.root, "submit", "claim", LA, claim, "--json")[1])
    letter = desk.dwp.returned / "claim" / LA / "claim.xml.why.txt"
    letter.write_text("wrong")
    later = time.time() + 100 * 86_400
    monkeypatch.setattr("gateway.cli.retention.clock", lambda: later)
    certificate = claim.with_name("stranger.asc")
    certificate.write_text(key_store(desk.stranger.keyrings).export_own(), "ascii")
    fingerprint = load(desk.stranger).openpgp.fingerprint
    given: dict[str, tuple[str | Path, ...]] = {
        "retention": (),
        "partner answer": (LA, "--since", "1h", "--out", claim.with_name("answer")),
        "keys rotate": (),
        "keys confirm": (LA,),
        "keys retire": ("--now",),
        "keys revoke": (),
        "partner add": (desk.card(desk.la),),
        "evidence": (submitted["id"], "--with-payload", "--out", claim.with_name("evidence.zip")),
        "partner add-plain": ("E08000004", certificate, "--name", "Oldham", "--fingerprint", fingerprint),
        "partner revoke": (LA,),
    }
    assert set(given) == set(KEYS)
    for command, arguments in given.items():
        desk(desk.dwp, *command.split(), *arguments, *WHY)
        with opened(load(desk.dwp)) as ledger, ledger.read() as connection:
            last = [entry for entry in events.chain(connection) if entry.event == KEYS[command]][-1]
            reasons = events.reasons_of(connection, [last])
        said = json.loads(last.detail)
        assert (said["actor"], said["account"], said["known_by"]) == ("nobody", "root", "login-uid"), command
        assert (reasons, "reason" in said) == ({last.sequence: WHY[1]}, False), command
    assert desk.events(desk.dwp, "decision.refused") == []


# -- OpenPGP: rotate, and the card that follows from it


def test_new_card_signed_by_the_old_key_is_taken_without_a_telephone_call(desk: Desk) -> None:
    old = load(desk.dwp).openpgp.fingerprint
    desk(desk.dwp, "keys", "rotate", "--overlap", "20", *WHY)
    noted = load(desk.dwp)
    new, until = noted.openpgp.fingerprint, noted.keys.old_openpgp_until
    assert noted.keys.old_openpgp == old != new
    assert "signed by the key" in desk(desk.la, "partner", "add", desk.card(desk.dwp))
    partner = desk.partner()
    assert (partner.fingerprint, partner.old_fingerprint) == (new, old)
    assert partner.old_fingerprint_until == until
    for fingerprint in (new, old):
        assert key_store(desk.la.keyrings).export_partner("DWP", fingerprint)
    assert desk.events(desk.dwp, "key.rotated") == [f"own/{new}"]
    assert desk.events(desk.la, "key.rotated") == [f"DWP/{new}"]
    assert desk.events(desk.la, "partner.added") == [f"DWP/{old}"]
    assert check(desk.la) == check(desk.dwp) == ()
    rows = json.loads(desk.call("--home", desk.la.root, "keys", "list", "--json")[1])
    assert [(row["standing"], row["fingerprint"]) for row in rows if row["owner"] == "DWP"][:2] == [
        ("current", new),
        ("old", old),
    ]


def test_card_that_only_a_stranger_signed_is_refused_under_a_code_of_its_own(desk: Desk) -> None:
    before = (desk.la.partners_d / "DWP.toml").read_text("utf-8")
    for forged in (
        desk.card(desk.stranger),  # his own key, in the partner's name
        desk.card(desk.stranger, before={"ssh_key": None}),
    ):
        said = desk(desk.la, "partner", "add", forged, status=65)
        assert "Call the partner on a number that you know" in said
    # His signature under the name of the key that is pinned.
    theirs = json.loads(desk.card(desk.stranger).read_text("utf-8"))
    (signature,) = theirs["signatures"].values()
    pinned = desk.partner().fingerprint
    desk(desk.la, "partner", "add", desk.card(desk.stranger, signatures={pinned: signature}), status=65)
    # A true card that was changed on its way.
    endpoint = {"host": "203.0.113.9", "port": 22, "user": "gateway", "path": "in"}
    desk(desk.la, "partner", "add", desk.card(desk.dwp, endpoint=endpoint), status=65)
    assert (desk.la.partners_d / "DWP.toml").read_text("utf-8") == before
    assert key_store(desk.la.keyrings).export_partner("DWP", pinned)


def test_card_without_a_signature_takes_a_confirmed_fingerprint_and_ends_the_old_key_at_once(desk: Desk) -> None:
    old = desk.partner().fingerprint
    desk(desk.dwp, "keys", "rotate", *WHY)
    new = load(desk.dwp).openpgp.fingerprint
    bare = {"signatures": None, "issued": None, "before": None}
    desk(desk.la, "partner", "add", desk.card(desk.dwp, **bare), status=64)
    desk(desk.la, "partner", "add", desk.card(desk.dwp, **bare), "--fingerprint", new)
    assert (desk.partner().fingerprint, desk.partner().old_fingerprint) == (new, None)
    # Unless its sysadmin wants an overlap all the same.
    desk(
        desk.la,
        "partner",
        "add",
        desk.card(desk.stranger, **bare),
        "--fingerprint",
        load(desk.stranger).openpgp.fingerprint,
        "--overlap",
        "10",
    )
    assert desk.partner().old_fingerprint == new != old


def test_partner_that_is_introduced_while_a_key_changes_accepts_both(desk: Desk) -> None:
    old = load(desk.dwp).openpgp.fingerprint
    (desk.la.partners_d / "DWP.toml").unlink()
    key_store(desk.la.keyrings).forget("DWP")
    desk(desk.dwp, "keys", "rotate", *WHY)
    new = load(desk.dwp).openpgp.fingerprint
    desk(desk.la, "partner", "add", desk.card(desk.dwp), "--fingerprint", new)
    assert (desk.partner().fingerprint, desk.partner().old_fingerprint) == (new, old)


def test_older_card_is_not_taken_after_a_newer_one(desk: Desk) -> None:
    first = desk.card(desk.dwp).rename(desk.dwp.root.parent / "first.json")
    desk(desk.dwp, "keys", "rotate", "--ssh-client", *WHY)
    issued = json.loads(desk.card(desk.dwp).read_text("utf-8"))["issued"]
    desk(desk.la, "partner", "add", desk.card(desk.dwp))
    toml = desk.la.partners_d / "DWP.toml"
    text = toml.read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith("card_issued"))
    assert line[14:33] >= issued[:19]
    toml.write_text(text.replace(line, "card_issued = 2037-01-01T00:00:00Z"), "utf-8")
    assert "older" in desk(desk.la, "partner", "add", first, status=65)


def test_rotation_is_one_at_a_time_and_its_overlap_longer_than_anything_is_underway(desk: Desk) -> None:
    before = desk.dwp.gateway_toml.read_text("utf-8")
    desk(desk.dwp, "keys", "rotate", "--overlap", "7", *WHY, status=64)
    desk(desk.dwp, "keys", "rotate", "--dry-run", *WHY)
    desk(desk.dwp, "keys", "retire", *WHY, status=65)
    assert desk.dwp.gateway_toml.read_text("utf-8") == before
    assert len(key_store(desk.dwp.keyrings).own_secrets()) == 1
    desk(desk.dwp, "keys", "rotate", "--overlap", "8", *WHY)
    desk(desk.dwp, "keys", "rotate", *WHY, status=69)
    # The rest of the file is as the sysadmin has it, comments and all.
    after = desk.dwp.gateway_toml.read_text("utf-8")
    kept = [line for line in before.splitlines() if not line.startswith("fingerprint")]
    assert [line for line in after.splitlines() if line in kept] == kept


def test_old_key_is_retired_only_when_nobody_needs_it_and_then_it_is_gone(desk: Desk) -> None:
    old = load(desk.dwp).openpgp.fingerprint
    desk(desk.dwp, "keys", "rotate", *WHY)
    assert "accept the old key until" in desk(desk.dwp, "keys", "retire", *WHY, status=69)
    past = desk.dwp.gateway_toml.read_text("utf-8").replace(
        f"old_openpgp_until = {load(desk.dwp).keys.old_openpgp_until:%Y-%m-%d}", "old_openpgp_until = 2026-01-01"
    )
    desk.dwp.gateway_toml.write_text(past, "utf-8")
    assert LA in desk(desk.dwp, "keys", "retire", *WHY, status=69)
    desk(desk.dwp, "keys", "confirm", LA, *WHY)
    assert "may be underway" in desk(desk.dwp, "keys", "retire", *WHY, status=69)
    desk(desk.dwp, "keys", "retire", "--now", "--dry-run", *WHY)
    assert old in key_store(desk.dwp.keyrings).own_secrets()
    desk(desk.dwp, "keys", "retire", "--now", *WHY)
    assert key_store(desk.dwp.keyrings).own_secrets() == (load(desk.dwp).openpgp.fingerprint,)
    assert load(desk.dwp).keys.old_openpgp is None
    assert desk.events(desk.dwp, "key.retired") == [f"own/{old}"]


def test_retiring_that_was_broken_off_is_finished_by_the_next_one(desk: Desk) -> None:
    desk(desk.dwp, "keys", "rotate", *WHY)
    desk(desk.dwp, "keys", "rotate", "--ssh-client", *WHY)
    old = load(desk.dwp).keys.old_openpgp
    # As a power cut leaves it, between the configuration's last word about a key and the end of the key.
    write_keys(desk.dwp, load(desk.dwp).openpgp.fingerprint, KeySettings())
    assert len(key_store(desk.dwp.keyrings).own_secrets()) == 2
    said = desk(desk.dwp, "keys", "retire", *WHY)
    assert f"{old}, SHA256:" in said
    assert key_store(desk.dwp.keyrings).own_secrets() == (load(desk.dwp).openpgp.fingerprint,)
    assert not desk.dwp.old_client_key.exists()
    desk(desk.dwp, "keys", "retire", *WHY, status=65)


# -- revoking


def test_revocation_of_our_key_goes_out_on_the_card_and_the_old_card_is_worth_nothing(desk: Desk) -> None:
    lost, former = load(desk.dwp).openpgp.fingerprint, desk.card(desk.dwp)
    former = former.rename(former.with_name("former.json"))
    desk(desk.dwp, "keys", "revoke", "--dry-run", *WHY)
    assert load(desk.dwp).openpgp.fingerprint == lost
    desk(desk.dwp, "keys", "revoke", *WHY)
    fresh = load(desk.dwp).openpgp.fingerprint
    assert load(desk.dwp).keys.revoked_openpgp == (lost,)
    # What a revoked key signs proves nothing, so somebody has to call.
    desk(desk.la, "partner", "add", desk.card(desk.dwp), status=65)
    desk(desk.la, "partner", "add", desk.card(desk.dwp), "--fingerprint", fresh)
    partner = desk.partner()
    assert (partner.fingerprint, partner.revoked) == (fresh, (lost,))
    assert "revoked here" in desk(desk.la, "partner", "add", former, "--fingerprint", lost, status=65)
    assert desk.events(desk.dwp, "key.revoked") == [f"own/{lost}"]
    desk(desk.dwp, "keys", "retire", "--now", *WHY)
    assert key_store(desk.dwp.keyrings).own_secrets() == (fresh,)
    assert json.loads(desk.card(desk.dwp).read_text("utf-8"))["revoked"], "the revocation is told for good"


def test_partners_key_that_is_revoked_here_holds_its_lane_and_no_card_brings_it_back(desk: Desk) -> None:
    lost = desk.partner().fingerprint
    desk(desk.la, "partner", "revoke", "DWP", "--dry-run", *WHY)
    assert desk.partner().revoked == ()
    desk(desk.la, "partner", "revoke", "DWP", *WHY)
    assert desk.partner().revoked == (lost,)
    (lane,) = json.loads(desk.call("--home", desk.la.root, "status", "--json")[1])["lanes"]
    assert (lane["state"], lane["code"]) == ("held", "crypto-partner-revoked")
    desk(desk.la, "partner", "add", desk.card(desk.dwp), "--fingerprint", lost, status=65)
    desk(desk.la, "partner", "revoke", "DWP", "--fingerprint", "0" * 40, *WHY, status=65)
    assert desk.events(desk.la, "key.revoked") == [f"DWP/{lost}"]


# -- SSH


def test_ssh_keys_change_with_an_overlap_too(desk: Desk) -> None:
    before = desk.partner()
    assert before.endpoint is not None
    for use in ("--ssh-client", "--ssh-host"):
        desk(desk.dwp, "keys", "rotate", use, "--overlap", "5", *WHY)
        desk(desk.dwp, "keys", "rotate", use, *WHY, status=69)
    # sshd shows one host key of a kind, so the two are of different kinds.
    assert read_public_key(desk.dwp.host_key).type != read_public_key(desk.dwp.old_host_key).type
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (desk.dwp.old_client_key, desk.dwp.old_host_key))
    desk(desk.la, "partner", "add", desk.card(desk.dwp))
    partner = desk.partner()
    assert partner.endpoint is not None
    noted = load(desk.dwp).keys
    assert (partner.ssh_key, partner.old_ssh_key) == (read_public_key(desk.dwp.client_key).line, before.ssh_key)
    assert (partner.endpoint.host_key, partner.endpoint.old_host_key) == (
        read_public_key(desk.dwp.host_key).line,
        before.endpoint.host_key,
    )
    assert partner.old_ssh_key_until == noted.old_client_key_until
    assert partner.endpoint.old_host_key_until == noted.old_host_key_until
    assert check(desk.la) == check(desk.dwp) == ()
    for use in ("--ssh-client", "--ssh-host"):
        desk(desk.dwp, "keys", "retire", use, *WHY, status=69)
        desk(desk.dwp, "keys", "retire", use, "--now", *WHY)
    assert not desk.dwp.old_client_key.exists()
    assert not desk.dwp.old_host_key.exists()
    assert "before" not in json.loads(desk.card(desk.dwp).read_text("utf-8"))


def test_ssh_key_of_a_partner_that_is_revoked_logs_in_nowhere(desk: Desk) -> None:
    rows = json.loads(desk.call("--home", desk.la.root, "keys", "list", "--json")[1])
    client, host = (
        next(row["fingerprint"] for row in rows if (row["owner"], row["use"]) == ("DWP", use))
        for use in ("ssh-client", "ssh-host")
    )
    desk(desk.la, "partner", "revoke", "DWP", "--fingerprint", client, *WHY)
    assert desk.partner().ssh_key is None
    desk(desk.la, "partner", "add", desk.card(desk.dwp), status=65)
    desk(desk.la, "partner", "revoke", "DWP", "--fingerprint", host, *WHY)
    assert set(desk.partner().revoked) == {client, host}
    assert "revoked here" in desk(desk.la, "partner", "test", "DWP", status=69)
