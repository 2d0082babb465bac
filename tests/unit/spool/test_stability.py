"""When a file counts as finished."""

from pathlib import Path

from gateway.spool.stability import Mark, Readiness, Stability

KEY = ("claim", "E09000030", "a.xml")
PATH = Path("/spool/outbound/claim/E09000030/a.xml")
NOW = 1_800_000_000.0


class Time:
    def __init__(self) -> None:
        self.steady = 100.0

    def step(self, seconds: float) -> None:
        self.steady += seconds


def made() -> tuple[Stability, Time]:
    time = Time()
    return Stability(lambda: time.steady), time


def mark(size: int, mtime_ns: int, ctime_ns: int = 0) -> Mark:
    return 7, size, mtime_ns, ctime_ns


def ns(seconds: float) -> int:
    return int(seconds * 1e9)


def test_a_file_that_stays_as_it_is_for_the_settle_time_is_quiet() -> None:
    stability, time = made()
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.GROWING
    time.step(4.9)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.GROWING
    time.step(0.2)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.QUIET


def test_every_change_of_size_or_time_starts_the_wait_again() -> None:
    stability, time = made()
    stability.look(KEY, mark(10, ns(NOW)), 5)
    time.step(4)
    stability.look(KEY, mark(20, ns(NOW + 4)), 5)
    time.step(4)
    assert stability.look(KEY, mark(20, ns(NOW + 4)), 5) is Readiness.GROWING
    assert stability.look(KEY, mark(20, ns(NOW + 5)), 5) is Readiness.GROWING
    time.step(5)
    assert stability.look(KEY, mark(20, ns(NOW + 5)), 5) is Readiness.QUIET


def test_a_rename_into_place_is_whole_at_once() -> None:
    stability, _ = made()
    stability.look(KEY, mark(10, ns(NOW)), 5)
    stability.note_moved(PATH)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.WHOLE
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.WHOLE


def test_a_file_that_changes_after_its_rename_has_to_settle() -> None:
    stability, _ = made()
    stability.note_moved(PATH)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.WHOLE
    assert stability.look(KEY, mark(11, ns(NOW)), 5) is Readiness.GROWING


def test_a_file_that_is_written_after_its_rename_has_to_settle() -> None:
    stability, _ = made()
    stability.note_moved(PATH)
    stability.note_written(PATH)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.GROWING


def test_a_marker_makes_a_file_whole() -> None:
    stability, _ = made()
    assert stability.look(KEY, mark(10, ns(NOW)), 5, marked=True) is Readiness.WHOLE


def test_a_file_that_keeps_the_old_times_of_its_source_is_watched_as_long_as_any_other() -> None:
    stability, time = made()
    assert stability.look(KEY, mark(10, ns(NOW - 86_400)), 60) is Readiness.GROWING
    time.step(59.9)
    assert stability.look(KEY, mark(10, ns(NOW - 86_400)), 60) is Readiness.GROWING
    time.step(0.2)
    assert stability.look(KEY, mark(10, ns(NOW - 86_400)), 60) is Readiness.QUIET


def test_what_shows_in_the_change_time_alone_starts_the_wait_again() -> None:
    stability, time = made()
    stability.look(KEY, mark(10, ns(NOW - 60), ctime_ns=1), 5)
    time.step(5)
    assert stability.look(KEY, mark(10, ns(NOW - 60), ctime_ns=2), 5) is Readiness.GROWING


def test_a_write_whose_end_was_not_seen_keeps_a_file_growing_however_quiet_it_is() -> None:
    stability, time = made()
    stability.note_written(PATH, writing=True)
    stability.look(KEY, mark(10, ns(NOW)), 5)
    time.step(600)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.GROWING
    assert stability.look(KEY, mark(10, ns(NOW)), 5, marked=True) is Readiness.GROWING
    stability.note_written(PATH)  # closed
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.GROWING
    time.step(5)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.QUIET


def test_a_write_whose_end_the_kernel_dropped_counts_for_an_hour() -> None:
    stability, time = made()
    stability.note_written(PATH, writing=True)
    stability.look(KEY, mark(10, ns(NOW)), 5)
    time.step(3599)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.GROWING
    time.step(1)
    assert stability.look(KEY, mark(10, ns(NOW)), 5) is Readiness.QUIET


def test_a_time_in_the_future_proves_nothing_and_watching_still_settles() -> None:
    stability, time = made()
    stability.look(KEY, mark(10, ns(NOW + 86_400)), 5)
    time.step(2)
    assert stability.look(KEY, mark(10, ns(NOW + 86_400)), 5) is Readiness.GROWING
    time.step(3.1)
    assert stability.look(KEY, mark(10, ns(NOW + 86_400)), 5) is Readiness.QUIET


def test_a_file_that_went_and_came_again_starts_anew() -> None:
    stability, time = made()
    stability.look(KEY, mark(10, ns(NOW)), 5)
    time.step(6)
    stability.forget(KEY)
    assert stability.look(KEY, mark(10, ns(NOW)), 60) is Readiness.GROWING


def test_what_nobody_looks_at_is_forgotten_after_an_hour() -> None:
    stability, time = made()
    stability.note_moved(PATH)
    stability.look(("claim", "E09000030", "b.xml"), mark(10, ns(NOW)), 5)
    time.step(3601)
    stability.prune()
    assert stability.look(KEY, mark(10, ns(NOW + 3601)), 5) is Readiness.GROWING
