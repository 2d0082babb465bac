"""What a workload came out as, in a form that can be kept as JSON and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gateway.bench.contest import Ratio, processor_ratios, ratios
from gateway.bench.contract import Cost, ProcessorTime, Run


@dataclass(frozen=True)
class Figure:
    """One number with its unit, and what it says."""

    what: str
    value: float
    unit: str


@dataclass(frozen=True)
class WorkloadResult:
    """A workload's name, what it is in words, the runs if it was a contest, figures, and a series to be drawn.

    `alone` are runs of the gateway whose rate says nothing, because files come one by one: they are told by what they cost.
    """

    workload: str
    what: str
    runs: tuple[Run, ...] = ()
    figures: tuple[Figure, ...] = ()
    series: tuple[float, ...] = ()
    alone: tuple[Run, ...] = ()

    @property
    def ratios(self) -> list[Ratio]:
        return ratios(self.runs)

    @property
    def processor_ratios(self) -> list[Ratio]:
        return processor_ratios(self.runs)

    @property
    def own_runs(self) -> list[Run]:
        """The runs of the gateway: where nobody takes part under that name, all are."""
        named = [run for run in self.runs if run.contestant == "gateway"]
        return [*(named or self.runs), *self.alone]

    def as_data(self) -> dict[str, Any]:
        data = asdict(self)
        data["ratios"] = [asdict(ratio) for ratio in self.ratios]
        data["processor_ratios"] = [asdict(ratio) for ratio in self.processor_ratios]
        for run, row in zip((*self.runs, *self.alone), (*data["runs"], *data["alone"]), strict=True):
            row["files_per_second"] = round(run.files_per_second, 2)
            row["megabytes_per_second"] = round(run.megabytes_per_second, 3)
        return data


def from_data(data: Mapping[str, Any]) -> WorkloadResult:
    """The outcome that `as_data` told of. KeyError and TypeError for anything else."""
    return WorkloadResult(
        workload=data["workload"],
        what=data["what"],
        runs=tuple(map(_run, data["runs"])),
        figures=tuple(Figure(**figure) for figure in data["figures"]),
        series=tuple(data["series"]),
        alone=tuple(map(_run, data.get("alone", ()))),
    )


def _run(row: Mapping[str, Any]) -> Run:
    roles = {label: ProcessorTime(**each) for label, each in row["cost"].get("roles", {}).items()}
    cost = Cost(**{**row["cost"], "roles": roles})
    return Run(row["contestant"], row["round"], row["files"], row["size"], cost)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, round(share * (len(ranked) - 1)))]
