"""Have rows of all kinds read by a library that was built with sanitizers: `python -m tests.fuzz.sanitized_rows LIBRARY COUNT`.

It is started with the sanitizers' own libraries loaded first; `tests/unit/validation/test_extract_compiled.py` says how. They
end this process at the first byte that is touched and does not belong to the row, the tables or the answer.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from gateway.validation.extract.compiled import library
from gateway.validation.extract.rows import RowRules
from tests.unit.validation.test_extract_compiled import PREFIXES, SAMPLES, VARIANTS, accepted, some


def main(built: Path, count: int, seed: int) -> None:
    found = library(built)
    assert found is not None
    rules = [RowRules(variant, PREFIXES, found) for variant in VARIANTS]
    chance = random.Random(seed)
    passed = rows = 0
    for _ in range(count):
        each = chance.choice(rules)
        lines = some(SAMPLES[each.width], chance)
        rows += len(lines)
        for content in (b"".join(lines), lines[0], lines[0][: chance.randint(0, len(lines[0]))]):
            passed += accepted(each, content)
    sys.stdout.write(f"{rows} rows, {passed} passed over\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
