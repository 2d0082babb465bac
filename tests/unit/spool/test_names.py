"""Which names are carried, and what becomes of the others."""

import sys
import unicodedata
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FileNameRefused
from gateway.spool.names import MAX_BYTES, check_name, has_room, is_temporary, safe_name, second_name, with_ending

TAG = "0192aaaa-0000-7000-8000-000000000001"


def accepted(name: str) -> bool:
    try:
        check_name(name)
    except FileNameRefused:
        return False
    return True


@pytest.mark.parametrize(
    "name",
    [
        *("claims-1.xml", "hb9991_SHBE_555086k May 2013.csv", "Tŷ Ŵyn (copy 2).pdf", "O'Neill & Sons, part+1.pdf", "a"),
        *(
            "LAID [1].pdf",
            "claim #12.xml",
            "100%.pdf",
            "O’Neil – Jones.pdf",
            "{GUID}.pdf",
            "Re: claim?.xml",
            "a;b=c@d!.xml",
        ),
        *(
            "(1).xml",
            "-rf",
            "~root.xml",
            " a",
            "a.xml ",
            "a.",
            "$(reboot).xml",
            "`id`",
            "a*",
            "%s%n",
            '"quoted".xml',
            "<a>.xml",
        ),
        *(
            "CON.xml",
            "a.xml:stream",
            "a\u00a0b.xml",
            "заявка.xml",
            "αίτηση.pdf",
            "申請.xml",
            "שלום.xml",
            "نموذج.pdf",
            "ก.pdf",
        ),
        *("👨‍👩‍👧‍👦.pdf", "x\u00ady.xml", "\u200b", "\ue000.xml", "a.bak", "desktop.ini", "x.partial"),
        unicodedata.normalize("NFD", "Tŷ Ŵyn.pdf"),
        "x" * MAX_BYTES,
        "ŵ" * 127,
    ],
)
def test_names_as_people_and_programs_make_them_are_carried(name: str) -> None:
    check_name(name)
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "no name"),
        *((name, "begins with FULL STOP (U+002E)") for name in (".", "..", ".hidden", "...")),
        ("a/b", "SOLIDUS (U+002F)"),
        ("a\\b", "REVERSE SOLIDUS (U+005C)"),
        ("a\0b", "NULL (U+0000)"),
        ("a\nb.xml", "LINE FEED (U+000A)"),
        ("Icon\r", "CARRIAGE RETURN (U+000D)"),
        ("\x1b[2J.xml", "ESCAPE (U+001B)"),
        ("a\x85b", "CONTROL CHARACTER (U+0085)"),
        ("a\u2028b", "LINE SEPARATOR (U+2028)"),
        ("\u202egnp.xml", "RIGHT-TO-LEFT OVERRIDE (U+202E)"),
        ("a\u2066b\u2069", "LEFT-TO-RIGHT ISOLATE (U+2066)"),
        ("a\u200f", "RIGHT-TO-LEFT MARK (U+200F)"),
        ("\u061c", "ARABIC LETTER MARK (U+061C)"),
        ("a\uffff", "NONCHARACTER (U+FFFF)"),
        ("\U0010fffe", "NONCHARACTER (U+10FFFE)"),
        ("\udcff.xml", "the byte FF (no UTF-8)."),
        ("x" * (MAX_BYTES + 1), "255 bytes"),
        ("ŵ" * 128, "255 bytes"),
        *((f"a{ending}", "ends in") for ending in (".part", ".PART", ".tmp", ".filepart", ".ready", "~")),
    ],
)
def test_names_that_can_do_harm_are_refused_and_the_reason_says_why(name: str, said: str) -> None:
    with pytest.raises(FileNameRefused) as caught:
        check_name(name)
    assert said in caught.value.reason
    check_name(safe_name(name))


@pytest.mark.parametrize("name", [".a.xml.Xy12", "a.xml.filepart", "a.xml.part", "a.tmp", "a.xml~", "a.ready"])
def test_unfinished_names_are_passed_over(name: str) -> None:
    assert is_temporary(name)


def test_the_refusal_names_one_character_and_repeats_nothing_of_the_name() -> None:
    with pytest.raises(FileNameRefused) as caught:
        check_name("QQ123456A\u202e.xml")
    assert caught.value.reason == "The file's name holds RIGHT-TO-LEFT OVERRIDE (U+202E)."


def test_no_character_is_carried_that_moves_a_cursor_or_parts_a_path_or_turns_text_around() -> None:
    carried = [chr(code) for code in range(sys.maxunicode + 1) if accepted(chr(code))]
    directions = {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI", "B", "S"}
    assert not [each for each in carried if unicodedata.bidirectional(each) in directions and each != "\t"]
    assert not [each for each in carried if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"}]
    assert {"/", "\\", ".", "~", "\u200e", "\u200f", "\u061c"}.isdisjoint(carried)
    # Letters of every script are.
    assert all(accepted(letter) for letter in map(chr, range(sys.maxunicode + 1)) if letter.isalpha())


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
    assert second_name("claims-1.xml", "ID") == "claims-1~ID.xml"
    assert second_name("claims", "ID") == "claims~ID"


ENDINGS = (".why.txt", ".undelivered.txt", ".receipt.json", ".refused.txt", ".done", ".ready", ".accepted")


@given(st.text(st.characters(), min_size=1, max_size=300).map(safe_name), st.sampled_from(ENDINGS))
def test_whatever_is_named_after_a_file_fits_and_can_be_carried(name: str, ending: str) -> None:
    second = second_name(name, TAG)
    check_name(second)
    assert f"~{TAG}" in second
    assert len((second + ending).encode()) <= MAX_BYTES
    named = with_ending(name, ending, TAG)
    assert len(named.encode()) <= MAX_BYTES
    assert named == (name + ending if len((name + ending).encode()) <= MAX_BYTES else second + ending)


@pytest.mark.parametrize("name", ["ŵ" * 125 + ".xml", "x" * 255, "a." + "ŵ" * 126, "名" * 83 + ".pdf"])
def test_the_stem_of_a_long_name_is_cut_between_characters(name: str) -> None:
    second = second_name(name, TAG)
    assert len(second.encode()) <= MAX_BYTES
    stem, _, rest = second.partition(f"~{TAG}")
    assert name.startswith(stem)
    assert not rest or name.partition(".")[2].startswith(rest[1:])
    # The back office may answer it by its name, and the id is found in it.
    assert PurePath(second).stem.rpartition("~")[2] == TAG
    assert has_room(second)
