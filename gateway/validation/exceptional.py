"""Which findings about numbers, places and columns are exceptions: told, and no reason to stop the file where a flow reports.

An exception is a fault of one value, or of what stands beside the known columns. The file is whole and readable, its rows are
what they were, and whoever gets it can put the value right. Every other finding of these modules is a refusal.
"""

from __future__ import annotations

from typing import Final

EXCEPTIONS: Final = frozenset(
    {
        "nino",
        "nino-administrative",
        "nino-temporary",
        "nino-no-suffix",
        "extract-nino",
        "postcode",
        "postcode-space",
        "postcode-case",
        "extract-postcode",
        "extract-extra-columns",
    }
)

SPELLINGS: Final = frozenset({"nino-no-suffix", "postcode-space", "postcode-case", "extract-extra-columns"})
"""Those of them that leave no doubt what is meant: a system that always writes so has no faulty record for it."""
