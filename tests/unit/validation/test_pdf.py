"""The validator of LAIDs, on vectors that name the finding they must lead to."""

from __future__ import annotations

import io
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import DiskFailed
from gateway.validation.pdf import PdfLimits, PdfValidator
from gateway.validation.pdf_words import MESSAGES

VECTORS = Path(__file__).parents[2] / "vectors" / "pdf"
FILES = sorted(VECTORS.glob("*.pdf"))
PLAIN = (VECTORS / "none--one-page.pdf").read_bytes()


LIMITS = PdfLimits()


def codes(path: Path, limits: PdfLimits = LIMITS) -> set[str]:
    return {finding.code for finding in PdfValidator(limits).validate(path).findings}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector_leads_to_the_finding_it_is_named_for(path: Path) -> None:
    expected = path.stem.split("--")[0]
    assert expected in codes(path) if expected != "none" else not codes(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_validating_never_alters_the_file(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(path.read_bytes())
    before = copy.stat().st_mtime_ns
    PdfValidator().validate(copy)
    assert (copy.read_bytes(), copy.stat().st_mtime_ns) == (path.read_bytes(), before)
    assert list(tmp_path.iterdir()) == [copy]


def test_every_rule_on_content_has_a_vector() -> None:
    untested = {"pdf-too-large", "pdf-exhausting", "pdf-too-many-objects"}  # by the tests below
    assert {path.stem.split("--")[0] for path in FILES} == set(MESSAGES) - untested | {"none"}


def test_pages_are_counted_and_no_authority_is_claimed() -> None:
    report = PdfValidator().validate(VECTORS / "none--one-page.pdf")
    assert (report.schema, report.valid, report.facts) == ("laid/1.0", True, {"records": "1"})


def test_finding_names_the_object_and_never_its_content() -> None:
    path = VECTORS / "pdf-javascript--unreferenced-object.pdf"
    assert b"QQ123456C" in path.read_bytes()
    report = PdfValidator().validate(path)
    assert [finding.where for finding in report.findings if finding.code == "pdf-javascript"] == ["object 4 0"]
    assert "QQ123456C" not in repr(report)


def test_findings_are_capped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(_many_objects(300, b"<< /S /JavaScript >>"))
    report = PdfValidator().validate(path)
    assert (len(report.findings), report.total) == (50, 300)


def test_too_many_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(_many_objects(300, b"null"))
    assert codes(path, PdfLimits(max_objects=100)) == {"pdf-too-many-objects"}


def test_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    with path.open("wb") as file:
        file.write(PLAIN)
        file.truncate(20 * 1024**3)
    assert codes(path) == {"pdf-too-large"}


def test_object_stream_that_unpacks_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    packed = zlib.compress(b"4 0 (" + b"A" * 3_000_000 + b")")
    body = b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n" % len(packed)
    rows = [(0, 0, 65535), (1, 9, 0), (1, 0, 0), (1, 0, 0), (2, 5, 0), (1, 0, 0), (1, 0, 0)]
    out = bytearray(b"%PDF-1.7\n")
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R /X 4 0 R >>",
        2: b"<< /Type /Pages /Count 1 /Kids [ 3 0 R ] >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 9 9 ] >>",
        5: body + packed + b"\nendstream",
    }
    for number, content in objects.items():
        rows[number] = (1, len(out), 0)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    rows[6] = (1, start, 0)
    table = b"".join(bytes([kind]) + place.to_bytes(4, "big") + index.to_bytes(2, "big") for kind, place, index in rows)
    out += b"6 0 obj\n<< /Type /XRef /Size 7 /W [ 1 4 2 ] /Root 1 0 R /Length %d >>\nstream\n" % len(table)
    out += table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start
    path = tmp_path / "a.pdf"
    path.write_bytes(out)
    assert codes(path) == set()
    assert codes(path, PdfLimits(max_unpacked=1_000_000)) == {"pdf-unreadable"}


def test_file_that_cannot_be_read_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed):
        PdfValidator().validate(tmp_path / "absent.pdf")


def test_no_truncation_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    for length in range(len(PLAIN.rstrip())):
        path.write_bytes(PLAIN[:length])
        assert codes(path), length


@pytest.mark.parametrize("source", FILES[:: max(1, len(FILES) // 12)], ids=lambda path: path.stem)
def test_damaged_bytes_never_raise(source: Path, tmp_path: Path) -> None:
    randomly = random.Random(source.stem)
    path = tmp_path / "a.pdf"
    whole = source.read_bytes() or PLAIN
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(randomly.choice((1, 3, 12))):
            damaged[randomly.randrange(len(damaged))] = randomly.randrange(256)
        path.write_bytes(damaged)
        PdfValidator().validate(path)


FRAGMENTS = st.one_of(
    st.sampled_from(
        [
            b"<<",
            b">>",
            b"[",
            b"]",
            b"(",
            b")",
            b"<",
            b">",
            b"/Kids",
            b"/Pages",
            b"/OpenAction",
            b"/S",
            b"/\xff",
            b"%",
            b"1 0 R",
        ]
    ),
    st.sampled_from(
        [
            b"2 0 R",
            b"3 0 R",
            b"4 0 R",
            b"stream\n",
            b"endstream",
            b"endobj",
            b"99999999999999999999",
            b"-1",
            b"/Width",
            b"/#00",
        ]
    ),
    st.binary(max_size=6),
)


@given(fragments=st.lists(FRAGMENTS, max_size=40), place=st.sampled_from([b"/Catalog", b"/Pages ", b"/Page "]))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_made_up_objects_never_raise(fragments: list[bytes], place: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(PLAIN.replace(place, place + b" " + b" ".join(fragments), 1))
    PdfValidator().validate(path)


def _many_objects(count: int, body: bytes) -> bytes:
    out = io.BytesIO(PLAIN)
    out.seek(0, 2)
    table = b"xref\n"
    for number in range(10, 10 + count):
        table += b"%d 1\n%010d 00000 n \n" % (number, out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    start = out.tell()
    previous = int(PLAIN[PLAIN.rindex(b"startxref") :].split()[1])
    out.write(table + b"trailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n" % (10 + count, previous))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()
