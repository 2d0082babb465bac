"""Which matches samples may answer: those of referrals and scan results that exist, all but a few.

A few stay outstanding, as they do in life, so that whoever follows referrals has something to see. Raises OSError for a
directory that cannot be read. Reads documents that the gateway delivered; what is no referral or scan result is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Final

_ONE_IN: Final = 8
_MOST_BYTES: Final = 16 << 20
_KIND: Final = re.compile(r"<(?:\w+:)?(?:Referrals|ScanResults)[\s>]")
_AUTHORITY: Final = re.compile(r"<AuthorityCode>([^<]+)</AuthorityCode>")
_MATCH: Final = re.compile(
    r"<RmsNumber>([^<]+)</RmsNumber>\s*<(?:RuleId|ScanId)>([^<]+)<[^>]+>\s*<MatchDate>(\d{4}-\d\d-\d\d)</MatchDate>"
)


@dataclass(frozen=True)
class Match:
    """What an answer is about: the number of a referral or scan result, its rule, and the day of the match."""

    rms: str
    rule: str
    matched: date


def matches_of(document: bytes, authority: str | None = None) -> tuple[Match, ...]:
    """The matches of a document of the flow `referral` or `scan`; none where it is for another authority, or is neither."""
    text = document.decode(errors="replace")
    code = _AUTHORITY.search(text)
    if _KIND.search(text) is None or (authority is not None and (code is None or code[1] != authority)):
        return ()
    try:
        return tuple(Match(rms, rule, date.fromisoformat(matched)) for rms, rule, matched in _MATCH.findall(text))
    except ValueError:  # a day that there is not: no document that was ever delivered
        return ()


def asked_below(directory: Path, authority: str) -> list[tuple[Match, ...]]:
    """The matches of each document for that authority below a directory, by the documents' names."""
    documents = (
        path for path in sorted(directory.rglob("*.xml")) if path.is_file() and path.stat().st_size <= _MOST_BYTES
    )
    return [matches for path in documents if (matches := matches_of(path.read_bytes(), authority))]


def all_but_a_few(asked: Sequence[Sequence[Match]], random: Random) -> list[list[Match]]:
    """What is answered of each document: one match in eight is left out of the whole, and one of two or more at least."""
    numbers = sorted({match.rms for matches in asked for match in matches})
    few = len(numbers) // _ONE_IN or int(len(numbers) > 1)
    left = set(random.sample(numbers, few))
    return [[match for match in matches if match.rms not in left] for matches in asked]
