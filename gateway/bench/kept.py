"""What a run of the bench leaves behind: its data, beside what other runs measured, and plots."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.bench import plot
from gateway.bench.file_system import FileSystem
from gateway.bench.outcome import WorkloadResult


def machine(lies_on: FileSystem) -> dict[str, Any]:
    """What a reader has to know of the machine. `lies_on` is what the sites lay on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": " ".join((platform.system(), platform.release().partition("-")[0])),
        "processors": os.cpu_count(),
        "memory_bytes": memory,
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "file_system": asdict(lies_on) | {"said": str(lies_on)},
        "rclone": shutil.which("rclone") is not None,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def keep(out: Path, data: dict[str, Any], outcomes: Sequence[WorkloadResult]) -> None:
    """The data, with what other runs measured of other workloads, and the plots for which there is something to draw."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / "measured.json"
    before = orjson.loads(target.read_bytes())["outcomes"] if target.exists() else []
    merged = {outcome["workload"]: outcome for outcome in (*before, *data["outcomes"])}
    kept = data | {"outcomes": list(merged.values())}
    target.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    for outcome in outcomes:
        if outcome.workload == "counts":
            (out / "throughput.svg").write_text(plot.throughput(outcome), encoding="utf-8")
        if outcome.workload == "idle":
            (out / "latency.svg").write_text(plot.latency(outcome), encoding="utf-8")
