"""The names of delivered files: which templates there are, and what they make."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.naming import check_template, expand
from gateway.spool.names import check_name, safe_name

ID = "019ab5f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"


@pytest.mark.parametrize(
    "template",
    ["{name}", "{date}_{partner}_{name}", "{stem}-{transfer}{ext}", "{flow} ({stem}){ext}", "{transfer}.xml"],
)
def test_templates_of_letters_and_whole_fields_are_taken(template: str) -> None:
    assert check_template(template) == template


@pytest.mark.parametrize(
    "template",
    [
        *("", "{", "name", "{date}", "{partner}.xml", "{flow}{ext}"),  # nothing, or the same name for every file
        *("{nme}", "{name!r}", "{name:>9}", "{name.x}", "{name[0]}", "{{name}}", "{0}", "{}", "{name", "name}"),
        *("../{name}", "a/{name}", "{name}\n", "{name}\0", ".{name}", "-{name}", "~{name}", " {name}"),
        *("{name}.part", "{name}.tmp", "{name}.READY", "{name}.done", "{name}~", "{name}.", "{name}é", "{name}*"),
        "x" * 120 + "{name}",
    ],
)
def test_any_other_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="name"):
        check_template(template)


def test_every_field_is_filled_in() -> None:
    made = expand(
        "{date}_{partner}_{flow}_{stem}_{transfer}{ext}",
        name="claims 1.tar.gz",
        transfer=ID,
        partner="DWP",
        flow="claim",
        day=date(2026, 11, 21),
    )
    assert made == f"2026-11-21_DWP_claim_claims 1.tar_{ID}.gz"


def test_a_name_is_never_read_as_a_template() -> None:
    made = expand("{name}", name="{transfer}", transfer=ID, partner="DWP", flow="claim", day=date(2026, 1, 1))
    assert made == "{transfer}"


@given(
    st.from_regex(r"[A-Za-z0-9_({](?:[A-Za-z0-9 _.()~+,&'-]|\{(?:name|stem|ext|date)\}){0,40}", fullmatch=True),
    st.text(min_size=1, max_size=220),
)
def test_whatever_a_template_makes_of_whatever_name_can_be_made_a_name_that_is_carried(
    template: str, name: str
) -> None:
    try:
        check_template(template)
    except ValueError:
        return
    made = expand(template, name=name.replace("/", "_"), transfer=ID, partner="DWP", flow="claim", day=date(2026, 1, 1))
    check_name(safe_name(made))
