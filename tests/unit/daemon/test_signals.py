"""A process that hangs in the start of something is ended by the kernel, and one that does not is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BLOCK = """
import threading
from gateway.daemon.signals import ended_after
with ended_after(1):
    {within}
threading.Event().wait(2)
"""


@pytest.mark.parametrize(
    ("within", "status"), [("threading.Event().wait()", -signal.SIGALRM), ("pass", 0)], ids=["hangs", "ends"]
)
def test_process_that_hangs_within_the_block_is_ended_and_no_other(within: str, status: int) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCK.format(within=within)], timeout=60, check=False)
    assert done.returncode == status
