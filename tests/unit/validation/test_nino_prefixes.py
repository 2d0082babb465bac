"""The table of prefixes: every pair of letters is one thing, and what it is decides where numbers with it pass."""

from __future__ import annotations

import csv
import re
from itertools import product
from pathlib import Path
from random import Random
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationInvalid
from gateway.flows.catalog import FLOWS
from gateway.sample import people
from gateway.settings.resources import resource
from gateway.validation.exceptional import EXCEPTIONS, REMARKS
from gateway.validation.extract.fields import MESSAGES, field_fault, field_pattern
from gateway.validation.extract.layout import Field, Kind
from gateway.validation.government_types import nino_fault
from gateway.validation.nino_prefixes import Status, load_prefixes
from gateway.validation.xml.codes import XmlCode

SCHEMAS = resource("schemas")
TABLE = SCHEMAS / "types" / "1.0" / "nino-prefixes.tsv"
PREFIXES = load_prefixes(SCHEMAS)
PAIRS = ["".join(pair) for pair in product(ascii_uppercase, repeat=2)]
NEVER = ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"]
ADMINISTRATIVE = ["CR", "FY", "MW", "NC", "PY", "PZ"]
CODES = {
    Status.NEVER: "nino",
    Status.TEST: "nino",
    Status.ADMINISTRATIVE: "nino-administrative",
    Status.TEMPORARY: "nino-temporary",
}
NUMBER = Field(4, "", Kind.NINO, frozenset(), frozenset("D"), frozenset())


def test_every_pair_of_letters_is_exactly_one_thing() -> None:
    assert sorted(PREFIXES.table) == PAIRS
    by_status = {
        status: {letters for letters, prefix in PREFIXES.table.items() if prefix.status is status} for status in Status
    }
    letters_never = {pair for pair in PAIRS if pair[0] in "DFIQUV" or pair[1] in "DFIOQUV"} - {"FY", "OO", "QQ"}
    assert by_status[Status.NEVER] == letters_never | set(NEVER)
    assert by_status[Status.ADMINISTRATIVE] == set(ADMINISTRATIVE)
    assert by_status[Status.TEMPORARY] == {"OO"}
    assert by_status[Status.TEST] == {"QQ"} == {PREFIXES.test}
    assert {"AB", "GY", "JY", "PP", "PW"} <= by_status[Status.ISSUED]


def test_every_line_names_a_source_that_the_page_beside_it_explains_and_flows_that_exist() -> None:
    page = (TABLE.parent / "README.md").read_text("utf-8")
    with TABLE.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            assert all(f"| {source} |" in page for source in line["source"].split(", ")), line
            assert line["meaning"]
            assert line["passes_in"] in ("all", "-") or set(line["passes_in"].split(",")) <= set(FLOWS)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_status_of_a_prefix_decides_in_each_flow(flow: str, allowed: bool) -> None:  # noqa: FBT001 - a parameter
    judged = PREFIXES.in_flow(flow, allow_test_numbers=allowed)
    pattern = re.compile(field_pattern(NUMBER, judged))
    for letters, prefix in PREFIXES.table.items():
        passes = (
            prefix.status is Status.ISSUED
            or (prefix.status is Status.TEST and allowed)
            or (prefix.status is Status.TEMPORARY and flow in ("claim", "etd", "extract", "enquiry", "reply"))
        )
        fault = nino_fault(f"{letters}123456A", judged)
        assert (fault.code if fault else None) == (None if passes else CODES[prefix.status])
        assert (pattern.fullmatch(f"{letters}123456A".encode()) is not None) == passes


@given(
    letters=st.sampled_from(PAIRS),
    digits=st.from_regex(r"[0-9]{6}", fullmatch=True),
    suffix=st.sampled_from(["A", "B", "C", "D", " ", ""]),
    allowed=st.booleans(),
)
def test_number_without_its_last_letter_is_told_apart_where_its_prefix_passes(
    letters: str,
    digits: str,
    suffix: str,
    allowed: bool,  # noqa: FBT001 - drawn
) -> None:
    judged = PREFIXES.in_flow("extract", allow_test_numbers=allowed)
    whole = nino_fault(f"{letters}{digits}{suffix}", judged)
    status = judged[letters]
    expected = CODES[status] if status is not None else None if suffix else "nino-no-suffix"
    assert (whole.code if whole else None) == expected
    told = field_fault(NUMBER, f"{letters}{digits}{suffix}", judged)
    assert told == ("extract-nino" if expected == "nino" else expected)
    assert told is None or told in MESSAGES


@given(st.randoms(use_true_random=False))
def test_made_up_number_is_a_test_number_and_a_made_up_postcode_is_of_no_kind_of_its_own(
    random: Random,
) -> None:
    assert nino_fault(people.nino(random), PREFIXES.in_flow("claim", allow_test_numbers=True)) is None
    refused = nino_fault(people.nino(random), PREFIXES.in_flow("claim", allow_test_numbers=False))
    assert refused is not None
    assert "test number" in refused.words
    assert not people.postcode(random).startswith("ZZ99")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda table: table.replace("status", "state", 1),
        lambda table: table.replace("\tnever\t", "\tnevermore\t", 1),
        lambda table: table.replace("BG\t", "bg\t", 1),
        lambda table: table.replace("BG\t", "**\t", 1),
        lambda table: table.replace("BG\t", "GB\t", 1),
        lambda table: table.replace("\ttest\t", "\tissued\t", 1),
        lambda table: table + "one column\n",
    ],
)
def test_damaged_table_is_a_fault_of_the_installation(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "types" / "1.0" / "nino-prefixes.tsv"
    with pytest.raises(ConfigurationInvalid):
        load_prefixes(tmp_path)
    path.parent.mkdir(parents=True)
    assert callable(spoil)
    path.write_text(spoil(TABLE.read_text("utf-8")), "utf-8")
    with pytest.raises(ConfigurationInvalid):
        load_prefixes(tmp_path)


def test_exceptions_are_codes_that_validators_have() -> None:
    assert {*XmlCode, *MESSAGES} >= EXCEPTIONS > REMARKS
