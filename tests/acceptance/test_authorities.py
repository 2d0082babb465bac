"""Codes of authorities as people meet them: at `init`, in cards, in `gateway authorities`, and in files between real sites.

DWP, Oldham's site, which is known by its four digits, and Cumberland's, which took over from Allerdale and others.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.cli import main
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.sample.outcome import OutcomeSampler
from gateway.settings.home import Home
from gateway.settings.read import load
from tests.acceptance.called import Done, Run
from tests.acceptance.sites import Site, claim, running_sites
from tests.fakes.keybox import write_keybox

OLDHAM, DIGITS = "E08000004", "4220"
ALLERDALE, CARLISLE, CUMBERLAND = "E07000026", "E07000028", "E06000063"
LIMIT = 120.0


@dataclass(frozen=True)
class Three:
    """The sites, running."""

    dwp: Site
    oldham: Site
    cumberland: Site


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    with running_sites(tmp_path_factory.mktemp("codes"), "DWP", DIGITS, CUMBERLAND) as sites:
        yield Three(*sites)


# -- files between running sites


def test_claim_that_names_the_ons_code_reaches_the_site_known_by_four_digits(three: Three) -> None:
    name, content = claim(1, authority=OLDHAM)
    three.dwp.drop("claim", DIGITS, name, content)
    three.dwp.wait_for(name, "receipted", LIMIT)
    assert three.oldham.inbound("claim", "DWP")[name] == content


def test_outcome_that_names_the_ons_code_comes_from_the_site_known_by_four_digits(three: Three) -> None:
    sample = OutcomeSampler().make(
        sender=OLDHAM, recipient="DWP", index=1, random=Random(1), today=date(2026, 11, 22), defect=None
    )
    three.oldham.drop("outcome", "DWP", sample.name, sample.content)
    three.oldham.wait_for(sample.name, "receipted", LIMIT)
    assert three.dwp.inbound("outcome", DIGITS)[sample.name] == sample.content


@pytest.mark.parametrize("code", [ALLERDALE, "0905", CARLISLE, "0940"])
def test_claim_that_names_a_merged_authority_reaches_its_successor(three: Three, code: str) -> None:
    name, content = claim(int(code[-4:]), authority=code)
    three.dwp.drop("claim", CUMBERLAND, name, content)
    three.dwp.wait_for(name, "receipted", LIMIT)
    assert three.cumberland.inbound("claim", "DWP")[name] == content


@pytest.mark.parametrize(("index", "code", "partner"), [(71, "4225", DIGITS), (72, OLDHAM, CUMBERLAND)])
def test_claim_for_another_authority_comes_back(three: Three, index: int, code: str, partner: str) -> None:
    name, content = claim(index, authority=code)
    three.dwp.drop("claim", partner, name, content)
    row = three.dwp.wait_for(name, "rejected", LIMIT)
    assert row["code"] == "wrong-authority"


def test_validate_says_the_same_as_the_gateway(three: Three, tmp_path: Path) -> None:
    for number, (code, status) in enumerate([(OLDHAM, 0), ("0905", 0), ("E09000030", 65)]):
        name, content = claim(80 + number, authority=code)
        (tmp_path / name).write_bytes(content)
        assert three.dwp.gateway("validate", "claim", tmp_path / name, check=False).returncode == status
    name, content = claim(90, authority=ALLERDALE)
    (tmp_path / name).write_bytes(content)
    for to, status in ((CUMBERLAND, 0), ("0940", 0), (DIGITS, 65)):
        said = three.dwp.gateway("validate", "claim", tmp_path / name, "--to", to, check=False)
        assert said.returncode == status, said.stderr


# -- at the desk


@pytest.fixture(scope="module")
def moulds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sites as `init` makes them; tests get copies, for making keys takes a second."""
    root = tmp_path_factory.mktemp("moulds")
    assert main(["init", str(root / "dwp"), "--site", "DWP", "--sftp", "127.0.0.1:2311"]) == 0
    assert main(["init", str(root / "la"), "--site", OLDHAM, "--sftp", "127.0.0.1:2312"]) == 0
    return root


@pytest.fixture
def dwp(tmp_path: Path, moulds: Path) -> Home:
    return Home(shutil.copytree(moulds / "dwp", tmp_path / "dwp"))


@pytest.fixture
def la(tmp_path: Path, moulds: Path) -> Home:
    return Home(shutil.copytree(moulds / "la", tmp_path / "la"))


@pytest.fixture
def card(tmp_path: Path, la: Home, run: Run) -> Path:
    path = tmp_path / "la.card.json"
    path.write_text(run("--home", la.root, "card").out, "utf-8")
    return path


def called(card: Path, code: str) -> Path:
    """The card under another code."""
    path = card.with_name(f"{code}.card.json")
    path.write_text(json.dumps(json.loads(card.read_text("utf-8")) | {"site": code}), "utf-8")
    return path


def fingerprint(card: Path) -> str:
    return str(json.loads(card.read_text("utf-8"))["fingerprint"])


def add(run: Run, home: Home, card: Path, *arguments: str) -> Done:
    return run("--home", home.root, "partner", "add", card, "--fingerprint", fingerprint(card), *arguments)


def test_init_takes_the_name_from_the_table(la: Home, tmp_path: Path, run: Run) -> None:
    assert load(la).site.name == "Oldham"
    assert run("init", tmp_path / "a", "--site", DIGITS, "--name", "Oldham Council").status == 0
    assert load(Home(tmp_path / "a")).site.name == "Oldham Council"


@pytest.mark.parametrize(
    ("code", "meant"), [("E0900030", "Tower Hamlets"), ("OLDHAM", "Oldham"), ("TOWERHAMLETS", "E09000030")]
)
def test_init_refuses_an_unknown_code_and_says_what_may_be_meant(
    tmp_path: Path, run: Run, code: str, meant: str
) -> None:
    refused = run("init", tmp_path / "a", "--site", code)
    assert refused.status == 65
    assert meant in refused.err
    assert "--unlisted" in refused.err
    assert not (tmp_path / "a").exists()


def test_init_takes_an_unlisted_code_where_it_is_told_so(tmp_path: Path, run: Run) -> None:
    assert run("init", tmp_path / "a", "--site", "E06000999", "--unlisted").status == 0
    home = Home(tmp_path / "a")
    assert load(home).site.name == "E06000999"
    assert run("--home", home.root, "config", "check").status == 0
    (told,) = looked_at(run, home)
    assert told["outcome"] == "warn"
    assert "E06000999" in told["message"]


def test_init_with_the_code_of_a_merged_authority_names_the_successor(tmp_path: Path, run: Run) -> None:
    made = run("init", tmp_path / "a", "--site", ALLERDALE)
    assert made.status == 0
    assert f"{CUMBERLAND} (Cumberland)" in made.err


def looked_at(run: Run, home: Home) -> list[dict[str, Any]]:
    """What `doctor` says of authorities."""
    checks = json.loads(run("--home", home.root, "doctor", "--json").out)
    return [check for check in checks if check["name"] == "authorities"]


def test_card_with_an_unknown_code_is_refused_unless_unlisted(dwp: Home, card: Path, run: Run) -> None:
    strange = called(card, "E08000005X")
    refused = add(run, dwp, strange)
    assert refused.status == 65
    assert "Rochdale" in refused.err
    assert not list(dwp.partners_d.glob("*.toml"))
    assert add(run, dwp, strange, "--unlisted").status == 0
    # What was taken once is not asked about again: keys change at that partner too.
    assert add(run, dwp, strange).status == 0
    assert run("--home", dwp.root, "config", "check").status == 0
    assert [check["outcome"] for check in looked_at(run, dwp)] == ["warn"]


def test_second_partner_of_one_authority_is_refused(dwp: Home, card: Path, tmp_path: Path, run: Run) -> None:
    assert add(run, dwp, card).status == 0
    run("init", tmp_path / "second", "--site", DIGITS)
    second = tmp_path / "second.card.json"
    second.write_text(run("--home", tmp_path / "second", "card").out, "utf-8")
    for arguments in ((), ("--unlisted",)):
        refused = add(run, dwp, second, *arguments)
        assert refused.status == 65
        assert f"the partner {OLDHAM} under its other code" in refused.err
    assert [path.stem for path in dwp.partners_d.glob("*.toml")] == [OLDHAM]


def test_own_authority_is_no_partner(la: Home, tmp_path: Path, run: Run) -> None:
    run("init", tmp_path / "second", "--site", DIGITS)
    second = tmp_path / "second.card.json"
    second.write_text(run("--home", tmp_path / "second", "card").out, "utf-8")
    refused = add(run, la, second)
    assert refused.status == 65
    assert "this site's own authority" in refused.err


def test_merged_authority_is_added_with_a_warning_and_may_stand_beside_its_successor(
    dwp: Home, card: Path, run: Run
) -> None:
    """While the old sites drain, both are partners."""
    added = add(run, dwp, called(card, ALLERDALE))
    assert added.status == 0
    assert f"{CUMBERLAND} (Cumberland)" in added.err
    settings = load(dwp)
    assert set(settings.partners) == {ALLERDALE}
    assert [check["outcome"] for check in looked_at(run, dwp)] == ["warn"]


def test_two_partners_of_one_authority_from_before_keep_working(dwp: Home, card: Path, run: Run) -> None:
    assert add(run, dwp, card).status == 0
    text = (dwp.partners_d / f"{OLDHAM}.toml").read_text("utf-8")
    twin = text.replace(OLDHAM, DIGITS).replace(fingerprint(card), "A" * 40)
    twin = "\n".join(line for line in twin.splitlines() if not line.startswith("ssh_key"))
    (dwp.partners_d / f"{DIGITS}.toml").write_text(twin, "utf-8")
    write_keybox(Keyrings(dwp.keyrings).partner_ring(DIGITS), "A" * 40)
    assert set(load(dwp).partners) == {OLDHAM, DIGITS}
    (told,) = looked_at(run, dwp)
    assert (told["outcome"], f"{OLDHAM}" in told["message"], DIGITS in told["message"]) == ("warn", True, True)


def test_doctor_is_content_with_listed_authorities(dwp: Home, card: Path, run: Run) -> None:
    assert add(run, dwp, card).status == 0
    assert [check["outcome"] for check in looked_at(run, dwp)] == ["ok"]


def test_authorities_are_looked_up_by_name_and_code(run: Run) -> None:
    (found,) = json.loads(run("authorities", "tower ham", "--json").out)
    assert (found["ons"], found["billing"], found["kind"]) == ("E09000030", "5900", "London borough")
    (merged,) = json.loads(run("authorities", ALLERDALE, "--json").out)
    assert (merged["until"], merged["successor"], merged["current"]) == ("2023-03-31", CUMBERLAND, CUMBERLAND)
    assert "E06000063 Cumberland" in run("authorities", "allerdale").out
    assert len(json.loads(run("authorities", "--json").out)) > 400


def test_looking_up_what_is_not_there_says_what_is_near(run: Run) -> None:
    nothing = run("authorities", "tower hamlet borough")
    assert (nothing.status, nothing.out) == (65, "")
    assert run("authorities", "Towr Hamlets").err.count("E09000030") == 1
    assert json.loads(run("authorities", "Atlantis", "--json").out) == []


def test_a_sites_own_rows_count_at_once(dwp: Home, card: Path, run: Run) -> None:
    row = "E06000901\t9803\tNew Borough\t2027-04-01\t\t"
    dwp.authorities.write_text(f"ons\tbilling\tname\tfrom\tuntil\tsuccessor\n{row}\n", "utf-8")
    assert "New Borough" in run("--home", dwp.root, "authorities", "9803").out
    assert add(run, dwp, called(card, "9803")).status == 0
    dwp.authorities.write_text("ons\n", "utf-8")
    broken = run("--home", dwp.root, "config", "check")
    assert broken.status == 78
    assert "config/authorities.tsv:1" in broken.out
