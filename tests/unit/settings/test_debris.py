"""Which names of other programs' leavings a site passes over, and which patterns it may be given."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.settings.debris import PASSED_OVER, Debris, check_pattern, has_wildcard
from gateway.settings.model import GatewayFile, Spool

ORDINARY = (
    *(
        "claims-1.xml",
        "LAID [1].pdf",
        "claim #12.xml",
        "100%.pdf",
        "O’Neil – Jones.pdf",
        "{GUID}.pdf",
        "a.bak",
        "Icons.pdf",
    ),
    *(
        "desktop.ini.xml",
        "my Thumbs.db.pdf",
        "partial.xml",
        "download.pdf",
        "#1.xml",
        "~1.pdf",
        "$1.xml",
        "C:claim.xml",
    ),
)


@pytest.mark.parametrize(
    "name",
    [
        *("Thumbs.db", "thumbs.DB", "ehthumbs_vista.db", "desktop.ini", "Desktop.ini", "~$letter.docx", "Icon\r"),
        *(
            "x.partial",
            "claims.xml.PARTIAL",
            "x.crdownload",
            "Unconfirmed 123456.crdownload",
            "x.download",
            "x.opdownload",
        ),
        *("x.pdf:Zone.Identifier", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle", "__MACOSX"),
        *("x.xml.lftp-pget-status", "x.swp", "#x.xml#", "lost+found", "Temporary Items"),
    ],
)
def test_debris_of_desktops_and_clients_is_passed_over_by_default(name: str) -> None:
    assert Debris(PASSED_OVER)(name)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_not(name: str) -> None:
    assert not Debris(PASSED_OVER)(name)


@pytest.mark.parametrize("pattern", PASSED_OVER)
def test_every_default_is_a_pattern_that_a_site_may_set(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "",
            "*",
            "**",
            "?",
            "*.*",
            "?*",
            "x",
            "*x",
            "*.xml",
            "*.PDF",
            "*.csv",
            "claim*",
            "*a*",
            "*.pgp",
            "????????.*",
        ),
        *("a/b*", "a\0b", "x" * 121, "*.accepted", "*.rejected", "*xml*"),
    ],
)
def test_pattern_that_would_stop_the_site_without_a_word_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)


def test_fault_of_a_pattern_is_a_fault_of_the_configuration() -> None:
    assert Spool.model_validate({"passed_over": ["*.old"]}).passed_over == ("*.old",)
    assert Spool.model_validate({"passed_over": []}).passed_over == ()
    with pytest.raises(ValidationError):
        GatewayFile.model_validate(tomllib.loads('[spool]\npassed_over = ["*.xml"]'))


@given(st.text(min_size=1, max_size=20))
def test_a_pattern_without_wildcards_stands_for_itself_alone(name: str) -> None:
    if not has_wildcard(name):
        assert Debris([name])(name)
        assert not Debris([name])(f"{name}.xml")
        assert not Debris([])(name)
