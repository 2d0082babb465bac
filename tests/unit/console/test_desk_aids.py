"""Help: every page that comes with the program, as it is shown."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Final

import pytest

from gateway.console.rooms import desk_aids
from gateway.domain.people import PersonRole
from tests.fakes.browsers import Visitor, visitor
from tests.fakes.programs import Program

DOCS: Final = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def reader(console: Program) -> Visitor:
    return visitor(console, "reader", PersonRole.OPERATOR)


def shown(reader: Visitor, path: str) -> str:
    said = reader.get(path)
    assert said.status == 200, path
    return str(re.findall(r"(?s)<main.*</main>", said.body.decode())[0])


def test_every_link_of_every_page_leads_to_a_place_that_there_is(reader: Visitor) -> None:
    pages = {"/help": shown(reader, "/help")} | {
        f"/help/{name}": shown(reader, f"/help/{name}") for name in desk_aids.names()
    }
    places = {(path, place) for path, text in pages.items() for place in re.findall(r' id="([^"]+)"', text)}
    for path, text in pages.items():
        for link in re.findall(r'<a [^>]*href="([^"]*)"', text):
            page, _, place = link.partition("#")
            assert (page or path) in pages, (path, link)
            assert not place or (page or path, place) in places, (path, link)


def test_every_desk_aid_is_in_the_list_and_has_its_own_heading_as_its_name(reader: Visitor) -> None:
    listed = shown(reader, "/help")
    for page in sorted(DOCS.glob("operators/*.md")):
        if page.name != "README.md":
            assert f'href="/help/{page.stem}"' in listed, page.name
            heading = page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
            assert (
                f"<title>{escape(heading).replace('&#x27;', '&#39;')} "
                in reader.get(f"/help/{page.stem}").body.decode()
            ), page.name


def test_a_page_of_the_reference_is_shown_and_a_link_to_what_is_not_is_its_words_alone(reader: Visitor) -> None:
    proof = shown(reader, "/help/proof")
    assert 'href="/help/reference-audit' in proof
    passkeys = shown(reader, "/help/passkeys")
    assert "adr/0077.</p>" in passkeys
    assert reader.get("/help/README").status == reader.get("/help/reference-architecture").status == 404


def test_tables_have_captions_and_no_header_without_words(reader: Visitor) -> None:
    for name in desk_aids.names():
        text = shown(reader, f"/help/{name}")
        assert "&lt;!--" not in text, name
        assert text.count("<table") == text.count("<caption"), name
        assert re.search(r"<th[^>]*>\s*</th>", text) is None, name
