"""What a process loads before it can work, and what it does not: every import is paid for at each start."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys

import pytest

from gateway.assembly import links, reading, roles, stores


def _loaded(*modules: str, then: str = "") -> set[str]:
    """The libraries that are there once these modules of the gateway are."""
    script = f"import json, sys, {', '.join(modules)}; {then}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


ROLES_IMPORTED = "from gateway.daemon.fork_server import _import_roles; _import_roles()"


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


def test_the_fork_server_loads_what_roles_need_and_neither_a_reader_of_files_nor_a_thread() -> None:
    loaded = _loaded("threading", then=f"{ROLES_IMPORTED}; assert threading.active_count() == 1")
    assert loaded & {"alembic", "reportlab", "lxml", "pikepdf", "xmlschema"} == set()
    assert {"sqlalchemy", "gnupg", "paramiko", "structlog", "watchdog"} <= loaded


@pytest.mark.parametrize("role", ["inspect", "vault", "link"])
def test_a_forked_role_finds_every_module_of_its_stages_loaded(role: str) -> None:
    """What the assembly imports inside the functions for this role is what the fork server imported before."""
    trees = [ast.parse(inspect.getsource(module)) for module in (links, reading, roles, stores)]
    functions = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted = {
        node.module
        for name in ("stage_context", "sandbox", f"{role}_stages", "open_pgp", "transport")
        for node in ast.walk(functions[name])
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    script = f"{ROLES_IMPORTED}; import sys; print(sorted(set({sorted(wanted)!r}) - sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert len(wanted) > 5
    assert done.stdout.strip() == "[]"


def test_the_commands_that_look_load_no_library_for_what_they_do_not_print() -> None:
    loaded = _loaded("gateway.cli.status", "gateway.cli.transfers", "gateway.cli.calendar")
    assert loaded & {"rich", "structlog", "paramiko", "alembic", "lxml", "gnupg", "xmlschema"} == set()
