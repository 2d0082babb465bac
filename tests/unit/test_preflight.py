"""One partner never takes the site down: a fault of each setting, one at a time, stops that partner and nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway import preflight
from gateway.administration.site import machine_checks
from gateway.administration.site.machine_checks import CheckOutcome, examine_machine
from gateway.assembly import links, stores
from gateway.cli import main
from gateway.crypto.gnupg.keybox import primary_fingerprints
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.daemon.stopped_partners import require_going
from gateway.errors import ConfigurationInvalid
from gateway.settings.directories import make, partner_directories, site_directories
from gateway.settings.home import Home
from gateway.settings.model import EndpointSettings, Partner
from gateway.settings.secrets import Secrets
from gateway.settings.write import render_gateway_toml, write_partner, write_text
from gateway.transport.keys import make_key_pair
from tests.fakes.keybox import write_keybox
from tests.fakes.ledgers import SqliteLedgers

OWN, GOOD, BAD = "DWP", "E08000004", "E09000030"
FINGERPRINTS = {code: digit * 40 for code, digit in ((OWN, "0"), (GOOD, "1"), (BAD, "2"))}
OLD = "3" * 40
GARBAGE = '"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"'
UNTIL = datetime(2099, 12, 31, 12, tzinfo=UTC)

Path_ = tuple[str, ...]


def settings_of(model: type[BaseModel], above: Path_ = ()) -> Iterator[Path_]:
    """Every setting of a table and of those inside it, as the model has them now."""
    for name, field in model.model_fields.items():
        yield (*above, name)
        for kind in typing.get_args(field.annotation) or (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from settings_of(kind, (*above, name))


REMOVED = None
NOW = 1_800_000_000.0
FAULTS: dict[Path_, str | None] = {
    ("code",): '"E09000031"',
    ("name",): '""',
    ("fingerprint",): f'"{"4" * 40}"',
    ("old_fingerprint",): f'"{"5" * 40}"',
    ("old_fingerprint_until",): "0001-01-01T00:00:00+14:00",
    ("revoked",): '["abc"]',
    ("card_issued",): "2026-11-21",
    ("link",): '"pull"',
    ("envelope",): '"zip"',
    ("mail_address",): '"nobody"',
    ("ssh_key",): GARBAGE,
    ("old_ssh_key",): GARBAGE,
    ("old_ssh_key_until",): REMOVED,
    ("os_account",): '"no-such-account-here"',
    ("flows_out",): '["clam"]',
    ("flows_in",): '["extract", ""]',
    ("max_bytes_per_second",): str(10**400),
    ("windows",): '["20:00-20:00"]',
    ("suspended",): '""',
    ("landing_bytes",): "0",
    ("landing_files",): "-1",
    ("day_bytes",): "1.5",
    ("endpoint",): "3",
    ("endpoint", "host"): '"gateway..example"',
    ("endpoint", "port"): "0",
    ("endpoint", "other_addresses"): '["south.example"]',
    ("endpoint", "user"): '"Root!"',
    ("endpoint", "path"): '"a b"',
    ("endpoint", "host_key"): GARBAGE,
    ("endpoint", "old_host_key"): GARBAGE,
    ("endpoint", "old_host_key_until"): REMOVED,
}
"""A value for each setting that reads well and cannot be worked with."""


def test_every_setting_of_a_partner_file_has_a_fault_here() -> None:
    assert set(FAULTS) == set(settings_of(Partner)), "a setting that is new needs a fault in this table"


@pytest.fixture(scope="session")
def ssh_lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tmp_path_factory.mktemp("keys")
    return [make_key_pair(directory / str(number)).line for number in range(5)]


@pytest.fixture
def home(tmp_path: Path, ssh_lines: list[str]) -> Home:
    """A site with two partners, both of them right, whose files have every setting that they can have together."""
    site = Home(tmp_path)
    make(site_directories(site))
    text = render_gateway_toml(
        code=OWN, name=OWN, fingerprint=FINGERPRINTS[OWN], host="127.0.0.1", port=2222, user="gateway"
    )
    write_text(site.gateway_toml, text)
    for key in (site.client_key, site.host_key):
        key.touch(mode=0o600)
    make(partner_directories(site, GOOD, ["claim"], ["extract"]))
    make(partner_directories(site, BAD, ["claim"], ["extract"]))
    write_partner(
        site,
        Partner(
            code=GOOD,
            name="Good",
            fingerprint=FINGERPRINTS[GOOD],
            ssh_key=ssh_lines[0],
            endpoint=EndpointSettings(host="good.example", user="gateway", host_key=ssh_lines[1]),
        ),
    )
    write_partner(
        site,
        Partner(
            code=BAD,
            name="Bad",
            fingerprint=FINGERPRINTS[BAD],
            old_fingerprint=OLD,
            old_fingerprint_until=UNTIL,
            revoked=("6" * 40,),
            card_issued=datetime(2026, 11, 21, tzinfo=UTC),
            ssh_key=ssh_lines[2],
            old_ssh_key=ssh_lines[3],
            old_ssh_key_until=UNTIL,
            flows_out=("claim",),
            flows_in=("extract",),
            max_bytes_per_second=2_000_000,
            windows=("00:00-24:00",),
            landing_bytes=1 << 30,
            landing_files=100,
            day_bytes=1 << 32,
            endpoint=EndpointSettings(
                host="bad.example",
                user="gateway",
                host_key=ssh_lines[1],
                old_host_key=ssh_lines[4],
                old_host_key_until=UNTIL,
            ),
        ),
    )
    rings = Keyrings(site.keyrings)
    write_keybox(rings.partner_ring(GOOD), FINGERPRINTS[GOOD])
    write_keybox(rings.partner_ring(BAD), FINGERPRINTS[BAD])
    write_keybox(rings.old_ring(BAD, OLD), OLD)
    SqliteLedgers().new(site.ledger)
    return site


def file_of(home: Home) -> Path:
    return home.partners_d / f"{BAD}.toml"


def spoil(home: Home, path: Path_, value: str | None) -> None:
    """Give one setting of the second partner another value, or take it out."""
    lines = [line for line in file_of(home).read_text("utf-8").splitlines() if line.strip() and line[0] != "#"]
    table = lines.index("[endpoint]")
    top, below = lines[:table], lines[table:]
    if path == ("endpoint",):
        below = []
    part = top if len(path) == 1 else below
    part[:] = [line for line in part if line.partition(" =")[0] != path[-1]]
    if value is not None:
        part.append(f"{path[-1]} = {value}")
    file_of(home).write_text("\n".join([*top, *below]) + "\n", "utf-8")


def say(capfd: pytest.CaptureFixture[str], home: Home, *arguments: str) -> tuple[int, str]:
    capfd.readouterr()
    status = main(["--home", str(home.root), *arguments])
    out, err = capfd.readouterr()
    return status, out + err


def assert_only_that_partner_is_stopped(home: Home, capfd: pytest.CaptureFixture[str], word: str = "") -> None:
    """What a start, and each command that a person asks first, make of the site."""
    settings = preflight.load(home)
    assert set(settings.partners) == {GOOD}
    assert BAD in settings.stopped
    faults = [str(fault) for fault in settings.stopped[BAD].faults]
    assert faults
    assert all(fault.startswith(f"config/partners.d/{BAD}.toml") for fault in faults)
    assert any(word in fault for fault in faults), faults
    # What is left can be started: these are the functions that the roles begin with.
    assert set(stores.open_pgp(settings)._pinned) == {GOOD}  # type: ignore[attr-defined]
    assert links.transport(settings, settings.partners[GOOD]) is not None
    assert [account.partner for account in links.server_spec(settings).accounts] == [GOOD]
    assert list(preflight.server_faults(settings)) == []
    # And each that is asked names it, before anything is tried.
    assert {str(fault) for fault in preflight.check(home, Secrets(home))} == set(faults)
    doctor = [each.message for each in examine_machine(home, settings) if each.outcome is CheckOutcome.FAIL]
    assert set(faults) <= set(doctor)
    for command, expected in (("config", "check"), 78), (("reload",), 78), (("status",), 69):
        status, said = say(capfd, home, *command)
        assert status == expected, (command, said)
        for fault in faults:
            assert fault in said.replace("\n", " ") or fault in said, command
    status, said = say(capfd, home, "partner", "test", BAD)
    assert (status, faults[0] in said) == (78, True)


@pytest.mark.parametrize(("found", "outcome"), [(None, CheckOutcome.WARN), (object(), CheckOutcome.OK)])
def test_doctor_says_whether_extracts_are_read_by_compiled_code(
    home: Home, monkeypatch: pytest.MonkeyPatch, found: object, outcome: CheckOutcome
) -> None:
    monkeypatch.setattr(machine_checks, "library", lambda: found)
    assert [each.outcome for each in examine_machine(home, None) if each.name == "compiled rows"] == [outcome]


def test_site_of_two_right_partners_has_no_faults(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    assert set(preflight.load(home).partners) == {GOOD, BAD}
    assert say(capfd, home, "config", "check")[0] == 0


def test_key_of_triage_that_run_would_refuse_is_told_first(home: Home) -> None:
    home.triage.mkdir(mode=0o700, exist_ok=True)
    key = home.triage / "triage.secret"
    for content in (b"", b"garbage\n", b"\xff"):
        key.write_bytes(content)
        key.chmod(0o600)
        (fault,) = preflight.check(home, Secrets(home))
        assert (fault.file, "put it back from a copy" in fault.message) == ("state/triage", True)
    key.write_text("ab" * 32 + "\n")
    assert preflight.check(home, Secrets(home)) == ()
    key.chmod(0o644)
    assert [fault.file for fault in preflight.check(home, Secrets(home))] == ["state/triage/triage.secret"]


@pytest.mark.parametrize("path", FAULTS, ids=".".join)
def test_fault_of_one_setting_stops_that_partner_alone_and_is_said_by_name(
    home: Home, capfd: pytest.CaptureFixture[str], path: Path_
) -> None:
    spoil(home, path, FAULTS[path])
    assert_only_that_partner_is_stopped(home, capfd, path[-1].removesuffix("_until"))


@pytest.mark.parametrize("path", FAULTS, ids=".".join)
@pytest.mark.parametrize("value", ["{ a = 1 }", "[[]]", "true", '"\\u0000"', "1e400"])
def test_value_of_another_type_stops_that_partner_alone(home: Home, path: Path_, value: str) -> None:
    spoil(home, path, value)
    settings = preflight.load(home)
    assert (set(settings.partners), set(settings.stopped)) == ({GOOD}, {BAD})


@pytest.mark.parametrize("above", [(), ("endpoint",)])
def test_unknown_setting_stops_that_partner_alone(home: Home, above: Path_) -> None:
    spoil(home, (*above, "nobody-knows"), "1")
    settings = preflight.load(home)
    assert (set(settings.partners), set(settings.stopped)) == ({GOOD}, {BAD})


@pytest.mark.parametrize(
    "path", [path for path in FAULTS if path in {("code",), ("name",), ("fingerprint",)} or path[1:]], ids=".".join
)
def test_setting_that_is_missing_stops_that_partner_alone(home: Home, path: Path_) -> None:
    model = EndpointSettings if path[1:] else Partner
    spoil(home, path, None)
    required = model.model_fields[path[-1]].is_required() or path[-1].startswith("old_")
    assert set(preflight.load(home).stopped) == ({BAD} if required else set())


def _replaced(content: bytes) -> Callable[[Home], None]:
    return lambda home: void(file_of(home).write_bytes(content))


def void(_: object) -> None:
    """Nothing."""


def _gone(home: Home) -> None:
    file_of(home).unlink()


def _pipe(home: Home) -> None:
    _gone(home)
    os.mkfifo(file_of(home))


def _directory(home: Home) -> None:
    _gone(home)
    file_of(home).mkdir()


def _dangling(home: Home) -> None:
    _gone(home)
    file_of(home).symlink_to("nowhere")


def _collects_from_us(home: Home) -> None:
    spoil(home, ("endpoint",), None)
    spoil_top = file_of(home).read_text("utf-8").replace('link = "push"', 'link = "collect"')
    file_of(home).write_text(spoil_top, "utf-8")


def _push_without_endpoint(home: Home) -> None:
    spoil(home, ("endpoint",), None)


def ring(home: Home) -> Path:
    return Keyrings(home.keyrings).partner_ring(BAD)


def _ring_is_a_directory(home: Home) -> None:
    ring(home).unlink()
    ring(home).mkdir()


def _landing_is_a_file(home: Home) -> None:
    home.landing_in(BAD).rmdir()
    home.landing_in(BAD).touch()


WHOLE: dict[str, Callable[[Home], None]] = {
    "no TOML": _replaced(b"code = \n[["),
    "empty": _replaced(b""),
    "not UTF-8": _replaced(b'name = "\xff"\n'),
    "too large": _replaced(b"#" * (1 << 20) + b"#"),
    "nested too deeply": _replaced(b"a = " + b"[" * 50_000),
    "number too long": _replaced(b"max_bytes_per_second = " + b"9" * 5000),
    "pipe": _pipe,
    "directory": _directory,
    "link to nowhere": _dangling,
    "collects from us": _collects_from_us,
    "push without endpoint": _push_without_endpoint,
    "no keyring": lambda home: ring(home).unlink(),
    "empty keyring": lambda home: void(ring(home).write_bytes(b"")),
    "keyring cut short": lambda home: void(ring(home).write_bytes(ring(home).read_bytes()[:-1])),
    "keyring of another": lambda home: write_keybox(ring(home), FINGERPRINTS[GOOD]),
    "keyring of two": lambda home: write_keybox(ring(home), FINGERPRINTS[BAD], FINGERPRINTS[GOOD]),
    "keyring is a directory": _ring_is_a_directory,
    "no keyring of the key before": lambda home: Keyrings(home.keyrings).old_ring(BAD, OLD).unlink(),
    "landing is a file": _landing_is_a_file,
}


@pytest.mark.parametrize("kind", WHOLE)
def test_file_key_or_landing_that_cannot_be_used_stops_that_partner_alone(
    home: Home, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    WHOLE[kind](home)
    assert_only_that_partner_is_stopped(home, capfd)


@pytest.mark.parametrize("key", ["fingerprint", "ssh_key", "old_ssh_key"])
@pytest.mark.parametrize("aged", [True, False])
def test_of_two_partners_with_one_key_the_one_goes_on_whose_file_was_there_first(
    home: Home, ssh_lines: list[str], key: str, *, aged: bool
) -> None:
    third = Partner(code="W06000024", name="Third", fingerprint="7" * 40, link="none")
    write_partner(home, third)
    write_keybox(Keyrings(home.keyrings).partner_ring(third.code), third.fingerprint)
    value = FINGERPRINTS[GOOD] if key == "fingerprint" else f"{ssh_lines[0]} a comment"
    spoil(home, (key,), json.dumps(value))
    if key == "fingerprint":
        write_keybox(ring(home), FINGERPRINTS[GOOD])
    good, bad = (home.partners_d / f"{code}.toml" for code in (GOOD, BAD))
    for path, age in ((good, 3600.0 if aged else 60.0), (bad, 60.0)):
        os.utime(path, (NOW - age,) * 2)
    settings = preflight.load(home)
    stopped = {BAD} if aged else {GOOD, BAD}
    assert (set(settings.partners), set(settings.stopped)) == ({third.code, GOOD, BAD} - stopped, stopped)
    for code in stopped:
        assert any({GOOD: BAD, BAD: GOOD}[code] in fault.message for fault in settings.stopped[code].faults)
        assert len(settings.stopped[code].faults) == 1, "said once"


@pytest.mark.skipif(os.geteuid() != 0, reason="without root no partner has an account of its own")
def test_two_partners_with_one_account_are_stopped_both(home: Home) -> None:
    for code in (GOOD, BAD):
        path = home.partners_d / f"{code}.toml"
        path.write_text(f'os_account = "nobody"\n{path.read_text("utf-8")}', "utf-8")
        os.utime(path, (NOW, NOW))
    settings = preflight.load(home)
    assert set(settings.stopped) == {GOOD, BAD}
    for code, other in ((GOOD, BAD), (BAD, GOOD)):
        assert any(other in fault.message for fault in settings.stopped[code].faults)


def test_copy_of_a_partners_file_under_another_name_stops_the_copy_and_not_the_partner(home: Home) -> None:
    copy = (home.partners_d / f"{GOOD}.toml").read_text("utf-8").replace(f'code = "{GOOD}"', f'code = "{BAD}"')
    file_of(home).write_text(copy, "utf-8")
    settings = preflight.load(home)
    assert (set(settings.partners), set(settings.stopped)) == ({GOOD}, {BAD})


def test_partner_whose_file_was_renamed_is_stopped_under_both_names(home: Home) -> None:
    file_of(home).rename(home.partners_d / "old.toml")
    settings = preflight.load(home)
    assert (set(settings.partners), set(settings.stopped)) == ({GOOD}, {"old", BAD})


def test_name_of_a_file_that_is_no_text_is_told_in_letters_that_can_be_shown(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(os.fsdecode(os.fsencode(home.partners_d) + b"/\xff\n.toml")).write_text("", "utf-8")
    status, said = say(capfd, home, "config", "check")
    assert status == 78
    assert "config/partners.d/�?.toml" in said
    assert set(preflight.load(home).partners) == {GOOD, BAD}


def test_fault_of_gateway_toml_still_stops_the_site(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    home.gateway_toml.write_text(home.gateway_toml.read_text("utf-8") + "\n[nobody]\n", "utf-8")
    status, said = say(capfd, home, "run")
    assert status == 78
    assert "[nobody]" in said


def test_certificates_that_this_account_may_not_see_are_left_to_the_one_that_may(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_ring: Path) -> tuple[str, ...]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(preflight, "primary_fingerprints", refuse)
    assert set(preflight.load(home).partners) == {GOOD, BAD}


def test_outline_of_a_real_keyring_is_read_as_gnupg_lists_it(tmp_path: Path) -> None:
    ring_home = tmp_path / "gnupg"
    ring_home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(ring_home), "--batch"]
    try:
        for name in ("one", "two"):
            made = [*gpg, "--passphrase", "", "--quick-gen-key", f"{name}@example.invalid", "ed25519", "sign", "1d"]
            subprocess.run(made, check=True, capture_output=True)
        listed = subprocess.run([*gpg, "--with-colons", "-k"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(["gpgconf", "--homedir", str(ring_home), "--kill", "all"], check=True, capture_output=True)
    wanted = [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")]
    assert len(wanted) == 2
    assert list(primary_fingerprints(ring_home / "pubring.kbx")) == wanted


def test_json_of_partner_list_names_the_faults(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    file_of(home).write_text("[", "utf-8")
    capfd.readouterr()
    assert main(["--home", str(home.root), "partner", "list", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capfd.readouterr().out)
    assert [(row["code"], bool(row["faults"])) for row in rows] == [(GOOD, False), (BAD, True)]


def test_suspended_partner_is_left_out_without_a_fault_and_nobody_takes_its_keys_meanwhile(home: Home) -> None:
    partner = preflight.load(home).partners[BAD]
    write_partner(home, partner.model_copy(update={"suspended": "their incident 12"}))
    settings = preflight.load(home)
    assert set(settings.partners) == {GOOD}
    assert (settings.stopped[BAD].suspended, settings.stopped[BAD].faults) == ("their incident 12", ())
    assert settings.codes == (GOOD, BAD)
    assert preflight.faults_of_partners(settings) == ()
    thief = settings.partners[GOOD].model_copy(update={"ssh_key": partner.ssh_key})
    write_partner(home, thief)
    assert GOOD in preflight.load(home).stopped, "its file was changed last"


def test_suspension_is_taken_over_whatever_other_fault_there_is(home: Home) -> None:
    before = preflight.load(home)
    text = (home.partners_d / f"{GOOD}.toml").read_text("utf-8")
    write_text(home.partners_d / f"{GOOD}.toml", text + "[[")
    with pytest.raises(ConfigurationInvalid):
        require_going(before, preflight.load(home))
    write_partner(home, before.partners[BAD].model_copy(update={"suspended": "their incident 12"}))
    require_going(before, preflight.load(home))
