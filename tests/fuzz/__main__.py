"""One target under atheris: `python -m tests.fuzz TARGET [a libFuzzer option or a directory or a file]...`.

With a file, that one input is run: how to see again what was found. `make fuzz` runs all of them (`campaign`), and installs atheris.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris


def main(arguments: list[str]) -> None:
    name, *options = arguments
    with atheris.instrument_imports(include=["gateway", "tests.fuzz"]):
        from tests.fuzz.oracle import Fence, judge  # noqa: PLC0415 - instrumented while it is imported
        from tests.fuzz.planted import PLANTED  # noqa: PLC0415 - as above
        from tests.fuzz.seeds import CORPUS  # noqa: PLC0415 - as above
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - as above
    target = {**TARGETS, PLANTED.name: PLANTED}[name]
    with tempfile.TemporaryDirectory(prefix="gateway-fuzz-") as scratch:
        fence = Fence(Path(scratch))
        check = target.make(Path(scratch))

        def one(data: bytes) -> None:
            judge(target, check, fence, data)

        for seed in sorted((CORPUS / name).glob("*")):
            one(seed.read_bytes())  # what is loaded at its first use does not count against an input's time
        atheris.Setup([sys.argv[0], *options], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
