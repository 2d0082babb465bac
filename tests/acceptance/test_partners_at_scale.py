"""The desk aids on many partners and on limits, followed on a real pair: cards, tables, a partner that rests, a full landing."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.administration.site import bulk
from gateway.administration.site.bulk import Order
from gateway.administration.site.settings import load
from gateway.domain.decision import Decision
from gateway.errors import ChangedMeanwhile
from gateway.logs import configure
from tests.acceptance.copies import LA, copied_pair
from tests.acceptance.sites import Site, claim, wait_until
from tests.fakes.forger import Forger

DESK: Final = Path(__file__).resolve().parents[2] / "docs" / "operators"
REFUSED: Final = "The partner's server does not accept our SSH key."
NEW: Final = ("E08000004", "W06000024")

pytestmark = pytest.mark.timeout(600)


def commands(part: str) -> list[list[str]]:
    """The commands of a part of the page, which its heading begins, as they stand there."""
    (text,) = re.findall(
        rf"(?ms)^## {re.escape(part)}$(.*?)(?=^## |\Z)", (DESK / "partners-at-scale.md").read_text("utf-8")
    )
    return [shlex.split(line)[1:] for line in re.findall(r"(?m)^ *(gateway partner .+|gateway reload)$", text)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    with copied_pair(tmp_path_factory.mktemp("scale")) as sites:
        for site in sites:
            site.start()
        yield sites


@pytest.fixture(scope="module")
def newcomers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Forger]]:
    made = [Forger(tmp_path_factory.mktemp("newcomer") / code, code) for code in NEW]
    yield made
    for each in made:
        each.close()


def lane(site: Site, partner: str) -> dict[str, Any]:
    health = json.loads(site.gateway("status", "--json", check=False).stdout)
    (found,) = [each for each in health["lanes"] if each["partner"] == partner]
    return dict(found)


def _file(site: Site, partner: str) -> str:
    return (site.home.partners_d / f"{partner}.toml").read_text("utf-8")


def test_cards_and_decisions_come_in_by_the_hundred_and_a_bad_one_keeps_no_other_out(
    pair: tuple[Site, Site], newcomers: list[Forger], tmp_path: Path
) -> None:
    dwp, la = pair
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "minutes.txt").write_text("Those who were there")
    (cards / "la.json").write_text(la.gateway("card").stdout)
    for each in newcomers:
        (cards / f"{each.code}.json").write_text(each.card())
    confirmed = tmp_path / "confirmed.txt"
    heard = [" ".join(re.findall("....", each.fingerprint)) for each in newcomers]
    confirmed.write_text(
        "# by telephone\n" + "".join(f"{each.code} {said}\n" for each, said in zip(newcomers, heard, strict=True))
    )
    names = {"cards": str(cards), "confirmed.txt": str(confirmed)}
    look, take, reload = ([names.get(word, word) for word in each] for each in commands("A directory of cards"))

    seen = dwp.gateway(*look, "--json", check=False)
    assert seen.returncode == 65
    answers = {each["where"]: each for each in json.loads(seen.stdout)["answers"]}
    assert {where: each["outcome"] for where, each in answers.items()} == {
        "minutes.txt": "refused",
        "la.json": "changed",  # it is newer than the one before
        **{f"{code}.json": "unconfirmed" for code in NEW},
    }
    assert answers[f"{NEW[0]}.json"]["fingerprint"] == newcomers[0].fingerprint
    assert {each["code"] for each in dwp.json("partner", "list")} == {LA}, "a dry run changes nothing"

    taken = dwp.gateway(*take, check=False)
    assert taken.returncode == 65, "there is a file that is no card"
    assert "2 added, 1 changed, 1 refused" in taken.stderr
    assert {each["code"] for each in dwp.json("partner", "list")} == {LA, *NEW}
    (cards / "minutes.txt").unlink()
    assert "3 unchanged" in dwp.gateway(*take).stderr
    dwp.gateway(*reload)

    rows = tmp_path / "partners.csv"
    (example,) = re.findall(r"(?ms)^```\n(code,.*?)^```$", (DESK / "partners-at-scale.md").read_text("utf-8"))
    rows.write_text(example + f"{NEW[1]},22,,,\nE09000030,0,claim,25:00-26:00,\nE09999999,,,,\n")
    trial, real, _ = (
        [str(rows) if word == rows.name else word for word in each] for each in commands("A table of decisions")
    )
    for command in (trial, real):
        refused = dwp.gateway(*command, "--json", check=False)
        assert refused.returncode == 65
        found = {each["where"]: (each["outcome"], each["reason"]) for each in json.loads(refused.stdout)["answers"]}
        assert [outcome for outcome, _ in found.values()] == ["changed", "refused", "refused", "refused"]
        assert "no endpoint" in found["partners.csv:3"][1]
        assert found["partners.csv:4"][1].count("must be") == 2, "every fault of the line"
        assert "no partner E09999999" in found["partners.csv:5"][1]
        assert "nothing was changed" in refused.stderr
        assert "day_bytes = 1073741824" not in _file(dwp, NEW[0])
    rows.write_text(example)
    assert json.loads(dwp.gateway(*trial, "--json").stdout)["answers"][0]["outcome"] == "changed"
    dwp.gateway(*real)
    file = _file(dwp, NEW[0])
    for line in ('windows = ["20:00-06:00"]', "day_bytes = 1073741824", 'flows_out = ["laid", "claim"]'):
        assert line in file
    assert json.loads(dwp.gateway(*trial, "--json").stdout)["answers"][0]["outcome"] == "unchanged"
    assert dwp.gateway("config", "check").returncode == 0

    by_card = "".join(f"{code},cards/{code}.json,{heard[0]}\n" for code in NEW)
    rows.write_text(f"code,card,fingerprint\n{by_card}")
    found = json.loads(dwp.gateway(*trial, "--json", check=False).stdout)["answers"]
    assert [each["outcome"] for each in found] == ["unchanged", "refused"], "the second was confirmed with another's"

    (tested,) = commands("All links")
    (works,) = json.loads(dwp.gateway(*tested, "--json").stdout)
    assert (works["partner"], works["usable"]) == (LA, True)


def test_a_partner_that_rests_gets_nothing_and_gives_nothing_until_it_is_resumed(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    name, content = claim(1, seed=8)
    dwp.drop("claim", LA, name, content)
    dwp.wait_for(name, "receipted", 60)
    roles = {role: dwp.role(role) for role in ("inspect", "vault", "link")}
    suspend, resume = commands("A partner has to rest")
    dwp.gateway(*suspend)
    assert dwp.gateway(*suspend, check=False).returncode == 64, "it is suspended already"
    assert all(dwp.role(role) not in (None, pid) for role, pid in roles.items()), "the roles work by it"

    later, content = claim(2, seed=8)
    dropped = dwp.drop("claim", LA, later, content)
    refused = dwp.gateway("submit", "claim", LA, dropped, check=False)
    assert refused.returncode == 69
    assert "partner-suspended" in refused.stderr
    tested = la.gateway("partner", "test", "DWP", check=False)
    assert tested.returncode == 75, tested.stderr
    assert REFUSED in tested.stderr
    said = dwp.gateway("status", check=False)
    assert said.returncode == 69
    assert f"partner {LA} is suspended: their incident 12, by telephone" in said.stdout
    assert lane(dwp, LA)["state"] == "suspended"
    (listed,) = [each for each in dwp.json("partner", "list") if each["code"] == LA]
    assert listed["suspended"] == "their incident 12, by telephone"
    assert dropped.exists(), "what waits stays"
    assert dwp.gateway("config", "check").returncode == 0, "a partner that rests is no fault"
    dwp.gateway("reload")

    dwp.gateway(*resume)
    dwp.wait_for(later, "receipted", 60)
    wait_until(lambda: later in la.inbound("claim", "DWP"), 30, "the delivery")
    with closing(sqlite3.connect(f"file:{dwp.home.ledger}?mode=ro", uri=True)) as ledger:
        told = ledger.execute("SELECT event, detail FROM events WHERE kind = 'site' AND subject = ?", (LA,)).fetchall()
    assert [event for event, _ in told if event != "partner.changed"][-2:] == ["partner.suspended", "partner.resumed"]
    assert all('"actor"' in str(detail) and "reason_sha256" in str(detail) for _, detail in told)
    dwp.gateway("audit", "verify")


def test_a_partner_whose_landing_is_full_is_shut_out_until_there_is_room(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    page = (DESK / "limits-and-windows.md").read_text("utf-8")
    assert "`landing_bytes` | 8 GiB" in page
    path = dwp.home.partners_d / f"{LA}.toml"
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"(?m)^# landing_bytes = .*$", "landing_bytes = 100000", text), encoding="utf-8")
    dwp.gateway("reload")
    la.gateway("partner", "test", "DWP")
    # As a client leaves it whose upload never ends: our own would have stopped.
    part = dwp.home.landing_in(LA) / "upload.part"
    servers = len(dwp.events("server.started"))
    part.write_bytes(b"x" * 100_001)
    wait_until(lambda: dwp.events("partner.shut-out"), 30, "the partner is shut out")
    assert len(dwp.events("server.started")) == servers + 1, "sessions that were open have ended"
    assert REFUSED in la.gateway("partner", "test", "DWP", check=False).stderr
    said = dwp.gateway("status", check=False)
    assert said.returncode == 69
    assert f"the landing of {LA}: it is full, and the server does not let {LA} in" in said.stdout
    assert "docs/operators/limits-and-windows.md" in said.stdout
    part.unlink()
    wait_until(lambda: dwp.events("partner.let-in"), 30, "the partner is let in")
    la.gateway("partner", "test", "DWP")
    path.write_text(text, encoding="utf-8")
    dwp.gateway("reload")


def test_what_was_planned_before_a_partner_was_suspended_does_not_end_that(pair: tuple[Site, Site]) -> None:
    dwp, _ = pair
    settings = load(dwp.home)
    order = Order("partners.csv:2", code=LA, values={"day_bytes": 1 << 30})
    planned = list(bulk.plan(settings, [order], time.time()))
    dwp.gateway("partner", "suspend", LA, "--reason", "their laptop was stolen")
    with Path(os.devnull).open("wb") as nowhere:
        log = configure("DWP", "command", stream=nowhere, format="json", level="error")
        with pytest.raises(ChangedMeanwhile):
            bulk.carry_out(settings, log, planned, Decision("nobody", "roll-out"))
        assert 'suspended = "their laptop was stolen"' in _file(dwp, LA)
        dwp.gateway("partner", "resume", LA, "--reason", "it was found")
        bulk.carry_out(load(dwp.home), log, planned, Decision("nobody", "roll-out"))
    assert "day_bytes = 1073741824" in _file(dwp, LA)
