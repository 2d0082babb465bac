"""Which names are carried, and what becomes of the others."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FileNameRefused
from gateway.spool.names import MAX_BYTES, beside, check_name, is_temporary, safe_name


def accepted(name: str) -> bool:
    try:
        check_name(name)
    except FileNameRefused:
        return False
    return True


@pytest.mark.parametrize(
    "name",
    [
        "claims-1.xml",
        "hb9991_SHBE_555086k May 2013.csv",
        "Tŷ Ŵyn (copy 2).pdf",
        "O'Neill & Sons, part+1.pdf",
        "a",
        "(1).xml",
        "x" * MAX_BYTES,
    ],
)
def test_names_as_offices_use_them_are_carried(name: str) -> None:
    check_name(name)
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "a\0b",
        "a\nb.xml",
        "a\\b",
        "-rf",
        "~root",
        "a.xml ",
        "a.",
        " a",
        "$(reboot).xml",
        "`id`",
        "a;b",
        "a*",
        "\u202egnp.xml",
        unicodedata.normalize("NFD", "Tŷ.pdf"),
        "\u0430.xml",
        "\udcff.xml",
        "x" * (MAX_BYTES + 1),
        "ŵ" * 101,
        "a.part",
        "a.PART",
        "a.tmp",
        "a.filepart",
        "a.ready",
        "a~",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    assert not accepted(name)
    check_name(safe_name(name))


@pytest.mark.parametrize("name", [".a.xml.Xy12", "a.xml.filepart", "a.xml.part", "a.tmp", "a.xml~", "a.ready"])
def test_unfinished_names_are_passed_over(name: str) -> None:
    assert is_temporary(name)


def test_the_refusal_does_not_repeat_the_name() -> None:
    with pytest.raises(FileNameRefused) as caught:
        check_name("QQ123456A*.xml")
    assert "QQ" not in caught.value.reason


def test_every_letter_that_is_carried_is_its_own_composed_form() -> None:
    carried = [chr(code) for code in range(sys.maxunicode + 1) if accepted(chr(code))]
    assert all(unicodedata.is_normalized("NFC", letter) for letter in carried)
    assert not any(unicodedata.bidirectional(letter) in {"R", "AL", "RLO", "LRO", "RLE"} for letter in carried)
    assert not any(re.match(r"[\s/\\]", letter) for letter in carried)


@given(
    st.text(st.characters(), max_size=300)
    | st.binary(max_size=300).map(lambda raw: raw.decode(errors="surrogateescape"))
)
def test_any_string_has_a_safe_name_and_a_safe_name_is_its_own(name: str) -> None:
    safe = safe_name(name)
    check_name(safe)
    assert len(safe.encode()) <= MAX_BYTES
    assert safe_name(safe) == safe
    if accepted(name):
        assert safe == name


def test_a_safe_name_keeps_the_extension_of_a_name_that_is_too_long() -> None:
    assert safe_name("x" * 300 + ".xml").endswith("x.xml")


def test_the_second_name_stands_before_the_extension() -> None:
    assert beside("claims-1.xml", "ID") == "claims-1~ID.xml"
    assert beside("claims", "ID") == "claims~ID"
