"""The bench's outcomes as text: tables in Markdown, for people and for the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from gateway.bench.contract import Run
from gateway.bench.outcome import Figure, WorkloadResult

_MIB = 1 << 20


def tables(outcomes: Sequence[WorkloadResult]) -> str:
    """Every outcome as a section with its tables."""
    return "\n".join(line for outcome in outcomes for line in section(outcome))


def section(outcome: WorkloadResult) -> Iterator[str]:
    yield f"### {outcome.workload}: {outcome.what}"
    yield ""
    if outcome.workload == "counts":
        yield from _counts(outcome)
    elif outcome.runs:
        yield from _contest(outcome)
        yield from _memory(outcome)
    if outcome.figures:
        yield "| figure | |"
        yield "| --- | ---: |"
        for figure in outcome.figures:
            yield f"| {figure.what} | {_number(figure)} |"
        yield ""


def summary(outcomes: Sequence[WorkloadResult]) -> str:
    """One line for each ratio and figure: the table for the front page."""
    lines = ["| work | gateway | that is, so many times as fast as |", "| --- | --- | --- |"]
    for outcome in outcomes:
        mine = [run for run in outcome.runs if run.contestant == "gateway"]
        if outcome.workload == "counts":
            continue
        if mine:
            rate = statistics.median(run.files_per_second for run in mine)
            size = statistics.median(run.megabytes_per_second for run in mine)
            said = f"{size:,.0f} MB/s" if mine[0].files == 1 else f"{rate:,.0f} files/s"
            against = ", ".join(f"{ratio.median:.1f} × {ratio.against}" for ratio in outcome.ratios)
            lines.append(f"| {outcome.what} | {said} | {against} |")
        else:
            said = "<br>".join(f"{figure.what}: {_number(figure)}" for figure in outcome.figures)
            lines.append(f"| {outcome.what} | {said} | |")
    return "\n".join(lines)


def _contest(outcome: WorkloadResult) -> Iterator[str]:
    yield "| who | files | files/s | MB/s | CPU, ms a file | gateway is so many times as fast (least to most) |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    ratios = {ratio.against: ratio for ratio in outcome.ratios}
    for name, runs in _by_contestant(outcome).items():
        ratio = ratios.get(name)
        said = "" if ratio is None else f"{ratio.median:.1f} ({ratio.least:.1f} to {ratio.most:.1f})"
        rate = statistics.median(run.files_per_second for run in runs)
        size = statistics.median(run.megabytes_per_second for run in runs)
        cpu = statistics.median(run.cost.cpu / run.files for run in runs) * 1000
        yield f"| {name} | {runs[0].files:,} | {rate:,.1f} | {size:,.1f} | {cpu:,.1f} | {said} |"
    yield ""


def _counts(outcome: WorkloadResult) -> Iterator[str]:
    found = _by_contestant(outcome)
    yield f"| files | {' | '.join(f'{name}, files/s' for name in found)} |"
    yield f"| ---: |{' ---: |' * len(found)}"
    for runs in zip(*found.values(), strict=True):
        yield f"| {runs[0].files:,} | {' | '.join(f'{run.files_per_second:,.1f}' for run in runs)} |"
    yield ""


def _memory(outcome: WorkloadResult) -> Iterator[str]:
    peaks: dict[str, int] = {}
    for run in outcome.runs:
        if run.contestant == "gateway":
            for label, peak in run.cost.peaks.items():
                peaks[label] = max(peak, peaks.get(label, 0))
    if peaks:
        said = ", ".join(f"{label} {peak // _MIB}" for label, peak in sorted(peaks.items(), key=lambda each: -each[1]))
        yield f"Peak memory of each process while the gateway worked, MiB: {said}."
        yield ""


def _by_contestant(outcome: WorkloadResult) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in outcome.runs:
        found.setdefault(run.contestant, []).append(run)
    return found


def _number(figure: Figure) -> str:
    digits = 0 if abs(figure.value) >= 100 or figure.value == int(figure.value) else 2
    return f"{figure.value:,.{digits}f} {figure.unit}".rstrip()
