"""What the name of an extract says: which authority it is of; and which names are of one form.

Names are seen to begin with `hb` and the authority's code: `hb9991_SHBE_555086k May 2013.csv`, `hbE08000004_SHBE_602756g
November 2026.csv`. No official rule is published. So a code of the ONS, which looks like nothing else, is found anywhere; four
digits, which could be a year or a serial number, only behind `hb`. No row of an extract names its authority. Pure, and raises
nothing.
"""

from __future__ import annotations

import re
from typing import Final

FLOW: Final = "extract"

_CODES: Final = re.compile(
    r"(?<![0-9a-z])(?:hb)?(?P<ons>(?:e0[6-9]|w06|s12|n09)[0-9]{6})(?![0-9a-z])"
    r"|(?<![0-9a-z])hb(?:[ _.-]{1,3}(?!(?:19|20)[0-9]{2}))?(?P<billing>[0-9]{4})(?![0-9a-z])",
    re.IGNORECASE | re.ASCII,
)
_MONTH: Final = re.compile(
    r"(?<![a-z])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
_NUMBERED: Final = re.compile(r"[a-z]*[0-9][0-9a-z]*")
_PERHAPS_A_CODE: Final = re.compile(r"(?!19|20)[0-9]{4}")


def authorities_named(name: str) -> tuple[str, ...]:
    """The codes of authorities that a name has, in capitals, in their order; nothing where it says none."""
    return tuple(dict.fromkeys((found["ons"] or found["billing"]).upper() for found in _CODES.finditer(name)))


def form_of(name: str) -> str:
    """The name with its months and serial numbers left out: what it shares with those of other months.

    Four digits that are no year stay, since they may be an authority's code.
    """
    return _NUMBERED.sub(
        lambda found: found[0] if _PERHAPS_A_CODE.fullmatch(found[0]) else "#", _MONTH.sub("#", name.casefold())
    )
