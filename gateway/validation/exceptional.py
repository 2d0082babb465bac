"""Which findings about numbers, places and columns are exceptions: they are reported, and need not stop the file.

An exception is a fault of one value, or of what stands beside the known columns. The file is readable to its end, and its
recipient can put the value right. Every other finding of these modules is a refusal.
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

REMARKS: Final = frozenset(
    {"nino-no-suffix", "postcode-space", "postcode-case", "extract-postcode", "extract-extra-columns"}
)
"""Those of them that never count against a file. A system that writes postcodes without a space does so in every row, and
no published rule forbids it: such a month is told and travels, whatever share of its records it is."""
