"""Rendering a payload: what is in it is shown as text and pictures, bounded, whatever it holds."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from gateway.domain.shown import (
    META,
    MOST_BYTES,
    Case,
    Findings,
    Kind,
    Node,
    Rows,
    Shown,
    page_name,
    read_findings,
    read_form,
    read_rows,
    read_shown,
    read_words,
    to_bytes,
    words_name,
)
from gateway.sample.catalog import samplers
from gateway.settings.resources import resource
from gateway.validation.plan import shown_plan
from gateway.validation.sandbox.pool import Crash, Job, Sandbox, WorkerLimits
from gateway.validation.showing import pictures, tables
from gateway.validation.showing.labels import words
from gateway.validation.showing.pieces import Pieces, plain
from gateway.validation.showing.renderer import Renderer
from gateway.validation.showing.unshowable import Unshowable
from tests.acceptance.sites import claim
from tests.fakes import bombs

SCHEMAS = resource("schemas")
LA = "E09000030"


@dataclass
class Place:
    """A file, and the directory that it is rendered into."""

    root: Path

    @property
    def into(self) -> Path:
        return self.root / "into"

    def render(self, flow: str, content: bytes, first: int = 1) -> Shown:
        """What is shown; Unshowable where nothing is."""
        path = self.root / "payload"
        path.write_bytes(content)
        report = Renderer(SCHEMAS, flow, str(self.into), first).validate(path)
        if not report.valid:
            raise Unshowable(report.findings[0].message)
        return read_shown((self.into / META).read_bytes())

    def read(self, name: str) -> bytes:
        return (self.into / name).read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "into").mkdir()
    return Place(tmp_path)


def sampled(flow: str) -> bytes:
    sender, recipient = (LA, "DWP") if flow in ("extract", "outcome") else ("DWP", LA)
    made = samplers()[flow].make(
        sender=sender, recipient=recipient, index=1, random=random.Random(1), today=date(2026, 11, 22)
    )
    return made.content


def every(nodes: tuple[Node, ...]) -> list[Node]:
    return [each for node in nodes for each in (node, *every(node.within))]


def many_claims(count: int) -> bytes:
    _, content = claim(1)
    begin, end = content.index(b"<Claim>"), content.index(b"</Claim>") + len(b"</Claim>")
    return content[:begin] + content[begin:end] * count + content[end:]


def test_a_claim_is_a_form_with_the_words_of_its_schema(place: Place) -> None:
    _, content = claim(1)
    shown = place.render("claim", content)
    assert (shown.kind, shown.schema, shown.total) == (Kind.FORM, "claim/1.0", 1)
    nodes = every(read_form(place.read(page_name(1, Kind.FORM))))
    birth = next(node for node in nodes if node.label == "Date of birth")
    assert birth.about == "Date of birth."
    assert shown.cases[0].birth == date.fromisoformat(birth.value or "")
    assert any(node.means for node in nodes), "codes are told in words"
    assert shown.reference
    assert shown.reference in content.decode()


@pytest.mark.parametrize("flow", sorted(set(samplers()) - {"laid", "extract"}))
def test_documents_of_every_flow_are_forms(place: Place, flow: str) -> None:
    shown = place.render(flow, sampled(flow))
    nodes = every(read_form(place.read(page_name(1, Kind.FORM))))
    assert shown.kind is Kind.FORM
    assert len(nodes) > 3
    assert any(node.about for node in nodes)
    assert not any(len(node.value or "") > 3_000 for node in nodes), "what is carried in base 64 is named, not shown"


def test_the_records_asked_for_are_shown_screen_by_screen(place: Place) -> None:
    shown = place.render("claim", many_claims(12), first=4)
    assert (shown.first, shown.last, shown.total, shown.pages) == (4, 12, 12, 2)
    labels = [node.label for node in read_form(place.read(page_name(2, Kind.FORM)))]
    assert labels == [f"Claim {number} of 12" for number in range(9, 13)]


def test_markup_in_a_value_stays_text_and_what_cannot_be_seen_is_replaced(place: Place) -> None:
    _, content = claim(1)
    evil = "&lt;script&gt;alert(1)&lt;/script&gt;\u202e\u200f".encode()
    begin = content.index(b"<FamilyName>") + len(b"<FamilyName>")
    place.render("claim", content[:begin] + evil + content[begin:])
    values = [node.value or "" for node in every(read_form(place.read(page_name(1, Kind.FORM))))]
    shown = next(value for value in values if "script" in value)
    assert shown.startswith("<script>alert(1)</script>\ufffd\ufffd")


@pytest.mark.parametrize("first", [0, 2, 10**8])
def test_a_record_that_there_is_not_is_not_shown(place: Place, first: int) -> None:
    with pytest.raises(Unshowable):
        place.render("claim", claim(1)[1], first=first)


def test_an_extract_is_a_table_with_the_names_of_its_fields(place: Place) -> None:
    content = sampled("extract")
    shown = place.render("extract", content)
    rows = read_rows(place.read(page_name(1, Kind.TABLE)))
    assert (shown.kind, shown.schema, shown.total) == (Kind.TABLE, "extract/1.0", content.count(b"\n") - 1)
    assert rows.columns[:2] == ("record type (1)", "housing benefit claim reference number (2)")
    assert len(rows.rows) == min(tables.ROWS, shown.total)
    assert rows.rows[0][0] == 2, "the number of the row in the file"
    assert all(any(cells[at] for _, cells in rows.rows) for at in range(len(rows.columns))), "no empty column"
    assert any(case.birth for case in shown.cases)
    assert {case.in_payment for case in shown.cases} <= {True, False, None}


def test_an_extract_goes_on_where_it_is_asked_for(place: Place) -> None:
    content = sampled("extract")
    total = content.count(b"\n") - 1
    shown = place.render("extract", content, first=total)
    assert (shown.first, shown.last, shown.pages) == (total, total, 1)
    assert [number for number, _ in read_rows(place.read(page_name(1, Kind.TABLE))).rows] == [total + 1]


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"1,2,3\nD,a,b\n", b'"', b"a" * 200_000, b"\xff\xfe1\0,\x002\0"], ids=repr
)
def test_what_is_no_extract_is_not_shown(place: Place, content: bytes) -> None:
    with pytest.raises(Unshowable):
        place.render("extract", content)


def test_odd_rows_of_an_extract_are_shown_as_text(place: Place) -> None:
    lines = sampled("extract").split(b"\r\n")
    odd = b"\r\n".join([lines[0], b'D,"<img src=x onerror=alert(1)>",\xff\xfe', b",".join([b"x"] * 400), lines[1]])
    shown = place.render("extract", odd)
    rows = read_rows(place.read(page_name(1, Kind.TABLE)))
    assert shown.total == 3
    assert rows.rows[0][1][1] == "<img src=x onerror=alert(1)>"
    assert "Column 400" in rows.columns


def test_a_laid_is_pictures_with_their_text(place: Place) -> None:
    shown = place.render("laid", sampled("laid"))
    assert (shown.kind, shown.first, shown.last) == (Kind.PICTURES, 1, shown.pages)
    with Image.open(io.BytesIO(place.read(page_name(1, Kind.PICTURES)))) as picture:
        assert picture.format == "PNG"
        assert 1_000 < max(picture.size) < 1_800
        assert len(picture.getcolors(1 << 24) or []) > 1, "there is something on it"
    assert len(read_words(place.read(words_name(1)))) > 50


def pages_of(*sizes: tuple[float, float]) -> bytes:
    made = io.BytesIO()
    with pikepdf.new() as pdf:
        for size in sizes:
            pdf.add_blank_page(page_size=size)
        pdf.save(made)
    return made.getvalue()


@pytest.mark.parametrize("size", [(3, 14_400), (14_400, 14_400), (595, 842), (3, 3)])
def test_a_picture_has_no_more_pixels_than_it_may(place: Place, size: tuple[float, float]) -> None:
    place.render("laid", pages_of(size))
    with Image.open(io.BytesIO(place.read(page_name(1, Kind.PICTURES)))) as picture:
        assert picture.width * picture.height <= pictures.MOST_PIXELS
        assert max(picture.size) <= max(size) * pictures.DOTS / 72 + 1


def test_at_most_twenty_pages_are_drawn_and_the_others_when_they_are_asked_for(place: Place, tmp_path: Path) -> None:
    content = pages_of(*[(72, 72)] * 30)
    shown = place.render("laid", content)
    assert (shown.pages, shown.last, shown.total) == (20, 20, 30)
    (tmp_path / "again" / "into").mkdir(parents=True)
    shown = Place(tmp_path / "again").render("laid", content, first=21)
    assert (shown.pages, shown.first, shown.last) == (10, 21, 30)


def test_no_further_page_is_begun_when_the_time_is_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_ENOUGH_SECONDS", 0.0)
    shown = place.render("laid", pages_of(*[(72, 72)] * 3))
    assert (shown.pages, shown.last, shown.total) == (1, 1, 3)


LIMITS = WorkerLimits(cpu_seconds=4, wall_seconds=10, written=MOST_BYTES)


@pytest.mark.parametrize("bomb", sorted(bombs.PDF))
def test_a_hostile_pdf_ends_its_reader_at_most(tmp_path: Path, bomb: str) -> None:
    path, into = tmp_path / "payload", tmp_path / "into"
    path.write_bytes(bombs.PDF[bomb]())
    into.mkdir()
    with Sandbox({"laid": shown_plan(SCHEMAS, "laid", into, 1)}, 1, LIMITS) as readers:
        ((_, result),) = readers.validate([Job("1", "laid", path)])
    assert isinstance(result, Crash) or result.findings or (into / META).exists()
    for each in into.iterdir():
        assert each.stat().st_size <= MOST_BYTES
    assert sorted(each.name for each in tmp_path.iterdir()) == ["into", "payload"], "nothing escapes"


def test_scripts_and_actions_of_a_pdf_do_nothing(place: Place) -> None:
    made = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(72, 72))
        pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1); while (true) {}")
        pdf.pages[0].AA = pikepdf.Dictionary(O=pikepdf.Dictionary(S=pikepdf.Name.URI, URI="http://localhost:1/"))
        pdf.save(made)
    assert place.render("laid", made.getvalue()).pages == 1


def test_a_renderer_never_writes_over_what_is_there(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    (tmp_path / META).symlink_to(other)
    with pytest.raises(FileExistsError):
        Pieces(tmp_path).write(META, b"x")
    assert other.read_bytes() == b"mine"


def test_names_are_words() -> None:
    assert [words(name) for name in ("DateOfBirth", "Nino", "EsaPhase", "HBReference")] == [
        "Date of birth",
        "Nino",
        "Esa phase",
        "HBReference",
    ]


def test_a_text_has_nothing_that_cannot_be_seen() -> None:
    assert plain("a\x00b\x1b[31mc\u202ed\ne") == "a\ufffdb\ufffd[31mc\ufffdd\ne"
    assert len(plain("x" * 50_000)) == 20_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"kind":"form"}',
        b"[" * 200_000,
        b'{"kind":"page","pages":1,"first":1,"last":1,"total":1,"schema":null,"reference":null,"cases":[]}',
        b'{"kind":"form","pages":99,"first":1,"last":1,"total":1,"schema":null,"reference":null,"cases":[]}',
        b'{"kind":"form","pages":1,"first":1,"last":1,"total":1,"schema":null,"reference":null,"cases":[{"birth":"x"}]}',
        b"x" * (MOST_BYTES + 1),
    ],
    ids=lambda content: str(content[:40]),
)
def test_what_was_not_rendered_is_not_read(content: bytes) -> None:
    for read in (read_shown, read_rows, read_findings):
        with pytest.raises(ValueError, match=r"."):
            read(content)


def test_a_form_without_end_is_not_read() -> None:
    deep = Node("x")
    for _ in range(40):
        deep = Node("x", within=(deep,))
    for nodes in ([deep], [Node("x")] * 20_001, [Node("x" * 20_001)]):
        with pytest.raises(ValueError, match=r"form|text"):
            read_form(to_bytes(nodes))


def test_what_is_written_is_what_is_read() -> None:
    shown = Shown(Kind.TABLE, 1, 1, 2, 3, "extract/1.0", "X", (Case(date(1940, 1, 2), None, True, None),))
    assert read_shown(to_bytes(shown)) == shown
    rows = Rows(("a", "b"), ((2, ("x", "y")),))
    assert read_rows(to_bytes(rows)) == rows
    findings = Findings(False, 1, (("nino", "line 1", "not right"),), "too many")
    assert read_findings(to_bytes(findings)) == findings
    nodes = (Node("a", "b", "c", "d", (Node("e"),)),)
    assert read_form(to_bytes(nodes)) == nodes
