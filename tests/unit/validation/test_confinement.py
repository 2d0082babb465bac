"""A reader that goes into a user namespace for an empty network keeps none of the capabilities that it gets there."""

from __future__ import annotations

import subprocess
import sys

from gateway.linux.process_status import status_of

READER = """
import os, sys
from gateway.validation.sandbox.confinement import confine
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
confine(1 << 30, 64, 1 << 20, os.getppid())
print(flush=True)
sys.stdin.read()
"""


def test_reader_of_an_ordinary_account_has_no_capability_wherever_its_network_is() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"\n"
        found = status_of(reader.pid)
        reader.communicate()
    assert found is not None
    assert (found.capabilities, found.no_new_privileges, found.core_limit, found.umask) == (0, True, 0, 0o077)
