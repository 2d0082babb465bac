"""What can be wrong with an XML file, each put into a document that was right before, and the code that finds it.

A defect is a pure function from the text of a valid document to the bytes of a defective one. Where a defect needs an
element that the document does not have, it takes one that every document of the flow has.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gateway.sample.contract import Sample

_BOTH: Final = frozenset({"claim", "referral"})
_ROOT: Final = re.compile(r"<(Claims|Referrals) ")
_BOMB: Final = """<!DOCTYPE lolz [
<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
]>
"""


@dataclass(frozen=True)
class Defect:
    """The code by which it must be found, how it is put in, and the flows whose documents can have it."""

    code: str
    spoil: Callable[[str, date], bytes]
    flows: frozenset[str] = _BOTH


def defects_of(flow: str) -> Mapping[str, str]:
    """The defects that documents of the flow can have, and the code of each."""
    return {name: defect.code for name, defect in XML_DEFECTS.items() if flow in defect.flows}


def apply_defect(stem: str, text: str, defect: str | None, today: date) -> Sample:
    """The document as a sample, spoilt where a defect is named; KeyError for one that there is not."""
    if defect is None:
        return Sample(f"{stem}.xml", text.encode(), None)
    return Sample(f"{stem}-{defect}.xml", XML_DEFECTS[defect].spoil(text, today), defect)


# -- how to spoil


def _put(element: str, value: str) -> Callable[[str, date], bytes]:
    """The first such element (a name, or names as a regular expression) with another text."""
    return lambda text, _today: _first(text, element, value).encode()


def _first(text: str, element: str, value: str) -> str:
    return re.sub(f"(<{element}>)[^<]*", lambda found: found[1] + value, text, count=1)


def _swap(pattern: str, replacement: str) -> Callable[[str, date], bytes]:
    """The first match replaced."""
    return lambda text, _today: re.sub(pattern, replacement, text, count=1).encode()


def _before_root(markup: str) -> Callable[[str, date], bytes]:
    return lambda text, _today: _ROOT.sub(lambda root: markup + root[0], text, count=1).encode()


def _inside_root(markup: str) -> Callable[[str, date], bytes]:
    return lambda text, _today: text.replace(">\n <Header>", f">\n {markup}\n <Header>", 1).encode()


def _on_root(attributes: str) -> Callable[[str, date], bytes]:
    return lambda text, _today: _ROOT.sub(lambda root: f"{root[0]}{attributes} ", text, count=1).encode()


def _in_future(text: str, today: date) -> bytes:
    return _first(text, "DateOfBirth", (today + timedelta(days=400)).isoformat()).encode()


def _truncated(text: str, _today: date) -> bytes:
    content = text.encode()
    return content[: len(content) * 2 // 3]


def _latin1(text: str, _today: date) -> bytes:
    return _first(text, "FamilyName", "Prŷs-Jönes").replace("ŷ", "ý").encode("latin-1", "replace")


def _utf16(text: str, _today: date) -> bytes:
    return text.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")


def _utf7(text: str, _today: date) -> bytes:
    return text.replace('encoding="UTF-8"', 'encoding="UTF-7"').encode("utf-7")


def _compressed(text: str, _today: date) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def _empty(_text: str, _today: date) -> bytes:
    return b"\n"


def _wrong_authority(text: str, _today: date) -> bytes:
    other = "9998" if "<AuthorityCode>9999<" in text else "9999"
    return _first(text, "AuthorityCode", other).encode()


_CLAIM: Final = frozenset({"claim"})
_REFERRAL: Final = frozenset({"referral"})

XML_DEFECTS: Final = {
    # -- the file as a whole
    "empty": Defect("xml-empty", _empty),
    "truncated": Defect("xml-not-wellformed", _truncated),
    "control-character": Defect("xml-not-wellformed", _put("OfficeName", "Old\x01borough")),
    "unknown-entity": Defect("xml-not-wellformed", _put("OfficeName", "&office;")),
    "compressed": Defect("xml-compressed", _compressed),
    "bad-encoding": Defect("xml-encoding", _latin1),
    "utf-16": Defect("xml-encoding", _utf16),
    "utf-7": Defect("xml-encoding", _utf7),
    "doctype": Defect("xml-doctype", _before_root("<!DOCTYPE Document>\n")),
    "entity-bomb": Defect("xml-doctype", _before_root(_BOMB)),
    "external-entity": Defect(
        "xml-doctype", _before_root('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>\n')
    ),
    "stylesheet": Defect("xml-instruction", _before_root('<?xml-stylesheet href="http://203.0.113.1/a.xsl"?>\n')),
    "deep-nesting": Defect("xml-too-deep", _inside_root("<Note>" * 60 + "</Note>" * 60)),
    "bottomless-nesting": Defect("xml-too-deep", _inside_root("<Note>" * 3000 + "</Note>" * 3000)),
    "many-attributes": Defect("xml-too-many-attributes", _on_root(" ".join(f'a{n}="1"' for n in range(40)))),
    "attribute-flood": Defect("xml-text-too-long", _on_root(" ".join(f'a{n}="1"' for n in range(20_000)))),
    "long-text": Defect("xml-text-too-long", _put("OfficeName", "Oldborough " * 300)),
    # -- against the schema
    "wrong-namespace": Defect("xml-namespace", _swap(r'xmlns="[^"]+"', 'xmlns="urn:example:other"')),
    "missing-element": Defect("xml-element-missing", _swap(r" *<DateOfBirth>[^<]*</DateOfBirth>\n", "")),
    "missing-trailer": Defect("xml-element-missing", _swap(r"(?s) <Trailer>.*</Trailer>\n", "")),
    "unknown-element": Defect("xml-element-unexpected", _swap(r"(?=<DateOfBirth>)", "<ShoeSize>9</ShoeSize>")),
    "repeated-element": Defect("xml-element-unexpected", _swap(r"(<FamilyName>[^<]*</FamilyName>)", r"\1\1")),
    "include": Defect(
        "xml-element-unexpected",
        _inside_root('<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>'),
    ),
    "attribute": Defect("xml-attribute", _on_root('lang="en"')),
    "stray-text": Defect("xml-schema", _swap(r" <Trailer>", "end <Trailer>")),
    "empty-element": Defect("xml-value", _put("FamilyName", "")),
    "long-name": Defect("xml-value", _put("FamilyName", "Winterbottom" * 4)),
    # -- single values
    "nino": Defect("nino", _put("Nino", "BG123456A")),
    "nino-letter": Defect("nino", _put("Nino", "QQQ123456A")),
    "nino-suffix": Defect("nino", _put("Nino", "QQ123456E")),
    "date": Defect("date", _put("DateOfBirth", "1971-02-30")),
    "date-form": Defect("date", _put("DateOfBirth", "30/01/1971")),
    "date-future": Defect("date", _in_future),
    "postcode": Defect("postcode", _put("Postcode", "zz1 1aa")),
    "amount": Defect("amount", _put("(IncomeTotal|WeeklyTotal)", "12,5")),
    "code": Defect("code", _put("AuthorityCode", "OLDBOROUGH")),
    # -- values against each other
    "wrong-authority": Defect("wrong-authority", _wrong_authority),
    "date-order": Defect("date-order", _put("ReplyBy", "1999-12-31"), _REFERRAL),
    "count-mismatch": Defect("count-mismatch", _put("ClaimCount", "999"), _CLAIM),
    "record-count-mismatch": Defect("count-mismatch", _put("RecordCount", "999"), _REFERRAL),
    "total-mismatch": Defect("total-mismatch", _put("IncomeTotal", "0.01"), _CLAIM),
    "weekly-total-mismatch": Defect("total-mismatch", _put("WeeklyTotal", "0.01"), _REFERRAL),
    "income-amount": Defect("amount", _put("IncomeAmount", "12,5"), _CLAIM),
}
