"""What a process loads before it can work: every import is paid for at each start, four times a site."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def _loaded(*modules: str) -> set[str]:
    """The libraries that are there once these modules of the gateway are."""
    script = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_the_supervisor_loads_no_library_that_it_does_not_use() -> None:
    slow = {"sqlalchemy", "alembic", "paramiko", "lxml", "pikepdf", "gnupg", "structlog", "asyncio", "watchdog"}
    loaded = _loaded("gateway.cli.run", "gateway.daemon.supervisor")
    assert loaded & slow == set()
    assert "pydantic" in loaded, "it reads the settings"


@pytest.mark.parametrize("role", ["inspect", "vault", "link"])
def test_no_role_loads_what_only_commands_and_readers_need(role: str) -> None:
    stages = {
        "inspect": ("gateway.stages.outbound.admit", "gateway.stages.inbound.deliver"),
        "vault": ("gateway.stages.outbound.seal", "gateway.crypto.gnupg.engine"),
        "link": ("gateway.stages.outbound.send", "gateway.transport.sftp.client"),
    }[role]
    loaded = _loaded("gateway.daemon.role_process", *stages)
    assert loaded & {"alembic", "reportlab", "lxml", "pikepdf"} == set()
    assert "sqlalchemy" in loaded, "it works with the ledger"
