"""A site may check more than the guide asks for, and not less."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.checks import ChecksSettings


def test_the_defaults_are_the_guides() -> None:
    assert ChecksSettings().model_dump() == {
        "random_percent": 1.0,
        "deceased_one_in": 3,
        "support_percent": 10.0,
        "validation_percent": 1.0,
    }


@pytest.mark.parametrize(
    ("setting", "more", "less"),
    [
        ("random_percent", 5.5, 0.99),
        ("deceased_one_in", 1, 4),
        ("support_percent", 100.0, 9.0),
        ("validation_percent", 2.0, 0.0),
    ],
)
def test_more_is_taken_and_less_is_refused(setting: str, more: float, less: float) -> None:
    assert getattr(ChecksSettings.model_validate({setting: more}), setting) == more
    for wrong in (less, float("nan"), -1):
        with pytest.raises(ValidationError):
            ChecksSettings.model_validate({setting: wrong})
