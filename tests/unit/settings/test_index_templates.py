"""Templates of an index: the examples are sound, and every fault is told with its file before anything is moved."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from gateway.errors import ConfigurationInvalid
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.settings.home import Home
from gateway.settings.index_templates import ALWAYS, examine, example_text, templates
from gateway.settings.load import LoadSettings
from gateway.settings.model import Settings


@dataclass(frozen=True)
class _Settings:
    """What templates ask of a site's settings."""

    home: Home
    flows: dict[str, FlowSettings]
    load: LoadSettings = field(default_factory=LoadSettings)


def site(root: Path, inbound_name: str = "{transfer}{ext}", **load: object) -> Settings:
    flows = {name: flow.model_copy(update={"inbound_name": inbound_name}) for name, flow in DEFAULT_FLOWS.items()}
    made = _Settings(Home(root), flows, LoadSettings.model_validate(load))
    made.home.index.mkdir(parents=True)
    return cast("Settings", made)


def write(settings: Settings, text: str, name: str = "laid") -> None:
    (settings.home.index / f"{name}.toml").write_text(text, encoding="utf-8")


CSV = example_text("csv")


@pytest.mark.parametrize("form", ["csv", "xml", "json"])
def test_each_example_is_a_template_without_faults_and_without_anybodys_leave(form: str, tmp_path: Path) -> None:
    settings = site(tmp_path)
    write(settings, example_text(form))
    (found,) = templates(settings)
    assert (found.name, found.says.format, found.personal) == ("laid", form, ())


@pytest.mark.parametrize("form", ["csv", "xml"])
def test_what_an_example_has_commented_out_is_sound_too(form: str, tmp_path: Path) -> None:
    settings = site(tmp_path)
    write(settings, re.sub(r"(?m)^# (?=\[|\w+ = )", "", example_text(form)))
    (found,) = templates(settings)
    assert found.personal == (("reference",) if form == "csv" else ("part.office",))


FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "no flow": (lambda text: text.replace('["laid"]', '["lade"]'), "names lade, which is no flow"),
    "another form": (lambda text: text.replace('"csv"', '"xls"'), 'must be one of "csv", "xml" and "json"'),
    "a misspelt key": (lambda text: text.replace("mib =", "mb ="), "is not known here"),
    "a date with words": (lambda text: text.replace("%d/%m/%Y", "%A"), "must be a form of a date"),
    "no such value": (
        lambda text: text.replace('"received"', '"recieved"'),
        "has a value that there is not, for Received",
    ),
    "neither": (lambda text: text.replace('value = "received"', ""), "needs a value or a constant, and not both"),
    "the same name": (lambda text: text.replace('"Received"', '"Transfer"'), "has two fields of one name"),
    "no leave": (lambda text: text.replace('"received"', '"reference"'), "name it in [personal] fields"),
    "no element": (lambda text: text.replace('"csv"', '"xml"').replace('"Office"', '"The office"'), "no XML element"),
    "JSON is UTF-8": (lambda text: text.replace('"csv"', '"json"').replace('"utf-8"', '"cp1252"'), "must be utf-8"),
    "leave for nothing": (
        lambda text: text + '[personal]\nfields = ["size"]\ndecided_by = "us"\nwhy = "so"\n',
        "no value of the sender's",
    ),
    "leave by nobody": (lambda text: text + '[personal]\nfields = ["name"]\nwhy = "so"\n', "decided_by"),
    "no TOML": (lambda text: text + "[", "is not TOML"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_told_with_the_file(what: str, tmp_path: Path) -> None:
    settings = site(tmp_path)
    change, message = FAULTS[what]
    assert change(CSV) != CSV
    write(settings, change(CSV))
    with pytest.raises(ConfigurationInvalid) as caught:
        templates(settings)
    assert "config/index/laid.toml" in caught.value.reason
    assert message in caught.value.reason


def test_a_flow_goes_into_one_template_and_not_into_a_database_too(tmp_path: Path) -> None:
    settings = site(tmp_path, enabled=True)
    write(settings, CSV)
    write(settings, CSV.replace('["laid"]', '["laid", "claim"]'), "other")
    (first, second) = examine(settings)[1]
    assert "a document goes into one batch" in first.message + second.message
    assert "has loaded into a database" in first.message + second.message


def test_without_the_transfer_in_the_names_of_delivered_files_nothing_is_indexed(tmp_path: Path) -> None:
    settings = site(tmp_path, inbound_name="{name}")
    write(settings, CSV)
    (fault,) = examine(settings)[1]
    assert 'set inbound_name = "{transfer}{ext}" in [flows.laid]' in fault.message


def test_a_file_of_another_name_is_no_template(tmp_path: Path) -> None:
    settings = site(tmp_path)
    write(settings, CSV, "Laid of 2026")
    assert "must have a name of small letters" in str(examine(settings)[1][0])


def test_remarks_and_layout_do_not_change_a_template_and_anything_else_does(tmp_path: Path) -> None:
    settings = site(tmp_path)
    write(settings, CSV)
    (before,) = templates(settings)
    write(settings, "# a remark\n\n" + CSV)
    assert templates(settings)[0].sha256 == before.sha256
    write(settings, CSV.replace("documents = 200", "documents = 201"))
    assert templates(settings)[0].sha256 != before.sha256


def test_no_value_needs_leave_that_the_sender_has_no_hand_in() -> None:
    assert {"name", "reference"}.isdisjoint(ALWAYS)
    assert not any(each.startswith("part.") for each in ALWAYS)
