"""File names of every evil kind, as a partner can use them: in its landing directory, and in a manifest that it signed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import FileNameRefused
from gateway.settings.debris import PASSED_OVER
from gateway.spool.names import check_name, is_temporary
from gateway.spool.passed_over import PassedOver
from tests.acceptance.reading import files_below, rows
from tests.acceptance.receiving import Receiver, receiver
from tests.acceptance.sites import claim
from tests.fakes.evil_names import EVIL_NAMES
from tests.fakes.forger import Forger, Payload, place, sha256

LA = "E09000030"
HARMFUL = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u202e", "\u2066", "\u061c"}
UNPRINTABLE = {*HARMFUL, "\u200b", "\ufeff", "\u00a0", "\u00ad"}


@pytest.fixture(scope="module")
def dwp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forger]:
    forger = Forger(tmp_path_factory.mktemp("forged") / "DWP", "DWP")
    yield forger
    forger.close()


@pytest.fixture(scope="module")
def site(dwp: Forger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("names"), LA, [dwp]) as made:
        yield made
        made.assert_audit()


def is_carried(name: str) -> bool:
    try:
        check_name(name)
    except FileNameRefused:
        return False
    return True


def test_files_of_evil_names_in_the_landing_are_locked_away_with_one_line_each(site: Receiver, dwp: Forger) -> None:
    landing = site.site.home.landing_in("DWP")
    before = len(site.lines())
    # The name that an unfinished upload has is its writer's, and a name of full length has no room for that ending.
    passed_over = PassedOver(PASSED_OVER)
    left = [name for name in EVIL_NAMES if passed_over(name) and len(os.fsencode(name)) <= 250]
    names = [name for name in EVIL_NAMES if not passed_over(name) and len(os.fsencode(name)) <= 250]
    for name in left:
        place(landing, name, b"debris")
    contents = {name: f"content of {number}".encode() for number, name in enumerate(names)}
    for name, content in contents.items():
        place(landing, name, content)
    site.work()
    assert {path.name for path in landing.iterdir()} == set(left) >= {"Thumbs.db", "desktop.ini", "...", "~"}
    for path in landing.iterdir():
        path.unlink()
    entries = rows(site.site, "SELECT * FROM quarantine WHERE code = 'landing-unexpected'")
    assert sorted(entry["sha256"] for entry in entries) == sorted(map(sha256, contents.values()))
    for entry in entries:
        kept = site.site.home.quarantine / f"{entry['id']}.sealed"
        assert sha256(kept.read_bytes()) == entry["sha256"]
        assert not HARMFUL & set(entry["consignment"])
    told = [line for line in site.lines()[before:] if line["event"] == "consignment.quarantined"]
    assert len(told) == len(names)
    assert {(line["code"], line["level"], line["consignment"]) for line in told} == {
        ("landing-unexpected", "error", "unnamed")
    }
    shown = site.site.gateway("quarantine", "list").stdout
    assert not (UNPRINTABLE - {"\n"}) & set(shown)
    assert len(site.site.json("quarantine", "list")) >= len(names)


def test_items_of_evil_names_are_delivered_under_them_if_they_are_carried_and_rejected_otherwise(
    site: Receiver, dwp: Forger, tmp_path: Path
) -> None:
    before = set(files_below(site.site.home.root.parent))
    names = [
        name for name in EVIL_NAMES if name.isprintable() or not any("\ud800" <= mark <= "\udfff" for mark in name)
    ]
    payloads = [Payload(claim(number, seed=77)[1], name) for number, name in enumerate(names)]
    parcel = dwp.consignment(LA, payloads)
    (told,) = site.receive(dwp, [parcel])
    assert told["state"] == "delivered", told
    answers = {item["transfer"]: item for item in site.receipt(dwp, parcel.id)["items"]}
    lying = site.delivered("claim", "DWP")
    for payload in payloads:
        answer = answers[payload.transfer]
        if is_carried(payload.name):
            assert answer["outcome"] == "delivered", payload.name
            assert lying[payload.name] == payload.content
        else:
            assert (answer["outcome"], answer["code"]) == ("rejected", "file-name"), payload.name
            assert payload.content not in lying.values()
    assert all(is_carried(name) and not is_temporary(name) for name in lying)
    # Everything that came of it lies where such things lie.
    new = set(files_below(site.site.home.root.parent)) - before
    places = (site.site.home.state, site.site.home.inbound, site.site.home.landing)
    assert [path for path in new if not any(path.is_relative_to(each) for each in places)] == []


@pytest.mark.parametrize("name", ["../x.xml", "/etc/passwd", "a/b.xml", "..", ".", "a\0.xml", "claim/../../x"])
def test_item_whose_name_is_a_path_locks_the_whole_consignment_away(site: Receiver, dwp: Forger, name: str) -> None:
    parcel = dwp.consignment(LA, [Payload(b"<first/>", "first.xml"), Payload(b"<second/>", name)])
    (told,) = site.receive(dwp, [parcel])
    assert (told["state"], told["code"]) == ("quarantined", "manifest-name")
    assert site.plaintext() == []


def test_every_line_of_the_log_is_json_and_shows_nothing_that_moves_a_cursor(site: Receiver) -> None:
    for line in site.lines():
        assert not (UNPRINTABLE & set(json.dumps(line, ensure_ascii=False)))
    assert b"QQ123456C" not in site.log.getvalue()
    assert b"QQ_12_34_56_C" not in site.log.getvalue()
