"""What belongs together is found from each of its transfers: passed on, answered, sent again, the same bytes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.queries.conversation import MOST, conversation
from gateway.ledger.queries.identities import find_transfer, named_so
from gateway.ledger.tables import TRANSFERS
from tests.fakes.two_ledgers import Bench, two_ledgers

DWP, ELSEWHERE = "DWP", "E08000004"


class Site:
    """A site whose ledger is written row by row."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._number = itertools.count(1)

    def add(self, direction: str, flow: str, partner: str = DWP, *, facts: object = None, **more: Any) -> str:
        number = next(self._number)
        identity = f"{number:08d}-0000-7000-8000-000000000000"
        row: dict[str, Any] = {
            "id": identity,
            "direction": direction,
            "flow": flow,
            "partner": partner,
            "name": f"{number}.xml",
        }
        row |= {"size": 1, "sha256": f"{number:064x}", "custody": False, "event": 1}
        row |= {"state": "delivered" if direction == "in" else "receipted"}
        row |= {} if facts is None else {"facts": json.dumps(facts)}
        with self.bench.ledger.write() as transaction:
            transaction.insert(TRANSFERS, [{**row, **more}])
        return identity

    def links(self, identity: str) -> dict[str, tuple[str | None, str | None, bool]]:
        """The members by their ids, in order: the link by which each was found, to which, and whether it is the later one."""
        with self.bench.ledger.read() as connection:
            found = conversation(connection, find_transfer(connection, identity))
        assert found.more == 0
        return {each.row.id: (each.link, each.other, each.later) for each in found.members}

    def assert_together(self, *ids: str) -> None:
        for each in ids:
            found = self.links(each)
            assert list(found) == sorted(ids), each
            assert found[each] == (None, None, False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with two_ledgers(tmp_path) as pair:
        yield Site(pair.la)


def rms(*numbers: str) -> dict[str, str]:
    return {"rms": json.dumps(numbers), "rms_total": str(len(numbers))}


def test_a_transfer_by_itself_is_no_conversation(site: Site) -> None:
    alone = site.add("out", "outcome", facts=rms("RMS0000001"))
    site.add("out", "outcome", facts=rms("RMS0000002"))
    site.add("in", "claim", name="", sha256="a" * 64)
    site.assert_together(alone)


def test_what_came_and_what_passed_it_on_are_found_from_each_other_by_the_chain(site: Site) -> None:
    sent = site.add("out", "redirect", ELSEWHERE, redirected_from=DWP)
    came = site.add("in", "claim", redirected_to=sent)
    with site.bench.ledger.write() as transaction:
        transaction.record("transfer.redirected", "transfer", sent, ELSEWHERE, came_from=DWP, came_as=came)
    site.assert_together(sent, came)
    assert site.links(came)[sent] == ("passed-on", came, True)
    assert site.links(sent)[came] == ("passed-on", sent, False)


def test_a_chain_of_redirects_is_told_whole_at_each_of_its_authorities(site: Site) -> None:
    """A got it from DWP and passed it to B; it came to B, which passed it to C; it came to C. Seen here: all three."""
    first = site.add("in", "claim")
    facts = {"original_transfer": first, "original_flow": "claim"}
    at_a = site.add("out", "redirect", ELSEWHERE, redirected_from=DWP, facts=facts)
    site.bench.sql("UPDATE transfers SET redirected_to = ? WHERE id = ?", at_a, first)
    site.assert_together(first, at_a)
    # B's ledger has neither of these, but what came to it, and what it sent.
    at_b = site.add("in", "redirect", ELSEWHERE, facts={"original_transfer": "f" * 36}, redirected_from=DWP)
    to_c = site.add("out", "redirect", "E07000223", facts={"original_transfer": "f" * 36}, redirected_from=ELSEWHERE)
    site.bench.sql("UPDATE transfers SET redirected_to = ? WHERE id = ?", to_c, at_b)
    with site.bench.ledger.write() as transaction:
        transaction.record("transfer.redirected", "transfer", to_c, "E07000223", came_from=ELSEWHERE, came_as=at_b)
    site.assert_together(at_b, to_c)
    # And the right authority refuses what it got; it is sent again.
    site.bench.sql("UPDATE transfers SET code = 'refused-by-back-office' WHERE id = ?", to_c)
    again = site.add("out", "redirect", "E07000223", name="4.xml", facts={"original_transfer": "f" * 36})
    site.assert_together(at_b, to_c, again)


def test_rows_that_lead_to_each_other_in_a_circle_end(site: Site) -> None:
    """No stage writes such rows; somebody who edited the file may have."""
    one, two = site.add("in", "redirect", ELSEWHERE), site.add("in", "redirect", ELSEWHERE)
    site.bench.sql("UPDATE transfers SET redirected_to = ? WHERE id = ?", two, one)
    site.bench.sql("UPDATE transfers SET redirected_to = ? WHERE id = ?", one, two)
    site.assert_together(one, two)
    site.bench.sql("UPDATE transfers SET redirected_to = id WHERE id = ?", one)
    assert one in site.links(one)


@pytest.mark.parametrize(("asking", "answering"), [("in", "out"), ("out", "in")])
def test_a_referral_and_its_outcomes_are_told_both_ways_at_both_ends(site: Site, asking: str, answering: str) -> None:
    referral = site.add(asking, "referral", facts=rms("RMS0000001", "RMS0000002"))
    one = site.add(answering, "outcome", facts=rms("RMS0000001"))
    two = site.add(answering, "outcome", facts=rms("RMS0000002"), state="rejected", name="outcome.xml")
    again = site.add(answering, "outcome", facts=rms("RMS0000002"), name="outcome.xml")
    # Another authority's answer to its own question of that number, another number, and what only looks alike.
    site.add(answering, "outcome", ELSEWHERE, facts=rms("RMS0000001"))
    site.add(answering, "outcome", facts=rms("RMS00000011", "RMS0000003"))
    site.add(asking, "outcome", facts=rms("RMS0000001"))
    site.assert_together(referral, one, two, again)
    assert site.links(referral)[one] == ("answer", referral, True)
    assert site.links(one)[referral] == ("answer", one, False)
    assert site.links(two)[again] == ("sent-again", two, True)


def test_an_extract_answers_many_referrals_and_does_not_make_one_matter_of_them(site: Site) -> None:
    first, second = (site.add("in", "referral", facts=rms(number)) for number in ("RMS0000001", "RMS0000002"))
    rows = [{"rms": "RMS0000001", "rule": "1", "matched": None}, {"rms": "RMS0000002", "rule": "1", "matched": None}]
    extract = site.add("out", "extract", facts={"rms": json.dumps(rows)})
    assert list(site.links(extract)) == [first, second, extract]
    assert list(site.links(first)) == [first, extract]


def test_an_enquiry_and_its_replies_are_told_both_ways(site: Site) -> None:
    ask = site.add("out", "enquiry", facts={"reference": "ENQ-1", "kind": "award"})
    site.add("out", "enquiry", facts={"reference": "ENQ-11", "kind": "award"})
    site.add("in", "reply", ELSEWHERE, facts={"reference": "ENQ-1"})
    reply = site.add("in", "reply", facts={"reference": "ENQ-1"})
    more = site.add("in", "reply", facts={"reference": "ENQ-1"})
    site.assert_together(ask, reply, more)
    assert site.links(ask)[reply] == ("answer", ask, True)
    assert site.links(reply)[more] == ("sent-again", reply, True)


@pytest.mark.parametrize("failed", [{"state": "rejected"}, {"state": "expired"}, {"code": "refused-by-back-office"}])
def test_what_came_back_and_what_was_sent_for_it_are_told_both_ways(site: Site, failed: dict[str, str]) -> None:
    site.add("out", "claim", name="a.xml")
    bad = site.add("out", "claim", name="a.xml", **failed)
    site.add("out", "claim", ELSEWHERE, name="a.xml")
    site.add("out", "etd", name="a.xml")
    good = site.add("out", "claim", name="a.xml")
    site.add("out", "claim", name="a.xml")  # a name that is used each day
    site.assert_together(bad, good)


def test_a_message_that_was_sent_again_under_another_name_is_known_by_its_id(site: Site) -> None:
    bad = site.add("out", "claim", name="a.xml", message_id="M-1", state="rejected")
    site.assert_together(bad, site.add("out", "claim", name="b.xml", message_id="M-1"))


def test_the_same_bytes_belong_together_as_far_as_one_partner_goes(site: Site) -> None:
    one, two = (site.add("out", "claim", sha256="ab" * 32) for _ in range(2))
    site.add("out", "claim", ELSEWHERE, sha256="ab" * 32)
    site.add("in", "claim", sha256="ab" * 32)
    site.assert_together(one, two)


def test_a_conversation_of_thousands_is_cut_and_counted_with_the_one_that_was_asked_for_in_it(site: Site) -> None:
    scan = site.add("in", "scan", facts=rms("RMS0000001"))
    rows = [site.add("out", "outcome", facts=rms("RMS0000001")) for _ in range(3)]
    with site.bench.ledger.write() as transaction:
        made = [
            {"id": f"{number:08d}-1000-7000-8000-000000000000", "direction": "out", "flow": "outcome", "partner": DWP}
            | {"name": f"o{number}.xml", "size": 1, "sha256": f"{number:064x}", "custody": False, "event": 1}
            | {"state": "receipted", "facts": json.dumps(rms("RMS0000001"))}
            for number in range(1000, 3000)
        ]
        transaction.insert(TRANSFERS, made)
    with site.bench.ledger.read() as connection:
        for asked, count in ((scan, 2004), (rows[0], 2), (made[-1]["id"], 2)):
            found = conversation(connection, find_transfer(connection, str(asked)))
            ids = [each.row.id for each in found.members]
            assert {asked, scan} <= {*ids}
            assert (len(ids), len(ids) + found.more) == (min(count, MOST), count)


def test_a_whole_name_finds_the_newest_first(site: Site) -> None:
    first = site.add("out", "claim", name="a.xml")
    second = site.add("in", "claim", name="b.xml", delivered_name="a.xml")
    site.add("in", "claim", name="aa.xml")
    with site.bench.ledger.read() as connection:
        assert [row.id for row in named_so(connection, "a.xml", 5)] == [second, first]
        assert named_so(connection, "", 5) == []
