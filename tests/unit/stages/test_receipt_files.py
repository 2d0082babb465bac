"""Receipts as operators get them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.ledger.units import Transfer as Row
from gateway.stages.receipt_files import write_receipt_files


@dataclass(frozen=True)
class Transfer:
    """What of a row is looked at."""

    id: str
    name: str
    flow: str = "claim"
    partner: str = "E09000030"


def receipt(*ids: str) -> str:
    return json.dumps({"consignment": "c", "items": [{"transfer": each, "outcome": "delivered"} for each in ids]})


def told(root: Path) -> Mapping[str, Any]:
    return {path.name: json.loads(path.read_bytes()) for path in (root / "claim" / "E09000030").iterdir()}


def rows(*transfers: Transfer, body: str) -> list[tuple[Row, str | None]]:
    return [(cast("Row", transfer), body) for transfer in transfers]


def test_each_receipt_speaks_of_its_own_file_alone(tmp_path: Path) -> None:
    write_receipt_files(tmp_path, rows(Transfer("1", "a.xml"), Transfer("2", "b.xml"), body=receipt("1", "2")))
    found = told(tmp_path)
    assert found["a.xml.receipt.json"]["items"] == [{"transfer": "1", "outcome": "delivered"}]
    assert found["b.xml.receipt.json"]["items"] == [{"transfer": "2", "outcome": "delivered"}]
    assert {each["name"] for each in found.values()} == {"a.xml", "b.xml"}


def test_files_of_one_name_get_a_receipt_each_in_the_same_call_and_in_a_later_one(tmp_path: Path) -> None:
    same = [Transfer("1", "a.xml"), Transfer("2", "a.xml")]
    write_receipt_files(tmp_path, rows(*same, body=receipt("1", "2")))
    write_receipt_files(tmp_path, rows(Transfer("3", "a.xml"), body=receipt("3")))
    write_receipt_files(tmp_path, rows(*same, body=receipt("1", "2")))
    found = told(tmp_path)
    assert sorted(each["items"][0]["transfer"] for each in found.values()) == ["1", "2", "3"]
    assert found["a.xml.receipt.json"]["items"][0]["transfer"] == "1"


def test_what_somebody_else_put_there_stays(tmp_path: Path) -> None:
    directory = tmp_path / "claim" / "E09000030"
    directory.mkdir(parents=True)
    (directory / "a.xml.receipt.json").write_text("a note")
    write_receipt_files(tmp_path, rows(Transfer("1", "a.xml"), body=receipt("1")))
    assert (directory / "a.xml.receipt.json").read_text() == "a note"
    (other,) = (path for path in directory.iterdir() if path.name != "a.xml.receipt.json")
    assert json.loads(other.read_bytes())["items"][0]["transfer"] == "1"
