"""`gateway checks` and `gateway incidents`: what is outstanding, without names, cases and words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from gateway.administration.looking import checking, investigating
from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload
from gateway.domain.incidents import IncidentKind, IncidentOutcome
from tests.fakes.two_ledgers import Pair
from tests.unit.administration.looking.conftest import SENSITIVE, add_staff
from tests.unit.cli.conftest import Run

DESK_AID: Final = Path(__file__).parents[3] / "docs" / "operators" / "management-checks.md"


def test_checks_and_incidents_are_listed_without_what_may_name_people(pair: Pair, run: Run) -> None:
    assert "No check is outstanding" in run(pair.la, "checks").err
    assert "No incident is open" in run(pair.la, "incidents").err
    claim = pair.dwp.submit("claim.xml", b"claim")
    pair.work()
    ledger = pair.la.ledger
    add_staff(ledger)
    wanted = Wanted(TRANSFER, claim, "Qreason", case_reference="Qcase")
    check = open_payload(pair.la.settings, ledger, "op1", wanted, SENSITIVE).check
    assert check is not None
    loss = investigating.open_incident(ledger, "sup1", IncidentKind.LOSS, "Qdescription")
    investigating.close(ledger, "sup1", loss.id, IncidentOutcome.MISTAKE, "Qconclusion")
    shown = run(pair.la, "checks")
    assert f"{check.id} " in shown.out
    assert "drawn" in shown.out
    (said,) = run(pair.la, "checks", "--json").data
    assert (said["id"], said["state"], said["user"], said["supported"]) == (check.id, "drawn", "op1", None)
    checking.acknowledge(ledger, "op1", check.id)
    checking.explain(ledger, "op1", check.id, "Qexplains")
    checking.decide(ledger, "co1", check.id, supported=False, finding="Qfinds")
    assert run(pair.la, "checks", "--json").data == []
    (said,) = run(pair.la, "checks", "--all", "--json").data
    assert (said["state"], said["decided_by"], said["supported"]) == ("decided", "co1", False)
    (access,) = run(pair.la, "incidents", "--json").data
    assert (access["kind"], access["user"], access["state"]) == ("access", "op1", "open")
    assert [each["kind"] for each in run(pair.la, "incidents", "--all", "--json").data] == ["access", "loss"]
    told = "".join(
        run(pair.la, command, "--all", *form).out for command in ("checks", "incidents") for form in ((), ("--csv",))
    )
    assert "mistake" in told
    assert "Q" not in told
    commands = re.findall(r"^ *gateway (checks.*|incidents.*)$", DESK_AID.read_text("utf-8"), re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert run(pair.la, *command.split()).status == 0
    assert run(pair.la, "audit", "verify").status == 0
