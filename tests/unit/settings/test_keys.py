"""What the configuration says of keys that change: written beside a sysadmin's own lines, and judged strictly."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.directories import make, site_directories
from gateway.settings.home import Home
from gateway.settings.model import EndpointSettings, KeySettings, Partner
from gateway.settings.read import examine, load
from gateway.settings.rules import between
from gateway.settings.write import change, render_gateway_toml, render_partner, write_keys, write_partner, write_text

NOW, OLD, LOST = "A" * 40, "B" * 40, "C" * 40
UNTIL = datetime(2026, 12, 31, 12, tzinfo=UTC)
KEY, OLD_KEY = "ssh-ed25519 AAAAC3Nza", "ssh-ed25519 AAAAC3Nzb"
CHANGING = KeySettings(old_openpgp=OLD, old_openpgp_until=UNTIL, old_host_key_until=UNTIL, revoked_openpgp=(LOST,))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    make(site_directories(made))
    write_text(
        made.gateway_toml,
        render_gateway_toml(code="DWP", name="DWP", fingerprint=OLD, host="127.0.0.1", port=2222, user="gateway"),
    )
    return made


def partner(**values: Any) -> Partner:
    endpoint = EndpointSettings(host="gateway.example", user="gw", host_key=KEY)
    return Partner(code="E09000030", name="LA", fingerprint=NOW, ssh_key=KEY, endpoint=endpoint).model_copy(
        update=values
    )


def test_our_keys_are_written_into_the_file_and_taken_out_again_and_all_else_stays(home: Home) -> None:
    before = home.gateway_toml.read_text("utf-8")
    write_keys(home, NOW, CHANGING)
    settings = load(home)
    assert (settings.openpgp.fingerprint, settings.keys) == (NOW, CHANGING)
    write_keys(home, OLD, KeySettings())
    assert home.gateway_toml.read_text("utf-8") == before


def test_file_from_before_there_was_such_a_table_gets_one(home: Home) -> None:
    write_text(home.gateway_toml, f'[site]\ncode = "DWP"\nname = "x"\n\n[openpgp]\nfingerprint = "{OLD}"\n')
    assert load(home).keys == KeySettings()
    write_keys(home, NOW, CHANGING)
    assert load(home).keys == CHANGING


@given(
    st.dictionaries(
        st.sampled_from(["code", "name", "other"]), st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
)
def test_changed_value_is_the_one_that_is_read_and_no_other_changes(values: dict[str, str], new: str) -> None:
    text = change(change("# mine\n[site]\n[keys]\nkept = 1\n", "site", values), "keys", {"name": new})
    assert tomllib.loads(text) == {"site": values, "keys": {"name": new, "kept": 1}}
    assert text.startswith("# mine\n")
    assert tomllib.loads(change(text, "keys", {"name": None})) == {"site": values, "keys": {"kept": 1}}


def test_partner_that_changes_its_keys_reads_back_the_same() -> None:
    changing = partner(
        old_fingerprint=OLD,
        old_fingerprint_until=UNTIL,
        old_ssh_key=OLD_KEY,
        old_ssh_key_until=UNTIL,
        revoked=(LOST, f"SHA256:{'x' * 43}"),
        card_issued=UNTIL,
    )
    assert Partner.model_validate(tomllib.loads(render_partner(changing))) == changing


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"old_fingerprint": OLD}, "needs old_fingerprint_until"),
        ({"old_fingerprint_until": UNTIL}, "needs old_fingerprint_until"),
        ({"old_fingerprint": NOW, "old_fingerprint_until": UNTIL}, "the current key is not the old one"),
        ({"old_ssh_key": OLD_KEY}, "needs old_ssh_key_until"),
        ({"old_ssh_key": KEY, "old_ssh_key_until": UNTIL}, "the current key is not the old one"),
    ],
)
def test_old_key_without_a_date_is_a_fault_and_so_is_one_that_is_the_current(
    home: Home, changes: dict[str, Any], word: str
) -> None:
    write_partner(home, partner(**changes))
    _, faults = examine(home)
    assert [word in fault.message for fault in faults] == [True]


def test_old_key_of_one_partner_is_no_key_of_another() -> None:
    other = partner(code="W06000024", fingerprint=LOST, ssh_key=None, old_fingerprint=NOW, old_fingerprint_until=UNTIL)
    found = [
        (code, rule.path, "the same as" in rule.message) for code, rule in between([partner(), other], lambda _: 0.0)
    ]
    assert found == [("E09000030", ("fingerprint",), True), ("W06000024", ("old_fingerprint",), True)]


@pytest.mark.parametrize("wrong", [KeySettings(old_openpgp=OLD), KeySettings(old_openpgp=NOW, old_openpgp_until=UNTIL)])
def test_fault_of_our_own_keys_is_named(home: Home, wrong: KeySettings) -> None:
    write_keys(home, NOW, wrong)
    _, faults = examine(home)
    assert [fault.where for fault in faults] == ["[keys] old_openpgp"]
