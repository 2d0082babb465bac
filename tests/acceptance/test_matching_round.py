"""The month's round between DWP and an authority: referrals answered by outcomes and by the extract, extracts in the calendar.

One pair of sites for the module. What a test drops stays in the ledger, so each asks about files of its own.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.calendar import Month
from gateway.sample.answers import matches_of
from gateway.sample.extract import ExtractSampler
from gateway.sample.outcome import OutcomeSampler
from gateway.sample.referral import referral_sampler
from gateway.settings.resources import resource
from tests.acceptance.copies import copied_pair
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site

LA = "E09000030"
_RMS = re.compile(rb"<RmsNumber>([^<]+)</RmsNumber>")


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    with copied_pair(tmp_path_factory.mktemp("matching-round")) as (dwp, la):
        dwp.start()
        la.start()
        yield dwp, la
        # What each test did, the audit of both sites has to find right.
        for site in (dwp, la):
            site.gateway("audit", "verify")


def today() -> date:
    return datetime.now(UTC).date()


def referral(index: int) -> tuple[str, bytes]:
    sample = referral_sampler().make(
        sender="DWP", recipient=LA, index=index, random=random.Random(f"round/{index}"), today=today()
    )
    return sample.name, sample.content


def extract(rows_about: int, seed: int, resolves: bytes | None = None) -> tuple[str, bytes]:
    """An extract, one of whose R records resolves the referral of that number."""
    sample = ExtractSampler(resource("schemas"), rows=rows_about).make(
        sender=LA, recipient="DWP", index=seed, random=random.Random(seed), today=today()
    )
    content = sample.content
    if resolves is not None:
        content, done = re.subn(rb",RMS[0-9]{7},", b"," + resolves + b",", content, count=1)
        assert done == 1
    return sample.name, content


def look(site: Site, *arguments: str) -> dict[str, Any]:
    found = site.json("referrals", *arguments)
    assert isinstance(found, dict)
    return found


def test_referral_is_outstanding_until_an_outcome_or_an_extract_answers_it(running: tuple[Site, Site]) -> None:
    dwp, la = running
    documents = [referral(index) for index in (1, 2, 3)]
    for name, content in documents:
        dwp.drop("referral", LA, name, content)
    for name, _ in documents:
        dwp.wait_for(name, "receipted")
    numbers = [_RMS.findall(content) for _, content in documents]
    asked = {rms.decode() for each in numbers for rms in each}
    found = look(dwp, "--outstanding")
    assert {each["rms"] for each in found["referrals"]} == asked
    assert {(each["state"], each["age_days"], each["partner"]) for each in found["referrals"]} == {
        ("outstanding", 0, LA)
    }

    answer = OutcomeSampler().answer(
        matches_of(documents[0][1]), sender=LA, index=1, random=random.Random("round"), today=today()
    )
    la.drop("outcome", "DWP", answer.name, answer.content)
    name, content = extract(300, 1, resolves=numbers[1][0])
    la.drop("extract", "DWP", name, content)
    outcome = la.wait_for(answer.name, "receipted")
    monthly = la.wait_for(name, "receipted")

    found = look(dwp)
    answered = {each["rms"]: each for each in found["referrals"] if each["state"] == "answered"}
    expected = {rms.decode(): ("outcome", outcome["id"]) for rms in numbers[0]}
    expected[numbers[1][0].decode()] = ("extract", monthly["id"])
    assert {rms: (each["answered_by"], each["answer_transfer"]) for rms, each in answered.items()} == expected
    assert found["totals"]["outstanding"] == len(asked) - len(expected)
    assert sum(group["sent"] for group in found["groups"]) == found["totals"]["sent"] == len(asked)

    # A referral and its answer are one story, at both ends and from either of them.
    first, second = (dwp.transfers(name=each)[0]["id"] for each, _ in documents[:2])
    for site in running:
        for one, other in ((first, outcome["id"]), (outcome["id"], first), (second, monthly["id"])):
            told = site.json("show", one)["conversation"]["members"]
            assert {each["id"]: each["asked"] for each in told} == {one: True, other: False}

    left = {each["rms"] for each in look(dwp, "--outstanding")["referrals"]}
    assert left == asked - set(expected)
    rules = Counter(each["rule"] for each in found["referrals"])
    rule = rules.most_common(1)[0][0]
    assert len(look(dwp, "--rule", rule.partition("/")[0])["referrals"]) == rules[rule]
    assert look(dwp, "--older-than", "1")["referrals"] == []
    assert look(dwp, "--partner", "E06000001")["referrals"] == []
    lines = list(csv.DictReader(io.StringIO(dwp.gateway("referrals", "--outstanding", "--csv").stdout)))
    assert {line["rms"] for line in lines} == left
    table = dwp.gateway("referrals")
    assert LA in table.stdout
    assert f"{len(left)} outstanding" in table.stderr
    assert la.gateway("referrals", check=False).returncode == 64


def test_extract_is_in_the_calendar_and_a_second_one_replaces_it(running: tuple[Site, Site]) -> None:
    dwp, la = running
    month = Month.of(today())
    old = month.before.before
    for number in (1, 2):
        name, content = extract(60, 10 + number)
        name = f"hb{LA}_SHBE_{number} {old.reference_date:%B %Y}.csv"
        la.drop("extract", "DWP", name, content)
        la.wait_for(name, "receipted")
    (entry,) = dwp.json("calendar", "--month", str(old), "--partner", LA)
    assert (entry["standing"], entry["resubmitted"], len(entry["replaced"])) == ("late", True, 1)
    sent = {row["name"]: row["id"] for row in la.rows() if row["flow"] == "extract"}
    assert entry["counts"]["transfer"] == sent[f"hb{LA}_SHBE_2 {old.reference_date:%B %Y}.csv"]
    assert entry["replaced"][0]["transfer"] == sent[f"hb{LA}_SHBE_1 {old.reference_date:%B %Y}.csv"]
    assert entry["reference_date"] == old.reference_date.isoformat()
    assert entry["deadline"] == (old.reference_date + timedelta(days=7)).isoformat()
    assert entry["counts"]["records"] > 20
    assert LA in dwp.gateway("calendar").stdout
    assert la.gateway("calendar", check=False).returncode == 64
    assert dwp.gateway("calendar", "--month", "November", check=False).returncode == 64
    # The gateway noted by itself from when on it expects extracts; nobody is blamed for a month before that.
    assert [line["partner"] for line in dwp.events("extract.expected")] == [LA]
    assert dwp.events("extract.late") == dwp.events("extract.missing") == []


def test_extract_of_another_size_is_held_at_the_authority_until_somebody_says_it_is_right(
    running: tuple[Site, Site],
) -> None:
    _, la = running
    name, content = extract(60, 21)
    la.drop("extract", "DWP", name, content)
    la.wait_for(name, "receipted")
    name, content = extract(3000, 22)
    la.drop("extract", "DWP", name, content)
    held = la.wait_for(name, "held")
    assert held["code"] == "extract-volume"
    shown = json.loads(la.gateway("show", held["id"], "--json").stdout)
    assert "percent" in json.dumps(shown)
    la.gateway("release", held["id"], "--reason", "the merger's claims are in it")
    la.wait_for(name, "receipted")
    (told,) = rows(la, "SELECT facts FROM transfers WHERE id = ?", held["id"])
    assert sum(json.loads(json.loads(told["facts"])["counts"]).values()) == content.count(b"\n") - 1


def test_summary_of_an_extract_counts_and_names_nobody(running: tuple[Site, Site], tmp_path: Path) -> None:
    dwp, _ = running
    name, content = extract(100, 31)
    (tmp_path / name).write_bytes(content)
    summary = dwp.json("extract", "summary", tmp_path / name)
    assert summary["records"] == content.count(b"\n") - 1 == sum(summary["counts"].values())
    assert summary["month"] == str(Month.of(today()))
    assert summary["totals_pence"]["weekly_hb_entitlement"] > 0
    table = dwp.gateway("extract", "summary", tmp_path / name).stdout
    assert "HB claims in payment" in table
    assert not re.search(r"QQ[0-9]{6}|XX999", table + json.dumps(summary))
    assert dwp.gateway("extract", "summary", tmp_path / "absent.csv", check=False).returncode == 65
