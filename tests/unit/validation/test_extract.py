"""The validator of extracts: rules by row and field, hostile files, and the fast path held against the slow one."""

from __future__ import annotations

import csv
import io
import os
import random
import re
import signal
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.domain.characters import called
from gateway.errors import ConfigurationInvalid, DiskFailed
from gateway.sample.extract import ExtractSampler
from gateway.validation.contract import Report
from gateway.validation.extract import validator
from gateway.validation.extract.compiled import library
from gateway.validation.extract.fields import MESSAGES, character_fault, field_fault, field_pattern
from gateway.validation.extract.finding_log import ExtractLimits
from gateway.validation.extract.layout import RECORD_TYPES, Field, Kind, load_layouts
from gateway.validation.extract.rows import RowRules
from gateway.validation.extract.summary import summarise
from gateway.validation.extract.validator import ExtractValidator
from gateway.validation.government_types import POSTCODE_PATTERN
from gateway.validation.nino_prefixes import load_prefixes
from tests.examples import examples

# Readers have one thread, tests more.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

SCHEMAS = Path(__file__).parents[3] / "schemas"
TODAY = date(2026, 11, 21)
VARIANTS = load_layouts(SCHEMAS).variants
STRICT, TOLERANT = (load_prefixes(SCHEMAS).in_flow("extract", allow_test_numbers=allowed) for allowed in (False, True))
WIDE = VARIANTS[-1]
COLUMN = {field.number: column for column, field in enumerate(WIDE.fields)}
VALIDATOR = ExtractValidator(SCHEMAS, allow_test_numbers=True)
IN_PARTS = ExtractValidator(SCHEMAS, ExtractLimits(part=200), allow_test_numbers=True, processors=3)
COMPILED = ExtractValidator(SCHEMAS, allow_test_numbers=True, library=library())
COMPILED_IN_PARTS = ExtractValidator(
    SCHEMAS, ExtractLimits(part=200), allow_test_numbers=True, processors=3, library=library()
)
HEADER = ",".join(WIDE.header).encode()
Check = Callable[[bytes], Report]


def row(kind: str, claim: str = "1", nino: str = "QQ123456C", **fields: str) -> bytes:
    """A row of the wide variant; `_33="1"` sets field 33."""
    values = [kind, claim, claim, nino] + [""] * (len(WIDE.fields) - 4)
    for name, value in fields.items():
        values[COLUMN[int(name[1:])]] = value
    return ",".join(values).encode()


def extract(*rows: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(line + end for line in (HEADER, *rows))


class Inline:
    """A copy's part, read by this process. Whether real copies are told apart and joined, other tests ask."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        self.answer = work

    def close(self) -> None: ...


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """What all ways to read say of a content. A process of the whole suite is too large to be copied twice for each of thousands of contents."""
    monkeypatch.setattr(validator, "Forked", Inline)

    def checked(content: bytes) -> Report:
        path = tmp_path / "extract.csv"
        path.write_bytes(content)
        report = VALIDATOR.validate(path)
        for other in (IN_PARTS, COMPILED, COMPILED_IN_PARTS):
            assert other.validate(path) == report
        return report

    return checked


def places(report: Report) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in report.findings]


def test_layout_has_the_two_documented_variants() -> None:
    assert [len(variant.fields) for variant in VARIANTS] == [314, 316]
    assert set(VARIANTS[1].header) - set(VARIANTS[0].header) == {"307", "315"}
    assert not {str(number) for number in (5, 6, 7, 312, 313, 314)} & set(WIDE.header)


def test_damaged_layout_is_a_fault_of_the_installation(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        load_layouts(tmp_path)
    layout = tmp_path / "extract" / "1.0" / "layout.tsv"
    layout.parent.mkdir(parents=True)
    good = (SCHEMAS / "extract" / "1.0" / "layout.tsv").read_text("utf-8")
    for bad in (
        "",
        "number\n",
        good.replace("\tdate\t", "\tday\t", 1),
        good.replace("D,A,C", "D,X", 1),
        good.replace("314,316", "316", 1),
        good.replace("\t124\n", "\t123\n", 1),
        good.replace("\t124\n", "\t310\n", 1),
        good.replace("\n320\t", "\n342\t", 1),
        good.replace("\n341\t", "\n340\t", 1),
        good.replace("\n1\t", "\n342\t", 1),
    ):
        layout.write_text(bad, "utf-8")
        with pytest.raises(ConfigurationInvalid):
            load_layouts(tmp_path)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_may_end_with_lf_or_crlf(check: Check, end: bytes) -> None:
    report = check(extract(row("D"), row("S", _308="1"), end=end))
    assert (report.valid, report.schema, report.facts) == (
        True,
        "extract/1.0",
        {"records": "2", "counts": '{"D":1,"S":1}'},
    )


def test_last_row_needs_no_line_end(check: Check) -> None:
    assert check(extract(row("D")).removesuffix(b"\n")).valid


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (row("D", _8="31/02/1960"), [("extract-date", "row 2, field 8")]),
        (row("D", _8="1960-01-31"), [("extract-date", "row 2, field 8")]),
        (row("D", _8="29/02/1900"), [("extract-date", "row 2, field 8")]),
        (row("D", _8="29/02/2000"), []),
        (row("D", _124="10/05/2020", _125="09/05/2020"), [("extract-date-order", "row 2, field 125")]),
        (row("D", _124="10/05/2020", _125="10/05/2020"), []),
        (row("D", _124="30/12/2019", _125="01/01/2020"), []),
        (row("D", _124="01/01/2020", _125="  "), []),
        (row("D", _124="01/13/2020", _125="01/01/2020"), [("extract-date", "row 2, field 124")]),
        (row("C", _226="02/01/2020", _227="01/01/2020"), [("extract-date-order", "row 2, field 227")]),
        (row("A", _226="02/01/2020", _227="01/01/2020"), []),
        (row("D", _33="3"), [("extract-code", "row 2, field 33")]),
        (row("D", _34="x"), [("extract-code", "row 2, field 34")]),
        (row("A", _9="0"), [("extract-code", "row 2, field 9")]),
        (row("D", _115="2"), [("extract-code", "row 2, field 115")]),
        (row("D", _123="3"), [("extract-code", "row 2, field 123")]),
        (row("C", _247="16"), [("extract-code", "row 2, field 247")]),
        (row("C", _247="99"), []),
        (row("D", _43="12.50"), [("extract-integer", "row 2, field 43")]),
        (row("D", _43="-1250"), []),
        (row("D", _241="37.5"), []),
        (row("D", _241="37.505"), [("extract-decimal", "row 2, field 241")]),
        (row("D", nino=""), [("extract-required", "row 2, field 4")]),
        (row("D", nino="DA123456C"), [("extract-nino", "row 2, field 4")]),
        (row("D", nino="XX999001A"), []),
        (row("D", _126="qq123456c"), [("extract-nino", "row 2, field 126")]),
        (row("D", nino="QQ123456"), [("nino-no-suffix", "row 2, field 4")]),
        (row("D", nino="QQ123456 "), []),
        (row("D", nino="OO123456A"), []),
        (row("D", nino="PP123456A"), []),
        (row("D", nino="PP999999P"), [("extract-nino", "row 2, field 4")]),
        (row("D", nino="MW123456A"), [("nino-administrative", "row 2, field 4")]),
        (row("D", _126="PZ123456"), [("nino-administrative", "row 2, field 126")]),
        (row("D", _126="TN123456"), [("extract-nino", "row 2, field 126")]),
        (row("D", _11="ZZ1 1AA", _307="BFPO 15"), []),
        (row("A", _11="ZZ99 3VZ"), []),
        (row("C", _11="ZZ11AA"), [("postcode-space", "row 2, field 11")]),
        (row("C", _11="ZZ1  1AA"), [("postcode-space", "row 2, field 11")]),
        (row("C", _11="ZZ1 1AA "), [("postcode-space", "row 2, field 11")]),
        (row("D", _307="zz1 1aa"), [("postcode-case", "row 2, field 307")]),
        (row("D", _307="ZZ1 1CA"), [("extract-postcode", "row 2, field 307")]),
        (row("G", claim="", nino="", _11="anything: G does not use it"), []),
        (row("D", claim=""), [("extract-reference-missing", "row 2, field 2")]),
        (row("D", claim="9" * 41), [("extract-reference-length", f"row 2, field {field}") for field in (2, 3)]),
        (row("D", _250="anything at all: T alone uses it"), []),
        (row("D", _15="reserved"), []),
        (row("D", _8="   "), []),
        (row("G", claim="", nino=""), []),
        (row("X"), [("extract-record-type", "row 2, field 1")]),
        (row("d"), [("extract-record-type", "row 2, field 1")]),
        (row("D") + b",", [("extract-column-count", "row 2")]),
        (b",", [("extract-commas-alone", "row 2")]),
        (row("D", _208='"quoted, with a comma"'), []),
        (row("D", _208='"not closed'), [("extract-quotes", "row 2")]),
        (row("D", _208='"closed" too early'), [("extract-quotes", "row 2")]),
        (row("D", _208="a\x00b"), [("extract-control-character", "row 2")]),
        (row("D", _208="a\rb"), [("extract-control-character", "row 2")]),
        (row("D", _208="Ynys Môn"), []),
        (row("D", _208="Caf").replace(b"Caf", b"Caf\xe9"), [("extract-encoding", "row 2")]),
    ],
)
def test_row_is_judged_by_its_record_type(check: Check, line: bytes, expected: list[tuple[str, str]]) -> None:
    report = check(extract(line))
    assert places(report) == expected
    assert report.total == len(expected)


def test_test_numbers_are_refused_where_the_site_does_not_accept_them(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    path.write_bytes(extract(row("D"), row("D", "2", nino="AB123456C")))
    assert places(ExtractValidator(SCHEMAS).validate(path)) == [("extract-nino", "row 2, field 4")]


def test_records_may_come_before_their_claim_and_their_change(check: Check) -> None:
    rows = [row("E", _320="T1"), row("T", _320="T1"), *(row(kind) for kind in "RP"), row("S", _308="2"), row("D")]
    assert check(extract(*rows)).valid


def test_record_of_no_claim_and_error_of_no_change_are_named(check: Check) -> None:
    rows = [row("D"), row("R", "2"), row("E", _320="T1"), row("S", "3", _308="1"), row("S", "3", _308="1")]
    expected = [
        ("extract-orphan", "row 3, field 2"),
        ("extract-unknown-change", "row 4, field 320"),
        ("extract-orphan", "row 5, field 2"),
        ("extract-orphan", "row 6, field 2"),
    ]
    assert places(check(extract(*rows))) == expected


def test_claim_reference_is_unique_within_its_benefit(check: Check) -> None:
    assert places(check(extract(row("D"), row("C")))) == [("extract-duplicate-claim", "row 3, field 2")]
    housing, council_tax = row("D").replace(b"D,1,1,", b"D,1,,"), row("D").replace(b"D,1,1,", b"D,,1,")
    assert check(extract(housing, council_tax)).valid


def test_error_names_its_change(check: Check) -> None:
    assert places(check(extract(row("D"), row("E")))) == [("extract-required", "row 3, field 320")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ("file-empty", "row 1")),
        (HEADER, ("extract-no-records", "row 1")),
        (HEADER.replace(b",33,34,", b",34,33,") + b"\n" + row("D"), ("extract-header", "row 1")),
        (row("D"), ("extract-header", "row 1")),
        (b"\xef\xbb\xbf" + HEADER, ("extract-no-records", "row 1")),
        (b"\xef\xbb\xbf\r\n\x1a", ("extract-blank-row", "row 1")),
        (b"\xef\xbb\xbf\x1a", ("file-empty", "row 1")),
        (HEADER.decode().encode("utf-16"), ("extract-encoding", "row 1")),
        (extract(row("D"))[:-40], ("extract-truncated", "row 2")),
        (HEADER + b"\n" + b"D" * 100_000, ("extract-line-too-long", "row 2")),
        (b"\0" * 1_000_000, ("extract-line-too-long", "row 1")),
    ],
)
def test_file_is_refused_as_a_whole(check: Check, content: bytes, expected: tuple[str, str]) -> None:
    assert places(check(content)) == [expected]


MARK = b"\xef\xbb\xbf"
QUOTED = b'"' + HEADER.replace(b",", b'","') + b'"'


RESTS = (b"", b"\n", b"\r\n", b" \t\n", b"\t")


@pytest.mark.parametrize("marks", [b"", b"\x1a", b"\x1a\n", b"\x1a\r\n\r\n", b"\x1a" * 100])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("header", [HEADER, MARK + HEADER, MARK + QUOTED])
def test_mark_at_the_start_and_one_empty_line_and_the_dos_end_at_the_end_pass(
    check: Check, tmp_path: Path, header: bytes, end: bytes, marks: bytes
) -> None:
    rows = header + end + row("D") + end + row("S", _308="1")
    plain = check(rows.removeprefix(MARK))
    assert plain.valid
    path = tmp_path / "ends.csv"
    for content in {rows + marks, *(rows + end + rest + marks for rest in RESTS)}:
        assert check(content) == plain
        path.write_bytes(content)
        summary = summarise(SCHEMAS, path)
        assert (summary.records, summary.unread, summary.counts) == (2, 0, {"D": 1, "S": 1})
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([row("D"), b"", b""], [("extract-blank-row", "rows 3 to 4")]),
        ([row("D"), b"", b"  ", b"", b"\x1a"], [("extract-blank-row", "rows 3 to 5")]),
        ([row("D"), b"", row("S", _308="1")], [("extract-blank-row", "row 3")]),
        (
            [b"", row("D"), b" ", b"\t", row("G"), b""],
            [("extract-blank-row", "row 2"), ("extract-blank-row", "rows 4 to 5")],
        ),
        ([row("D"), *[b"," * 315] * 9], [("extract-commas-alone", "rows 3 to 11")]),
        ([row("D"), b",,", b'"",""', b", ,", b""], [("extract-commas-alone", "rows 3 to 5")]),
        (
            [row("D"), b"," * 315, row("Z"), b"," * 315, b"", b"", row("G")],
            [
                ("extract-commas-alone", "row 3"),
                ("extract-record-type", "row 4, field 1"),
                ("extract-commas-alone", "row 5"),
                ("extract-blank-row", "rows 6 to 7"),
            ],
        ),
        ([row("D"), b"\x1a", row("G")], [("extract-control-character", "row 3")]),
    ],
)
def test_empty_rows_are_named_as_what_they_are(
    check: Check, lines: list[bytes], expected: list[tuple[str, str]]
) -> None:
    for end in (b"\n", b"\r\n"):
        report = check(extract(*lines, end=end))
        assert places(report) == expected
        for finding in report.findings:
            if finding.code == "extract-commas-alone":
                assert (
                    finding.message
                    == f"Rows of commas alone: a spreadsheet has written empty rows. Delete {finding.where}."
                )


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (extract(row("D")).decode().encode("utf-16"), "extract-encoding", "UTF-16"),
        (extract(row("D")).decode().encode("utf-16-le"), "extract-encoding", "UTF-16"),
        (extract(row("D")).decode().encode("utf-16-be"), "extract-encoding", "UTF-16"),
        (extract(row("D")).decode().encode("utf-32"), "extract-encoding", "UTF-16"),
        (extract(row("D")).replace(b",", b";"), "extract-separator", "SEMICOLON (U+003B)"),
        (extract(row("D")).replace(b",", b"\t"), "extract-separator", "CHARACTER TABULATION (U+0009)"),
        (QUOTED.replace(b'"', "“".encode()) + b"\n", "extract-quotes", "LEFT DOUBLE QUOTATION MARK (U+201C)"),
        (QUOTED.replace(b'"', b"'") + b"\n", "extract-quotes", "APOSTROPHE (U+0027)"),
        (extract(row("D"), end=b"\r"), "extract-line-end", "CARRIAGE RETURN (U+000D)"),
        (extract(*(row("D", str(number)) for number in range(300)), end=b"\r"), "extract-line-end", "LINE FEED"),
        (b"\n" + extract(row("D")), "extract-blank-row", "first row"),
        (row("D") + b"\n", "extract-header", "row of field numbers is missing"),
        (HEADER + b",,,\n" + row("D") + b",,,\n", "extract-header", "Commas follow the last number"),
        (HEADER.replace(b",2,", "\u00a0,2,".encode()) + b"\n", "extract-header", "NO-BREAK SPACE (U+00A0)"),
        (MARK + MARK + HEADER + b"\n", "extract-header", "ZERO WIDTH NO-BREAK SPACE (U+FEFF)"),
    ],
)
def test_first_row_that_is_none_says_in_words_what_it_is(check: Check, content: bytes, code: str, words: str) -> None:
    (finding,) = check(content).findings
    assert (finding.code, finding.where) == (code, "row 1")
    assert words in finding.message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (row("D", _8="14\u00a002/1961"), "NO-BREAK SPACE (U+00A0) may not stand in it; 0 to 9 and / may."),
        (row("D", _43="12\u201350"), "EN DASH (U+2013) may not stand in it; 0 to 9 and - may."),
        (row("D", _43="£12"), "POUND SIGN (U+00A3) may not stand in it"),
        (row("D", _241="37,5".replace(",", "٫")), "ARABIC DECIMAL SEPARATOR (U+066B)"),
        (row("D", nino="QQ123456\u00a0"), "NO-BREAK SPACE (U+00A0) may not stand in it; 0 to 9, A to Z and space may."),
        (row("D", _33="1\u200b"), "ZERO WIDTH SPACE (U+200B)"),
        (row("\ufeffD"), "ZERO WIDTH NO-BREAK SPACE (U+FEFF)"),
        (row("D", _208="a\tb"), "CHARACTER TABULATION (U+0009) stands in it."),
        (row("D", _208="a\x1ab"), "SUBSTITUTE (U+001A) stands in it."),
        (row("D", _208="Caf").replace(b"Caf", b"Caf\xe9"), "LATIN SMALL LETTER E WITH ACUTE (U+00E9)"),
        (row("D", _208="Caf").replace(b"Caf", b"Caf\x81"), "The byte 81 stands in it."),
    ],
)
def test_finding_about_a_character_names_it(check: Check, line: bytes, words: str) -> None:
    (finding,) = check(extract(line)).findings
    assert words in finding.message


RULED = [field for field in WIDE.fields if field.kind is not Kind.TEXT and "D" in field.used_by]


@given(
    field=st.sampled_from(RULED),
    stranger=st.characters(min_codepoint=0x80, exclude_categories=["Cs"]),
    before=st.text("0123456789", max_size=9),
    after=st.text("0123456789", max_size=9),
)
@examples(300)
def test_one_foreign_character_is_named_and_nothing_around_it(
    field: Field, stranger: str, before: str, after: str
) -> None:
    values = row("D", nino="QQ123456C").decode().split(",")
    values[COLUMN[field.number]] = before + stranger + after
    _, faults = RowRules(WIDE, TOLERANT).explain((",".join(values) + "\n").encode())
    (fault,) = faults
    assert fault.detail.startswith(f"{called(stranger)} may not stand in it")
    assert fault.detail == character_fault(field, stranger)


def test_findings_are_capped_and_counted_and_reading_ends(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    path.write_bytes(extract(*(row("Z") for _ in range(300))))
    assert VALIDATOR.validate(path).total == 300
    limits = ExtractLimits(max_findings=5, max_faults=100)
    report = ExtractValidator(SCHEMAS, limits).validate(path)
    assert (len(report.findings), report.total, report.facts["records"]) == (5, 101, "100")


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (ExtractLimits(max_rows=2), "extract-too-many-rows"),
        (ExtractLimits(max_bytes=100), "extract-too-large"),
        (ExtractLimits(max_faults=1), "extract-gave-up"),
    ],
)
def test_limits_end_the_reading(tmp_path: Path, limits: ExtractLimits, code: str) -> None:
    path = tmp_path / "extract.csv"
    path.write_bytes(extract(*(row("D", str(number), nino="?") for number in range(5))))
    assert places(ExtractValidator(SCHEMAS, limits).validate(path))[-1][0] == code


def test_findings_never_carry_a_value(tmp_path: Path) -> None:
    value, path = "Unmistakable", tmp_path / "extract.csv"
    for column in COLUMN.values():
        spoilt = [row(kind, _320="T1", _308="1").split(b",") for kind in RECORD_TYPES]
        for values in spoilt:
            values[column] = value.encode()
        path.write_bytes(extract(row("D"), row("T", _320="T1"), *map(b",".join, spoilt)))
        assert value not in repr(VALIDATOR.validate(path))


def test_file_that_cannot_be_read_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed):
        VALIDATOR.validate(tmp_path / "absent.csv")


def test_memory_follows_the_claims_and_not_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    with path.open("wb") as file:
        ExtractSampler(SCHEMAS).write(file, 20_000, random=random.Random(1), today=TODAY)
    VALIDATOR.validate(path)
    tracemalloc.start()
    try:
        assert VALIDATOR.validate(path).valid
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000 + 20_000 * 200


def test_every_message_has_a_code_of_the_extract_or_of_a_government_type() -> None:
    assert all(code == "file-empty" or code.startswith(("extract-", "nino-", "postcode-")) for code in MESSAGES)


# -- a long file is read in parts; `check` asks both ways everywhere above


def test_right_file_is_read_in_parts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "extract.csv"
    with path.open("wb") as file:
        ExtractSampler(SCHEMAS).write(file, 300, random=random.Random(2), today=TODAY)
    report = VALIDATOR.validate(path)
    monkeypatch.setattr(ExtractValidator, "_read_in_order", lambda *_: pytest.fail("it was not read in parts"))
    for processors in (2, 3, 4):
        parts = ExtractValidator(SCHEMAS, ExtractLimits(part=1000), allow_test_numbers=True, processors=processors)
        assert parts.validate(path) == report


@given(data=st.data())
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_belongs_together_is_found_across_parts(data: st.DataObject, tmp_path: Path) -> None:
    """Claims that come twice, records without a claim, errors without their change, in any order and cut anywhere."""
    rows = [
        row(data.draw(st.sampled_from("DACSTE")), data.draw(st.sampled_from("1234")), _320=data.draw(change), _308="1")
        for change in [st.sampled_from(["T1", "T2", ""])] * data.draw(st.integers(1, 12))
    ]
    path = tmp_path / "extract.csv"
    path.write_bytes(extract(*rows))
    limits = ExtractLimits(part=data.draw(st.integers(60, 3000)))
    parts = ExtractValidator(SCHEMAS, limits, allow_test_numbers=True, processors=data.draw(st.integers(2, 4)))
    assert parts.validate(path) == VALIDATOR.validate(path)


def test_part_whose_reader_dies_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "extract.csv"
    path.write_bytes(extract(*(row("D", str(number)) for number in range(9))))
    monkeypatch.setattr(ExtractValidator, "_part_as_bytes", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert IN_PARTS.validate(path) == VALIDATOR.validate(path)


# -- the fast path accepts nothing that the slow one refuses

RULES = [RowRules(WIDE, prefixes) for prefixes in (STRICT, TOLERANT)]
VALUES = st.one_of(
    st.from_regex(r"\A[0-9]{2}/[0-9]{2}/(18|19|20)[0-9]{2}\Z"),
    st.dates(date(1880, 1, 1), date(2099, 12, 31)).map(lambda day: day.strftime("%d/%m/%Y")),
    st.from_regex(r"\A-?[0-9]{0,12}(\.[0-9]{0,3})?\Z"),
    st.from_regex(r"\A[A-Z]{2}[0-9]{6}[A-E ]?\Z"),
    st.from_regex(POSTCODE_PATTERN, fullmatch=True, alphabet=st.characters(codec="ascii")),
    st.from_regex(r"\A[A-Z]{1,4}[0-9]{1,2} ?[0-9][A-Z]{2} ?\Z"),
    st.from_regex(r"\AXX999[0-9A-Z ]{0,5}\Z"),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=45),
)


@given(
    value=VALUES,
    kind=st.sampled_from(RECORD_TYPES),
    number=st.sampled_from(sorted(COLUMN)),
    rules=st.sampled_from(RULES),
    quoting=st.sampled_from([csv.QUOTE_NONE, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL]),
)
@examples(1500)
def test_fast_path_and_explanation_agree(value: str, kind: str, number: int, rules: RowRules, quoting: int) -> None:
    values = row(kind, nino="AB123456C", _320="T1", _308="1").decode().split(",")
    values[COLUMN[number]] = value
    line = written(values, quoting)
    quick = rules.accept(line)
    record, faults = rules.explain(line)
    if quick is not None:
        assert (quick, []) == (record, faults)
    elif line.isascii() and '"' not in value and "," not in value and not value.startswith(" "):
        assert faults


@pytest.mark.parametrize(
    ("number", "value"),
    [(126, "AA000000"), (126, "XX99"), (11, "E"), (11, "SW1A 1A"), (8, "29/02/"), (8, "29/02/200"), (43, "-")],
)
def test_a_value_that_breaks_off_is_accepted_by_neither_path(number: int, value: str) -> None:
    """In Debian 12's Python an optional group that does not give back takes such a value for a whole one."""
    line = row("D", nino="AB123456C", **{f"_{number}": value}) + b"\n"
    for rules in RULES:
        assert rules.accept(line) is None
        assert [fault.field for fault in rules.explain(line)[1]] == [number]


@given(pieces=st.lists(st.sampled_from(['"', ",", "a", "1", '","', '""', " "]), max_size=12), quoting=st.booleans())
@examples(500)
def test_odd_quotation_is_read_alike_by_both_paths(pieces: list[str], quoting: bool) -> None:  # noqa: FBT001 - drawn
    values = row("D", nino="AB123456C").decode().split(",")
    line = written(values, csv.QUOTE_ALL if quoting else csv.QUOTE_NONE)
    for start, stop in ((-8, -1), (-14, -1), (-3, -1)):
        odd = line[:start] + "".join(pieces).encode() + line[stop:]
        quick = RULES[0].accept(odd)
        if quick is not None:
            assert (quick, []) == RULES[0].explain(odd)


def written(values: list[str], quoting: int) -> bytes:
    if quoting == csv.QUOTE_NONE:
        return ",".join(values).encode() + b"\n"
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator="\n").writerow(values)  # type: ignore[arg-type] # a plain number
    return out.getvalue().encode()


def test_every_day_is_judged_alike_by_both_paths() -> None:
    field = Field(8, "", Kind.DATE, frozenset(), frozenset("D"), frozenset())
    pattern = re.compile(field_pattern(field, STRICT))
    for year in (*range(1876, 1908), *range(1996, 2008), 2096, 2099, 2100, 2400):
        for month in range(14):
            for day in range(33):
                text = f"{day:02}/{month:02}/{year}"
                slow = field_fault(field, text, STRICT) is None
                assert (pattern.fullmatch(text.encode()) is not None) == slow, text


@given(
    lines=st.lists(
        st.binary(max_size=80) | st.sampled_from([row("D"), row("S"), HEADER, b'"', b"," * 315, b"E" + b"," * 315]),
        max_size=8,
    )
)
@examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_raises(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    for content in (b"\n".join(lines), extract(*lines)):
        path.write_bytes(content)
        VALIDATOR.validate(path)
