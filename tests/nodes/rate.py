"""Files a second with one, two and three nodes, where what a file costs is the time of the link and not of this machine's processors.

`python -m tests.nodes.rate [--partners N] [--each N] [--latency SECONDS] [--lanes N]`: every partner's server is behind a line with latency; each partner gets as many
files, dropped at the nodes in turn, and the clock runs until the last of them is sent. One file a consignment, so that each pays for itself. Partners by the luck of
a draw would not do: the last files of the partner that drew most would be what is measured.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.nodes.authorities import introduce_all, make_authorities
from tests.nodes.database import database
from tests.nodes.department import FAST_RETRIES, NAMES, Department, owners, wait_until
from tests.nodes.traffic import Traffic

_DELAY: Final = Path(__file__).with_name("delay.py")


def measured(count: int, partners: int, each: int, latency: float, lanes: int) -> tuple[float, float, float]:
    """Files a second with so many nodes, processors in use, and the seconds from one file of a partner to its next in the middle of all."""
    root = Path(tempfile.mkdtemp(prefix="gateway-rate-"))
    with database(standby=False) as servers:
        authorities, server = make_authorities(root / "authorities", partners)
        line = subprocess.Popen(
            [sys.executable, "-S", str(_DELAY), str(server.port), str(latency)], stdout=subprocess.PIPE
        )
        assert line.stdout is not None
        department = Department(root / "department", servers, NAMES[:count])
        introduce_all(department.first, authorities, server, department.ports, int(line.stdout.readline()))
        department.tables = {"limits": {"consignment_files": 1}, "link": {**FAST_RETRIES, "lanes_at_once": lanes}}
        department.share()
        department.start()
        try:
            wait_until(lambda: set(owners(department).values()) == {*NAMES[:count]}, 90, "each node with lanes")
            traffic = Traffic(department, authorities, random.Random(1))
            traffic.evenly(1, department.nodes)
            sent = "SELECT count(*) FROM transfers WHERE direction = 'out' AND state = 'sent'"
            wait_until(lambda: department.rows(sent) == [(partners,)], 120, "the first files, which open the sessions")
            before, began = _processor_seconds(), time.monotonic()
            traffic.evenly(each, department.nodes)
            wait_until(lambda: department.rows(sent) == [(partners * (1 + each),)], 600, "the last file")
            took = time.monotonic() - began
            used = (_processor_seconds() - before) / took
            between = _between(department)
            department.end()
        finally:
            for node in department.nodes:
                if node.lives():
                    node.kill()
            for process in (line, server.process):
                process.kill()
                process.wait()
    shutil.rmtree(root)
    return partners * each / took, used, between


def _between(department: Department) -> float:
    """Seconds from one consignment that was sent to the next of its partner, the median."""
    gaps = department.rows(
        "SELECT extract(epoch FROM at::timestamptz - lag(at::timestamptz) OVER (PARTITION BY partner ORDER BY sequence))"
        " FROM events WHERE event = 'consignment.sent'"
    )
    return statistics.median(float(str(gap)) for (gap,) in gaps if gap is not None)


def _processor_seconds() -> float:
    """Of the whole machine, since it started: not idle."""
    words = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    return (sum(map(int, words)) - int(words[3]) - int(words[4])) / 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.nodes.rate")
    parser.add_argument("--partners", type=int, default=96)
    parser.add_argument("--each", type=int, default=4, help="files for each partner")
    parser.add_argument("--latency", type=float, default=0.25, help="seconds each way")
    parser.add_argument("--lanes", type=int, default=32, help="partners that a node sends to at once")
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2, 3])
    wanted = parser.parse_args()
    for count in wanted.nodes:
        rate, used, between = measured(count, wanted.partners, wanted.each, wanted.latency, wanted.lanes)
        sys.stdout.write(
            f"{count} nodes: {rate:.1f} files/s, {between:.1f} s from a partner's file to its next, {used:.2f} processors in use\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
