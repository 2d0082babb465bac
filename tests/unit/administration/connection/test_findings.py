"""What falls short in a connection statement, one thing at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.connection import arrangements, keys, statement, versions, walls
from gateway.administration.connection.finding import Chapter, ConnectionStatement, Finding, Standing
from gateway.administration.site.audit_record import AuditRecord, keep
from gateway.administration.site.machine_checks import Check, CheckOutcome
from gateway.crypto.contract import Certificate
from gateway.domain.identity import from_text
from gateway.errors import UsageWrong
from gateway.linux.process_status import ProcessStatus
from gateway.settings.model import Settings
from gateway.settings.upkeep import BackupSettings
from tests.fakes.two_ledgers import two_ledgers

RIGHT = ProcessStatus(
    uid=998,
    umask=0o077,
    no_new_privileges=True,
    seccomp_filter=True,
    capabilities=0,
    core_limit=0,
    own_network=None,
    own_users=False,
)
NOW = from_text("2026-12-01T10:00:00Z")
CERTIFICATE = Certificate(
    fingerprint="A" * 40,
    user_id="",
    created=NOW - 10,
    expires=NOW + 10,
    revoked=False,
    can_sign=True,
    can_encrypt=True,
    algorithm="ed25519/cv25519",
)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with two_ledgers(tmp_path) as pair:
        yield pair.dwp.settings


@pytest.mark.parametrize("outcome", CheckOutcome)
def test_whatever_doctor_warns_of_falls_short(outcome: CheckOutcome) -> None:
    found = Finding.of(Check("clock", outcome, "wrong", "set it"))
    assert (found.standing is Standing.MET) == (outcome is CheckOutcome.OK)
    assert found.remedy == ("" if outcome is CheckOutcome.OK else "set it")


# -- walls


@pytest.mark.parametrize("role", ["inspect", "vault", "link"])
def test_role_with_all_its_walls_falls_short_of_nothing(settings: Settings, role: str) -> None:
    assert walls.judge_role(settings, role, RIGHT).standing is Standing.MET


@pytest.mark.parametrize(
    ("role", "status", "said"),
    [
        ("vault", replace(RIGHT, uid=0, capabilities=0x1FF), "it runs as root ("),
        ("vault", replace(RIGHT, capabilities=1 << 28), "it has capabilities that it does not need"),
        ("vault", replace(RIGHT, no_new_privileges=False), "programs that it starts may gain rights"),
        ("inspect", replace(RIGHT, seccomp_filter=False), "it could open connections"),
        ("vault", replace(RIGHT, core_limit=None), "it may dump its memory"),
        ("vault", replace(RIGHT, umask=0o022), "its files are open to others"),
    ],
)
def test_wall_that_is_missing_is_named_with_what_to_do(
    settings: Settings, role: str, status: ProcessStatus, said: str
) -> None:
    found = walls.judge_role(settings, role, status)
    assert (found.standing, found.says.startswith(said)) == (Standing.SHORT, True), found.says
    assert found.remedy


def test_inspect_may_ask_who_has_a_file_open_and_link_may_talk(settings: Settings) -> None:
    assert walls.judge_role(settings, "inspect", replace(RIGHT, capabilities=1 << 28)).standing is Standing.MET
    assert walls.judge_role(settings, "link", replace(RIGHT, seccomp_filter=False)).standing is Standing.MET


# -- keys and algorithms


@pytest.mark.parametrize(
    ("algorithm", "weak"),
    [
        *((name, False) for name in ("ed25519", "cv25519", "nistp256", "rsa3072", "rsa4096")),
        *((name, True) for name in ("rsa2048", "rsa1024", "dsa3072", "elgamal4096")),
    ],
)
def test_openpgp_key_below_128_bits_is_weak(algorithm: str, weak: bool) -> None:  # noqa: FBT001 - a table
    assert keys.is_weak_key(algorithm) is weak


@pytest.mark.parametrize(
    ("change", "said"), [({"expires": NOW - 1}, "it has ended ("), ({"revoked": True}, "revoked (")]
)
def test_openpgp_key_that_has_ended_or_is_revoked_falls_short(change: Mapping[str, Any], said: str) -> None:
    good = keys._certificate("key", lambda: CERTIFICATE, NOW, "a new one")
    bad = keys._certificate("key", lambda: replace(CERTIFICATE, **change), NOW, "a new one")
    assert (good.standing, bad.standing, bad.says.startswith(said)) == (Standing.MET, Standing.SHORT, True)


@pytest.mark.parametrize(
    "name",
    [
        *("aes256-cbc", "3des-cbc", "arcfour", "hmac-md5", "hmac-sha1", "hmac-sha1-96", "umac-64@openssh.com"),
        *("ssh-rsa", "ssh-dss", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "none"),
    ],
)
def test_ssh_algorithm_that_is_given_up_falls_short(name: str) -> None:
    found = keys.judged("ciphers", ["aes256-gcm@openssh.com", name])
    assert (found.standing, found.says) == (Standing.SHORT, f"{name} is too weak")


def test_what_our_client_and_server_offer_is_strong(settings: Settings) -> None:
    found = {each.subject: each for each in keys.examine_algorithms(settings, links=False)}
    for what in ("ciphers", "MACs", "key exchange"):
        assert found[f"SSH to partners, {what}"].standing is Standing.MET
    for name in ("rsa-sha2-256", "hmac-sha2-256", "umac-128@openssh.com", "diffie-hellman-group16-sha512"):
        assert keys.judged("any", [name]).standing is Standing.MET


# -- audit and copies


def test_audit_that_found_nothing_last_night_is_met_and_any_other_falls_short(settings: Settings) -> None:
    def last() -> Finding:
        return next(each for each in arrangements.examine_audit(settings, NOW) if each.subject == "last audit")

    assert last().standing is Standing.SHORT
    record = AuditRecord(verified="2026-12-01T02:00:00Z", since=0, events=7, head="a" * 64, faults=0)
    keep(settings.home, record)
    assert last().standing is Standing.MET
    for worse in ({"faults": 2}, {"verified": "2026-11-20T02:00:00Z"}):
        keep(settings.home, record.model_copy(update=worse))
        assert last().standing is Standing.SHORT
        assert "`" in last().says


def test_copies_without_the_secret_keys_fall_short(settings: Settings) -> None:
    other = replace(settings, backup=BackupSettings(recovery_key="recovery.asc"))
    for site, standing in ((settings, Standing.SHORT), (other, Standing.MET)):
        found = {each.subject: each.standing for each in arrangements.examine_audit(site, NOW)}
        assert found["copies"] is standing


# -- versions


def sbom(path: Path, **libraries: str) -> Path:
    parts = [{"name": name, "version": each, "purl": f"pkg:pypi/{name}@{each}"} for name, each in libraries.items()]
    path.write_text(json.dumps({"components": [*parts, {"name": "gnupg", "purl": "pkg:deb/debian/gnupg"}]}))
    return path


@pytest.mark.parametrize(
    ("libraries", "said"),
    [({"click": "0.1"}, f"click {version('click')} (not 0.1)"), ({"no-such-library": "1"}, "no-such-library missing")],
)
def test_library_that_the_bill_of_materials_does_not_name_so_falls_short(
    tmp_path: Path, libraries: dict[str, str], said: str
) -> None:
    short = [
        each for each in versions.examine_versions(sbom(tmp_path / "s", **libraries)) if each.standing is Standing.SHORT
    ]
    assert [said in each.says for each in short] == [True]


def test_libraries_of_the_bill_of_materials_are_met_and_its_absence_falls_short(tmp_path: Path) -> None:
    good = {each.subject: each.standing for each in versions.examine_versions()}
    assert good["libraries"] is Standing.MET
    none = {each.subject: each.standing for each in versions.examine_versions(tmp_path / "none")}
    assert none["libraries"] is Standing.SHORT
    assert versions.sbom_digest(tmp_path / "none") is None


def test_library_of_an_extra_may_be_missing_but_not_another(tmp_path: Path) -> None:
    path = sbom(tmp_path / "s", click=version("click"))
    told = json.loads(path.read_text())
    part = {"name": "no-such-library", "version": "1", "purl": "pkg:pypi/no-such-library@1", "scope": "optional"}
    told["components"] += [part, {**part, "name": "pydantic"}]
    path.write_text(json.dumps(told))
    (short,) = (each for each in versions.examine_versions(path) if each.standing is Standing.SHORT)
    assert short.says == f"not those of the bill of materials: pydantic {version('pydantic')} (not 1)"


# -- the page


def test_page_begins_with_what_falls_short_and_names_what_nobody_saw() -> None:
    short = Finding("copies", Standing.SHORT, "without the secret keys", "Make a recovery key.")
    unmeasured = Finding("vault", Standing.UNMEASURED, "the site is not running")
    told = ConnectionStatement(
        site="DWP",
        measured="2026-12-01T10:00:00Z",
        version="1.0.0",
        sbom_sha256=None,
        event=None,
        head=None,
        short=(short,),
        unmeasured=(unmeasured,),
        chapters=(Chapter("Walls", (unmeasured,)), Chapter("Copies", (short,))),
    )
    titles = [each.title for each in statement.sections(told)]
    assert titles == ["What this is", "What falls short", "What was not measured", "Walls", "Copies"]
    page = statement.text(told).decode()
    assert "[falls short] copies: without the secret keys. What to do: Make a recovery key." in page
    assert "[not measured] vault: the site is not running\n" in page
    nothing = statement.text(replace(told, short=(), unmeasured=())).decode()
    assert "Nothing that was measured." in nothing


def test_page_that_cannot_be_written_where_it_should_says_where(tmp_path: Path) -> None:
    told = ConnectionStatement(
        site="DWP",
        measured="2026-12-01T10:00:00Z",
        version="1.0.0",
        sbom_sha256=None,
        event=None,
        head=None,
        short=(),
        unmeasured=(),
        chapters=(),
    )
    with pytest.raises(UsageWrong, match=f"{tmp_path}/none: No such file"):
        statement.write_pdf(told, tmp_path / "none" / "a.pdf")
