"""What the bench says of a contest, and that it says nothing where a file was lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from gateway.bench import plot
from gateway.bench.contest import contest, once, processor_ratios, ratios
from gateway.bench.contract import BenchFile, BenchVoid, Contestant, Cost, ProcessorTime, Run
from gateway.bench.outcome import Figure, WorkloadResult, from_data, quantile
from gateway.bench.report import summary, tables
from gateway.storage.digest import file_digest


class Carrier:
    """Carries in memory; `loses` and `spoils` are names of files that it does not bring, or brings changed."""

    def __init__(self, name: str, *, most: int | None = None, loses: str = "", spoils: str = "") -> None:
        self.name, self.most_files = name, most
        self._loses, self._spoils = loses, spoils
        self._files: Sequence[BenchFile] = ()
        self.carried: list[list[str]] = []

    def prepare(self, files: Sequence[BenchFile]) -> None:
        self._files = files

    def carry(self) -> None:
        self.carried.append([file.name for file in self._files])

    def delivered(self) -> Mapping[str, str]:
        kept = [file for file in self._files if file.name != self._loses]
        return {file.name: "changed" if file.name == self._spoils else file.sha256 for file in kept}

    def clear(self) -> None:
        self._files = ()


def files_in(directory: Path, *names: str) -> list[BenchFile]:
    for name in names:
        (directory / name).write_bytes(name.encode())
    return [BenchFile("claim", directory / name, len(name), file_digest(directory / name)) for name in names]


def run(contestant: str, number: int, seconds: float, files: int = 100) -> Run:
    return Run(contestant, number, files, files * 1000, Cost(seconds, seconds / 2, {f"{contestant} process": 50 << 20}))


@pytest.mark.parametrize(("loses", "spoils"), [("b", ""), ("", "b")])
def test_run_that_lost_or_changed_a_file_has_no_figures(tmp_path: Path, loses: str, spoils: str) -> None:
    with pytest.raises(BenchVoid):
        once(Carrier("careless", loses=loses, spoils=spoils), files_in(tmp_path, "a", "b", "c"))


def test_contestants_take_turns_on_the_same_files_and_slow_ones_get_fewer(tmp_path: Path) -> None:
    rounds = iter((("a", "b", "c"), ("d", "e", "f")))

    @contextmanager
    def files() -> Iterator[Sequence[BenchFile]]:
        yield files_in(tmp_path, *next(rounds))

    one, two = Carrier("one"), Carrier("two", most=2)
    everybody: list[Contestant] = [one, two]
    order = [(each.contestant, each.round, each.files) for each in contest(everybody, files, 2, lambda _text: None)]
    assert order == [("one", 1, 3), ("two", 1, 2), ("one", 2, 3), ("two", 2, 2)]
    assert one.carried == [["a", "b", "c"], ["d", "e", "f"]]
    assert two.carried == [["a", "b"], ["d", "e"]]


def test_ratios_compare_rates_of_the_same_round_whatever_the_number_of_files() -> None:
    runs = [run("script", 1, 10.0), run("gateway", 1, 1.0), run("script", 2, 4.0, files=10), run("gateway", 2, 2.0)]
    (ratio,) = ratios(runs)
    assert (ratio.against, ratio.least, ratio.most) == ("script", 10.0, 20.0)
    assert ratio.median == 15.0


def test_processor_ratios_compare_files_for_each_second_of_processor_time() -> None:
    slow = Run("script", 1, 10, 1, Cost(1.0, 2.0, {}))
    (ratio,) = processor_ratios([slow, Run("gateway", 1, 100, 1, Cost(9.0, 4.0, {}))])
    assert (ratio.against, ratio.median) == ("script", 5.0)


def test_tables_tell_processor_time_by_role_and_by_user_and_kernel() -> None:
    roles = {"gateway vault DWP": ProcessorTime(0.2, 0.1), "gateway link DWP": ProcessorTime(0.05, 0.0)}
    mine = Run("gateway", 1, 100, 1000, Cost(1.0, 0.35, {}, roles))
    text = tables([WorkloadResult("claims", "100 claims", (run("script", 1, 10.0), mine))])
    assert "| gateway vault DWP | 2.00 + 1.00 |" in text
    assert "| all | 2.50 + 1.00 |" in text
    alone = tables([WorkloadResult("idle", "one by one", (), (), (), (mine,))])
    assert "| gateway link DWP | 0.50 + 0.00 |" in alone


def test_outcome_is_read_again_as_it_was_written() -> None:
    roles = {"gateway vault DWP": ProcessorTime(0.2, 0.1)}
    alone = Run("gateway", 1, 100, 1000, Cost(1.0, 0.3, {"gateway vault DWP": 1}, roles))
    outcome = WorkloadResult(
        "claims", "a few claims", (run("gateway", 1, 2.0),), (Figure("x", 1.5, "s"),), (0.1, 0.2), (alone,)
    )
    assert from_data(orjson.loads(orjson.dumps(outcome.as_data()))) == outcome


def test_tables_tell_rates_ratios_and_memory() -> None:
    outcome = WorkloadResult("claims", "100 claims", (run("script", 1, 10.0), run("gateway", 1, 0.5)))
    text = tables([outcome])
    assert re.search(r"\| script \| 100 \| 10\.0 \|.*\| 20\.0 \(20\.0 to 20\.0\) \|", text)
    assert "gateway process 50" in text
    assert "| 100 claims | 200 files/s | 20.0 × script |" in summary([outcome])


def test_plots_show_every_point_and_every_name() -> None:
    runs = tuple(
        run(name, 1, seconds, files) for name, seconds in (("a<b", 2.0), ("gateway", 1.0)) for files in (1, 10)
    )
    drawn = plot.throughput(WorkloadResult("counts", "", runs))
    assert "a&lt;b" in drawn
    assert len(re.findall(r'fill="none" stroke="#1d70b8"', drawn)) == 1
    assert "median 0.20 s" in plot.latency(WorkloadResult("idle", "", (), (), (0.1, 0.2, 0.3)))


def test_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert quantile(values, 0.99) == 99.0
    assert quantile(values, 0.5) in values
    assert quantile([3.0], 0.99) == 3.0
