"""An authority that was away: what waited comes oldest first by flow, and its desk aid's commands say what is to be answered."""

from __future__ import annotations

import json
import random
from datetime import date

import pytest

from gateway.sample.catalog import samplers
from tests.acceptance.reading import rows, transfer_states
from tests.acceptance.sites import Site, claim, wait_until

pytestmark = pytest.mark.timeout(300)
EACH = 60
_DELIVERED = """SELECT t.name FROM events e JOIN transfers t ON t.id = e.subject AND t.direction = 'in'
 WHERE e.event = 'transfer.delivered' AND t.flow = '{}' ORDER BY e.sequence"""
_DROPPED = "SELECT name FROM transfers WHERE direction = 'out' AND flow = '{}' ORDER BY key"


def etd(index: int) -> tuple[str, bytes]:
    made = samplers()["etd"].make(
        sender="DWP", recipient="E09000030", index=index, random=random.Random(index), today=date(2026, 11, 20)
    )
    return made.name, made.content


def test_files_that_waited_come_oldest_first_and_pending_says_what_waits(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    dwp.edit_config("limits", consignment_files=7)
    dwp.edit_config("flows.etd", expires_hours=1000.0)
    la.edit_config("flows.etd", answer_days=5)
    dwp.start()
    for index in range(EACH):
        dwp.drop("claim", la.code, *claim(index))
        dwp.drop("etd", la.code, *etd(index))
    waiting = 2 * EACH - 8 * 7
    wait_until(lambda: len(transfer_states(dwp)) == 2 * EACH, 60, "all files taken in")
    wait_until(lambda: list(transfer_states(dwp).values()).count("validated") >= waiting, 60, "files that wait")
    assert la.json("inbound", "pending", "--totals") == []
    la.start()
    dwp.gateway("retry", la.code, "--reason", "they are back")
    wait_until(lambda: set(transfer_states(dwp).values()) == {"receipted"}, 120, "all receipts")
    for flow in ("claim", "etd"):
        assert [row["name"] for row in rows(la, _DELIVERED.format(flow))] == [
            row["name"] for row in rows(dwp, _DROPPED.format(flow))
        ]
    claims, etds = json.loads(la.gateway("inbound", "pending", "--totals", "--json").stdout)
    assert [(each["flow"], each["partner"], each["number"]) for each in (claims, etds)] == [
        ("claim", "DWP", EACH),
        ("etd", "DWP", EACH),
    ]
    assert (etds["answer_days"], etds["overdue"], claims["answer_days"]) == (5, False, 0)
    oldest = la.json("inbound", "pending", "--flow", "etd")[0]
    assert (oldest["id"], oldest["delivered_as"]) == (etds["oldest"], etds["oldest_name"])
    outcomes = la.home.outcomes / "etd" / "DWP"
    (outcomes / f"{oldest['id']}.accepted").touch()
    dwp.wait_for(oldest["name"], "ingested")
    told = la.gateway("inbound", "pending", "--totals")
    assert oldest["delivered_as"] not in told.stdout
    assert f"{2 * EACH - 1} delivered and not answered" in told.stderr
    for site in pair:
        site.gateway("audit", "verify")
