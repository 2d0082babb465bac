"""Award notices through two running sites: both versions side by side, and one that nobody knows."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest

from gateway.sample.catalog import versions
from tests.acceptance.sites import Site, wait_until
from tests.vectors.etd import build


def notices(version: str, authority: str, index: int, defect: str | None = None) -> tuple[str, bytes]:
    sample = versions()["etd"][version].make(
        sender="DWP",
        recipient=authority,
        index=index,
        random=Random(f"{version}/{index}/{defect}"),
        today=date(2026, 11, 22),
        defect=defect,
    )
    return sample.name, sample.content


@pytest.mark.timeout(400)
def test_both_versions_of_notices_travel_side_by_side_and_one_that_is_not_known_comes_back(
    pair: tuple[Site, Site],
) -> None:
    dwp, la = pair
    good = {
        notices("1.0", la.code, 1)[0]: ("etd/1.0", notices("1.0", la.code, 1)[1]),
        notices("1.1", la.code, 2)[0]: ("etd/1.1", notices("1.1", la.code, 2)[1]),
        "number-unknown.xml": (
            "etd/1.1",
            build.later(build.NINO, "").replace("4220", la.code).replace("VECTOR-0001", "VECTOR-0002").encode(),
        ),
    }
    bad = {
        "later.xml": ("xml-namespace", notices("1.1", la.code, 3)[1].replace(b"etd:1.1", b"etd:3.0")),
        "ended.xml": ("xml-element-missing", notices("1.1", la.code, 4, "award-end-missing")[1]),
        "interest.xml": ("authority-mismatch", notices("1.1", la.code, 5, "interest-elsewhere")[1]),
    }
    dwp.start()
    la.start()
    for name, (_, content) in {**good, **bad}.items():
        dwp.drop("etd", la.code, name, content)
    for name, (schema, _) in good.items():
        assert dwp.wait_for(name, "receipted", 120)["schema"] == schema
    assert la.inbound("etd", "DWP") == {name: content for name, (_, content) in good.items()}
    assert {row["name"]: row["schema"] for row in la.rows()} == {name: schema for name, (schema, _) in good.items()}
    for name, (code, _) in bad.items():
        assert dwp.wait_for(name, "rejected", 120)["code"] == code
        letter = dwp.home.returned / "etd" / la.code / f"{name}.why.txt"
        wait_until(letter.exists, 60, "the letter")
    told = (dwp.home.returned / "etd" / la.code / "later.xml.why.txt").read_text("utf-8")
    assert "etd/1.0" in told
    assert "etd/1.1" in told
    for site in pair:
        site.stop()
        site.gateway("audit", "verify")
