"""A later version of the extract is a data file; columns that nobody knows are told and passed over."""

from __future__ import annotations

import random
import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.errors import ConfigurationInvalid
from gateway.sample.extract import ExtractSampler
from gateway.validation.extract.finding_log import ExtractLimits
from gateway.validation.extract.layout import load_layouts
from gateway.validation.extract.summary import summarise
from gateway.validation.extract.validator import ExtractValidator
from tests.examples import examples

# Readers have one thread, tests more.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

SCHEMAS = Path(__file__).parents[3] / "schemas"
LAYOUT = SCHEMAS / "extract" / "1.0" / "layout.tsv"
WIDE = load_layouts(SCHEMAS).variants[-1].header
NEW_FIELD = "342\tsupported housing indicator\tD,A,C\tcode\t0-2\t-\t317\t-\n"


def extract(unknown: tuple[str, ...] = (), values: tuple[str, ...] = (), **claim: str) -> bytes:
    """One claim in the widest variant, with more columns behind."""
    fields = dict.fromkeys(WIDE, "") | {"1": "D", "2": "1", "4": "QQ123456C"} | claim
    return f"{','.join(WIDE + unknown)}\r\n{','.join((*fields.values(), *values))}\r\n".encode()


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Schemas to which the layout of a version 1.1 was added, of 316 columns and a new one, and nothing else."""
    schemas = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, schemas)
    layout = schemas / "extract" / "1.1" / "layout.tsv"
    layout.parent.mkdir()
    lines = LAYOUT.read_text("utf-8").replace("\t314,316\t", "\t317\t").replace("\t316\t", "\t317\t")
    layout.write_text(lines + NEW_FIELD, "utf-8")
    return schemas


def check(schemas: Path, content: bytes, path: Path) -> tuple[str | None, list[tuple[str, str]]]:
    path.write_bytes(content)
    report = ExtractValidator(schemas, allow_test_numbers=True).validate(path)
    parts = ExtractValidator(schemas, ExtractLimits(part=200), allow_test_numbers=True, processors=3)
    assert parts.validate(path) == report
    return report.schema, [(finding.code, finding.where) for finding in report.findings]


def test_added_column_is_a_new_version_by_a_data_file_alone(later: Path, tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    assert check(later, extract(("342",), ("2",)), path) == ("extract/1.1", [])
    assert check(later, extract(("342",), ("3",)), path) == ("extract/1.1", [("extract-code", "row 2, field 342")])
    assert check(later, extract(), path) == ("extract/1.0", [])
    assert summarise(later, path).columns == 316


def test_every_sample_of_the_version_before_is_read_as_it_was(later: Path, tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    for columns in (314, 316):
        sampler = ExtractSampler(later, columns=columns)
        with path.open("wb") as file:
            sampler.write(file, 200, random=random.Random(columns), today=date(2026, 11, 21))
        assert check(later, path.read_bytes(), path) == ("extract/1.0", [])
    with path.open("wb") as file:
        ExtractSampler(later, columns=317).write(file, 200, random=random.Random(1), today=date(2026, 11, 21))
    assert check(later, path.read_bytes(), path) == ("extract/1.1", [])


def test_version_with_the_columns_of_an_earlier_one_leaves_them_to_it(later: Path, tmp_path: Path) -> None:
    layout = later / "extract" / "1.1" / "layout.tsv"
    lines = LAYOUT.read_text("utf-8").replace("\t314,316\t", "\t314,316,317\t").replace("\t316\t", "\t316,317\t")
    layout.write_text(lines + NEW_FIELD, "utf-8")
    assert [(variant.version, len(variant.fields)) for variant in load_layouts(later).variants] == [
        ("1.0", 314),
        ("1.0", 316),
        ("1.1", 317),
    ]
    assert check(later, extract(), tmp_path / "extract.csv") == ("extract/1.0", [])


def test_two_versions_with_the_same_columns_and_other_rules_are_a_fault_of_the_installation(later: Path) -> None:
    layout = later / "extract" / "1.1" / "layout.tsv"
    layout.write_text(LAYOUT.read_text("utf-8").replace("\t1-9\t", "\t1-8\t", 1), "utf-8")
    with pytest.raises(ConfigurationInvalid):
        load_layouts(later)


def test_versions_come_in_the_order_of_their_numbers_and_nothing_else_is_one(later: Path) -> None:
    extracts = later / "extract"
    extracts.joinpath("1.1").rename(extracts / "1.10")
    shutil.copytree(extracts / "1.0", extracts / "1.9")
    assert [variant.version for variant in load_layouts(later).variants] == ["1.0", "1.0", "1.10"]
    extracts.joinpath("1.9").rename(extracts / "latest")
    with pytest.raises(ConfigurationInvalid):
        load_layouts(later)


def test_site_that_does_not_know_a_version_yet_reads_it_by_the_columns_that_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    content = extract(("342",), ("2",))
    assert check(SCHEMAS, content, path) == ("extract/1.0", [("extract-extra-columns", "row 1")])
    (finding,) = ExtractValidator(SCHEMAS, allow_test_numbers=True).validate(path).findings
    assert finding.message.endswith("Their numbers: 342.")
    assert (summarise(SCHEMAS, path).records, summarise(SCHEMAS, path).unread) == (1, 0)


def test_known_columns_of_a_row_with_unknown_ones_are_judged_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    told = [("extract-extra-columns", "row 1")]
    unknown = ("342", "350")
    assert check(SCHEMAS, extract(unknown, ("anything", '"at, all"')), path)[1] == told
    assert check(SCHEMAS, extract(unknown, ("", ""), **{"8": "31/02/1961"}), path)[1] == [
        *told,
        ("extract-date", "row 2, field 8"),
    ]
    assert check(SCHEMAS, extract(unknown, ("",)), path)[1] == [*told, ("extract-column-count", "row 2")]
    assert check(SCHEMAS, extract(unknown, ("", "", "")), path)[1] == [*told, ("extract-column-count", "row 2")]
    assert check(SCHEMAS, extract(unknown, ("a\tb", "")), path)[1] == [*told, ("extract-control-character", "row 2")]


@pytest.mark.parametrize(
    "unknown",
    [
        ("",),
        ("342", ""),
        ("33",),
        ("342", "342"),
        ("surname",),
        ("0342",),
        ("342 ",),
        ("34200",),
        ("٣٤٢",),
        tuple(str(number) for number in range(1000, 1101)),
    ],
)
def test_columns_that_are_not_numbered_anew_belong_to_no_extract(unknown: tuple[str, ...], tmp_path: Path) -> None:
    content = extract(unknown, ("",) * len(unknown))
    assert check(SCHEMAS, content, tmp_path / "extract.csv") == (None, [("extract-header", "row 1")])


@given(
    unknown=st.lists(st.integers(342, 9999).map(str), min_size=1, max_size=100, unique=True),
    missing=st.integers(0, 40),
)
@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unknown_columns_are_passed_over_behind_a_known_variant_alone(
    unknown: list[str], missing: int, tmp_path: Path
) -> None:
    layouts = load_layouts(SCHEMAS)
    variant = layouts.read((*WIDE, *unknown))
    assert variant is not None
    assert (variant.header, variant.unknown, variant.schema) == ((*WIDE, *unknown), tuple(unknown), "extract/1.0")
    gapped = WIDE[:missing] + WIDE[missing + 1 :]
    assert layouts.read((*gapped, *unknown)) is None


def test_system_that_always_writes_postcodes_without_a_space_is_told_once_for_all(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    header, _ = extract().splitlines(keepends=True)
    claims = [
        extract((), (), **{"2": str(number), "11": "ZZ11AA"}).splitlines(keepends=True)[1] for number in range(500)
    ]
    path.write_bytes(b"".join([header, *claims]))
    report = ExtractValidator(
        SCHEMAS, ExtractLimits(max_faults=200, max_findings=200), allow_test_numbers=True
    ).validate(path)
    assert {finding.code for finding in report.findings} == {"postcode-space"}
    assert (len(report.findings), report.total, report.facts["records"]) == (101, 101, "500")
    assert report.findings[-1].where == "row 102, field 11"
    assert report.findings[-1].message.endswith("From this row on it is so in 400 rows.")
