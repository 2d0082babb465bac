"""What an extract amounts to: counted once each, in pence, and silent about people."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest

from gateway.errors import ContentInvalid, DiskFailed
from gateway.sample.extract import ExtractSampler
from gateway.settings.resources import resource
from gateway.validation.extract.summary import TOTALS, summarise

SCHEMAS = resource("schemas")
TODAY = date(2026, 11, 22)


def made(path: Path, columns: int = 316, seed: int = 1) -> list[dict[str, str]]:
    """Write a sample, and read it again the plain way."""
    sampler = ExtractSampler(SCHEMAS, columns=columns)
    sample = sampler.make(sender="E1", recipient="DWP", index=1, random=random.Random(seed), today=TODAY)
    path.write_bytes(sample.content)
    header, *rows = [line.split(",") for line in sample.content.decode().splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize("columns", [314, 316])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_sums_are_those_of_the_rows(tmp_path: Path, columns: int, seed: int) -> None:
    path = tmp_path / "extract.csv"
    rows = made(path, columns, seed)
    summary = summarise(SCHEMAS, path)
    assert (summary.columns, summary.records, summary.unread) == (columns, len(rows), 0)
    assert summary.counts == Counter(row["1"] for row in rows)
    claims = [row for row in rows if row["1"] in "DAC"]
    assert summary.in_payment["hb"] == sum(row["33"] == "1" for row in claims) > 0
    assert summary.in_payment["ctb"] == sum(row["34"] == "1" for row in claims) > 0
    for number, name in TOTALS.items():
        kinds = "E" if number == 337 else "DAC"
        assert summary.totals[name] == sum(int(row[str(number)] or 0) for row in rows if row["1"] in kinds), name


def test_quoted_rows_are_read_and_wrong_ones_counted(tmp_path: Path) -> None:
    path = tmp_path / "extract.csv"
    rows = made(path)
    lines = path.read_bytes().splitlines()
    lines[1:] = [b",".join(b'"%b"' % value for value in line.split(b",")) for line in lines[1:]]
    path.write_bytes(b"\r\n".join([*lines, b"D,too,short", b"Z" + b"," * 315, b'"open' + b"," * 315, b"\xff" * 70_000]))
    summary = summarise(SCHEMAS, path)
    assert summary.counts == Counter(row["1"] for row in rows)
    assert summary.unread == 5  # the endless line counts twice: it comes in two pieces


def test_nothing_of_a_person_is_in_a_summary(tmp_path: Path) -> None:
    rows = made(tmp_path / "extract.csv")
    said = str(asdict(summarise(SCHEMAS, tmp_path / "extract.csv")))
    assert not [row["4"] for row in rows if row["4"] and row["4"] in said]


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\xef\xbb\xbf1,2,3\n"])
def test_what_is_no_extract_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ContentInvalid):
        summarise(SCHEMAS, tmp_path / "x.csv")


def test_a_file_that_cannot_be_read_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed):
        summarise(SCHEMAS, tmp_path / "absent.csv")
