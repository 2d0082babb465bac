"""Windows: open while the clock on the wall says so, through midnight and through both changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.windows import Window, opening

LONDON = ZoneInfo("Europe/London")
ZONES = [
    LONDON,
    ZoneInfo("UTC"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("America/St_Johns"),
    ZoneInfo("Africa/Cairo"),
]
MINUTE = 60
_WINDOWS = st.lists(
    st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda w: w[0] != w[1]).map(lambda w: Window(*w)),
    min_size=1,
    max_size=3,
)
# 2026's days of change in Europe, America, Egypt and Lord Howe Island are among these.
_MINUTES = st.integers(29_539_680, 29_934_720).map(lambda minute: 60.0 * minute)  # from March to November
SPRING, AUTUMN = (datetime(2026, month, day, 0, 30, tzinfo=UTC).timestamp() for month, day in ((3, 29), (10, 25)))


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def london(moment: float | None) -> str:
    assert moment is not None
    return datetime.fromtimestamp(moment, LONDON).isoformat()


@given(st.lists(_WINDOWS, min_size=1, max_size=2), st.sampled_from(ZONES), _MINUTES)
@example([[Window(90, 150)]], LONDON, SPRING)
@example([[Window(70, 110)]], LONDON, SPRING)
@example([[Window(1200, 90)]], LONDON, AUTUMN)
@example([[Window(90, 150)], [Window(60, 95)]], LONDON, AUTUMN)
def test_opening_is_the_first_minute_at_which_the_wall_clock_is_in_every_set(
    sets: list[list[Window]], zone: ZoneInfo, now: float
) -> None:
    """Held against a walk from minute to minute, which knows nothing of openings and jumps."""

    def says_open(moment: float) -> bool:
        wall = datetime.fromtimestamp(moment, zone)
        minute = 60 * wall.hour + wall.minute
        return all(
            any(
                w.opens <= minute < w.closes if w.opens < w.closes else minute >= w.opens or minute < w.closes
                for w in windows
            )
            for windows in sets
        )

    found = opening(sets, zone, now)
    walk = (now + MINUTE * step for step in range(3 * 1440))
    assert found == next((moment for moment in walk if says_open(moment)), None)
    if found is not None:
        assert opening(sets, zone, found) == found
        assert opening(sets, zone, found + 59.5) == found + 59.5, "a window is open for a whole minute at least"


def test_night_window_is_one_window_across_midnight() -> None:
    night = [[Window.parse("20:00-06:00")]]
    assert london(opening(night, LONDON, at("2026-01-10T19:59:30+00:00"))) == "2026-01-10T20:00:00+00:00"
    for moment in (at("2026-01-10T23:59:59+00:00"), at("2026-01-11T05:59:59+00:00")):
        assert opening(night, LONDON, moment) == moment
    assert london(opening(night, LONDON, at("2026-01-11T06:00:00+00:00"))) == "2026-01-11T20:00:00+00:00"
    assert london(opening(night, LONDON, at("2026-07-11T18:30:00+00:00"))) == "2026-07-11T20:00:00+01:00"


def test_window_in_the_hour_that_is_lost_opens_when_the_clock_has_jumped_or_the_next_night() -> None:
    half = [[Window.parse("01:30-02:30")]]
    assert london(opening(half, LONDON, at("2026-03-29T00:30:00+00:00"))) == "2026-03-29T02:00:00+01:00"
    lost = [[Window.parse("01:10-01:50")]]
    assert london(opening(lost, LONDON, at("2026-03-29T00:30:00+00:00"))) == "2026-03-30T01:10:00+01:00"


def test_window_in_the_hour_that_comes_twice_opens_twice() -> None:
    twice = [[Window.parse("01:10-01:50")]]
    first = opening(twice, LONDON, at("2026-10-25T00:00:00+00:00"))
    assert london(first) == "2026-10-25T01:10:00+01:00"
    assert london(opening(twice, LONDON, at("2026-10-25T00:50:00+00:00"))) == "2026-10-25T01:10:00+00:00"


def test_sets_that_never_meet_never_open_and_none_are_always_open() -> None:
    assert opening([[Window.parse("20:00-06:00")], [Window.parse("09:00-17:00")]], LONDON, AUTUMN) is None
    assert opening([[], []], LONDON, AUTUMN) == AUTUMN
    assert opening([[Window.parse("00:00-24:00")]], LONDON, AUTUMN + 0.25) == AUTUMN + 0.25


@pytest.mark.parametrize("text", ["20:00", "8pm-6am", "20:00-06:00 ", ""])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no window"):
        Window.parse(text)


def test_days_between_changes_have_a_day_between_openings() -> None:
    night, moment = [[Window.parse("20:00-06:00")]], at("2026-01-05T12:00:00+00:00")
    for _ in range(30):
        opens = opening(night, LONDON, moment)
        assert opens is not None
        assert datetime.fromtimestamp(opens, UTC) - datetime.fromtimestamp(moment, UTC) == timedelta(hours=8)
        moment += 86400
