"""Roles and rights: who may do what, and which roles never meet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations

import pytest

from gateway.domain.people import (
    RIGHTS,
    SEEING,
    Person,
    PersonRole,
    PersonState,
    Right,
    apart,
    may,
    require_day,
    require_roles,
    require_user,
    rights_of,
)
from gateway.errors import RolesApart, TrainingMissing, UsageWrong

OF_FILES = {Right.OPEN, Right.SEND, Right.HOLD, Right.RELEASE, Right.DISCARD, Right.ANSWER, Right.RETENTION}
SOMEBODY = Person(
    "hb1", "Invented", "Unit", frozenset(), "2026-01-01", "2026-01-01", PersonState.ACTIVE, 0, created=1.0, updated=1.0
)
SETS = [frozenset(chosen) for size in range(len(PersonRole) + 1) for chosen in combinations(PersonRole, size)]


def test_every_right_is_somebodys_and_every_role_has_rights() -> None:
    assert rights_of(PersonRole) == frozenset(Right)
    assert set(RIGHTS) == set(PersonRole)
    assert all(RIGHTS.values())


@pytest.mark.parametrize("roles", SETS, ids=lambda roles: "+".join(sorted(roles)) or "none")
def test_what_the_guide_keeps_apart_never_comes_together(roles: frozenset[PersonRole]) -> None:
    rights = rights_of(roles)
    forbidden = (
        (PersonRole.SECURE_PRINT in roles and len(roles) > 1)
        or (Right.PEOPLE in rights and bool(rights & OF_FILES))
        or (Right.PEOPLE in rights and Right.CHECK in rights)
    )
    assert (apart(roles) is not None) == forbidden
    if forbidden:
        with pytest.raises(RolesApart):
            require_roles(roles, "2026-01-01", "2026-01-01")


@pytest.mark.parametrize("right", Right)
def test_nobody_may_anything_without_a_role_an_active_state_and_for_data_both_dates(right: Right) -> None:
    everything = replace(SOMEBODY, roles=frozenset(PersonRole))  # no ledger takes it: here only `may` counts
    assert may(everything, right)
    assert not may(SOMEBODY, right)
    for state in (PersonState.SUSPENDED, PersonState.LEFT):
        assert not may(replace(everything, state=state), right)
    for missing in ({"agreement": None}, {"training": None}):
        assert may(replace(everything, **missing), right) == (right not in SEEING)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", PersonRole)
def test_a_role_that_shows_data_needs_agreement_and_training(role: PersonRole) -> None:
    seeing = bool(RIGHTS[role] & SEEING)
    assert seeing == (role not in (PersonRole.AUDITOR, PersonRole.ADMINISTRATOR))
    require_roles([role], "2026-01-01", "2026-01-01")
    if not seeing:
        require_roles([role], None, None)
        return
    for dates in ((None, "2026-01-01"), ("2026-01-01", None), (None, None)):
        with pytest.raises(TrainingMissing):
            require_roles([role], *dates)


def test_a_user_id_is_short_and_plain() -> None:
    for right in ("hb1042", "a1", "x" * 32, "team.3-b", "root2", "gatewayer"):
        assert require_user(right) == right
    for wrong in ("", "a", "x" * 33, "HB1042", "1ab", "an name", "a/b", "a\n", "ab\n", "é1"):
        with pytest.raises(UsageWrong):
            require_user(wrong)


@pytest.mark.parametrize("taken", ["add", "root", "gateway", "gateway-vault", "console", "command"])
def test_a_user_id_is_nothing_that_the_chain_calls_somebody_else(taken: str) -> None:
    with pytest.raises(UsageWrong, match="the chain would not tell"):
        require_user(taken)


def test_a_date_has_come() -> None:
    today = date(2026, 11, 28)
    assert require_day("2026-11-28", today) == "2026-11-28"
    for wrong in ("2026-11-29", "28.11.2026", "2026-02-30", "", "yesterday"):
        with pytest.raises(UsageWrong):
            require_day(wrong, today)
