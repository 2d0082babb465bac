from __future__ import annotations

import socket

import pytest

from gateway.errors import LinkTimeout
from gateway.transport.contract import Pace
from gateway.transport.sftp.timeouts import PacedSocket, Watch

PACE = Pace(answer_timeout=30, grace=60, least_bytes_per_second=1000)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_idle_connection_may_stay_silent(clock: Clock) -> None:
    watch = Watch(PACE, clock)
    clock.now += 10_000
    assert not watch.expired()
    assert watch.timeout() == 30


def test_silence_ends_patience(clock: Clock) -> None:
    watch = Watch(PACE, clock)
    watch.begin()
    clock.now += 29
    assert watch.timeout() == pytest.approx(1)
    clock.now += 1
    with pytest.raises(LinkTimeout):
        watch.timeout()


def test_an_answer_renews_patience(clock: Clock) -> None:
    watch = Watch(PACE, clock)
    watch.begin()
    clock.now += 29
    watch.progress()
    assert watch.timeout() == 30


def test_answers_that_move_too_few_bytes_end_patience_after_the_grace(clock: Clock) -> None:
    watch = Watch(PACE, clock)
    watch.begin()
    for _ in range(12):
        clock.now += 5
        watch.progress(10)
    clock.now += 0.2
    assert watch.expired()


def test_a_file_has_an_absolute_deadline_of_grace_and_size_over_least_throughput(clock: Clock) -> None:
    watch = Watch(PACE, clock)
    watch.begin()
    begun = clock.now
    size, passed = 50_000, 0
    while not watch.expired():
        clock.now += 1
        step = min(500, size - passed)
        passed += step
        watch.progress(step)
    assert clock.now - begun <= PACE.grace + size / PACE.least_bytes_per_second + 1


def test_a_steady_file_of_any_size_is_never_given_up(clock: Clock) -> None:
    watch = Watch(PACE, clock)
    watch.begin()
    for _ in range(10_000):
        clock.now += 1
        watch.progress(1001)
    assert not watch.expired()


def fill(paced: PacedSocket) -> None:
    while True:
        paced.send(b"x" * 65536)


def test_a_write_that_nobody_takes_ends_with_the_watch(clock: Clock) -> None:
    near, far = socket.socketpair()
    watch = Watch(PACE, clock)
    paced = PacedSocket(near, watch)
    paced.settimeout(0.01)
    watch.begin()
    try:
        with pytest.raises(TimeoutError):
            fill(paced)
        clock.now += 31
        with pytest.raises(BrokenPipeError):
            paced.send(b"x")
    finally:
        paced.close()
        far.close()
