"""Exceptions of records: which faults they are, when a file may travel with them, and that nothing else hides behind them."""

from __future__ import annotations

import json
import random
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sample.catalog import samplers
from gateway.sample.extract import ExtractSampler
from gateway.sample.extract_defects import DEFECTS
from gateway.settings.resources import resource
from gateway.validation.contract import Finding, RecordException, Report
from gateway.validation.exceptions import MOST, OF_FILE, OF_RECORD, named, tolerated
from gateway.validation.extract.fields import MESSAGES
from gateway.validation.extract.finding_log import ExtractLimits
from gateway.validation.extract.validator import ExtractValidator
from gateway.validation.sandbox.messages import Frames, encode, report_from_plain, report_to_plain
from gateway.validation.xml.codes import XmlCode
from gateway.validation.xml.validator import XmlValidator

SCHEMAS = resource("schemas")
TODAY = date(2026, 11, 21)
EXTRACTS = ExtractValidator(SCHEMAS, allow_test_numbers=True)


def exception(
    row: int = 2, field: str = "8", code: str = "extract-date", message: str = "Not a date."
) -> RecordException:
    return RecordException(row, field, code, message)


def report(faulty: int, records: int) -> Report:
    found = tuple(exception(row) for row in range(2, faulty + 2))
    return Report("extract/1.0", (), faulty, {"records": str(records)}, found)


def extract(seed: int, defect: str | None = None, rows: int = 300) -> bytes:
    sampler = ExtractSampler(SCHEMAS, rows=rows)
    drawn = random.Random(seed)
    return sampler.make(sender="4220", recipient="DWP", index=1, random=drawn, today=TODAY, defect=defect).content


def read(content: bytes, path: Path, validator: ExtractValidator = EXTRACTS) -> Report:
    (path / "extract.csv").write_bytes(content)
    return validator.validate(path / "extract.csv")


def document(flow: str, defect: str | None = None) -> str:
    sender, recipient = ("E09000030", "DWP") if flow == "outcome" else ("DWP", "E09000030")
    made = samplers()[flow].make(
        sender=sender, recipient=recipient, index=1, random=random.Random(5), today=TODAY, defect=defect
    )
    return made.content.decode()


def of_document(flow: str, text: str) -> Report:
    validator = XmlValidator(SCHEMAS, flow, allow_test_numbers=True, today=lambda: TODAY)
    return validator.validate_bytes(text.encode())


# -- the table


def test_every_code_of_a_finding_is_in_one_of_the_two_tables() -> None:
    assert not OF_RECORD & OF_FILE
    assert {*MESSAGES, *map(str, XmlCode)} == OF_RECORD | OF_FILE


@pytest.mark.parametrize("code", sorted(OF_FILE))
def test_what_makes_a_file_unsafe_or_unreadable_crosses_no_pipe_as_an_exception(code: str) -> None:
    odd = Report(None, (), 1, {"records": "100"}, (exception(code=code),))
    with pytest.raises(ValueError, match="exception"):
        report_from_plain(report_to_plain(odd))


# -- the share


@pytest.mark.parametrize(
    ("faulty", "records", "percent", "passes"),
    [
        (1, 400, 2.0, True),
        (7, 400, 2.0, True),
        (8, 400, 2.0, False),
        (9, 400, 2.0, False),
        (1, 50, 2.0, False),
        (1, 51, 2.0, True),
        (1, 1000, 0.1, False),
        (1, 1001, 0.1, True),
        (1, 2, 100.0, True),
        (2, 2, 100.0, False),
        (1, 10_000, 0.0, False),
        (0, 400, 2.0, False),
    ],
)
def test_a_file_travels_while_fewer_of_its_records_than_the_share_have_exceptions(
    faulty: int,
    records: int,
    percent: float,
    passes: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert tolerated(report(faulty, records), percent) is passes


def test_several_exceptions_of_one_record_count_as_one_record() -> None:
    found = tuple(exception(7, str(field)) for field in (8, 33, 43))
    assert tolerated(Report("extract/1.0", (), 3, {"records": "51"}, found), 2.0)


def test_a_file_with_anything_that_is_not_named_does_not_travel() -> None:
    one = report(1, 400)
    for total in (0, 2):
        assert not tolerated(Report(one.schema, (), total, one.facts, one.exceptions), 100.0)
    assert not tolerated(Report(one.schema, (), 1, {}, one.exceptions), 100.0)


def test_a_list_that_is_too_long_to_name_names_nothing() -> None:
    assert len(named([exception()] * MOST)) == MOST
    assert named([exception()] * (MOST + 1)) == ()
    assert named([exception(message="x" * 4000)] * 1000) == ()


# -- extracts


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_defect_is_an_exception_as_the_table_says_and_all_of_it_is_named(tmp_path: Path, defect: str) -> None:
    found = read(extract(1, defect), tmp_path)
    assert (found.exceptions != ()) is (DEFECTS[defect].code in OF_RECORD)
    if found.exceptions:
        assert [(each.code, each.row, each.field) for each in found.exceptions] == [
            (finding.code, int(row), field)
            for finding in found.findings
            for row, field in re.findall("row ([0-9]+)(?:, field ([0-9]+))?", finding.where)
        ]
        assert tolerated(found, 2.0)
        assert not tolerated(found, 0.0)


@pytest.mark.parametrize(
    "defect", [name for name, each in DEFECTS.items() if each.code in OF_FILE - {"extract-header"}]
)
def test_a_fault_of_the_file_beside_one_of_a_record_leaves_no_exceptions(tmp_path: Path, defect: str) -> None:
    content = extract(1, defect).replace(b"\r\nG,", b"\r\nX,", 1)
    found = read(content, tmp_path)
    assert found.total > 1
    assert found.exceptions == ()
    assert not tolerated(found, 100.0)


def test_beyond_fifty_findings_every_exception_is_named_still(tmp_path: Path) -> None:
    lines = extract(1).split(b"\r\n")
    faulty = [number for number, line in enumerate(lines, 1) if line.startswith((b"S,", b"T,"))]
    content = b"\r\n".join(b"Z" + line[1:] if number in faulty else line for number, line in enumerate(lines, 1))
    found = read(content, tmp_path)
    # E records whose change was of these are odd as well.
    assert len(found.findings) == 50 < len(faulty) <= found.total == len(found.exceptions)
    assert {each.row for each in found.exceptions} >= set(faulty)


def test_every_record_of_a_claim_that_never_came_is_an_exception(tmp_path: Path) -> None:
    content = extract(1)
    claim = re.search(rb"\r\nD,([0-9]+),[^\r]*\r\nS,\1,", content)
    assert claim is not None
    lines = content.split(b"\r\n")
    gone = next(line for line in lines if line.startswith(b"D," + claim[1] + b","))
    left = [line for line in lines if line != gone]
    reference = b",".join(gone.split(b",")[1:3])
    orphans = {number for number, line in enumerate(left, 1) if line[2:].startswith(reference + b",")}
    found = read(b"\r\n".join(left), tmp_path)
    assert {each.row for each in found.exceptions if each.code == "extract-orphan"} == orphans


def test_the_same_list_is_found_in_parts_and_in_order(tmp_path: Path) -> None:
    in_parts = ExtractValidator(SCHEMAS, ExtractLimits(part=2000), allow_test_numbers=True, processors=3)
    content = extract(3, "nino")
    assert read(content, tmp_path, in_parts) == read(content, tmp_path)


def test_counts_and_matches_are_told_and_no_text_of_a_faulty_field_is_among_them(tmp_path: Path) -> None:
    content = next(each for each in map(extract, range(50)) if b"RMS" in each and b"HBTC003," in each)
    match = re.search(rb"RMS[0-9]{7},HBTC003,([0-9/]{10})", content)
    assert match is not None
    for typed in (b"Mr Quayles", b"31/02/2026"):
        found = read(content.replace(match[0], match[0].replace(match[1], typed), 1), tmp_path)
        assert [each.field for each in found.exceptions] == ["318"]
        (told, *_) = json.loads(found.facts["rms"])
        assert told["matched"] == ""
        assert typed.decode() not in repr(found)
        assert sum(json.loads(found.facts["counts"]).values()) == int(found.facts["records"])


# -- documents


@pytest.mark.parametrize(
    ("flow", "defect", "field"),
    [
        ("referral", "nino", "Claim/Claimant/Nino"),
        ("scan", "date", "Claim/Claimant/DateOfBirth"),
        ("etd", "end-before-start", "AwardEnd/EndsOn"),
        ("outcome", "reason-unknown", "NoAdjustment/NoAdjustmentReason"),
        ("claim", "long-name", "Claimant/Name/FamilyName"),
    ],
)
def test_one_value_of_one_record_is_an_exception_by_record_and_element(flow: str, defect: str, field: str) -> None:
    found = of_document(flow, document(flow, defect))
    (odd,) = found.exceptions
    assert (odd.field, odd.code) == (field, found.findings[0].code)
    assert odd.row >= 1
    assert found.facts["message_id"]
    assert found.facts["authority"] == "E09000030"


@pytest.mark.parametrize(
    "defect",
    [
        *(
            "truncated",
            "bad-encoding",
            "doctype",
            "deep-nesting",
            "wrong-namespace",
            "missing-element",
            "missing-trailer",
        ),
        *("unknown-element", "repeated-element", "attribute", "stray-text", "empty-element"),
    ],
)
def test_structure_counts_and_what_stands_outside_the_records_are_the_document_s(defect: str) -> None:
    content = document("referral", None) if defect == "bad-encoding" else document("referral", defect)
    encoded = content.encode("utf-16") if defect == "bad-encoding" else content.encode()
    found = XmlValidator(SCHEMAS, "referral", allow_test_numbers=True, today=lambda: TODAY).validate_bytes(encoded)
    assert found.total > 0
    assert found.exceptions == ()


@pytest.mark.parametrize(
    ("defect", "code"),
    [("income-amount", "amount"), ("count-mismatch", "count-mismatch"), ("total-mismatch", "total-mismatch")],
)
def test_totals_that_do_not_hold_refuse_the_document_whatever_broke_them(defect: str, code: str) -> None:
    found = of_document("claim", document("claim", defect))
    assert code in {finding.code for finding in found.findings}
    assert found.exceptions == ()


@pytest.mark.parametrize(
    "hidden",
    [
        r"<Nino>QQ12345</Nino><Nino>QQ123456C</Nino>",
        r"<Nino>QQ123456C</Nino><Nino>QQ12345</Nino>",
        r"<Nino>QQ12345<Note>x</Note></Nino>",
        r'<Nino about="x">QQ12345</Nino>',
        r"<Nino>QQ12345</Nino>text<!-- -->",
        r"<Nino>QQ12345</Nino><ShoeSize>9</ShoeSize>",
    ],
)
def test_no_fault_of_structure_hides_behind_an_odd_value(hidden: str) -> None:
    text, changed = re.subn("<Nino>[^<]*</Nino>", hidden, document("referral"), count=1)
    assert changed == 1
    found = of_document("referral", text)
    assert found.total > 0
    assert found.exceptions == ()


def test_lists_of_facts_stay_in_step_and_hold_no_text_of_a_faulty_value() -> None:
    whole = of_document("referral", document("referral"))
    numbers, rules = json.loads(whole.facts["rms"]), json.loads(whole.facts["rule"])
    text = document("referral").replace(f">{numbers[1]}<", ">Mrs Quayle<", 1)
    found = of_document("referral", text)
    assert [each.field for each in found.exceptions] == ["RmsNumber"]
    assert json.loads(found.facts["rms"]) == [numbers[0], "", *numbers[2:]]
    assert json.loads(found.facts["rule"]) == rules
    assert "Quayle" not in repr(found)


# -- between processes


@given(st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from(sorted(OF_RECORD))), max_size=20))
def test_a_report_comes_over_the_pipe_as_it_went(faults: list[tuple[int, str]]) -> None:
    found = tuple(exception(row, "A/B", str(code)) for row, code in faults)
    sent = Report("claim/1.0", (Finding("nino", "line 1", "no"),) * bool(found), len(found), {"records": "9"}, found)
    (message,) = Frames().feed(encode(report_to_plain(sent)))
    assert report_from_plain(message) == sent


def test_the_longest_list_is_a_message(tmp_path: Path) -> None:
    longest = Report("extract/1.0", (), MOST, {"records": "9"}, tuple([exception(message="x" * 180)] * MOST))
    assert named(longest.exceptions) == longest.exceptions
    (message,) = Frames().feed(encode(report_to_plain(longest)))
    assert len(report_from_plain(message).exceptions) == MOST
    header, management, *_ = extract(1).splitlines(keepends=True)
    found = read(b"".join([header, *[b"Z" + management[1:]] * (MOST + 1)]), tmp_path)
    assert (found.findings[-1].code, found.exceptions) == ("extract-record-type", ())
    assert found.total > MOST


@pytest.mark.parametrize(
    "told",
    [
        None,
        [[2, "8", "extract-date", "Not a date."]] * 2,
        [[0, "8", "extract-date", "Not a date."]],
        [["2", "8", "extract-date", "Not a date."]],
        [[2, "8\n9", "extract-date", "Not a date."]],
        [[2, "8", "extract-date", "Not\r\na date."]],
        [[2, "8", "made-up", "Not a date."]],
        [[2, "8", "extract-date"]],
        [2],
    ],
)
def test_lies_of_a_reader_about_exceptions_are_not_believed(told: object) -> None:
    plain = {**report_to_plain(report(1, 400)), "exceptions": told}
    with pytest.raises(ValueError, match="exception"):
        report_from_plain(plain)
