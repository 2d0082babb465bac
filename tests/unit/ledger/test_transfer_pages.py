"""Lists of transfers: whatever is meant and however it is found, the pages together have all of it, once, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest

from gateway.domain.states import Direction, State
from gateway.ledger.queries import search, transfer_pages
from gateway.ledger.queries.overview import Meant
from gateway.ledger.queries.transfer_pages import Order, Scope, TransferPage, page
from gateway.ledger.store import Connection, Ledger
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer
from tests.fakes.two_ledgers import Pair, two_ledgers

_ROWS: Final = 120
_MEANT: Final[tuple[Meant, ...]] = (
    {},
    {"direction": "in"},
    {"direction": "out", "partner": "E09000030"},
    {"partner": "E09000012"},
    {"partner": "E09000012", "flow": "claim"},
    {"flow": "extract"},
    {"state": "receipted"},
    {"state": "held", "partner": "E09000030", "flow": "claim"},
    {"state": "delivered", "direction": "in"},
    {"direction": "in", "since": 40.0, "before": 90.0},
    {"partner": "nobody"},
)
_ORDERS: Final = tuple(Order(by_name, descending) for by_name in (False, True) for descending in (False, True))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger with transfers of all kinds; names come more than once."""
    chance = random.Random(7)
    with two_ledgers(tmp_path_factory.mktemp("many")) as pair:
        rows: list[dict[str, Any]] = []
        for number in range(_ROWS):
            out = chance.random() < 0.7
            states = (State.RECEIPTED, State.RECEIPTED, State.HELD) if out else (State.DELIVERED, State.REJECTED)
            rows.append(
                {
                    "id": f"id-{number}",
                    "direction": str(Direction.OUT if out else Direction.IN),
                    "flow": chance.choice(["claim", "claim", "extract"]),
                    "partner": chance.choice(["E09000030", "E09000012"]),
                    "name": f"file {chance.randrange(20)}.xml",
                    "size": 1,
                    "sha256": "aa",
                    "state": str(chance.choice(states)),
                    "custody": False,
                    "created": float(number),
                }
            )
        with pair.dwp.ledger.write() as transaction:
            transaction.insert(TRANSFERS, rows)
        yield pair.dwp.ledger


def _is_meant(row: Transfer, meant: Meant) -> bool:
    same = all(getattr(row, name) == meant[name] for name in ("direction", "partner", "flow", "state") if name in meant)
    return same and meant.get("since", 0.0) <= row.created < meant.get("before", 1e9)  # type: ignore[operator]


def _walk(connection: Connection, order: Order, meant: Meant, scope: Scope | None) -> Iterator[TransferPage]:
    found = page(connection, order, 7, meant=meant, scope=scope)
    yield found
    while found.after is not None:
        found = page(connection, order, 7, after=found.after, meant=meant, scope=scope)
        yield found


@pytest.mark.parametrize("few", [0, 30, 5_000], ids=["all-by-windows", "some-by-index", "all-by-index"])
@pytest.mark.parametrize("meant", _MEANT, ids=str)
def test_pages_have_all_that_is_meant_once_and_in_order(
    many: Ledger, meant: Meant, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_pages, "_FEW", few)
    monkeypatch.setattr(transfer_pages, "_WINDOWS", (3, 10, 10))
    scope = Scope(frozenset({"claim"}), frozenset({"E09000030"}))
    with many.read() as connection:
        everything = [Transfer._make(row) for row in connection.execute(TRANSFERS.select())]
        for order in _ORDERS:
            for within in (None, scope):
                wanted = [row for row in everything if _is_meant(row, meant)]
                if within is not None:
                    wanted = [row for row in wanted if row.flow == "claim" and row.partner == "E09000030"]
                wanted.sort(
                    key=lambda row: (row.name if order.by_name else "", row.key),
                    reverse=order.descending,
                )
                assert [row for each in _walk(connection, order, meant, within) for row in each.rows] == wanted


@pytest.mark.parametrize("few", [0, 5_000], ids=["by-windows", "by-index"])
@pytest.mark.parametrize("states", [(State.RECEIPTED, State.DELIVERED), (State.HELD, State.SENT)], ids=str)
def test_several_states_are_one_list(
    many: Ledger, states: tuple[State, ...], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_pages, "_FEW", few)
    with many.read() as connection:
        everything = [Transfer._make(row) for row in connection.execute(TRANSFERS.select())]
        wanted = [row for row in everything if row.state in states and row.direction == "out"]
        found = page(connection, Order(), _ROWS, meant={"direction": "out", "state": "arrived"}, states=states)
        assert found.rows == wanted[::-1]
        assert 0 < len(wanted) < len(everything)


def test_page_goes_back_to_where_it_came_from(many: Ledger) -> None:
    with many.read() as connection:
        for order in _ORDERS:
            first = page(connection, order, 7)
            second = page(connection, order, 7, after=first.after)
            assert page(connection, order, 7, before=second.before).rows == first.rows


def test_few_are_found_without_looking_through_the_others(many: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two windows of one row would miss, an index finds at once; and where all are looked through, the page says so."""
    monkeypatch.setattr(transfer_pages, "_WINDOWS", (1, 1))
    with many.read() as connection:
        found = page(connection, Order(), 50, meant={"state": "rejected"})
        assert found.rows
        assert not found.looked_on
        assert page(connection, Order(), 50, meant={"flow": "extract"}).looked_on


def test_text_that_many_names_have_finds_the_newest_as_reading_all_names_does(
    many: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with many.read() as connection:
        for newest in (1, 40, 5_000):
            monkeypatch.setattr(search, "_NEWEST", newest)
            for text in ("file 1", "FILE", "7.xml", "nothing"):
                found = search.named(connection, text, 9)
                assert found == search.named(connection, text, None)[:9], (newest, text)


def test_nothing_is_found_in_an_empty_ledger(pair: Pair) -> None:
    with pair.dwp.ledger.read() as connection:
        assert page(connection, Order(), 7, meant={"direction": "in"}) == TransferPage([], None, None, looked_on=False)
        assert search.named(connection, "file", 9) == []
