"""Reading the configuration: every fault at once, with file and line, and nothing guessed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationInvalid, SiteMissing
from gateway.settings.check import check
from gateway.settings.directories import make, site_directories
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.settings.locate import places
from gateway.settings.model import Limits, Site, SiteKind
from gateway.settings.read import examine, load

FPR = "0123456789ABCDEF0123456789ABCDEF01234567"
OTHER = "89ABCDEF0123456789ABCDEF0123456789ABCDEF"
MAIN = f"""\
[site]
code = "DWP"
name = "The Department"

[openpgp]
fingerprint = "{FPR}"
"""
PARTNER = f"""\
code = "E09000030"
name = "Tower Hamlets"
fingerprint = "{OTHER}"
link = "none"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    site = Home(tmp_path)
    make(site_directories(site))
    for key in (site.client_key, site.host_key):
        key.touch(mode=0o600)
    return site


def faults(home: Home, main: str = MAIN, **partners: str) -> list[str]:
    home.gateway_toml.write_text(main, "utf-8")
    for code, text in partners.items():
        (home.partners_d / f"{code}.toml").write_text(text, "utf-8")
    return [str(fault) for fault in examine(home)[1]]


def test_a_site_with_least_settings_gets_all_defaults(home: Home) -> None:
    assert faults(home, E09000030=PARTNER) == []
    settings = load(home)
    assert settings.site.kind is SiteKind.DWP
    assert settings.limits == Limits()
    assert settings.flows == DEFAULT_FLOWS
    assert settings.partners["E09000030"].kind is SiteKind.LA
    assert settings.partners["E09000030"].flows_out is None


def test_a_missing_site_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SiteMissing):
        load(Home(tmp_path / "nowhere"))


def test_every_fault_of_every_file_is_reported_at_once_with_its_line(home: Home) -> None:
    main = MAIN.replace('"DWP"', '"dwp"') + '\n[limits]\nconsignment_files = "many"\nlane_consignment = 2\n'
    found = faults(home, main, E09000030=PARTNER.replace('"none"', '"push"'), AB="code = \n")
    assert found == [
        f'config/gateway.toml:2: [site] code: must be {Site.model_fields["code"].description} (got text "dwp")',
        'config/gateway.toml:9: [limits] consignment_files: must be a whole number of at least 1 (got text "many")',
        "config/gateway.toml:10: [limits] lane_consignment: is not known here; did you mean `lane_consignments`?",
        "config/partners.d/AB.toml:1: is not TOML: Invalid value",
        'config/partners.d/E09000030.toml:4: link: "push" needs an [endpoint] table with host, user and host_key',
    ]
    with pytest.raises(ConfigurationInvalid) as caught:
        load(home)
    assert caught.value.reason.splitlines() == found


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("[limits]\nconsignment_files = 0", "whole number of at least 1 (got 0)"),
        ("[limits]\nconsignment_files = true", "whole number of at least 1 (got true)"),
        ("[limits]\nconsignment_files = 1.5", "whole number of at least 1 (got 1.5)"),
        ("[limits]\nmin_free_bytes = -1", "at least 0 (got -1)"),
        ("[link]\ngrace = inf", "at most a week (got inf)"),
        ("[link]\ngrace = nan", "at most a week (got nan)"),
        ("[link]\ngrace = 2026-11-21", "(got a date or time)"),
        ("[daemon]\nworkers = 65", "whole number from 1 to 64 (got 65)"),
        ('[logs]\nlevel = "loud"', 'one of "debug", "info", "warning" and "error" (got text "loud")'),
        ('[sftp_server]\nmanaged = "yes"', 'true or false, without quotes (got text "yes")'),
        ("[sftp_server]\nport = 0", "whole number from 1 to 65535 (got 0)"),
        ("[flows.claim]\nmax_byte = 1", "did you mean `max_bytes`?"),
        ("[flows.clam]\nmax_bytes = 1", "is not a flow; did you mean `claim`?"),
        ('[flows.claim]\ninbound_name = "{date}.xml"', "inbound_name: must be a file's name in quotes, with {name}"),
        ('[flows.claim]\ninbound_name = "../{name}"', "inbound_name: must be a file's name in quotes, with {name}"),
        ('[flows.claim]\ndone_marker = "yes"', "done_marker: must be true or false"),
        ("[flows]\nclaim = 3", "must be a table (got 3)"),
        ("[limit]\nx = 1", "[limit]: is not known here; did you mean `limits`?"),
        ('[flows.extract]\nwindows = ["20:00-06:00", "8pm-6am"]', 'such as ["20:00-06:00"]'),
        ('[flows.extract]\nwindows = ["20:00-20:00"]', 'such as ["20:00-06:00"]'),
        ('[flows.extract]\nwindows = "20:00-06:00"', 'such as ["20:00-06:00"]'),
        ("[validation]\ntest_numbers = 1", "true or false, without quotes (got 1)"),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_must_be(home: Home, written: str, fault: str) -> None:
    found = faults(home, f"{MAIN}\n{written}\n")
    assert len(found) == 1
    assert fault in found[0]
    assert found[0].startswith(("config/gateway.toml:8:", "config/gateway.toml:9:"))


def test_a_secret_in_the_wrong_place_is_not_repeated(home: Home) -> None:
    pasted = "correct horse battery staple"
    found = faults(home, MAIN.replace(FPR, pasted), E09000030=PARTNER + f'ssh_key = "{pasted}"\n')
    assert len(found) == 2
    assert all(pasted not in fault and "(got other text)" in fault for fault in found)


@pytest.mark.parametrize("control", ["\u202e", "\u2066", "\u200f"])
def test_name_that_turns_the_direction_of_what_follows_is_refused(home: Home, control: str) -> None:
    (found,) = faults(home, MAIN, E09000030=PARTNER.replace('name = "', f'name = "{control}', 1))
    assert "text on one line in its own direction" in found


@pytest.mark.parametrize("zone", ["Europe/Londn", "", "../../etc/passwd", "/etc/localtime"])
def test_time_zone_that_is_none_is_refused(home: Home, zone: str) -> None:
    (found,) = faults(home, MAIN.replace("[site]\n", f'[site]\ntime_zone = "{zone}"\n'))
    assert 'must be the name of a time zone, such as "Europe/London"' in found


def test_flow_settings_override_single_keys(home: Home) -> None:
    faults(home, f"{MAIN}\n[flows.extract]\nmax_bytes = 7\n")
    settings = load(home)
    assert settings.flows["extract"] == DEFAULT_FLOWS["extract"].model_copy(update={"max_bytes": 7})
    assert settings.flows["claim"] == DEFAULT_FLOWS["claim"]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (PARTNER.replace("E09000030", "AB"), 'code: is text "AB", but the file is E09000030.toml'),
        (PARTNER.replace("E09000030", "DWP"), "code: is this site's own code"),
        (PARTNER.replace('"none"', '"collect"\nenvelope = "plain"'), 'link: "collect" is of partners with a gateway'),
        (PARTNER + 'envelope = "plain"\nflows_in = ["extract"]\n', "flows_in: nothing is taken from a partner with"),
        (PARTNER + 'envelope = "plain"\nflows_out = ["enquiry", "claim"]\n', "flows_out: enquiry: a partner with"),
        (
            f'{PARTNER}envelope = "plain"\n[endpoint]\nhost = "h"\nuser = "u"\nhost_key = "ssh-ed25519 AAAA"\nother_addresses = ["g:22"]\n',
            'other_addresses: a partner with envelope = "plain"',
        ),
        (PARTNER.replace('"none"', '"mail"'), 'link: "mail" needs mail_address'),
        (PARTNER + 'mail_address = "nobody"\n', "mail_address: must be an e-mail address, in quotes"),
        (PARTNER + 'envelope = "zip"\n', '(got text "zip")'),
        (PARTNER + 'flows_out = ["clam"]\n', 'flows_out: text "clam" is not a flow; did you mean `claim`?'),
        (PARTNER + 'flows_in = "extract"\n', "flows_in: must be a list of flows"),
        (PARTNER + "flows_in = [3]\n", "flows_in: must be a list of flows"),
        (PARTNER.replace(OTHER, OTHER.lower()), "fingerprint: must be 40 hexadecimal digits in capitals"),
        (PARTNER + "endpoint = 3\n", "[endpoint]: must be a table (got 3)"),
        (PARTNER + '[endpoint]\nhost = "h"\n', "[endpoint] user: is missing; it must be the name of an account"),
        (PARTNER + "max_bytes_per_second = 100\n", "whole number of bytes, at least 1024 (got 100)"),
        (PARTNER + 'windows = ["24:00-06:00"]\n', 'such as ["20:00-06:00"]'),
        (PARTNER + 'os_account = "Root!"\n', "os_account: must be the name of an account"),
    ],
)
def test_a_faulty_partner_is_refused(home: Home, changed: str, fault: str) -> None:
    assert any(fault in found for found in faults(home, E09000030=changed))


@pytest.mark.parametrize("code", ["../up", "A/B", ".A", "A\\n", "A" * 17, "A", "", "ab", "-AB"])
def test_a_code_that_is_unsafe_as_a_directory_is_refused(home: Home, code: str) -> None:
    assert faults(home, MAIN.replace('"DWP"', f'"{code}"')) != []


def test_a_file_that_is_no_text_is_refused_with_the_line(home: Home) -> None:
    home.gateway_toml.write_bytes(b'[site]\ncode = "\xff"\n')
    assert [str(fault) for fault in examine(home)[1]] == ["config/gateway.toml:2: is not UTF-8 text: save it as UTF-8"]


def test_a_huge_or_deep_file_is_refused(home: Home) -> None:
    assert "no configuration file" in faults(home, "#" * 2**21)[0]
    assert "is not TOML" in faults(home, f"a = {'[' * 50_000}")[0]


def test_a_directory_in_place_of_a_file_is_a_fault_not_a_crash(home: Home) -> None:
    (home.partners_d / "AB.toml").mkdir()
    assert faults(home) == ["config/partners.d/AB.toml: cannot be read: Is a directory"]


def test_editors_backups_are_passed_over(home: Home) -> None:
    (home.partners_d / ".AB.toml.swp").write_text("x")
    (home.partners_d / ".AB.toml").write_text("x")
    (home.partners_d / "AB.toml~").write_text("x")
    assert faults(home) == []


def test_check_finds_missing_and_open_directories_and_keys(home: Home) -> None:
    faults(home)
    assert check(home) == ()
    home.outcomes.rmdir()
    home.keyrings.chmod(0o755)
    home.client_key.chmod(0o644)
    home.host_key.unlink()
    assert [fault.file for fault in check(home)] == [
        "spool/outcomes",
        "state/keyrings",
        "state/ssh/client_key",
        "state/ssh/host_key",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_check_finds_a_directory_that_cannot_be_read(home: Home) -> None:
    faults(home)
    home.inbound.chmod(0)
    assert [fault.file for fault in check(home)] == ["spool/inbound"]


def test_lines_are_found_behind_multi_line_texts_and_comments() -> None:
    source = "a = \"\"\"\nb = 1\n[t]\n\"\"\"\n# [t]\n[ t . \"u\" ] # here\n'c' = 1\nd.e = '''x'''\n[[l]]\nf=1\n"
    found = places(source)
    assert found.line(("b",)) == 1
    assert found.line(("t", "u")) == 6
    assert found.line(("t", "u", "c")) == 7
    assert found.line(("t", "u", "d", "e")) == 8
    assert found.line(("t", "u", "missing")) == 6
    assert found.line(("l", "f")) == 10


@given(st.text())
def test_any_text_can_be_looked_through(source: str) -> None:
    found = places(source)
    assert all(1 <= line <= len(source.splitlines()) for line in (*found.tables.values(), *found.keys.values()))
