"""Tables of partners and lists of fingerprints: every fault has its line, and no key comes in by a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.administration.site.introduction import PartnerOptions
from gateway.administration.site.partner_orders import COLUMNS, cards_in, fingerprints_of, table
from gateway.errors import UsageWrong

FPR = "3A5F 09C1 77E0 1234 5678 9ABC DEF0 1234 5678 9ABC"


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "partners.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_row_says_what_it_says_and_an_empty_cell_nothing(tmp_path: Path) -> None:
    text = (
        "\ufeffcode,card,fingerprint,link,flows,host,port,windows,day_bytes\r\n"
        f'E09000030,cards/th.json,"{FPR.lower()}",none,claim laid,sftp.th.example,2222,20:00-06:00 12:30-13:30,4096\r\n'
        "\r\n"
        "4220,,,,,,,,\r\n"
    )
    first, second = table(written(tmp_path, text))
    assert (first.where, first.card, first.code) == ("partners.csv:2", tmp_path / "cards/th.json", "E09000030")
    assert first.fingerprint == FPR.replace(" ", "")
    assert first.options == PartnerOptions(link="none", flows=("claim", "laid"))
    assert first.values == {"windows": ("20:00-06:00", "12:30-13:30"), "day_bytes": 4096}
    assert first.endpoint == {"host": "sftp.th.example", "port": 2222}
    assert (second.where, second.code) == ("partners.csv:4", "4220")
    assert (second.card, second.fingerprint, second.values, second.endpoint) == (None, None, {}, {})
    assert second.options == PartnerOptions()


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("E09000030,x,4", "has 3 fields, and the first line 4."),
        (",push,4,5", "code: is missing."),
        ("4220,pull,4,5", "link: must be one of push, collect, none."),
        ("4220,push,-4,5", "port: must be a whole number in digits alone."),
        ("4220,push,22,1e9", "day_bytes: must be a whole number in digits alone."),
    ],
)
def test_a_row_that_is_wrong_is_an_order_with_a_fault_and_the_others_are_read(
    tmp_path: Path, row: str, fault: str
) -> None:
    wrong, right = table(written(tmp_path, f"code,link,port,day_bytes\n{row}\n4220,,,5\n"))
    assert (wrong.where, wrong.fault) == ("partners.csv:2", fault)
    assert (right.where, right.fault) == ("partners.csv:3", None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"name\nx\n",
        b"code,code\n",
        b"code,ssh_key\n4220,x\n",
        b"code,host_key\n",
        b"code\n\xff\n",
        b'code\n"4220\n',
    ],
)
def test_a_file_that_is_no_table_of_partners_is_refused_whole(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UsageWrong):
        list(table(written(tmp_path, text)))


def test_no_column_holds_a_key() -> None:
    assert not {name for name in COLUMNS if "key" in name or name in ("openpgp", "revoked")}


def test_fingerprints_are_read_by_line_and_a_broken_or_second_one_is_named(tmp_path: Path) -> None:
    assert fingerprints_of(written(tmp_path, f"# heard on Monday\n4220 {FPR}\n")) == {"4220": FPR.replace(" ", "")}
    for text in (f"4220 {FPR}\n4220 {FPR}\n", f"# x\n4220 {FPR[:-1]}\n"):
        with pytest.raises(UsageWrong, match=r"partners\.csv:2"):
            fingerprints_of(written(tmp_path, text))


def test_every_file_of_a_directory_is_an_order_but_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.card.json", "a.txt", ".hidden"):
        (tmp_path / name).touch()
    assert [order.where for order in cards_in(tmp_path, PartnerOptions())] == ["a.txt", "b.card.json"]
    with pytest.raises(UsageWrong):
        list(cards_in(tmp_path / "none", PartnerOptions()))
