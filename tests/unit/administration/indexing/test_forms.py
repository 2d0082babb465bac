"""What an index says of a document: the template's fields, as data, in the form and the letters that the importer reads."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.administration.indexing.forms import Filed, file_name, index_name, render, values
from gateway.settings.index_templates import Template
from tests.examples import examples
from tests.unit.administration.indexing.site import IDS, row, template

MOMENT = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
FIELDS = [{"name": "Name", "value": "name"}, {"name": "Reference", "value": "reference"}]
PERSONAL = {"fields": ["name", "reference"], "decided_by": "the owner", "why": "because of the test"}
ANY = st.text(st.characters(codec="utf-8"), max_size=30)


def filed(**changed: Any) -> Filed:
    made = row(**changed)
    return Filed(made, file_name(made), 7, "laid-00000002", MOMENT, MOMENT, "Department for Work and Pensions")


def written(made: Template, **changed: Any) -> bytes:
    return render(made, [values(made, filed(**changed))])


def test_every_value_that_needs_no_leave_can_be_had() -> None:
    names = [
        "transfer",
        "consignment",
        "flow",
        "partner",
        "partner_name",
        "received",
        "size",
        "sha256",
        "schema",
        "file",
        "batch",
        "batched",
        "number",
    ]
    made = template(fields=[{"name": name, "value": name} for name in names], format="json", date="%d/%m/%Y %H:%M")
    assert json.loads(written(made, consignment=IDS[9], size=5, schema=None)) == {
        "transfer": IDS[0],
        "consignment": IDS[9],
        "flow": "laid",
        "partner": "DWP",
        "partner_name": "Department for Work and Pensions",
        "received": "21/11/2026 09:05",
        "size": "5",
        "sha256": "00" * 32,
        "schema": "",
        "file": f"{IDS[0]}.pdf",
        "batch": "laid-00000002",
        "batched": "21/11/2026 09:05",
        "number": "7",
    }


def test_a_name_in_the_form_that_the_template_knows_gives_its_parts_and_any_other_gives_none() -> None:
    fields = [{"name": "Office", "value": "part.office"}, {"name": "Ref", "value": "part.ref"}]
    personal = {**PERSONAL, "fields": ["part.office", "part.ref"]}
    made = template(fields=fields, parts=["office", "ref"], personal=personal, format="json")
    assert json.loads(written(made, name="0123_HB-1.pdf")) == {"Office": "0123", "Ref": "HB-1"}
    for other in ("0123.pdf", "0123_HB_1.pdf", ""):
        assert json.loads(written(made, name=other)) == {"Office": "", "Ref": ""}


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "＝", "＋", "－", "＠"])
def test_a_cell_that_a_spreadsheet_would_run_has_an_apostrophe_before_it(begins: str) -> None:
    text = f'{begins}HYPERLINK("http://example.org","x")'
    made = template(fields=FIELDS, personal=PERSONAL)
    cells = next(csv.reader(io.StringIO(written(made, name=text, reference="HB-1").decode().splitlines()[1])))
    assert cells == [f"'{text}", "HB-1"]
    unguarded = template(fields=FIELDS, personal=PERSONAL, formula_guard=False)
    cells = next(csv.reader(io.StringIO(written(unguarded, name=text).decode().splitlines()[1])))
    assert cells[0] == text


def test_csv_has_the_delimiter_the_header_and_the_letters_that_the_template_says() -> None:
    made = template(fields=FIELDS, personal=PERSONAL, delimiter=";", header=False, encoding="cp1252")
    assert written(made, name='a;"b".pdf', reference="Siân £ ŵ") == '"a;""b"".pdf";"Siân £ ?"\r\n'.encode("cp1252")
    assert written(template(encoding="utf-8-sig")).startswith(b'\xef\xbb\xbf"Transfer"')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "iso-8859-1"])
@pytest.mark.parametrize("per", ["document", "batch"])
def test_xml_is_read_back_as_it_was_whatever_the_letters(encoding: str, per: str) -> None:
    made = template(
        fields=FIELDS, personal=PERSONAL, format="xml", encoding=encoding, per=per, root="All", record="One"
    )
    tree = etree.fromstring(written(made, name="<ŵ & £>.pdf", reference=None))
    assert tree.tag == ("One" if per == "document" else "All")
    (one,) = [tree] if per == "document" else list(tree)
    assert [(each.tag, each.text or "") for each in one] == [("Name", "<ŵ & £>.pdf"), ("Reference", "")]


@examples(200)
@given(ANY, ANY, st.sampled_from(["csv", "xml", "json"]), st.sampled_from(["document", "batch"]))
def test_whatever_the_sender_wrote_is_one_value_in_its_field(name: str, reference: str, form: str, per: str) -> None:
    made = template(fields=FIELDS, personal=PERSONAL, format=form, per=per, formula_guard=False)
    told = dict(values(made, filed(name=name, reference=reference)))
    text = written(made, name=name, reference=reference)
    match form:
        case "csv":
            _, found = csv.reader(io.StringIO(text.decode(), newline=""))
            assert found == [*told.values()]
        case "json":
            found = json.loads(text)
            assert (found if per == "document" else found[0]) == told
        case _:
            tree = etree.fromstring(text)
            one = tree if per == "document" else tree[0]
            read = [each.text or "" for each in one]
            assert read == [each.replace("\r\n", "\n").replace("\r", "\n") for each in told.values()]


def test_an_index_is_called_as_its_document_and_never_the_same() -> None:
    assert index_name(template(), f"{IDS[0]}.pdf") == f"{IDS[0]}.csv"
    assert index_name(template(format="xml"), f"{IDS[0]}.xml") == f"{IDS[0]}.index.xml"
    assert index_name(template(per="batch"), f"{IDS[0]}.pdf") == "index.csv"
    names = {file_name(row(flow=flow, name="QQ 12 34 56 C.pdf")) for flow in ("laid", "claim", "extract")}
    assert names == {f"{IDS[0]}{ending}" for ending in (".pdf", ".xml", ".csv")}
