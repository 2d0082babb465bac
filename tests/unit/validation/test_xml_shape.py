"""Tables from schemas: the same each time, versions apart, and a schema that has no such form is refused when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationInvalid
from gateway.settings.load import LOADABLE
from gateway.settings.resources import resource
from gateway.validation.xml.shape import DocumentShape, ValueKind, shapes_of

EVERY = [shape for flow in LOADABLE for shape in shapes_of(resource("schemas"), flow)]


def derived(root: Path, content: str, *, types: str = "") -> DocumentShape:
    """The shape of a schema whose document element `A` has this content."""
    (root / "claim" / "1.0").mkdir(parents=True)
    schema = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:a" targetNamespace="urn:a"
      elementFormDefault="qualified"><xs:element name="A" type="T"/><xs:complexType name="T">{content}</xs:complexType>{types}
      </xs:schema>"""
    (root / "claim" / "1.0" / "claim.xsd").write_text(schema)
    return shapes_of(root, "claim")[0]


def columns(shape: DocumentShape) -> dict[str, list[str]]:
    return {table.name: [column.name for column in table.columns] for table in shape.tables}


def test_the_same_schemas_give_the_same_tables_and_no_name_twice() -> None:
    again = [shape for flow in LOADABLE for shape in shapes_of(resource("schemas"), flow)]
    assert [columns(shape) for shape in again] == [columns(shape) for shape in EVERY]
    names = [table.name for shape in EVERY for table in shape.tables]
    assert len(set(names)) == len(names)
    assert {shape.schema for shape in EVERY} >= {"etd/1.0", "etd/1.1"}
    every = [name for shape in EVERY for table in shape.tables for name in (table.name, *columns(shape)[table.name])]
    assert max(map(len, every)) <= 63


def test_every_column_says_what_the_schema_says() -> None:
    assert [
        f"{t.name}.{c.name}" for shape in EVERY for t in shape.tables for c in t.columns if not c.documentation
    ] == []


def test_repeated_elements_are_tables_and_all_else_is_columns_by_the_path(tmp_path: Path) -> None:
    shape = derived(
        tmp_path,
        """<xs:sequence><xs:element name="OneDay" type="xs:date"/>
        <xs:element name="Inner"><xs:complexType><xs:sequence><xs:element name="Count" type="xs:int" minOccurs="0"/>
          <xs:element name="Part" type="xs:boolean" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
        <xs:choice><xs:element name="Money" type="xs:decimal"/><xs:element name="Moment" type="xs:dateTime"/></xs:choice>
        </xs:sequence>""",
    )
    assert columns(shape) == {
        "claim_1_0_a": ["one_day", "inner_count", "money", "moment"],
        "claim_1_0_part": ["part"],
    }
    kinds = [(column.kind, column.required) for column in shape.root.columns]
    assert kinds == [
        (ValueKind.DATE, True),
        (ValueKind.INTEGER, False),
        (ValueKind.DECIMAL, False),
        (ValueKind.TIME, False),
    ]
    assert shape.tables[1].parent is shape.root


def test_an_element_of_two_branches_is_one_column_and_one_that_stands_twice_is_a_table(tmp_path: Path) -> None:
    one, other = '<xs:element name="B" type="xs:string"/>', '<xs:element name="C" type="xs:string"/>'
    sequence = f"<xs:sequence>{other}{one}</xs:sequence>"
    shape = derived(tmp_path / "branches", f"<xs:choice>{sequence}{one}</xs:choice>")
    assert columns(shape) == {"claim_1_0_a": ["c", "b"]}
    shape = derived(tmp_path / "twice", f"<xs:sequence>{one}{other}{one}</xs:sequence>")
    assert columns(shape) == {"claim_1_0_a": ["c"], "claim_1_0_b": ["b"]}


def test_a_column_that_has_the_name_of_a_key_gets_another(tmp_path: Path) -> None:
    shape = derived(tmp_path, '<xs:sequence><xs:element name="Document" type="xs:string"/></xs:sequence>')
    assert columns(shape) == {"claim_1_0_a": ["document_"]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('<xs:sequence><xs:any processContents="skip"/></xs:sequence>', "wildcard"),
        ('<xs:sequence><xs:element name="A" type="T" minOccurs="0"/></xs:sequence>', "inside itself"),
        ('<xs:sequence/><xs:attribute name="b" type="xs:string"/>', "attributes"),
        (
            '<xs:sequence><xs:element name="BC" type="xs:int"/><xs:element name="Bc" type="xs:int"/></xs:sequence>',
            "one name",
        ),
    ],
)
def test_a_schema_that_has_no_form_in_tables_is_refused(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=why):
        derived(tmp_path, content)
