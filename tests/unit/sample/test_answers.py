"""Answers to referrals that exist: each names what was asked and nothing else, and a few stay open."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import main
from gateway.domain.referrals import AnsweredBy, ReferralAnswer, Sending, close
from gateway.sample.answers import Match, all_but_a_few, asked_below, matches_of
from gateway.sample.catalog import samplers
from gateway.settings.resources import resource
from gateway.validation.extract.validator import ExtractValidator

LA, OTHER = "E09000030", "E08000004"
TODAY = date(2026, 11, 21)


def document(flow: str, number: int, authority: str = LA) -> bytes:
    sampler = samplers()[flow]
    return sampler.make(sender="DWP", recipient=authority, index=number, random=Random(number), today=TODAY).content


@pytest.fixture
def inbound(tmp_path: Path) -> Path:
    """What came to an authority: referrals, scan results, others, and what no gateway ever delivered."""
    directory = tmp_path / "inbound"
    for flow in ("referral", "scan", "claim"):
        (directory / flow / "DWP").mkdir(parents=True)
        for number in range(4):
            (directory / flow / "DWP" / f"{number}.xml").write_bytes(document(flow, number))
    (directory / "referral" / "DWP" / "others.xml").write_bytes(document("referral", 77, OTHER))
    (directory / "referral" / "DWP" / "binary.xml").write_bytes(b"\xff\x00<Referrals ")
    (directory / "referral" / "DWP" / "no-day.xml").write_bytes(
        b"<Referrals ><AuthorityCode>E09000030</AuthorityCode><RmsNumber>000000001</RmsNumber>"
        b"<RuleId>HBSV002</RuleId><MatchDate>2026-99-99</MatchDate>"
    )
    return directory


def test_what_was_asked_is_found_for_the_authority_and_nothing_for_others(inbound: Path) -> None:
    found = asked_below(inbound, LA)
    assert len(found) == 8
    assert asked_below(inbound, OTHER) == [matches_of(document("referral", 77, OTHER))]
    assert asked_below(inbound, "E06000001") == []


MATCHES = st.lists(st.integers(0, 99).map(lambda number: Match(f"{number:09d}", "HBSV002", TODAY)), max_size=12)


@given(st.lists(MATCHES, max_size=12), st.integers())
def test_all_but_a_few_are_answered(asked: list[list[Match]], seed: int) -> None:
    answered = all_but_a_few(asked, Random(seed))
    wanted = {match.rms for matches in asked for match in matches}
    named = {match.rms for matches in answered for match in matches}
    left = len(wanted - named)
    assert named <= wanted
    assert left == (len(wanted) // 8 or int(len(wanted) > 1))
    assert [[match for match in matches if match.rms in named] for matches in asked] == answered


@pytest.mark.parametrize(("flow", "by"), [("referral", "outcome"), ("scan", "extract"), ("referral", "extract")])
def test_command_closes_the_loop_but_for_a_few(
    inbound: Path, tmp_path: Path, flow: str, by: str, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["sample", by, "--answers", inbound / flow, "--out", out, "--from", LA, "--seed", "5", "--json"]
    assert main([*map(str, command)]) == 0
    paths = [Path(path) for path in json.loads(capfd.readouterr().out)]
    assert len(paths) == (4 if by == "outcome" else 1)
    named = [number for path in paths for number in _named(path, by)]
    asked = [match.rms for matches in asked_below(inbound / flow, LA) for match in matches]
    loop = close(
        [Sending(LA, rms, flow, "", None, 1.0, "t") for rms in asked],
        [ReferralAnswer(LA, rms, AnsweredBy(by), 2.0, "t") for rms in named],
    )
    outstanding = [each for each in loop.referrals if each.answer is None]
    assert loop.unasked == ()
    assert 0 < len(outstanding) < len(loop.referrals) / 2


def _named(path: Path, by: str) -> list[str]:
    """The numbers that a valid file names."""
    if by == "extract":
        report = ExtractValidator(resource("schemas"), allow_test_numbers=True).validate(path)
        assert report.findings == ()
        return [each["rms"] for each in json.loads(report.facts["rms"])]
    assert main(["validate", "outcome", str(path)]) == 0
    return [part.split("<")[0] for part in path.read_text("utf-8").split("<RmsNumber>")[1:]]


@pytest.mark.parametrize(
    "options",
    [
        ("claim", "--to", LA),
        ("outcome", "--count", "2"),
        ("outcome", "--defect", "invalid-nino"),
        ("outcome", "--from", "E06000001"),
    ],
)
def test_answers_that_cannot_be_made_are_refused(inbound: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert main(["sample", *options, "--answers", str(inbound), "--out", str(tmp_path / "out")]) == 64
    assert not (tmp_path / "out").exists()
