"""The laws that hold for every itinerary, whatever is done in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.states import (
    CONSIGNMENT_OUT,
    ITINERARIES,
    RECEIPT_OUT,
    TRANSFER_IN,
    TRANSFER_OUT,
    Direction,
    State,
    advance,
    require,
)
from gateway.errors import Disposition, GatewayError, ImpossibleMove, documented_errors

KEYS = sorted(ITINERARIES, key=str)
RESENT = {(State.SENT, State.SEALED), (State.SENT, State.ISSUED)}
"""The only ways back: the same bytes go again."""

_ASKS = {
    Disposition.REJECT: State.REJECTED,
    Disposition.QUARANTINE: State.QUARANTINED,
    Disposition.HOLD: State.HELD,
}

itineraries = st.sampled_from(KEYS)
states = st.sampled_from(sorted(State))
OURS = [error for error in documented_errors() if error.__module__.startswith("gateway.errors.")]
errors = st.sampled_from(sorted(OURS, key=lambda error: error.code))


def reachable(key: tuple[str, Direction]) -> set[State]:
    itinerary = ITINERARIES[key]
    first = {State.ADMITTED, State.PACKED, State.LANDED, State.OPENED, State.ISSUED} & itinerary.keys()
    start = {
        ("transfer", Direction.OUT): State.ADMITTED,
        ("transfer", Direction.IN): State.OPENED,
        ("consignment", Direction.OUT): State.PACKED,
        ("consignment", Direction.IN): State.LANDED,
        ("receipt", Direction.OUT): State.ISSUED,
        ("receipt", Direction.IN): State.LANDED,
    }[key]
    assert start in first
    found, pending = {start}, [start]
    while pending:
        for following in itinerary[pending.pop()] - found:
            found.add(following)
            pending.append(following)
    return found


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_state_of_an_itinerary_can_be_reached_and_is_written_down(key: tuple[str, Direction]) -> None:
    assert reachable(key) == set(ITINERARIES[key])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_state_has_a_way_to_an_end(key: tuple[str, Direction]) -> None:
    itinerary = ITINERARIES[key]
    ends = {state for state, following in itinerary.items() if not following} or {State.SENT}
    for state in itinerary:
        seen, pending = {state}, [state]
        while pending:
            for following in itinerary[pending.pop()] - seen:
                seen.add(following)
                pending.append(following)
        assert seen & ends, f"{state} never ends"


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_no_road_leads_back_but_for_release_and_sending_again(key: tuple[str, Direction]) -> None:
    """A closed walk holds a release from held or a sending again; otherwise progress is never lost."""
    forward = {
        state: {next_ for next_ in following if (state, next_) not in RESENT and State.HELD not in (state, next_)}
        for state, following in ITINERARIES[key].items()
    }
    for start, following in forward.items():
        seen: set[State] = set()
        pending = list(following)
        while pending:
            state = pending.pop()
            assert state is not start, f"{start} comes back to itself"
            if state not in seen:
                seen.add(state)
                pending.extend(forward[state])


def test_what_a_partner_may_have_is_never_held_rejected_or_resealed_here() -> None:
    for state in (State.SEALED, State.SENT):
        assert State.HELD not in TRANSFER_OUT[state]
        assert State.PACKED not in TRANSFER_OUT[state]
        assert State.PACKED not in CONSIGNMENT_OUT[state]


def test_delivered_is_never_undone() -> None:
    assert TRANSFER_IN[State.DELIVERED] == {State.INGESTED}


def test_late_receipt_still_counts_after_expiry() -> None:
    assert State.RECEIPTED in TRANSFER_OUT[State.EXPIRED]
    assert State.RECEIPTED in CONSIGNMENT_OUT[State.EXPIRED]


def test_receipt_may_be_sent_again() -> None:
    assert State.ISSUED in RECEIPT_OUT[State.SENT]


@given(itineraries, states, states)
def test_require_allows_exactly_what_the_table_says(key: tuple[str, Direction], state: State, following: State) -> None:
    allowed = following in ITINERARIES[key].get(state, frozenset())
    if allowed:
        assert require(ITINERARIES[key], state, following) is following
    else:
        with pytest.raises(ImpossibleMove):
            require(ITINERARIES[key], state, following)


@given(itineraries, states, errors, st.booleans())
def test_advance_stays_inside_the_itinerary(
    key: tuple[str, Direction],
    state: State,
    kind: type[GatewayError],
    expired: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    itinerary = ITINERARIES[key]
    if state not in itinerary:
        return
    error = kind("a reason")
    if kind.disposition in (Disposition.HALT, Disposition.MISUSE):
        with pytest.raises(kind):
            advance(itinerary, state, error, expired=expired)
        return
    asked = _ASKS.get(kind.disposition)
    if asked is not None and asked not in itinerary[state]:
        with pytest.raises(ImpossibleMove):
            advance(itinerary, state, error, expired=expired)
        return
    move = advance(itinerary, state, error, expired=expired)
    assert move.state is state or move.state in itinerary[state]
    assert (move.code, move.reason) == (kind.code, "a reason")
    assert move.resume is (state if kind.disposition is Disposition.HOLD else None)
    given_up = expired and State.EXPIRED in itinerary[state]
    assert move.retry == (kind.disposition is Disposition.DEFER and not given_up)
    if move.retry:
        assert move.state is state


@given(itineraries, states, states)
def test_advance_takes_the_state_that_a_stage_reached(key: tuple[str, Direction], state: State, reached: State) -> None:
    itinerary = ITINERARIES[key]
    if reached in itinerary.get(state, frozenset()):
        move = advance(itinerary, state, reached)
        assert move.state is reached
        assert move.code is None
    else:
        with pytest.raises(ImpossibleMove):
            advance(itinerary, state, reached)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_held_work_resumes_where_it_stopped(key: tuple[str, Direction]) -> None:
    itinerary = ITINERARIES[key]
    for state, following in itinerary.items():
        if State.HELD in following:
            assert state in itinerary[State.HELD], f"{state} is held and cannot go on"
