"""Sentences for a person, made of reasons that some errors end with a full stop and some do not."""

from __future__ import annotations

import pytest

from gateway.administration.views.words import within
from gateway.errors import GatewayError, documented_errors


@pytest.mark.parametrize("error", list(documented_errors()), ids=lambda error: error.code)
def test_reason_within_a_sentence_brings_no_full_stop_of_its_own(error: type[GatewayError]) -> None:
    assert not within(error().reason).endswith(".")
    assert f"{within(error().reason)}." == error().reason


def test_reason_without_a_full_stop_stays_as_it_is() -> None:
    assert within("the partner's server failed (write)") == "the partner's server failed (write)"
