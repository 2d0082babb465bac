"""What the kernel says of a process that has given things up."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from gateway.linux.process_status import children_of, status_of

CONFINED = """
import os, resource, sys
from gateway.linux.process import refuse_new_privileges
from gateway.linux.seccomp import refuse_network
refuse_new_privileges()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.umask(0o027)
print(refuse_network(), flush=True)
sys.stdin.read()
"""


def test_status_is_what_a_process_has_given_up() -> None:
    command = [sys.executable, "-P", "-c", CONFINED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        closed = child.stdout.readline() == "True\n"
        found = status_of(child.pid)
        assert child.pid in children_of(os.getpid()) or children_of(os.getpid()) == ()
        child.communicate("")
    assert found is not None
    assert (found.uid, found.umask, found.core_limit) == (os.geteuid(), 0o027, 0)
    assert (found.no_new_privileges, found.seccomp_filter, found.own_network) == (True, closed, False)
    assert not found.own_users
    assert status_of(child.pid) is None


def test_status_of_this_process_is_its_own() -> None:
    found = status_of(os.getpid())
    assert found is not None
    before = os.umask(0o077)
    os.umask(before)
    limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
    assert (found.umask, found.core_limit) == (before, None if limit == resource.RLIM_INFINITY else limit)
    assert not found.seccomp_filter or found.no_new_privileges or found.uid == 0
