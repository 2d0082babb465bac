"""What a workload came out as, in a form that can be kept as JSON and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gateway.bench.contest import Ratio, ratios
from gateway.bench.contract import Cost, Run


@dataclass(frozen=True)
class Figure:
    """One number with its unit, and what it says."""

    what: str
    value: float
    unit: str


@dataclass(frozen=True)
class WorkloadResult:
    """A workload's name, what it is in words, the runs if it was a contest, figures, and a series to be drawn."""

    workload: str
    what: str
    runs: tuple[Run, ...] = ()
    figures: tuple[Figure, ...] = ()
    series: tuple[float, ...] = ()

    @property
    def ratios(self) -> list[Ratio]:
        return ratios(self.runs)

    def as_data(self) -> dict[str, Any]:
        data = asdict(self)
        data["ratios"] = [asdict(ratio) for ratio in self.ratios]
        for run, row in zip(self.runs, data["runs"], strict=True):
            row["files_per_second"] = round(run.files_per_second, 2)
            row["megabytes_per_second"] = round(run.megabytes_per_second, 3)
        return data


def from_data(data: Mapping[str, Any]) -> WorkloadResult:
    """The outcome that `as_data` told of. KeyError and TypeError for anything else."""
    kept = ("contestant", "round", "files", "size")
    return WorkloadResult(
        workload=data["workload"],
        what=data["what"],
        runs=tuple(Run(**{key: row[key] for key in kept}, cost=Cost(**row["cost"])) for row in data["runs"]),
        figures=tuple(Figure(**figure) for figure in data["figures"]),
        series=tuple(data["series"]),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, round(share * (len(ranked) - 1)))]
