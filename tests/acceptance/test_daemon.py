"""The daemon as an administrator meets it: stopping, reloading, running twice, failing with clear words; and links by hand."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance import sites
from tests.acceptance.copies import copied_pair
from tests.acceptance.promises import Book
from tests.acceptance.reading import files_below, rows
from tests.acceptance.sites import Site, claim, wait_until
from tests.acceptance.strangers import meet
from tests.fakes.forger import Forger, place
from tests.fakes.sshd_site import current_account
from tests.fakes.sshd_stock import StockSshd, stock_sshd

ROLES = ("inspect", "vault", "link")
Pair = tuple[Site, Site]


@pytest.fixture
def site(pair: Pair) -> Site:
    """A site that is needed alone."""
    return pair[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that runs, for tests that leave it so."""
    with copied_pair(tmp_path_factory.mktemp("running")) as both:
        both[1].start()
        yield both[1]


def logged(site: Site, event: str, count: int = 1) -> list[dict[str, object]]:
    """The log's lines of an event, once there are so many of them."""
    wait_until(lambda: len(site.events(event)) >= count, 90, f"{count} lines of {event}")
    return site.events(event)


# -- stopping


def test_sigterm_and_sigint_end_everything_within_ten_seconds_and_with_status_0(pair: Pair) -> None:
    dwp, la = pair
    for site in pair:
        site.start()
    for index in range(40):
        dwp.drop("claim", la.code, *claim(index, seed=41))
    wait_until(lambda: rows(dwp, "SELECT 1 FROM transfers"), 90, "work in hand")
    for site, number in zip(pair, (signal.SIGTERM, signal.SIGINT), strict=True):
        before = time.monotonic()
        assert site.stop(number) == 0
        assert time.monotonic() - before < 10
        assert {str(event["role"]) for event in site.events("role.stopped")} == set(ROLES)
        assert [event["signal"] for event in site.events("gateway.stopped")] == [number.name]
        assert [site.role(role) for role in (*ROLES, "gateway")] == [None] * 4
        assert not (site.home.sshd / "sshd.pid").exists()
        site.gateway("audit", "verify")
    # What was in hand is finished by the next run.
    for site in pair:
        site.start()
    wait_until(lambda: count_of(dwp, "receipted") == 40, 90, "forty receipts")


def count_of(site: Site, state: str) -> int:
    return int(rows(site, "SELECT count(*) AS n FROM transfers WHERE state = ?", state)[0]["n"])


def test_killed_supervisor_leaves_neither_roles_nor_server_nor_key_agent_behind(pair: Pair) -> None:
    dwp, la = pair
    dwp.start(by_exec=True)  # then its processes name the site in their command lines
    dwp.drop("claim", la.code, *claim(0, seed=43))  # sealing it needs the key agent
    wait_until(lambda: count_of(dwp, "sealed"), 90, "a sealed claim")
    assert dwp.daemon is not None
    roles = [pid for pid in map(dwp.role, ROLES) if pid is not None]
    server = int((dwp.home.sshd / "sshd.pid").read_text())
    dwp.daemon.kill()
    dwp.daemon.wait()
    dwp.daemon = None
    for pid in (*roles, server):
        wait_until(partial(has_ended, pid), 90, f"the end of {pid}")
    assert {str(event["role"]) for event in dwp.events("role.stopped")} == set(ROLES)
    assert not any(gone_astray(dwp))


def has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def gone_astray(site: Site) -> Iterator[str]:
    """Command lines of processes that name the site's directory."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(site.home.root) in command:
                yield command.decode(errors="replace")


# -- what the roles give up, and secrets that are not closed


def test_roles_say_what_they_gave_up_and_inspect_and_vault_have_no_network(running: Site) -> None:
    said = {str(line["role"]): line["measures"] for line in logged(running, "role.confined", 3)}
    network = {role: measures[0] for role, measures in said.items() if isinstance(measures, list)}
    assert network == {"inspect": "no network", "vault": "no network", "link": "network open"}
    for role in ROLES:
        status = Path(f"/proc/{running.role(role)}/status").read_text(encoding="ascii")
        assert "NoNewPrivs:\t1" in status
        assert ("Seccomp:\t2" in status) == (role != "link")


@pytest.mark.parametrize(
    ("role", "secret", "mode"),
    [
        ("link", "ssh/client_key", 0o644),
        ("link", "ssh/client_key", 0o640),
        ("vault", "keyrings/own/private-keys-v1.d", 0o750),
        ("vault", "keyrings", 0o755),
    ],
)
def test_role_does_not_start_with_a_secret_that_others_can_read(site: Site, role: str, secret: str, mode: int) -> None:
    path = site.home.state / secret
    path.chmod(mode)
    done = site.gateway("run", "--role", role, check=False)
    assert done.returncode == 78
    assert "secret-exposed" in done.stderr
    assert f"state/{secret}: its mode is {mode:04o}" in done.stderr
    assert "chmod 600" in done.stderr  # the remedy
    assert site.role(role) is None


def test_doctor_refuses_a_client_key_that_others_can_read_and_names_the_network_of_roles(site: Site) -> None:
    site.home.client_key.chmod(0o644)
    done = site.gateway("doctor", "--json", check=False)
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode in {69, 78}
    assert found["permissions"]["outcome"] == "fail"
    assert "ssh/client_key" in found["permissions"]["message"]
    assert found["network of roles"]["outcome"] == "ok"


def test_client_key_may_be_a_credential_of_systemd(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dwp, la = pair
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    dwp.home.client_key.rename(credentials / "client_key")
    monkeypatch.setitem(sites.ENVIRONMENT, "CREDENTIALS_DIRECTORY", str(credentials))
    dwp.start()
    monkeypatch.delitem(sites.ENVIRONMENT, "CREDENTIALS_DIRECTORY")
    la.start()
    name, content = claim(0, seed=45)
    dwp.drop("claim", la.code, name, content)
    dwp.wait_for(name, "receipted", 90)


# -- roles that die, and a second daemon


def test_role_that_dies_is_started_again_and_both_are_said(running: Site) -> None:
    site = running
    first = site.role("vault")
    site.kill("vault")
    died = logged(site, "role.died")[0]
    assert (died["level"], died["reason"], died["exit_status"]) == ("error", "vault ended", -9)
    assert "vault" in str(logged(site, "role.restarted")[0]["reason"])
    wait_until(lambda: site.role("vault") not in {None, first}, 90, "another vault")
    others = {str(event["role"]) for event in site.events("role.stopped")}
    assert others == set()


def test_second_run_at_one_site_is_refused_with_69_and_the_first_goes_on(running: Site) -> None:
    site = running
    before = wait_until(lambda: all(map(site.role, ROLES)) and [site.role(role) for role in ROLES], 90, "its roles")
    second = site.gateway("run", check=False)
    assert second.returncode == 69
    assert f"already runs here, as process {site.role('gateway')}" in second.stderr
    assert "what to do:" in second.stderr
    alone = site.gateway("run", "--role", "vault", check=False)
    assert alone.returncode == 69
    assert [site.role(role) for role in ROLES] == before


# -- reloading


def test_sighup_takes_over_a_new_partner_and_work_goes_on(pair: Pair, tmp_path: Path) -> None:
    dwp, la = pair
    for site in pair:
        site.start()
    newcomer = Forger(tmp_path / "newcomer", "E08000004")
    try:
        meet(dwp, newcomer)
        old = [dwp.role(role) for role in ROLES]
        hang_up(dwp)
        assert logged(dwp, "gateway.reloaded")[0]["count"] == 2
        wait_until(
            lambda: all(dwp.role(role) not in {None, pid} for role, pid in zip(ROLES, old, strict=True)),
            30,
            "new roles",
        )
        name, content = claim(0, seed=51, authority=newcomer.code)
        dwp.drop("claim", newcomer.code, name, content)
        out = dwp.home.landing_out(newcomer.code)
        wait_until(lambda: list(out.glob("*.pgp")), 90, "its consignment")
        manifest, _ = newcomer.open(next(out.glob("*.pgp")).read_bytes())
        assert [item["name"] for item in manifest["items"]] == [name]
        dwp.drop("claim", la.code, *claim(1, seed=51))
        wait_until(lambda: count_of(dwp, "receipted") == 1, 90, "a receipt from the old partner")
        assert len(dwp.events("server.started")) == 1
        assert dwp.stop() == 0
    finally:
        newcomer.close()


def hang_up(site: Site) -> None:
    assert site.daemon is not None
    site.daemon.send_signal(signal.SIGHUP)


BREAKAGES = (
    ("gateway.toml", r"\[limits\]\n", "[limits]\nconsignement_files = 3\n"),
    ("gateway.toml", r"\[limits\]", "[limits"),
    # A partner that would have to collect from us, and has no account of its own for that: no server would start.
    ("partners.d/DWP.toml", r'(?ms)^link = "push"(.*)^\[endpoint\].*', r'link = "collect"\1'),
)


def test_reload_of_a_broken_configuration_is_refused_and_the_old_one_goes_on(pair: Pair) -> None:
    dwp, la = pair
    for site in pair:
        site.start()
    before = [la.role(role) for role in ROLES]
    for number, (name, old, new) in enumerate(BREAKAGES, 1):
        path = la.home.config / name
        text = path.read_text(encoding="utf-8")
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text), encoding="utf-8")
        hang_up(la)
        refused = logged(la, "gateway.reload-refused", number)[-1]
        assert refused["level"] == "error"
        assert refused["reason"]
        assert refused["remedy"]
        path.write_text(text, encoding="utf-8")
    dwp.drop("claim", la.code, *claim(0, seed=53))
    wait_until(lambda: count_of(dwp, "receipted") == 1, 90, "a receipt")
    assert [la.role(role) for role in ROLES] == before
    assert len(la.events("server.started")) == 1
    hang_up(la)
    logged(la, "gateway.reloaded")
    assert la.stop() == 0


# -- what keeps it from starting


def test_broken_configuration_ends_the_run_with_78_and_every_fault_with_file_and_line(site: Site) -> None:
    text = site.home.gateway_toml.read_text(encoding="utf-8")
    text = text.replace("[limits]\n", "[limits]\nconsignement_files = 3\nreceive_bytes = true\n")
    text = re.sub(r"(?m)^receive_bytes = \d+\n", "", text)
    site.home.gateway_toml.write_text(text, encoding="utf-8")
    done = site.gateway("run", check=False)
    assert done.returncode == 78
    assert re.search(r"gateway\.toml.*\d+.*consignement_files", done.stderr)
    assert re.search(r"gateway\.toml.*\d+.*receive_bytes", done.stderr)
    assert "Traceback" not in done.stderr


def test_site_that_is_not_there_ends_the_run_with_78(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "gateway", "--home", str(tmp_path / "nowhere"), "run"]
    done = subprocess.run(command, capture_output=True, text=True, env=sites.ENVIRONMENT, check=False, timeout=60)
    assert done.returncode == 78
    assert "nowhere" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_missing_ledger_ends_the_run_with_78_and_is_not_made_anew(site: Site) -> None:
    for path in site.home.ledger.parent.iterdir():
        path.unlink()
    done = site.gateway("run", check=False)
    assert done.returncode == 78
    assert f"there is no ledger at {site.home.ledger}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not site.home.ledger.exists()


@pytest.mark.parametrize("damage", ["overwritten", "emptied", "cut"])
def test_corrupt_ledger_ends_the_run_and_says_so(site: Site, damage: str) -> None:
    content = site.home.ledger.read_bytes()
    damaged = {
        "overwritten": b"This is no ledger at all. " * 4000,
        "emptied": b"",
        "cut": content[: len(content) // 2],
    }[damage]
    for path in site.home.ledger.parent.iterdir():
        path.unlink()
    site.home.ledger.write_bytes(damaged)
    done = site.gateway("run", check=False)
    assert done.returncode == 70
    assert "error: " in done.stderr
    assert "restore the last backup" in done.stderr
    assert "Traceback" not in done.stderr
    assert site.home.ledger.read_bytes() == damaged
    alone = site.gateway("run", "--role", "inspect", check=False)
    assert alone.returncode == 70
    assert "ledger-corrupt" in alone.stderr


def test_taken_port_ends_the_run_with_69_and_names_it(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        done = site.gateway("run", check=False)
    assert done.returncode == 69
    assert "Address already in use" in done.stderr
    assert [site.role(role) for role in ROLES] == [None] * 3


# -- links without a push


def change_partner(site: Site, partner: str, old: str, new: str) -> None:
    path = site.home.partners_d / f"{partner}.toml"
    text = path.read_text(encoding="utf-8")
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text), encoding="utf-8")


def test_sites_without_any_link_exchange_files_that_a_person_carries(pair: Pair) -> None:
    dwp, la = pair
    book = Book(pair)
    for site, other in (pair, pair[::-1]):
        change_partner(site, other.code, r'link = "push"', 'link = "none"')
        site.start()
    for index in range(3):
        book.drop(dwp, "claim", la.code, *claim(index, seed=61))
    sealed = wait_until(lambda: waiting(dwp, la, 3), 90, "sealed files for carriage")
    for path in sealed:
        place(la.home.landing_in(dwp.code), path.name, path.read_bytes())
    receipts = wait_until(lambda: waiting(la, dwp, len(sealed)), 90, "receipts for carriage")
    assert all(path.name.endswith(".receipt.pgp") for path in receipts)
    for path in receipts:
        place(dwp.home.landing_in(la.code), path.name, path.read_bytes())
    wait_until(lambda: count_of(dwp, "receipted") == 3, 90, "three receipts")
    book.assert_promises()


def waiting(site: Site, other: Site, transfers: int) -> list[Path]:
    """What waits for carriage to the other, once so many transfers, or receipts, are out."""
    found = sorted(site.home.landing_out(other.code).glob("*.pgp"))
    carried = count_of(site, "sent") if found and not found[0].name.endswith(".receipt.pgp") else len(found)
    return found if carried >= transfers else []


def test_site_that_may_not_be_connected_to_collects_and_answers_itself(pair: Pair, tmp_path: Path) -> None:
    """DWP has no way to reach the authority: the authority fetches from DWP's `out`, and brings its receipts to `in`."""
    dwp, la = pair
    book = Book(pair)
    with stock_sshd(tmp_path / "server") as server:
        # The authority's files for DWP land at an ordinary server, whose directories are those of DWP's landing.
        change_partner(dwp, la.code, r'link = "push"', 'link = "none"')
        use_directories(server, dwp, la)
        change_partner(la, dwp.code, r'link = "push"', 'link = "collect"')
        change_partner(la, dwp.code, r"(?m)^port = \d+", f"port = {server.port}")
        change_partner(la, dwp.code, r'(?m)^user = ".*"', f'user = "{current_account()}"')
        change_partner(la, dwp.code, r'(?m)^host_key = ".*"', f'host_key = "{server.host_key.line}"')
        for suffix in ("", ".pub"):
            key = la.home.client_key.with_name(f"{la.home.client_key.name}{suffix}")
            key.unlink()
        la.home.client_key.write_bytes(server.client_key.read_bytes())
        la.home.client_key.chmod(0o600)
        la.home.client_key.with_suffix(".pub").write_text(f"{public_line(server)}\n", encoding="ascii")
        la.edit_config("link", collect_seconds=0.5)
        for site in pair:
            site.start()
        for index in range(3):
            book.drop(dwp, "claim", la.code, *claim(index, seed=67))
        wait_until(lambda: count_of(dwp, "receipted") == 3, 60, "three receipts")
        assert len(la.inbound("claim", "DWP")) == 3
        wait_until(lambda: not list(files_below(dwp.home.landing)), 90, "an empty landing")
        book.assert_promises()
        for site in pair:
            assert site.stop() == 0


def use_directories(server: StockSshd, site: Site, partner: Site) -> None:
    """Let a login at the server see the site's landing for a partner."""
    for name in ("in", "out"):
        (server.login / name).rmdir()
        (server.login / name).symlink_to(site.home.landing / partner.code / name)


def public_line(server: StockSshd) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(server.client_key)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
