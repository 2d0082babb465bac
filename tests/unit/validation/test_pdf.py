"""The validator of LAIDs, on vectors that name the finding they must lead to."""

from __future__ import annotations

import io
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.errors import DiskFailed
from gateway.validation.pdf.validator import PdfLimits, PdfValidator
from gateway.validation.pdf.words import MESSAGES, Trouble
from tests.examples import examples
from tests.vectors.pdf import makers, offices

VECTORS = Path(__file__).parents[2] / "vectors" / "pdf"
FILES = sorted(VECTORS.glob("*.pdf"))
PLAIN = (VECTORS / "none--one-page.pdf").read_bytes()


LIMITS = PdfLimits()
MIB = 1 << 20


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


def findings(content: bytes) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in PdfValidator().validate_bytes(content).findings]


@pytest.mark.parametrize(
    "padding", [bytes(5000), b"\r\n" * 2500, b" " * 5000, b"\0\t\n\f\r " * 100_000, bytes(10 * MIB)]
)
def test_padding_of_copiers_and_libraries_passes_in_any_amount(padding: bytes) -> None:
    assert findings(PLAIN + padding) == []
    assert findings(PLAIN + padding + b".") == [("pdf-trailing-data", "end of file")]


def test_padding_beyond_the_limit_of_a_file_is_too_large() -> None:
    assert findings(PLAIN + bytes(16 * MIB)) == [("pdf-too-large", "document")]


@pytest.mark.parametrize("style", makers.STYLES.values(), ids=makers.STYLES)
def test_table_that_is_only_written_oddly_passes(style: makers.Style) -> None:
    report = PdfValidator().validate_bytes(makers.write(offices.letter(), style))
    assert (report.findings, report.facts) == ((), {"records": "1"})


@pytest.mark.parametrize("key", [b"/JavaScript", b"/EmbeddedFiles"])
@pytest.mark.parametrize(
    "tree", [b"null", b"<< >>", b"<< /Names [] >>", b"<< /Kids [] >>", b"6 0 R", b"<< /Kids [ 6 0 R 7 0 R ] >>"]
)
def test_tree_without_leaves_holds_nothing_and_one_with_a_leaf_does(key: bytes, tree: bytes) -> None:
    def letter(leaf: bytes) -> bytes:
        inner = b"<< /Kids [ << /Names [ %b ] >> ] >>" % leaf
        return makers.write(offices.letter(b"/Names << %b %b >>" % (key, tree), _6=inner, _7=b"<< /Names [] >>"))

    expected = "pdf-javascript" if key == b"/JavaScript" else "pdf-embedded-file"
    assert findings(letter(b"")) == []
    if b"6 0 R" in tree:
        assert findings(letter(b"(a) << >>")) == [(expected, "object 1 0")]


@pytest.mark.parametrize(
    "entry", [b"/AA << >>", b"/AA << /WC << >> >>", b"/AF []", b"/OpenAction null", b"/OpenAction << >>", b"/AA null"]
)
def test_entry_that_is_empty_does_nothing(entry: bytes) -> None:
    assert findings(makers.write(offices.letter(entry))) == []


KINDS = [
    "Screen",
    "Sound",
    "Movie",
    "JavaScript",
    "Launch",
    "URI",
    "GoToR",
    "SubmitForm",
    "ImportData",
    "Rendition",
    "3D",
]


@pytest.mark.parametrize("kind", KINDS)
def test_structure_element_may_have_the_name_of_an_action_unless_anything_leads_to_it_as_one(kind: str) -> None:
    for entries in (b"/Type /StructElem", b"/P 3 0 R /K 0", b"/Type /StructElem /P 3 0 R /T (a) /R 2"):
        element = b"<< /S /%b %b >>" % (kind.encode(), entries)
        tree = b"/StructTreeRoot << /Type /StructTreeRoot /K [ 6 0 R ] >>"
        assert findings(makers.write(offices.letter(tree, _6=element))) == []
        for leading in (
            b"/A 6 0 R",
            b"/A 7 0 R",
            b"/PA [ 6 0 R ]",
            b"/A << /S /GoTo /Next 7 0 R >>",
            b"/AA << /D 6 0 R >>",
        ):
            page = b"/Annots [ << /Subtype /Link /Rect [ 0 0 9 9 ] %b >> ]" % leading
            content = makers.write(offices.letter(tree, page, _6=element, _7=b"[ 6 0 R ]"))
            assert "object 6 0" in {where for _, where in findings(content)}, leading
        for extra in (b"/JS (1)", b"/F (a)", b"/URI (a)", b"/Next 3 0 R", b"/R 3 0 R", b"/N /Print", b"/Win << >>"):
            operand = b"<< /S /%b %b %b >>" % (kind.encode(), entries, extra)
            assert findings(makers.write(offices.letter(tree, _6=operand)))


@pytest.mark.parametrize("kind", KINDS)
def test_name_in_an_object_of_its_own_counts_where_it_says_the_kind_of_something(kind: str) -> None:
    name = b"/" + kind.encode()
    assert (
        findings(makers.write(offices.letter(_6=name, _7=b"<< /Type /ExtGState /BM 6 0 R >>", _8=b"[ 6 0 R ]"))) == []
    )
    for key in (b"/S", b"/Subtype", b"/Type"):
        assert findings(makers.write(offices.letter(_6=name, _7=b"<< %b 6 0 R >>" % key))), key


def test_finding_of_an_unreadable_file_says_what_is_wrong_with_that_file() -> None:
    said = {
        path.stem.split("--")[1]: {it.message for it in PdfValidator().validate(path).findings}
        for path in VECTORS.glob("pdf-unreadable--*.pdf")
    }
    assert [name for name, messages in said.items() if MESSAGES["pdf-unreadable"] in messages] == []
    assert len(set().union(*said.values())) >= 14
    assert said["length-leaves-out-a-part"] == {Trouble.STREAM_LENGTH.value}
    assert said["cut"] == {Trouble.NO_END.value}
    assert said["no-table"] == {Trouble.NO_TABLE.value}
    assert said["key-twice"] == {Trouble.KEY_TWICE.value}
    assert said["object-does-not-end"] == {Trouble.OBJECT.value}


def test_every_sentence_ends_with_what_to_do() -> None:
    doing = ("Print", "Make", "Send", "Save", "Scan", "Take")
    for sentence in (*MESSAGES.values(), *Trouble):
        last = sentence.removesuffix(".").rpartition(". ")[2].rpartition(": ")[2].rpartition("). ")[2]
        assert last.startswith(doing), sentence


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
@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
