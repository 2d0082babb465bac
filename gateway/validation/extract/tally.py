"""What the rows of an extract, or of a part of it, come to as long as they are right. Raises nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from gateway.validation.extract.links import Links
from gateway.validation.extract.matches import Matches


@dataclass
class Tally:
    """Their number, how many there are of each record type, how they belong together, and which matches they resolve."""

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    links: Links = field(default_factory=Links)
    matches: Matches = field(default_factory=Matches)

    def plain(self) -> bytes:
        """For the process that joins the parts."""
        parts = {"links": self.links.plain(), "matches": self.matches.plain()}
        return json.dumps({"rows": self.rows, "counts": self.counts, **parts}).encode()

    def join(self, later: bytes) -> bool:
        """Take in the part that comes next; False where a claim came in both."""
        plain = json.loads(later)
        self.rows += plain["rows"]
        self.counts.update(plain["counts"])
        self.matches.join(plain["matches"])
        return self.links.join(plain["links"])
