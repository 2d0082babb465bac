"""Writes the hostile and the unusual XML documents of this directory: `python tests/vectors/xml/build.py`.

Each is named CODE--WHAT.xml: the code of the finding that it must get, or `none` where it must pass. All of them are
variations on one small referral; the people in it are made up.
"""

from __future__ import annotations

import gzip
from pathlib import Path

HERE = Path(__file__).parent
NS = 'xmlns="urn:gateway:referral:1.0"'
BODY = """<Referrals xmlns="urn:gateway:referral:1.0">
<Header><MessageId>VECTOR-0001</MessageId>
<SendingOffice><OfficeCode>DWP0101</OfficeCode><OfficeName>Oldborough</OfficeName></SendingOffice>
<Created>2026-11-20T09:00:00Z</Created><ProcessDate>2026-11-20</ProcessDate><AuthorityCode>4220</AuthorityCode>
<RunId>RUN-1</RunId><ReferralCount>1</ReferralCount></Header>
<Referral><RmsNumber>000123456</RmsNumber><RuleId>HBTC003/CTTC003</RuleId><MatchDate>2026-11-18</MatchDate>
<Priority>2</Priority>
<Claim><HbReference>1234567</HbReference>
<Claimant><Nino>QQ123456A</Nino><Name><GivenName>Siân</GivenName><FamilyName>Llŵyd</FamilyName></Name>
<DateOfBirth>1961-05-04</DateOfBirth></Claimant>
<Address><Lines><Line>1 Mill Lane</Line><Line>Oldborough</Line></Lines><Postcode>ZZ1 1AA</Postcode></Address></Claim>
<Discrepancies><Discrepancy><Subject>claimant</Subject><Fact>earnings</Fact>
<Theirs><HeldIn>extract</HeldIn><Nothing>none-held</Nothing></Theirs>
<Ours><HeldIn>paye</HeldIn><Amount>81.50</Amount></Ours><WeeklyDifference>81.50</WeeklyDifference></Discrepancy>
</Discrepancies><RequestedAction>review-claim</RequestedAction><ReplyBy>2026-12-30</ReplyBy></Referral>
<Trailer><RecordCount>1</RecordCount><DiscrepancyCount>1</DiscrepancyCount><WeeklyTotal>81.50</WeeklyTotal></Trailer>
</Referrals>
"""
PLAIN = BODY.replace("â", "a").replace("ŵ", "w")
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
HOST = "http://203.0.113.7"  # reserved for documentation, RFC 5737: nothing answers there
PLACE = "<OfficeName>Oldborough</OfficeName>"

INCLUDE = '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>'


def doctype(subset: str, reference: str = "") -> str:
    return XML + f"<!DOCTYPE Referrals {subset}>\n" + BODY.replace(PLACE, f"<OfficeName>{reference}</OfficeName>")


def office(text: str) -> str:
    return XML + BODY.replace(PLACE, f"<OfficeName>{text}</OfficeName>")


def root(attributes: str) -> str:
    return XML + BODY.replace(NS, f"{NS} {attributes}")


def prefixed() -> str:
    """The same document with a prefix on every element."""
    text = BODY.replace(NS, 'xmlns:r="urn:gateway:referral:1.0"').replace("</", "\0").replace("<", "<r:")
    return XML + text.replace("\0", "</r:")


VECTORS: dict[str, str | bytes] = {
    # -- unusual, and right
    "none--plain": XML + BODY,
    "none--no-declaration": BODY,
    "none--byte-order-mark": b"\xef\xbb\xbf" + (XML + BODY).encode(),
    "none--lower-case-encoding": "<?xml version='1.0' encoding='utf-8' standalone='yes'?>" + BODY,
    "none--declared-ascii": XML.replace("UTF-8", "ASCII") + PLAIN,
    "none--declared-us-ascii": XML.replace("UTF-8", "us-ascii") + PLAIN,
    "none--declared-utf8": XML.replace("UTF-8", "utf8") + BODY,
    "none--ascii-with-references": XML.replace("UTF-8", "US-ASCII") + PLAIN.replace("Sian", "Si&#xE2;n"),
    "none--empty-line-and-no-declaration": "\r\n\n" + BODY,
    "none--prefixed": prefixed(),
    "none--comment": XML + "<!-- a remark -->" + BODY.replace("<Header>", "<!-- another --><Header>"),
    "none--cdata": office("<![CDATA[Oldborough & Sons]]>"),
    "none--character-references": office("Old&#98;orough &amp; Si&#xE2;n"),
    "none--schema-location-is-ignored": root(f'{XSI} xsi:schemaLocation="urn:gateway:referral:1.0 {HOST}/x.xsd"'),
    # -- declarations
    "xml-doctype--empty": doctype(""),
    "xml-doctype--external": doctype(f'SYSTEM "{HOST}/x.dtd"'),
    "xml-doctype--public": doctype(f'PUBLIC "-//X//Y" "{HOST}/x.dtd"'),
    "xml-doctype--file-entity": doctype('[<!ENTITY e SYSTEM "file:///etc/hostname">]', "&e;"),
    "xml-doctype--network-entity": doctype(f'[<!ENTITY e SYSTEM "{HOST}/e">]', "&e;"),
    "xml-doctype--parameter-entity": doctype(f'[<!ENTITY % p SYSTEM "{HOST}/p"> %p;]'),
    "xml-doctype--billion-laughs": doctype(
        '[<!ENTITY a "'
        + "lol" * 10
        + '">'
        + "".join(f'<!ENTITY {y} "{f"&{x};" * 10}">' for x, y in zip("abcdefgh", "bcdefghi", strict=True))
        + "]",
        "&i;",
    ),
    "xml-doctype--quadratic-blow-up": doctype(f'[<!ENTITY a "{"a" * 8000}">]', "&a;" * 2000),
    "xml-doctype--default-attribute": doctype('[<!ATTLIST Referrals lang CDATA "en">]'),
    "xml-doctype--after-comment": XML + "<!-- x -->\n<!DOCTYPE x>" + BODY,
    "xml-doctype--element-declaration-in-content": office("<!ELEMENT x ANY>"),
    "xml-instruction--stylesheet": XML + f'<?xml-stylesheet type="text/xsl" href="{HOST}/a.xsl"?>' + BODY,
    "xml-instruction--in-content": office("<?php 1 ?>"),
    "xml-instruction--second-declaration": XML + BODY.replace("<Header>", XML.strip() + "<Header>"),
    # -- encodings
    "xml-encoding--utf-16": (XML.replace("UTF-8", "UTF-16") + BODY).encode("utf-16"),
    "xml-encoding--utf-16-without-mark": BODY.encode("utf-16-le"),
    "xml-encoding--utf-32": (XML.replace("UTF-8", "UTF-32") + BODY).encode("utf-32"),
    "xml-encoding--utf-7": (XML.replace("UTF-8", "UTF-7") + BODY).encode("utf-7"),
    "xml-encoding--latin-1": (XML.replace("UTF-8", "ISO-8859-1") + BODY.replace("ŵ", "w")).encode("latin-1"),
    "xml-encoding--declared-ebcdic": XML.replace("UTF-8", "IBM037") + BODY,
    "xml-encoding--overlong": (XML + BODY).encode().replace(b"Oldborough", b"Old\xc0\xaf", 1),
    "xml-encoding--surrogates": (XML + BODY).encode().replace(b"Oldborough", b"\xed\xa0\x80\xed\xb0\x80", 1),
    "xml-encoding--nul": (XML + BODY).encode().replace(b"Oldborough", b"Old\0", 1),
    "xml-encoding--version-1.1": XML.replace("1.0", "1.1") + BODY,
    "xml-encoding--endless-declaration": "<?xml " + 'version="1.0" ' * 100 + "?>" + BODY,
    "xml-encoding--ascii-with-an-accent": XML.replace("UTF-8", "ASCII") + BODY,
    "xml-encoding--ascii-with-a-mark": b"\xef\xbb\xbf" + (XML.replace("UTF-8", "ASCII") + PLAIN).encode(),
    "xml-encoding--ascii-with-latin-1": (XML.replace("UTF-8", "us-ascii") + BODY.replace("ŵ", "w")).encode("latin-1"),
    "xml-encoding--code-page-1252": (XML + PLAIN.replace("Sian", "Siân")).encode("cp1252"),
    "xml-encoding--utf-7-in-ascii": XML.replace("UTF-8", "UTF-7") + PLAIN,
    "xml-encoding--latin-1-in-ascii": XML.replace("UTF-8", "ISO-8859-1") + PLAIN,
    # -- what stands before the declaration
    "xml-declaration--empty-line": "\n" + XML + BODY,
    "xml-declaration--spaces": "  " + XML + BODY,
    "xml-declaration--mark-after-an-empty-line": b"\r\n\xef\xbb\xbf" + (XML + BODY).encode(),
    "xml-declaration--two-marks": b"\xef\xbb\xbf" * 2 + (XML + BODY).encode(),
    "xml-declaration--mark-and-empty-line": b"\xef\xbb\xbf\n" + (XML + BODY).encode(),
    "xml-declaration--comment": "<!-- a remark -->\n" + XML + BODY,
    "xml-declaration--no-break-space": "\u00a0" + XML + BODY,
    "xml-instruction--before-the-declaration": "<?xml-stylesheet href='a.xsl'?>" + XML + BODY,
    "xml-instruction--declaration-after-an-element": "<a/>" + XML + BODY,
    "xml-compressed--gzip": gzip.compress((XML + BODY).encode(), mtime=0),
    # -- sizes
    "xml-empty--spaces": b" \r\n\t \n",
    "xml-too-deep--100": office("<a>" * 100 + "</a>" * 100),
    "xml-too-deep--20000": office("<a>" * 20_000 + "</a>" * 20_000),
    "xml-too-many-attributes--40": root(" ".join(f'a{n}=""' for n in range(40))),
    "xml-too-many-attributes--namespaced": root('xmlns:q="urn:q" ' + " ".join(f'q:a{n}=""' for n in range(40))),
    "xml-text-too-long--attributes": root(" ".join(f'a{n}=""' for n in range(3000))),
    "xml-text-too-long--greater-than-in-values": root(" ".join(f'a{n}=">"' for n in range(3000))),
    "xml-text-too-long--tag-name": office(f"<{'a' * 20_000}/>"),
    "xml-text-too-long--text": office("a" * 20_000),
    "xml-text-too-long--in-pieces": office("<![CDATA[" + "a" * 1_500 + "]]>" + "<![CDATA[" + "a" * 1_500 + "]]>"),
    "xml-text-too-long--comment": XML + f"<!--{'-x' * 10_000}-->" + BODY,
    # -- form
    "xml-not-wellformed--cut-short": (XML + BODY)[:900],
    "xml-not-wellformed--two-roots": XML + BODY + BODY,
    "xml-not-wellformed--trailing-bytes": XML + BODY + "end",
    "xml-not-wellformed--repeated-attribute": root('a="1" a="2"'),
    "xml-not-wellformed--undeclared-entity": office("&e;"),
    "xml-not-wellformed--undeclared-prefix": office("<q:a/>"),
    "xml-not-wellformed--control-character": office("&#1;"),
    "xml-not-wellformed--not-xml": "RMS number,rule\n1,2\n",
    "xml-namespace--none": XML + BODY.replace(f" {NS}", ""),
    "xml-namespace--later-version": XML + BODY.replace("referral:1.0", "referral:9.9"),
    "xml-namespace--html": "<html><body/></html>",
    # -- the schema's business
    "xml-element-unexpected--wrong-root": XML + f"<Header {NS}/>",
    "xml-schema--include": office(INCLUDE),
    "xml-element-unexpected--include": XML + BODY.replace("<Trailer>", f"{INCLUDE}<Trailer>"),
    "xml-element-unexpected--foreign": XML + BODY.replace("<Trailer>", '<x xmlns="urn:x"/><Trailer>'),
    "date--nil": XML + BODY.replace("<ReplyBy>2026-12-30</ReplyBy>", f'<ReplyBy {XSI} xsi:nil="true"/>'),
    "xml-schema--type-swapped": XML + BODY.replace("<Claimant>", f'<Claimant {XSI} xsi:type="AddressType">'),
    "nino--never-issued": XML + BODY.replace("QQ123456A", "ZZ123456A"),
    "nino--arabic-digits": XML + BODY.replace("QQ123456A", "QQ١٢٣٤٥٦A"),
    "xml-value--no-break-space-in-a-name": XML + BODY.replace("Siân", "Siân\u00a0"),
    "xml-value--en-dash-in-a-name": XML + BODY.replace("Llŵyd", "Llŵyd\u2013Ab"),
    "xml-schema--no-break-space-between-elements": XML + BODY.replace("<Priority>", "\u00a0<Priority>"),
    "postcode--no-break-space": XML + BODY.replace("ZZ1 1AA", "ZZ1\u00a01AA"),
    "code--zero-width-space": XML + BODY.replace("<Fact>earnings", "<Fact>earnings\u200b"),
    "date--no-such-day": XML + BODY.replace("1961-05-04", "1961-02-29"),
    "date--with-time-zone": XML + BODY.replace("1961-05-04", "1961-05-04Z"),
    "date--year-beyond-counting": XML + BODY.replace("1961-05-04", f"{'9' * 60}-05-04"),
    "date--year-nought": XML + BODY.replace("1961-05-04", "0000-05-04"),
    "amount--exponent": XML + BODY.replace("<WeeklyDifference>81.50", "<WeeklyDifference>8.15E1"),
    "amount--negative": XML + BODY.replace("<WeeklyDifference>81.50", "<WeeklyDifference>-81.50"),
    "count-mismatch--header": XML + BODY.replace("<ReferralCount>1", "<ReferralCount>2"),
    "total-mismatch--by-a-penny": XML + BODY.replace("<WeeklyTotal>81.50", "<WeeklyTotal>81.51"),
    "date-order--reply-before-match": XML + BODY.replace("2026-12-30", "2026-01-30"),
}


def build() -> None:
    for old in HERE.glob("*--*.xml"):
        old.unlink()
    for name, content in VECTORS.items():
        (HERE / f"{name}.xml").write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    build()
