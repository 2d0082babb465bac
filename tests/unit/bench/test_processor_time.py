"""Processor time goes to the process that used it, whoever inherits its account."""

from __future__ import annotations

from gateway.bench.contract import ProcessorTime
from gateway.bench.processor_time import OTHERS, Account, Accounts, Seen

NOTHING = Account(0.0, 0.0)


def seen(pid: int, label: str, parent: int, *times: float) -> Seen:
    return Seen((pid, pid), label, parent, Account(*times))


def test_time_before_the_first_look_does_not_count() -> None:
    accounts = Accounts()
    accounts.look([seen(2, "gateway vault", 1, 5.0, 3.0, 1.0, 1.0)], NOTHING)
    accounts.look([seen(2, "gateway vault", 1, 6.0, 3.5, 1.0, 1.25)], NOTHING)
    assert accounts.shares() == {
        "gateway vault": ProcessorTime(1.0, 0.5),
        "gateway vault, programs": ProcessorTime(0.0, 0.25),
    }


def test_process_that_ended_keeps_its_time_and_its_parent_gives_it_back() -> None:
    accounts = Accounts()
    accounts.look(
        [seen(2, "gateway vault", 1, 5.0, 3.0, 0.0, 0.0), seen(3, "gateway reader", 2, 4.0, 2.0, 0.0, 0.0)], NOTHING
    )
    accounts.look(
        [seen(2, "gateway vault", 1, 5.0, 3.0, 0.0, 0.0), seen(3, "gateway reader", 2, 6.0, 2.5, 0.0, 0.0)], NOTHING
    )
    accounts.look([seen(2, "gateway vault", 1, 5.0, 3.0, 6.0, 2.5)], NOTHING)
    shares = accounts.shares()
    assert shares == {"gateway reader": ProcessorTime(2.0, 0.5)}


def test_account_of_a_family_that_ended_lies_with_the_bench() -> None:
    accounts = Accounts()
    both = [seen(2, "gateway vault", 1, 1.0, 0.0, 0.0, 0.0), seen(3, "gpg", 2, 1.0, 1.0, 0.0, 0.0)]
    accounts.look([], NOTHING)
    accounts.look(both, NOTHING)
    accounts.look([], Account(0.0, 0.0, 2.5, 1.0))
    assert accounts.shares() == {
        "gateway vault": ProcessorTime(1.0, 0.0),
        "gpg": ProcessorTime(1.0, 1.0),
        OTHERS: ProcessorTime(0.5, 0.0),
    }


def test_number_that_came_back_is_another_process() -> None:
    accounts = Accounts()
    accounts.look([Seen((2, 100), "gateway vault", 1, Account(9.0, 0.0))], NOTHING)
    accounts.look([Seen((2, 200), "gateway vault", 1, Account(1.0, 0.0))], Account(0.0, 0.0, 9.0, 0.0))
    assert accounts.shares() == {"gateway vault": ProcessorTime(1.0, 0.0)}
