"""The bench's outcomes as text: tables in Markdown, for people and for the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from gateway.bench.contract import Cost, ProcessorTime, Run
from gateway.bench.outcome import Figure, WorkloadResult

_MIB: Final = 1 << 20
_LEAST_MS: Final = 0.005
"""Milliseconds a file that a process has to have used in order to be told of."""
_NOTHING: Final = ProcessorTime(0.0, 0.0)


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
    if outcome.figures:
        yield "| figure | |"
        yield "| --- | ---: |"
        for figure in outcome.figures:
            yield f"| {figure.what} | {_number(figure)} |"
        yield ""
    yield from _processor(outcome)
    if outcome.workload != "counts":
        yield from _memory(outcome)


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
    yield "| who | files | files/s | MB/s | CPU, ms a file | user + kernel | gateway is so many times as fast (least to most) | by CPU |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    ratios = {ratio.against: ratio for ratio in outcome.ratios}
    processor = {ratio.against: ratio for ratio in outcome.processor_ratios}
    for name, runs in _by_contestant(outcome.runs).items():
        ratio = ratios.get(name)
        said = "" if ratio is None else f"{ratio.median:.1f} ({ratio.least:.1f} to {ratio.most:.1f})"
        by_cpu = f"{processor[name].median:.1f}" if name in processor else ""
        rate = statistics.median(run.files_per_second for run in runs)
        size = statistics.median(run.megabytes_per_second for run in runs)
        cpu = _ms(runs, lambda run: run.cost.cpu)
        parts = _user_and_system(runs, lambda run: run.cost)
        yield f"| {name} | {runs[0].files:,} | {rate:,.1f} | {size:,.1f} | {cpu:,.1f} | {parts} | {said} | {by_cpu} |"
    yield ""


def _processor(outcome: WorkloadResult) -> Iterator[str]:
    """Which process of the gateway used the processor, for each group of its runs; nothing where that was not kept."""
    groups: dict[str, list[Run]] = {}
    for run in outcome.own_runs:
        if run.cost.roles:
            name = f"{run.files:,} files" if outcome.workload == "counts" else run.contestant
            groups.setdefault(name, []).append(run)
    if not groups:
        return
    labels = sorted({label for runs in groups.values() for run in runs for label in run.cost.roles})
    yield f"| processor time, ms a file, user + kernel | {' | '.join(groups)} |"
    yield f"| --- |{' ---: |' * len(groups)}"
    for label in labels:
        of = partial(_role, label=label)
        used = [statistics.median(of(run).seconds / run.files for run in runs) for runs in groups.values()]
        if max(used) * 1000 >= _LEAST_MS:
            yield f"| {label} | {' | '.join(_user_and_system(runs, of) for runs in groups.values())} |"
    yield f"| all | {' | '.join(_user_and_system(runs, lambda run: run.cost) for runs in groups.values())} |"
    yield ""


def _role(run: Run, *, label: str) -> ProcessorTime:
    return run.cost.roles.get(label, _NOTHING)


def _ms(runs: Sequence[Run], seconds: Callable[[Run], float]) -> float:
    """The median of what the runs took, in milliseconds a file."""
    return statistics.median(seconds(run) / run.files for run in runs) * 1000


def _user_and_system(runs: Sequence[Run], time_of: Callable[[Run], Cost | ProcessorTime]) -> str:
    if not all(run.cost.roles for run in runs):
        return ""
    return f"{_ms(runs, lambda run: time_of(run).user):,.2f} + {_ms(runs, lambda run: time_of(run).system):,.2f}"


def _counts(outcome: WorkloadResult) -> Iterator[str]:
    found = _by_contestant(outcome.runs)
    yield f"| files | {' | '.join(f'{name}, files/s' for name in found)} |"
    yield f"| ---: |{' ---: |' * len(found)}"
    for runs in zip(*found.values(), strict=True):
        yield f"| {runs[0].files:,} | {' | '.join(f'{run.files_per_second:,.1f}' for run in runs)} |"
    yield ""


def _memory(outcome: WorkloadResult) -> Iterator[str]:
    peaks: dict[str, int] = {}
    for run in outcome.own_runs:
        for label, peak in run.cost.peaks.items():
            peaks[label] = max(peak, peaks.get(label, 0))
    if peaks:
        said = ", ".join(f"{label} {peak // _MIB}" for label, peak in sorted(peaks.items(), key=lambda each: -each[1]))
        yield f"Peak memory of each process while the gateway worked, MiB: {said}."
        yield ""


def _by_contestant(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.contestant, []).append(run)
    return found


def _number(figure: Figure) -> str:
    digits = 0 if abs(figure.value) >= 100 or figure.value == int(figure.value) else 2
    return f"{figure.value:,.{digits}f} {figure.unit}".rstrip()
