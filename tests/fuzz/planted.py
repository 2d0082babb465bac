"""A reader with a defect in it: what the fuzzing must find, so that finding nothing elsewhere means something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.errors import ManifestMalformed
from tests.fuzz.targets import Check, Target


def _planted(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        if not data.startswith(b"{"):
            raise ManifestMalformed("not JSON")
        if data[1:2] == b"!":
            raise KeyError("the defect")
        return ()

    return check


PLANTED: Final = Target("planted", _planted, (ManifestMalformed,))
