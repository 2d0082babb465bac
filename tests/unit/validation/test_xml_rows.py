"""Documents as rows: a value that no database keeps is told by its line; a schema that is none is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from gateway.errors import ConfigurationInvalid
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.xml.rows import DocumentReader, DocumentRows, _Filling
from tests.unit.validation.test_xml_shape import derived

CONTENT = """<xs:sequence><xs:element name="Inner"><xs:complexType><xs:sequence>
    <xs:element name="Count" type="xs:integer"/><xs:element name="Part" type="xs:integer" maxOccurs="2"/>
    </xs:sequence></xs:complexType></xs:element><xs:element name="Day" type="xs:date"/></xs:sequence>"""


@pytest.mark.parametrize(
    ("count", "part", "day", "line"),
    [
        ("1", "2", "2026-11-28", None),
        (str(2**63), "2", "2026-11-28", 3),
        ("1", str(2**63), "2026-11-28", 4),
        ("1", "2", "12026-11-28", 6),
    ],
)
def test_a_value_that_no_database_keeps_is_told_by_its_line(
    tmp_path: Path, count: str, part: str, day: str, line: int | None
) -> None:
    lines = ("<A xmlns='urn:a'>", "<Inner>", f"<Count>{count}</Count>", f"<Part>{part}</Part>", "</Inner>")
    document = "\n".join((*lines, f"<Day>{day}</Day>", "</A>"))
    found = _Filling(derived(tmp_path, CONTENT)).fill(etree.fromstring(document), ())
    if line is None:
        assert isinstance(found, DocumentRows)
        assert found.rows == {"claim_1_0_a": [[0, 1, 0, 1, day]], "claim_1_0_part": [[0, 1, 1, 2]]}
    else:
        assert isinstance(found, Report)
        assert [(each.where, each.code) for each in found.findings] == [(f"line {line}", "xml-value")]


def test_a_schema_that_is_none_is_refused_before_tables_are_made_of_it(tmp_path: Path) -> None:
    for path in resource("schemas").glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    derived(tmp_path, "<xs:sequence><xs:element name='B' type='xs:date' strange='1'/></xs:sequence>")
    with pytest.raises(ConfigurationInvalid, match=r"claim/1\.0 does not compile"):
        DocumentReader(tmp_path, "claim")
