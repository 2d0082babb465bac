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

_PERSONS: Final = frozenset({"claim", "referral", "scan", "etd"})
"""The flows that say who people are."""
_MONEY: Final = _PERSONS | {"outcome"}
_LETTERS: Final = frozenset({"enquiry", "reply"})
_ALL: Final = _MONEY | _LETTERS | {"redirect", "faults"}
_DAY: Final = "(?:DateOfBirth|DecidedOn|ReceivedOn|AskedOn|RepliedOn|Since)"
"""A day that has come, which documents of every flow have."""
_ROOT: Final = re.compile(r"<(Claims|Referrals|ScanResults|Outcomes|Notices|Redirect|Enquiry|Reply|FaultBoard) ")
_BOMB: Final = """<!DOCTYPE lolz [
<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
]>
"""


@dataclass(frozen=True)
class Defect:
    """The code by which it must be found, how it is put in, and the flows (or versions of one) whose documents can have it."""

    code: str
    spoil: Callable[[str, date], bytes]
    flows: frozenset[str] = _ALL


def defects_of(flow: str) -> Mapping[str, str]:
    """The defects that documents of the flow (`etd`), or those of one version alone (`etd/1.1`), can have; each one's code."""
    return {name: defect.code for name, defect in XML_DEFECTS.items() if flow in defect.flows}


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


def _in_future(element: str) -> Callable[[str, date], bytes]:
    return lambda text, today: _first(text, element, (today + timedelta(days=400)).isoformat()).encode()


def _truncated(text: str, _today: date) -> bytes:
    content = text.encode()
    return content[: len(content) * 2 // 3]


def _latin1(text: str, _today: date) -> bytes:
    return _first(text, "OfficeName", "Prŷs-Jönes").replace("ŷ", "ý").encode("latin-1", "replace")


def _utf16(text: str, _today: date) -> bytes:
    return text.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")


def _utf7(text: str, _today: date) -> bytes:
    return text.replace('encoding="UTF-8"', 'encoding="UTF-7"').encode("utf-7")


def _compressed(text: str, _today: date) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def _empty(_text: str, _today: date) -> bytes:
    return b"\n"


def _wrong_authority(text: str, _today: date) -> bytes:
    """Another authority wherever its code stands, so that the document is in order and only for somebody else."""
    code = re.search("<AuthorityCode>([^<]*)<", text)
    old, new = (code[1] if code else "", _another(text))
    return text.replace(f">{old}<", f">{new}<").encode()


def _another(text: str) -> str:
    """The code of an authority that the document is not for."""
    return "9998" if "<AuthorityCode>9999<" in text else "9999"


def _interest_elsewhere(text: str, _today: date) -> bytes:
    pattern = r"(<InterestSet>\s*<InterestedAuthority>)[^<]*"
    return re.sub(pattern, lambda found: found[1] + _another(text), text, count=1).encode()


def _altered(text: str, _today: date) -> bytes:
    """Another letter in the middle of what is inside."""
    middle = text.index("<Part>") + len("<Part>") + 20
    return (text[:middle] + ("B" if text[middle] == "A" else "A") + text[middle + 1 :]).encode()


_CLAIM: Final = frozenset({"claim"})
_MATCHES: Final = frozenset({"referral", "scan"})
_NUMBERED: Final = frozenset({"scan", "outcome"})
_BATCHES: Final = frozenset({"referral", "scan", "outcome", "etd"})
_OUTCOME: Final = frozenset({"outcome"})
_ETD: Final = frozenset({"etd"})
_ETD_1_1: Final = frozenset({"etd/1.1"})
_REDIRECT: Final = frozenset({"redirect"})
_CARRIERS: Final = _REDIRECT | _LETTERS
_ENQUIRY: Final = frozenset({"enquiry"})
_FAULTS: Final = frozenset({"faults"})
_SECOND_PERIOD: Final = (
    r"(?s)(<PeriodTo>[^<]*</PeriodTo>(?:(?!</Before>|</Award>|<PeriodFrom>).)*<AwardPeriod>\s*<PeriodFrom>)[^<]*"
)
_REDUCED: Final = (
    r"\1<Reduction><ReductionKind>earnings</ReductionKind><ReductionAmount>0.01</ReductionAmount></Reduction>"
)
_SECOND: Final = r"(?s)<RmsNumber>([^<]*)<(.*?)<RmsNumber>[^<]*<"

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
    "missing-element": Defect("xml-element-missing", _swap(rf" *<({_DAY})>[^<]*</\1>\n", "")),
    "missing-trailer": Defect("xml-element-missing", _swap(r"(?s) <Trailer>.*</Trailer>\n", "")),
    "unknown-element": Defect("xml-element-unexpected", _swap(f"(?=<{_DAY}>)", "<ShoeSize>9</ShoeSize>")),
    "repeated-element": Defect("xml-element-unexpected", _swap(r"(<OfficeName>[^<]*</OfficeName>)", r"\1\1")),
    "include": Defect(
        "xml-element-unexpected",
        _inside_root('<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>'),
    ),
    "attribute": Defect("xml-attribute", _on_root('lang="en"')),
    "stray-text": Defect("xml-schema", _swap(r" <Trailer>", "end <Trailer>")),
    "empty-element": Defect("xml-value", _put("OfficeName", "")),
    "long-name": Defect("xml-value", _put("FamilyName", "Winterbottom" * 4), _PERSONS),
    # -- single values
    "nino": Defect("nino", _put("Nino", "BG123456A"), _MONEY),
    "nino-letter": Defect("nino", _put("Nino", "QQQ123456A"), _MONEY),
    "nino-suffix": Defect("nino", _put("Nino", "QQ123456E"), _MONEY),
    "nino-no-suffix": Defect("nino-no-suffix", _put("Nino", "QQ123456"), _MONEY),
    "nino-administrative": Defect("nino-administrative", _put("Nino", "MW123456A"), _MONEY),
    "date": Defect("date", _put(_DAY, "1971-02-30")),
    "date-form": Defect("date", _put(_DAY, "30/01/1971")),
    "date-future": Defect("date", _in_future(_DAY)),
    "postcode": Defect("postcode", _put("Postcode", "ZZ1 1CA"), _PERSONS),
    "postcode-space": Defect("postcode-space", _put("Postcode", "ZZ11AA"), _PERSONS),
    "postcode-case": Defect("postcode-case", _put("Postcode", "zz1 1aa"), _PERSONS),
    "amount": Defect("amount", _put("(?:IncomeTotal|WeeklyTotal|AwardTotal|OverpaymentTotal)", "12,5"), _MONEY),
    "code": Defect("code", _put("AuthorityCode", "OLDBOROUGH")),
    # -- values against each other
    "wrong-authority": Defect("wrong-authority", _wrong_authority, _MONEY),
    "date-order": Defect("date-order", _put("ReplyBy", "1999-12-31"), _MATCHES),
    "count-mismatch": Defect("count-mismatch", _put("ClaimCount", "999"), _CLAIM),
    "record-count-mismatch": Defect("count-mismatch", _put("RecordCount", "999"), _BATCHES),
    "total-mismatch": Defect("total-mismatch", _put("IncomeTotal", "0.01"), _CLAIM),
    "weekly-total-mismatch": Defect("total-mismatch", _put("WeeklyTotal", "0.01"), _MATCHES),
    "income-amount": Defect("amount", _put("IncomeAmount", "12,5"), _CLAIM),
    "rms-number": Defect("code", _put("RmsNumber", "QQ123456"), _MATCHES | _OUTCOME),
    "repeated-rms-number": Defect("repeated-reference", _swap(_SECOND, r"<RmsNumber>\1<\2<RmsNumber>\1<"), _NUMBERED),
    "reason-missing": Defect(
        "xml-element-missing", _swap(r"\s*<NoAdjustmentReason>[^<]*</NoAdjustmentReason>", ""), _OUTCOME
    ),
    "reason-unknown": Defect("code", _put("NoAdjustmentReason", "other"), _OUTCOME),
    "two-results": Defect(
        "xml-element-unexpected", _swap(r"(?s)(<NoAdjustment>.*?</NoAdjustment>)", r"\1\1"), _OUTCOME
    ),
    "completed-before-start": Defect("date-order", _put("CompletedOn", "1999-12-31"), _OUTCOME),
    "overpayment-total-mismatch": Defect("total-mismatch", _put("OverpaymentTotal", "0.01"), _OUTCOME),
    "benefit-unknown": Defect("code", _put("AwardedBenefit", "Pension"), _ETD),
    "award-amount-mismatch": Defect("total-mismatch", _put("AwardAmount", "0.01"), _ETD),
    "award-total-mismatch": Defect("total-mismatch", _put("AwardTotal", "0.01"), _ETD),
    "end-before-start": Defect("date-order", _put("EndsOn", "1930-12-31"), _ETD),
    "event-missing": Defect("xml-element-missing", _swap(r"(?s) *<AwardEnd>.*?</AwardEnd>\n", ""), _ETD),
    # -- what version 1.1 of `etd` has besides
    "number-and-address-missing": Defect(
        "xml-element-missing",
        _swap(r"(?s)(<Person>)\s*(?:<Nino>[^<]*</Nino>)?(.*?)\s*<Address>.*?</Address>", r"\1\2"),
        _ETD_1_1,
    ),
    "award-end-missing": Defect("xml-element-missing", _swap(r"\s*<EndsOn>[^<]*</EndsOn>", ""), _ETD_1_1),
    "award-starts-after-its-period": Defect("date-order", _in_future("StartsOn"), _ETD_1_1),
    "change-before-award": Defect("date-order", _put("ChangesOn", "1930-12-31"), _ETD_1_1),
    "periods-overlap": Defect("date-order", _swap(_SECOND_PERIOD, r"\g<1>1999-12-31"), _ETD_1_1),
    "reduction-not-taken-off": Defect("total-mismatch", _swap(r"(</Component>)(?!\s*<Component>)", _REDUCED), _ETD_1_1),
    "component-unknown": Defect("code", _put("ComponentKind", "limited-capacity"), _ETD_1_1),
    "assessed-income-total-mismatch": Defect("total-mismatch", _put("AssessedIncomeTotal", "0.01"), _ETD_1_1),
    "assessment-end-missing": Defect(
        "xml-element-missing",
        _swap(r"(?s)(<AssessedIncomeEnd>.*?)\s*<AssessedIncomeTo>[^<]*</AssessedIncomeTo>", r"\1"),
        _ETD_1_1,
    ),
    "assessment-ends-before-start": Defect("date-order", _put("AssessedIncomeTo", "1930-12-31"), _ETD_1_1),
    "left-before-joined": Defect("date-order", _put("LeavesOn", "1930-12-31"), _ETD_1_1),
    "non-dependant-count-mismatch": Defect("count-mismatch", _put("NonDependantCount", "999"), _ETD_1_1),
    "interest-count-mismatch": Defect("count-mismatch", _put("InterestCount", "999"), _ETD_1_1),
    "interest-elsewhere": Defect("authority-mismatch", _interest_elsewhere, _ETD_1_1),
    "interest-transferred-to-itself": Defect(
        "authority-mismatch",
        _swap(r"(<PreviousAuthority>)([^<]*)(</PreviousAuthority>\s*<InterestedAuthority>)[^<]*", r"\1\2\3\2"),
        _ETD_1_1,
    ),
    "interest-ends-before-start": Defect("date-order", _put("InterestTo", "1930-12-31"), _ETD_1_1),
    "content-altered": Defect("content-altered", _altered, _CARRIERS),
    "content-cut": Defect("count-mismatch", _swap(r" *<Part>[^<]*</Part>\n", ""), _CARRIERS),
    "content-not-base-64": Defect("xml-value", _put("Part", "a file?"), _CARRIERS),
    "digest": Defect("content-altered", _put("OriginalSha256", "0" * 64), _REDIRECT),
    "history-gap": Defect("history-broken", _put("PassedTo", "9999"), _REDIRECT),
    "not-from-department": Defect("history-broken", _put("ReceivedFrom", "9999"), _REDIRECT),
    "flow-unknown": Defect("code", _put("OriginalFlow", "extract"), _REDIRECT),
    # -- enquiries, replies, the board of known faults
    "kind-unknown": Defect("code", _put("EnquiryKind", "complaint"), _ENQUIRY),
    "reply-by-before-asked": Defect("date-order", _put("ReplyBy", "1999-12-31"), _ENQUIRY),
    "reference-like-a-number": Defect("code", _put("EnquiryReference", "QQ-12-34-56"), _LETTERS),
    "reference-with-a-name": Defect("code", _put("EnquiryReference", "Ashworth"), _LETTERS),
    "text-turned-around": Defect("xml-value", _put("Paragraph", "right\u202eleft"), _LETTERS),
    "attached-digest": Defect("content-altered", _put("AttachmentSha256", "0" * 64), _LETTERS),
    "attached-size": Defect("content-altered", _put("AttachmentSize", "1"), _LETTERS),
    "attached-no-pdf": Defect("xml-value", _put("AttachmentName", "letter.exe"), _LETTERS),
    "attached-parts": Defect("content-altered", _put("AttachmentParts", "1"), _LETTERS),
    "fault-id-repeated": Defect(
        "repeated-reference",
        _swap(r"(?s)<FaultId>([^<]*)<(.*?)<FaultId>[^<]*<", r"<FaultId>\1<\2<FaultId>\1<"),
        _FAULTS,
    ),
    "fault-state-unknown": Defect("code", _put("FaultState", "perhaps"), _FAULTS),
    "fault-names-a-number": Defect("nino", _put("What", "The award of QQ123456A came twice."), _FAULTS),
    "issue-nought": Defect("xml-value", _put("Issue", "0"), _FAULTS),
}
