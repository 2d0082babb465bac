"""Made-up scan results: claims that a data-sharing scan brought up, a batch at a time.

Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample.match import RULES, MatchWriter
from gateway.sample.people import day_before
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_sampler import SampleRequest, XmlSampler
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:scan:1.0"
_INTEREST_ADDRESS: Final = ("IAD001", "address", "cis")
_REPLY_WITHIN: Final = timedelta(days=56)


def scan_sampler() -> XmlSampler:
    """Documents of the flow `scan`."""
    return XmlSampler("scan", "scan", _write)


def _write(request: SampleRequest) -> str:
    random, today = request.random, request.today
    count = random.randint(4, 25)
    scanned = day_before(random, today, 1, 9)
    addresses = random.random() < 0.3
    numbers = random.sample(range(10**9), count)
    xml = XmlWriter("ScanResults", NAMESPACE)
    with xml.element("Header"):
        write_header(xml, "SCN", request.sender, request.recipient, random, today)
        xml.leaf("RunId", f"SCAN-{scanned:%Y%m%d}-{random.randrange(100):02d}")
        xml.leaf("ScanKind", "interest-address" if addresses else "benefit-data")
        xml.leaf("ExtractMonth", f"{scanned.replace(day=1) - timedelta(days=1):%Y-%m}")
        xml.leaf("ResultCount", str(count))
    for number in numbers:
        with xml.element("Result"):
            scan = _INTEREST_ADDRESS if addresses else random.choice(RULES)
            _write_result(xml, random, today, scanned, number, scan)
    with xml.element("Trailer"):
        xml.leaf("RecordCount", str(xml.counts["Result"]))
        xml.leaf("DiscrepancyCount", str(xml.counts["Discrepancy"]))
        xml.total("WeeklyTotal", "WeeklyDifference")
    return xml.text()


def _write_result(
    xml: XmlWriter, random: Random, today: date, scanned: date, number: int, scan: tuple[str, str, str]
) -> None:
    """One result, in the order of the schema."""
    scan_id, fact, held_in = scan
    match = MatchWriter(xml, random, today, scanned)
    xml.leaf("RmsNumber", f"{number:09d}")
    xml.leaf("ScanId", scan_id)
    xml.day("MatchDate", scanned)
    xml.leaf("Priority", random.choice("12333"))
    if fact != "nino":
        xml.leaf("MatchedOn", "nino")
    xml.leaf("MatchedOn", "date-of-birth")
    match.write_claim()
    with xml.element("Discrepancies"):
        match.write_discrepancy(fact, held_in)
    xml.leaf("RequestedAction", random.choice(("review-claim", "correct-record", "visit")))
    xml.day("ReplyBy", scanned + _REPLY_WITHIN)
