"""The bench's two drawings as SVG: how the rate depends on the number of files, and how long single files take.

Drawn by hand, since a plotting library would be a large dependency for two pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from gateway.bench.outcome import WorkloadResult, quantile

_WIDTH: Final = 720
_HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 40, 50
_COLOURS: Final = ("#1d70b8", "#d4351c", "#00703c", "#f47738", "#4c2c92")


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, from where to where, whether each step multiplies, and the marks on it."""

    label: str
    low: float
    high: float
    logarithmic: bool
    marks: Sequence[float]

    def at(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.logarithmic:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)


def throughput(outcome: WorkloadResult) -> str:
    """Files a second against how many were dropped at once; one line for each contestant."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for run in outcome.runs:
        lines.setdefault(run.contestant, []).append((run.files, run.files_per_second))
    rates = [rate for line in lines.values() for _, rate in line]
    most = max(count for line in lines.values() for count, _ in line)
    x = Axis("claims dropped at once", 1, max(most, 10), True, _decades(1, most))
    low, high = 10 ** math.floor(math.log10(min(rates))), 10 ** math.ceil(math.log10(max(rates)))
    return _drawing(
        "Files a second, from drop to verified receipt", x, Axis("files/s", low, high, True, _decades(low, high)), lines
    )


def latency(outcome: WorkloadResult) -> str:
    """The share of single files whose receipt was there after so many seconds."""
    ranked = sorted(outcome.series)
    line = [(seconds, (number + 1) / len(ranked) * 100) for number, seconds in enumerate(ranked)]
    step = 0.1 if ranked[-1] < 1 else 0.5
    top = math.ceil(ranked[-1] / step + 0.5) * step
    x = Axis("seconds from drop to verified receipt", 0, top, False, [step * n for n in range(round(top / step) + 1)])
    title = f"{len(ranked)} single files: median {quantile(ranked, 0.5):.2f} s, 99th percentile {quantile(ranked, 0.99):.2f} s"
    return _drawing(title, x, Axis("% of files", 0, 100, False, range(0, 101, 20)), {"gateway": line})


def _decades(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def _drawing(title: str, x: Axis, y: Axis, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    return "\n".join(["".join(_head(title)), *_frame(x, y), *_lines(x, y, lines), "</svg>", ""])


def _head(title: str) -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">'
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    yield f'<text x="{_LEFT}" y="24" font-size="15">{escape(title)}</text>'


def _frame(x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for mark in x.marks:
        if x.low <= mark <= x.high:
            at = _across(x, mark)
            yield f'<path d="M{at:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
            yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{_number(mark)}</text>'
    for mark in y.marks:
        if y.low <= mark <= y.high:
            at = _up(y, mark)
            yield f'<path d="M{_LEFT} {at:.1f}H{right}" stroke="#ddd"/>'
            yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_number(mark)}</text>'
    yield f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#333"/>'
    yield f'<text x="{(_LEFT + right) / 2:.0f}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>'
    middle = (_TOP + bottom) / 2
    yield f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'


def _lines(x: Axis, y: Axis, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Iterator[str]:
    for number, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join(f"{_across(x, across):.1f} {_up(y, up):.1f}" for across, up in points)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        at = _TOP + 14 + 20 * number
        yield f'<path d="M{_WIDTH - _RIGHT + 14} {at - 4}h20" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{_WIDTH - _RIGHT + 40}" y="{at}">{escape(name)}</text>'


def _across(axis: Axis, value: float) -> float:
    return _LEFT + axis.at(value) * (_WIDTH - _RIGHT - _LEFT)


def _up(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.at(value) * (_HEIGHT - _BOTTOM - _TOP)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 and value == int(value) else f"{value:g}" if value < 0.1 else f"{value:.1f}"
