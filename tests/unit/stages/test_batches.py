"""Large files are read apart from the small ones, and neither kind waits long for the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.stages.inspection import Batches

SIZES = st.lists(st.sampled_from([1, 1000, 17_000_000, 4_000_000_000]), max_size=12)


def _rows(sizes: list[int]) -> Any:
    return [SimpleNamespace(size=size, key=key) for key, size in enumerate(sizes)]


@given(SIZES, st.integers(1, 4))
def test_no_batch_mixes_small_and_large_and_all_are_read_once(sizes: list[int], workers: int) -> None:
    batches, waiting, read = Batches(workers), _rows(sizes), []
    while waiting:
        batch = batches.next(waiting)
        assert batch, "something is read while something waits"
        assert len({row.size > 16_777_216 for row in batch}) == 1
        assert all(row.size <= 16_777_216 for row in batch) or len(batch) <= workers
        read += [row.key for row in batch]
        waiting = [row for row in waiting if row not in batch]
    assert sorted(read) == list(range(len(sizes)))
    assert batches.next([]) == []


def test_while_both_wait_they_take_turns_and_the_small_ones_begin() -> None:
    batches = Batches(workers=1)
    both = _rows([17_000_000, 5])
    assert [batches.next(both)[0].size for _ in range(4)] == [5, 17_000_000, 5, 17_000_000]
