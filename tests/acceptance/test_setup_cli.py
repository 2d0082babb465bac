"""Setting up sites through the command line: init, card, partner, config check, doctor, and how commands end."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
import jsonschema
import pytest

from gateway.cli import COMMANDS, gateway, main
from gateway.cli.output import in_fours
from gateway.settings.home import Home
from gateway.settings.read import load
from gateway.settings.resources import resource
from tests.acceptance.called import Run
from tests.acceptance.sites import ENVIRONMENT, Site, wait_until

LA = "E09000030"


@pytest.fixture(scope="session")
def moulds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sites as `init` makes them; tests get copies, for making keys takes a second."""
    root = tmp_path_factory.mktemp("moulds")
    assert main(["init", str(root / "dwp"), "--site", "DWP", "--sftp", "127.0.0.1:2301"]) == 0
    named = ["--site", LA, "--name", 'Cyngor "Ynys" Môn', "--sftp", "127.0.0.1:2302"]
    assert main(["init", str(root / "la"), *named]) == 0
    return root


@pytest.fixture
def dwp(tmp_path: Path, moulds: Path) -> Home:
    return Home(shutil.copytree(moulds / "dwp", tmp_path / "dwp"))


@pytest.fixture
def la(tmp_path: Path, moulds: Path) -> Home:
    return Home(shutil.copytree(moulds / "la", tmp_path / "la"))


@pytest.fixture
def card(tmp_path: Path, la: Home, run: Run) -> Path:
    """The authority's card."""
    path = tmp_path / "la.card.json"
    path.write_text(run("--home", la.root, "card").out, "utf-8")
    return path


def fingerprint(card: Path) -> str:
    return str(json.loads(card.read_text("utf-8"))["fingerprint"])


def altered(card: Path, **changes: Any) -> Path:
    path = card.with_name("altered.json")
    path.write_text(json.dumps(json.loads(card.read_text("utf-8")) | changes), "utf-8")
    return path


RECORD: Final = ("ledger", "ledger-head")
"""Where a refused attempt is recorded."""


def everything(root: Path, *aside: str) -> dict[str, bytes | None]:
    """Every path below, with its bytes; locks and the like of GnuPG aside, and what is in directories of these names."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if not {"keyrings", *aside} & {*path.parts}
    }


# -- init


def test_init_makes_a_complete_site_that_only_its_owner_can_look_into(dwp: Home, run: Run) -> None:
    assert run("--home", dwp.root, "config", "check").status == 0
    checked = run("--home", dwp.root, "doctor", "--json")
    assert checked.status == 0, checked.out
    assert {check["outcome"] for check in checked.json} <= {"ok", "warn"}
    for path in dwp.state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(dwp.config.stat().st_mode) == 0o750
    assert stat.S_IMODE(dwp.gateway_toml.stat().st_mode) == 0o640
    assert (dwp.spool / "README.md").read_bytes() == (resource("spool") / "README.md").read_bytes()
    assert dwp.ledger.is_file()


def test_init_says_nothing_on_stdout_and_names_the_port_on_stderr(tmp_path: Path, run: Run) -> None:
    made = run("init", tmp_path / "a", "--site", "4220")
    assert (made.status, made.out) == (0, "")
    port = load(Home(tmp_path / "a")).sftp_server.port
    assert port >= 2222
    assert f"127.0.0.1 port {port}" in made.err


def test_init_never_touches_a_directory_that_holds_something(dwp: Home, tmp_path: Path, run: Run) -> None:
    before = everything(dwp.root)
    assert run("init", dwp.root, "--site", LA).status == 64
    assert everything(dwp.root) == before
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    assert run("init", full, "--site", LA).status == 64
    assert everything(full) == {"thesis.txt": b"mine"}


def test_init_takes_an_empty_directory_and_what_a_killed_init_left_in_it(tmp_path: Path, run: Run) -> None:
    home = tmp_path / "given"
    (home / ".init-killed" / "state").mkdir(parents=True)
    assert run("init", home, "--site", "DWP").status == 0
    assert sorted(path.name for path in home.iterdir()) == ["config", "landing", "spool", "state"]


@pytest.mark.parametrize("given", [True, False])
def test_a_failed_init_leaves_nothing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:  # noqa: FBT001  # a parameter
    home = tmp_path / "site"
    if given:
        home.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    failed = run("init", home, "--site", "DWP")
    assert failed.status == 69, failed.err
    assert "apt-get install gnupg" in failed.err
    assert list(tmp_path.rglob("*")) == ([home] if given else [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--site", "dwp"],
        ["--site", "../up"],
        ["--site", "DWP", "--name", "two\nlines"],
        ["--site", "DWP", "--sftp", "host:port"],
        ["--site", "DWP", "--sftp", "127.0.0.1:99999"],
        ["--site", "DWP", "--sftp", "192.0.2.1"],
        ["--site", "DWP", "--key-days", "0"],
        [],
    ],
)
def test_init_refuses_what_it_cannot_make(tmp_path: Path, run: Run, arguments: list[str]) -> None:
    assert run("init", tmp_path / "site", *arguments).status == 64
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_a_path_that_openssh_cannot_serve(tmp_path: Path, run: Run) -> None:
    assert run("init", tmp_path / "my site", "--site", "DWP").status == 64
    assert list(tmp_path.iterdir()) == []


# -- card and partner


def test_a_card_follows_the_published_schema_and_holds_no_secret(card: Path, la: Home) -> None:
    shown = json.loads(card.read_text("utf-8"))
    jsonschema.validate(shown, json.loads((resource("schemas") / "card.schema.json").read_text("utf-8")))
    assert "PRIVATE" not in card.read_text("utf-8")
    assert shown["name"] == 'Cyngor "Ynys" Môn'
    assert shown["fingerprint"] == load(la).openpgp.fingerprint
    assert shown["endpoint"]["port"] == 2302


def test_a_card_names_the_public_address_where_one_is_set(la: Home, run: Run) -> None:
    text = la.gateway_toml.read_text("utf-8")
    la.gateway_toml.write_text(text.replace("# public_", "public_"), "utf-8")
    assert run("--home", la.root, "card").json["endpoint"] | {"user": ""} == {
        "host": "gateway.example.gov.uk",
        "port": 22,
        "user": "",
        "path": "in",
    }


def test_a_confirmed_partner_gets_its_file_certificate_and_directories(dwp: Home, card: Path, run: Run) -> None:
    read_out = in_fours(fingerprint(card)).lower()
    added = run("--home", dwp.root, "partner", "add", card, "--fingerprint", read_out)
    assert added.status == 0, added.err
    partner = load(dwp).partners[LA]
    assert (partner.link, partner.fingerprint, partner.flows_out) == ("push", fingerprint(card), None)
    for flow in ("laid", "claim", "referral"):
        for tree in (dwp.outbound, dwp.returned, dwp.receipts):
            assert (tree / flow / LA).is_dir()
    assert (dwp.inbound / "extract" / LA).is_dir()
    assert dwp.landing_in(LA).is_dir()
    assert run("--home", dwp.root, "doctor").status == 0
    listed = run("--home", dwp.root, "partner", "list", "--json").json
    assert [(row["code"], row["flows_in"]) for row in listed] == [
        (LA, ["outcome", "extract", "enquiry", "reply", "statement"])
    ]
    assert in_fours(fingerprint(card)) in run("--home", dwp.root, "partner", "list").out


def test_a_card_comes_by_standard_input_too(dwp: Home, card: Path) -> None:
    done = Site(dwp.root, "DWP", 0).gateway(
        "partner", "add", "-", "--fingerprint", fingerprint(card), stdin=card.read_text("utf-8")
    )
    assert "is added" in done.stderr


def test_a_card_whose_fingerprint_is_another_is_refused_and_changes_nothing(dwp: Home, card: Path, run: Run) -> None:
    before = everything(dwp.root, *RECORD)
    refused = run("--home", dwp.root, "partner", "add", card, "--fingerprint", "0" * 40)
    assert refused.status == 65
    assert everything(dwp.root, *RECORD) == before


def test_nobody_to_ask_means_no_partner(dwp: Home, card: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(dwp.root, *RECORD)
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert run("--home", dwp.root, "partner", "add", card).status == 64
    assert everything(dwp.root, *RECORD) == before


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 65), ("\n", 65)])
def test_a_person_is_shown_the_fingerprint_in_fours_and_asked(dwp: Home, card: Path, answer: str, status: int) -> None:
    outer, inner = os.openpty()
    command = [sys.executable, "-P", "-m", "gateway", "--home", str(dwp.root), "partner", "add", str(card)]
    try:
        os.write(outer, answer.encode())
        done = subprocess.run(command, stdin=inner, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    finally:
        os.close(outer)
        os.close(inner)
    assert in_fours(fingerprint(card)) in done.stderr
    assert done.returncode == status, done.stderr
    assert (dwp.partners_d / f"{LA}.toml").exists() is (status == 0)


def test_a_card_that_contradicts_itself_is_refused(dwp: Home, card: Path, run: Run) -> None:
    own = json.loads(run("--home", dwp.root, "card").out)
    for changes in (
        {"openpgp": own["openpgp"]},
        {"openpgp": own["openpgp"], "fingerprint": own["fingerprint"]},
        {"site": "DWP"},
        {"ssh_key": f"{own['ssh_key']}\n{own['ssh_key']}"},
        {"openpgp": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"},
    ):
        path = altered(card, **changes)
        refused = run("--home", dwp.root, "partner", "add", path, "--fingerprint", fingerprint(path))
        assert refused.status == 65, changes
    assert load(dwp).partners == {}


def test_two_partners_cannot_have_the_same_keys(dwp: Home, card: Path, run: Run) -> None:
    assert run("--home", dwp.root, "partner", "add", card, "--fingerprint", fingerprint(card)).status == 0
    twin = altered(card, site="E09000031")
    assert run("--home", dwp.root, "partner", "add", twin, "--fingerprint", fingerprint(twin)).status == 65
    assert list(load(dwp).partners) == [LA]


def test_adding_a_partner_again_shows_the_change_and_keeps_what_was_decided(dwp: Home, card: Path, run: Run) -> None:
    add = ("--home", dwp.root, "partner", "add")
    confirmed = ("--fingerprint", fingerprint(card))
    assert run(*add, card, *confirmed, "--link", "none", "--flows", "claim,extract").status == 0
    again = run(*add, altered(card, name="Tower Hamlets"), *confirmed)
    assert again.status == 0
    assert '+name = "Tower Hamlets"' in again.err
    partner = load(dwp).partners[LA]
    assert (partner.name, partner.link, partner.flows_out, partner.flows_in) == (
        "Tower Hamlets",
        "none",
        ("claim",),
        ("extract",),
    )
    assert "changes nothing" in run(*add, altered(card, name="Tower Hamlets"), *confirmed).err


@pytest.mark.parametrize(
    ("changes", "arguments"),
    [
        ({}, ["--flows", "clam"]),
        ({"endpoint": None}, ["--link", "push"]),
        ({"host_key": None}, ["--link", "push"]),
        ({}, ["--link", "pigeon"]),
        ({}, ["--fingerprint", "12"]),
        ({}, ["--os-account", "no account"]),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_refused(
    dwp: Home, card: Path, run: Run, changes: dict[str, Any], arguments: list[str]
) -> None:
    path = altered(card, **changes)
    refused = run("--home", dwp.root, "partner", "add", path, "--fingerprint", fingerprint(path), *arguments)
    assert refused.status == 64, refused.err
    assert load(dwp).partners == {}


def test_the_link_to_a_partner_is_tested_on_its_real_server(pair_as_installed: tuple[Site, Site]) -> None:
    ours, theirs = pair_as_installed
    away = ours.gateway("partner", "test", theirs.code, check=False)
    assert away.returncode == 75
    assert "what to do:" in away.stderr
    theirs.start()
    report = wait_until(lambda: _tested(ours, theirs.code), 30, "a login at the partner")
    assert report["usable"]
    assert ours.gateway("doctor", "--links").returncode == 0
    file = ours.home.partners_d / f"{theirs.code}.toml"
    own_key = ours.home.host_key.with_name("host_key.pub").read_text().split()[1]
    lines = [
        f'host_key = "ssh-ed25519 {own_key}"' if line.startswith("host_key") else line
        for line in file.read_text("utf-8").splitlines()
    ]
    file.write_text("\n".join(lines), "utf-8")
    assert ours.gateway("partner", "test", theirs.code, check=False).returncode == 69
    assert ours.gateway("partner", "test", "E00", check=False).returncode == 65


def _tested(site: Site, code: str) -> Any:
    done = site.gateway("partner", "test", code, "--json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


# -- config check and doctor


def test_config_check_lists_every_fault_with_file_and_line(dwp: Home, run: Run) -> None:
    text = dwp.gateway_toml.read_text("utf-8").replace("[limits]", "[limits]\nconsignment_filez = 3")
    dwp.gateway_toml.write_text(text, "utf-8")
    (dwp.partners_d / "AB.toml").write_text("code = 3\n")
    dwp.outcomes.rmdir()
    checked = run("--home", dwp.root, "config", "check")
    assert checked.status == 78
    line = text.splitlines().index("consignment_filez = 3") + 1
    assert f"config/gateway.toml:{line}: [limits] consignment_filez: is not known here" in checked.out
    assert "config/partners.d/AB.toml:1: code: must be" in checked.out
    assert "spool/outcomes: is missing" in checked.out
    faults = run("--home", dwp.root, "config", "check", "--json").json
    assert {"file": "config/gateway.toml", "line": line}.items() <= faults[0].items()
    assert run("--home", dwp.root, "card").status == 78
    assert run("--home", dwp.root, "doctor").status == 69
    dwp.outcomes.mkdir()
    assert run("--home", dwp.root, "doctor").status == 78


def test_config_check_misses_a_partners_certificate(dwp: Home, card: Path, run: Run) -> None:
    run("--home", dwp.root, "partner", "add", card, "--fingerprint", fingerprint(card))
    (dwp.keyrings / "partners" / f"{LA}.kbx").unlink()
    checked = run("--home", dwp.root, "config", "check")
    assert checked.status == 78
    assert f"config/partners.d/{LA}.toml: has no certificate" in checked.out


def test_doctor_names_what_is_wrong_and_what_to_do(dwp: Home, run: Run) -> None:
    dwp.vault.chmod(0o750)
    dwp.ledger.write_bytes(b"not a database" * 100)
    text = dwp.gateway_toml.read_text("utf-8")
    dwp.gateway_toml.write_text(text.replace(load(dwp).openpgp.fingerprint, "0" * 40), "utf-8")
    examined = run("--home", dwp.root, "doctor", "--json")
    assert examined.status == 69
    failed = {check["name"]: check for check in examined.json if check["outcome"] == "fail"}
    assert {"permissions", "own key", "ledger", "configuration"} <= failed.keys()
    assert all(check["remedy"] for check in failed.values())


@pytest.mark.parametrize(("days", "outcome"), [(400, "ok"), (25, "warn"), (10, "warn"), (5, "fail"), (1, "fail")])
def test_doctor_warns_of_a_key_before_it_ends(tmp_path: Path, run: Run, days: int, outcome: str) -> None:
    assert run("init", tmp_path / "a", "--site", "DWP", "--key-days", str(days)).status == 0
    checks = {check["name"]: check["outcome"] for check in run("--home", tmp_path / "a", "doctor", "--json").json}
    assert checks["own key"] == outcome


# -- how commands end


def test_no_site_is_a_fault_of_configuration(tmp_path: Path, run: Run) -> None:
    for command in (["card"], ["partner", "list"], ["config", "check"], ["doctor"]):
        assert run(*command).status == 78
        ended = run("--home", tmp_path / "nowhere", *command)
        assert ended.status == 78
        assert ended.err.startswith("error: ")
        assert "what to do: " in ended.err


def test_the_environment_names_the_site_too(dwp: Home, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HOME", str(dwp.root))
    assert run("card").json["site"] == "DWP"


@pytest.mark.parametrize("arguments", [["nothing"], ["--nothing"], ["init"], ["partner", "nothing"], ["card", "extra"]])
def test_a_wrong_call_ends_with_64(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).status == 64


def test_a_defect_says_where_it_is_and_not_with_what(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_context: click.Context) -> None:
        raise ZeroDivisionError("QQ123456C")

    monkeypatch.setattr("gateway.cli.card.settings_of", broken)
    ended = run("card")
    assert ended.status == 70
    assert "ZeroDivisionError" in ended.err
    assert "QQ" not in ended.err
    assert ":broken" in ended.err


def test_a_reader_that_goes_away_is_no_defect(dwp: Home) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-P", "-m", "gateway", "--home", str(dwp.root), "card"]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_help_loads_nothing_that_is_slow() -> None:
    slow = "{'paramiko', 'sqlalchemy', 'pydantic', 'lxml', 'structlog', 'gnupg', 'rich'}"
    script = f"import sys; from gateway.cli import main; main(['--help']); print(sorted({slow} & sys.modules.keys()))"
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - begun < 2.0


def commands(name: str, command: click.Command) -> list[tuple[str, click.Command]]:
    if isinstance(command, click.Group) and name != "gateway":
        return [found for key, inner in command.commands.items() for found in commands(f"{name} {key}", inner)]
    return [(name, command)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    context = click.Context(gateway)
    command = gateway.get_command(context, name)
    assert command is not None
    for full, each in commands(name, command):
        assert "Example:" in (each.help or ""), full
        assert f"gateway --home /srv/gateway {full}" in (each.help or "") or f"gateway {full}" in (each.help or ""), (
            full
        )
