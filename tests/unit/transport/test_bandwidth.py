"""A partner's limit: never more than the rate allows for the time, and one burst."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.transport.contract import Pace
from gateway.transport.sftp.bandwidth import Bandwidth
from gateway.transport.sftp.timeouts import Watch


class Clock:
    """Time that passes by sleeping, and a little more each time, as it does on a busy machine."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self._late = late

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self._late


@example(1024, [(0.0, 1.0), (0.0, 1.0), (0.0, 0.015625)], 0.003)
@given(
    st.integers(1024, 50_000_000),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.001, 1)), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.003]),
)
def test_no_span_of_time_lets_more_through_than_its_rate_and_one_burst(
    rate: int, pauses: list[tuple[float, float]], late: float
) -> None:
    clock = Clock(late)
    limit = Bandwidth(rate, clock, clock.sleep)
    passed: list[tuple[float, int]] = []
    for pause, part in pauses:
        clock.now += pause if part < 0.3 else 0.0
        size = max(1, int(limit.piece * part))
        limit.take(size)
        passed.append((clock.now, size))
    for first in range(len(passed)):
        total = 0
        for moment, size in passed[first:]:
            total += size
            # A sleep that ends late lets its piece pass beside the next one, whose turn has come by then.
            assert total <= rate * (moment - passed[first][0] + late) + limit.burst + 1


@given(st.integers(1024, 50_000_000), st.integers(100, 1000))
def test_who_always_has_something_to_send_gets_the_whole_rate(rate: int, pieces: int) -> None:
    clock = Clock(late=0.002)
    limit = Bandwidth(rate, clock, clock.sleep)
    begun = clock.now
    for _ in range(pieces):
        limit.take(limit.piece)
    assert pieces * limit.piece >= 0.95 * rate * (clock.now - begun)


def test_pieces_are_so_small_that_no_wait_is_long() -> None:
    clock = Clock()
    for rate in (1024, 100_000, 10_000_000):
        limit = Bandwidth(rate, clock, clock.sleep)
        limit.take(limit.piece)
        assert max(limit.take(limit.piece) for _ in range(10)) <= 0.25


def test_two_connections_get_equal_parts() -> None:
    """Each asks for its next piece when the last has passed, so bookings alternate."""
    now = [0.0]
    limit = Bandwidth(80_000, lambda: now[0], lambda _seconds: None)
    due = {"a": 0.0, "b": 0.0}
    passed = {"a": 0, "b": 0}
    while now[0] < 10:
        who = min(due, key=lambda each: due[each])
        now[0] = due[who]
        due[who] = now[0] + limit.take(limit.piece)
        passed[who] += limit.piece
    assert abs(passed["a"] - passed["b"]) <= limit.piece


def test_limit_below_the_least_throughput_is_no_slowness_of_the_partner() -> None:
    clock = Clock()
    limit = Bandwidth(1024, clock, clock.sleep)
    watch = Watch(Pace(least_bytes_per_second=4096, grace=5.0, answer_timeout=2.0), clock)
    watch.begin()
    for _ in range(2000):
        watch.excuse(limit.take(limit.piece))
        assert not watch.expired()
        watch.progress(limit.piece)
    assert clock.now > 1200.0
    clock.now += 2.5
    assert watch.expired(), "a partner that falls silent is still noticed"
