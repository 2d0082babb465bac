"""The standalone verifier as a module, so that a thousand files are checked in one process."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

TOOL = Path(__file__).parents[2] / "tools" / "verify_evidence.py"


def verifier() -> Any:
    """A fresh copy of the module: whoever has it may change it."""
    spec = importlib.util.spec_from_file_location("verify_evidence", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__["signed_by"] = functools.cache(
        module.signed_by
    )  # gpg runs once for each signature, not for each file
    return module
