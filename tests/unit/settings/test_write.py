"""Writing configuration: the examples are true, values stay values, files are whole or absent."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.directories import PRIVATE, SHARED, make, partner_directories, site_directories
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.settings.model import EndpointSettings, GatewayFile, Partner
from gateway.settings.read import examine, load
from gateway.settings.resources import resource
from gateway.settings.values import Table
from gateway.settings.write import EXAMPLE_PARTNER, render_gateway_toml, render_partner, write_partner, write_text

FPR = "0123456789ABCDEF0123456789ABCDEF01234567"
COMMENTED = re.compile(r"^# (\[(?:console|flows|notify)\.[\w.]+\]|[a-z_]+ = .*)$", re.MULTILINE)
NAMES = st.from_regex(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,120}", fullmatch=True)
ENDPOINT = EndpointSettings(host="gateway.example", user="gw", host_key="ssh-ed25519 AAAAC3Nza")


def example() -> str:
    return (resource("config") / "gateway.toml").read_text("utf-8")


def rendered(name: str = "The Department") -> str:
    return render_gateway_toml(code="DWP", name=name, fingerprint=FPR, host="::1", port=2301, user="gw")


def test_the_example_shows_every_setting_with_its_default() -> None:
    shown = tomllib.loads(COMMENTED.sub(r"\1", example()))
    tables = {name: field.annotation for name, field in GatewayFile.model_fields.items() if name != "flows"}
    for name, model in tables.items():
        assert isinstance(model, type)
        assert issubclass(model, Table)
        assert shown[name].keys() == model.model_fields.keys(), name
        for key, field in model.model_fields.items():
            own = {"site", "openpgp", "keys"}  # ours to decide, without default
            if get_origin(field.annotation) in (
                dict,
                UnionType,
            ):  # tables that have names of their own, or need not be there
                of_table, within = get_args(field.annotation), shown[name][key]
                kind = next(each for each in of_table if isinstance(each, type) and issubclass(each, Table))
                (channel,) = within.values() if get_origin(field.annotation) is dict else (within,)
                assert channel.keys() == kind.model_fields.keys(), key
                kept = {each for each, known in kind.model_fields.items() if not known.is_required()}
                given = kind.model_validate(channel)
                assert all(getattr(given, each) == kind.model_fields[each].default for each in kept), key
            elif name not in own and not key.startswith("public_"):
                default = list(field.default) if isinstance(field.default, tuple) else field.default
                assert shown[name][key] == default, f"[{name}] {key}"
    assert shown["flows"] == {name: flow.model_dump(mode="json") for name, flow in DEFAULT_FLOWS.items()}


def test_the_example_is_valid_as_it_stands_and_with_every_comment_taken_away() -> None:
    for text in (example(), COMMENTED.sub(r"\1", example())):
        GatewayFile.model_validate(tomllib.loads(text))


def test_what_init_writes_keeps_every_explanation() -> None:
    written = rendered()
    assert len(written.splitlines()) == len(example().splitlines())
    values = GatewayFile.model_validate(tomllib.loads(written))
    assert (values.site.code, values.site.name, values.openpgp.fingerprint) == ("DWP", "The Department", FPR)
    assert (values.sftp_server.host, values.sftp_server.port, values.sftp_server.user) == ("::1", 2301, "gw")


@given(NAMES)
def test_any_name_stays_a_name(name: str) -> None:
    assert tomllib.loads(rendered(name))["site"]["name"] == name


@given(
    NAMES,
    st.sampled_from(["push", "collect", "none"]),
    st.none() | st.just(ENDPOINT),
    st.none() | st.just(("claim", "laid")),
)
def test_a_written_partner_reads_back_the_same(
    name: str, link: str, endpoint: EndpointSettings | None, flows: tuple[str, ...] | None
) -> None:
    partner = Partner.model_validate(
        {
            "code": "E09000030",
            "name": name,
            "fingerprint": FPR,
            "link": link,
            "ssh_key": "ssh-ed25519 AAAAC3Nza" if endpoint else None,
            "os_account": "gw-1" if endpoint else None,
            "flows_out": flows,
            "flows_in": flows,
            "max_bytes_per_second": 2048 if flows else None,
            "windows": ("20:00-06:00", "12:30-13:30") if flows else (),
            "suspended": name if flows else None,
            "landing_bytes": 4096 if flows else None,
            "landing_files": 7 if flows else None,
            "day_bytes": 8192 if flows else None,
            "endpoint": endpoint,
        }
    )
    assert Partner.model_validate(tomllib.loads(render_partner(partner))) == partner


def test_the_example_partner_is_valid_and_shows_every_setting() -> None:
    values = tomllib.loads((resource("config") / EXAMPLE_PARTNER).read_text("utf-8"))
    Partner.model_validate(values)
    assert values.keys() == Partner.model_fields.keys()
    assert values["endpoint"].keys() == EndpointSettings.model_fields.keys()


def test_the_examples_together_are_a_site(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make(site_directories(home))
    write_text(home.gateway_toml, rendered())
    partner = Partner(code="E09000030", name="Tower Hamlets", fingerprint=FPR, endpoint=ENDPOINT)
    path = write_partner(home, partner)
    assert examine(home)[1] == ()
    assert load(home).partners == {"E09000030": partner}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.toml"]  # noqa: PTH208  # names alone are asked for


def test_directories_have_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    home = Home(tmp_path / "site")
    before = os.umask(0o077)
    try:
        make(site_directories(home))
        make(partner_directories(home, "E09000030", ["claim"], ["extract"]))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in home.root.rglob("*")}
    assert all(mode == PRIVATE for path, mode in modes.items() if home.state in (path, *path.parents))
    assert all(mode == SHARED for path, mode in modes.items() if home.spool in (path, *path.parents))
    assert home.outbound / "claim" / "E09000030" in modes
    assert home.outcomes / "extract" / "E09000030" in modes
    assert home.outbound / "extract" not in modes
    assert home.landing_in("E09000030") in modes


def test_making_directories_again_leaves_a_sysadmins_modes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make(site_directories(home))
    home.inbound.chmod(0o2775)
    make(site_directories(home))
    assert stat.S_IMODE(home.inbound.stat().st_mode) == 0o2775


@pytest.mark.parametrize("others", [("south.example:22",), ("192.0.2.7:2222", "[2001:db8::7]:22")])
def test_a_partner_s_other_addresses_are_read_as_they_were_written(others: tuple[str, ...]) -> None:
    endpoint = ENDPOINT.model_copy(update={"other_addresses": others})
    partner = Partner(code="E09000030", name="x", fingerprint=FPR, endpoint=endpoint)
    read = Partner.model_validate(tomllib.loads(render_partner(partner)))
    assert read == partner
    assert read.endpoint is not None
    assert list(read.endpoint.addresses) == ["gateway.example:22", *others]


@pytest.mark.parametrize(
    "wrong", ["south.example", "south.example:0", "south.example:70000", "2001:db8::7:22", "a b:22"]
)
def test_an_address_without_a_host_and_a_port_is_a_fault(wrong: str) -> None:
    with pytest.raises(ValueError, match="other_addresses"):
        EndpointSettings(host="a", user="gw", host_key="ssh-ed25519 AAAAC3Nza", other_addresses=(wrong,))
