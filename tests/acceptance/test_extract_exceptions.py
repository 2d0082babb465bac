"""An extract that counts for the right authority, and travels with an odd value: two running sites, and one of our own making.

The forger is an authority whose gateway looks at nothing: what it sends is judged by DWP's gateway alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.calendar import month_in
from gateway.ledger.queries.facts import exceptions_in
from gateway.sample.extract import ExtractSampler
from gateway.settings.resources import resource
from gateway.spool.exception_lists import ENDING, from_csv
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, wait_until
from tests.acceptance.strangers import answer, leave, meet
from tests.fakes.forger import Forger, Payload

LA, OLDHAM = "E09000030", "E08000004"


@dataclass(frozen=True)
class Bench:
    """DWP and Tower Hamlets, and somebody who is taken for Oldham."""

    dwp: Site
    la: Site
    oldham: Forger


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("extract-exceptions")
    with copied_pair(root) as (dwp, la):
        oldham = Forger(root / "oldham", OLDHAM)
        try:
            meet(dwp, oldham)
            la.edit_config("flows.extract", settle_seconds=0.5, volume_band_percent=0)
            dwp.start()
            la.start()
            yield Bench(dwp, la, oldham)
            for site in (dwp, la):
                site.gateway("audit", "verify")
        finally:
            oldham.close()


def today() -> date:
    return datetime.now(UTC).date()


def extract(sender: str, seed: int, faulty: int = 0) -> tuple[str, bytes]:
    """An extract of exactly 400 records, in so many of which field 43 is no whole number."""
    sampler, drawn = ExtractSampler(resource("schemas"), rows=600), random.Random(seed)
    made = sampler.make(sender=sender, recipient="DWP", index=seed, random=drawn, today=today())
    lines = made.content.split(b"\r\n")[:401]
    claims = [number for number, line in enumerate(lines) if line.startswith(b"D,")]
    column = lines[0].split(b",").index(b"43")
    for number in claims[:faulty]:
        values = lines[number].split(b",")
        values[column] = b"87.50"
        lines[number] = b",".join(values)
    return made.name, b"\r\n".join([*lines, b""])


def calendar(site: Site, name: str, partner: str) -> Any:
    (entry,) = site.json("calendar", "--month", str(month_in(name)), "--partner", partner)
    return entry


def test_an_odd_value_travels_and_its_list_is_at_both_ends(bench: Bench) -> None:
    name, content = extract(LA, 1, faulty=1)
    bench.la.drop("extract", "DWP", name, content)
    sent = bench.la.wait_for(name, "receipted")
    came = bench.dwp.wait_for(name, "delivered", direction="in")
    assert exceptions_in(sent["facts"]) == exceptions_in(came["facts"]) == (1, 1)
    for site in (bench.dwp, bench.la):
        (told,) = [row for row in site.transfers() if row["name"] == name]
        assert told["exceptions"] == {"count": 1, "records": 1}
    delivered = bench.dwp.inbound("extract", LA)
    assert delivered[name] == content
    (odd,) = from_csv(delivered[f"{name}{ENDING}"])
    assert (odd.field, odd.code) == ("43", "extract-integer")
    assert content.split(b"\r\n")[odd.row - 1].startswith(b"D,")
    assert b"87.50" not in delivered[f"{name}{ENDING}"]
    listed = bench.la.home.receipts / "extract" / "DWP" / f"{name}{ENDING}"
    wait_until(listed.exists, what="the list beside the receipt")
    assert listed.read_bytes() == delivered[f"{name}{ENDING}"]
    receipt = bench.la.json("show", sent["id"])["receipts"][0]["content"]
    assert receipt["items"][0]["exceptions"] == {"count": 1, "records": 1}
    counts = calendar(bench.dwp, name, LA)["counts"]
    assert (counts["transfer"], counts["exceptions"]) == (sent["id"], {"count": 1, "records": 1})
    for site in (bench.dwp, bench.la):
        assert site.json("extract", "exceptions", sent["id"]) == [odd._asdict()]
    assert bench.dwp.gateway("extract", "exceptions", sent["id"], "--csv").stdout.encode() == (
        delivered[f"{name}{ENDING}"].replace(b"\r\n", b"\n")
    )
    assert "extract-integer" in bench.la.gateway("extract", "exceptions", sent["id"]).stdout


def test_from_two_percent_on_the_extract_comes_back(bench: Bench, tmp_path: Path) -> None:
    name, content = extract(LA, 2, faulty=8)
    (tmp_path / name).write_bytes(content)
    said = bench.la.gateway("validate", "extract", tmp_path / name, check=False)
    assert (said.returncode, "8 of 400 records" in said.stdout) == (65, True)
    bench.la.drop("extract", "DWP", name, content)
    assert bench.la.wait_for(name, "rejected")["code"] == "extract-integer"
    letter = bench.la.home.returned / "extract" / "DWP" / f"{name}.why.txt"
    wait_until(letter.exists, what="the letter")
    assert "8 of 400 records" in letter.read_text(encoding="utf-8")


def test_numbers_and_places_that_are_written_otherwise_travel_in_every_record_and_are_explained(bench: Bench) -> None:
    name, content = extract(LA, 6)
    lines = content.split(b"\r\n")
    header = lines[0].split(b",")
    number, postcode = header.index(b"4"), header.index(b"11")
    lines[0] += b",342"  # a column that nobody knows
    for at, line in enumerate(lines[1:-1], 1):
        values = line.split(b",")
        values[number] = values[number][:8] if values[number].startswith(b"QQ") else values[number]
        values[postcode] = values[postcode].replace(b" ", b"")
        lines[at] = b",".join([*values, b"new"])
    content = b"\r\n".join(lines)
    bench.la.drop("extract", "DWP", name, content)
    bench.la.wait_for(name, "receipted")
    delivered = bench.dwp.inbound("extract", LA)
    assert delivered[name] == content
    told = {(odd.field, odd.code) for odd in from_csv(delivered[f"{name}{ENDING}"])}
    assert told == {("", "extract-extra-columns"), ("4", "nino-no-suffix"), ("11", "postcode-space")}


def test_an_extract_that_its_name_says_to_be_oldham_s_comes_back_from_the_sender_s_own_gateway(
    bench: Bench, tmp_path: Path
) -> None:
    name, content = extract("4220", 3)
    (tmp_path / name).write_bytes(content)
    assert bench.la.gateway("validate", "extract", tmp_path / name, check=False).returncode == 65
    bench.la.drop("extract", "DWP", name, content)
    row = bench.la.wait_for(name, "rejected")
    assert (row["code"], row["consignment"]) == ("extract-authority", None)
    assert bench.dwp.inbound("extract", LA).keys().isdisjoint({name})
    assert bench.dwp.json("extract", "summary", tmp_path / name)["authorities"] == [{"code": "4220", "name": "Oldham"}]


def test_what_no_gateway_looked_at_is_refused_by_dwp_s_and_the_good_extract_still_counts(bench: Bench) -> None:
    good, content = extract("4220", 4)
    first = bench.oldham.consignment("DWP", [Payload(content, good, "extract", said={"schema": "extract/1.0"})])
    leave(bench.dwp, bench.oldham, first)
    assert answer(bench.dwp, bench.oldham, first.id)["items"][0]["outcome"] == "delivered"
    forged, content = extract(LA, 5)
    second = bench.oldham.consignment("DWP", [Payload(content, forged, "extract", said={"schema": "extract/1.0"})])
    leave(bench.dwp, bench.oldham, second)
    (item,) = answer(bench.dwp, bench.oldham, second.id)["items"]
    assert (item["outcome"], item["code"]) == ("rejected", "extract-authority")
    assert "exceptions" not in item
    entry = calendar(bench.dwp, good, OLDHAM)
    assert (entry["counts"]["name"], entry["replaced"], entry["resubmitted"]) == (good, [], False)
    assert set(bench.dwp.inbound("extract", OLDHAM)) == {good}


def test_an_extract_whose_name_says_no_authority_waits_for_a_person_the_first_time(bench: Bench) -> None:
    for seed, name in ((6, "SHBE_555086k October 2026.csv"), (7, "SHBE_602756g October 2026.csv")):
        bench.la.drop("extract", "DWP", name, extract(LA, seed)[1])
        if seed == 6:
            held = bench.la.wait_for(name, "held")
            assert held["code"] == "extract-authority-unsaid"
            bench.la.gateway("release", held["id"], "--reason", "it is ours")
        bench.la.wait_for(name, "receipted")


def test_a_batch_with_one_bad_record_travels_where_both_sites_say_so(bench: Bench, tmp_path: Path) -> None:
    for site in (bench.dwp, bench.la):
        site.edit_config("flows.referral", exceptions="report", settle_seconds=0.5)
        site.gateway("reload")
    arguments = ("sample", "referral", "--to", LA, "--out", tmp_path, "--defect", "nino", "--seed", "3", "--json")
    (path,) = map(Path, bench.dwp.json(*arguments[:-1]))
    bench.dwp.drop("referral", LA, path.name, path.read_bytes())
    sent = bench.dwp.wait_for(path.name, "receipted")
    assert exceptions_in(sent["facts"]) == (1, 1)
    delivered = bench.la.inbound("referral", "DWP")
    assert delivered[path.name] == path.read_bytes()
    (odd,) = from_csv(delivered[f"{path.name}{ENDING}"])
    assert (odd.row, odd.code) == (1, "nino")
    listed = bench.dwp.home.receipts / "referral" / LA / f"{path.name}{ENDING}"
    wait_until(listed.exists, what="the list beside the receipt")
    assert listed.read_bytes() == delivered[f"{path.name}{ENDING}"]
