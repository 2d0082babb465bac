"""The road of a site whose ledger an earlier program made: the error names a command, and the command does it."""

from __future__ import annotations

from gateway.daemon.lock import held
from tests.fakes.older_ledger import at_version
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run


def test_an_older_ledger_stops_every_command_until_doctor_migrates_it(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.ledger.close()
    for path in site.home.ledger.parent.glob(f"{site.home.ledger.name}*"):
        path.unlink()
    at_version(site.home.ledger, "0001")
    refused = run(site, "transfers")
    assert (refused.status, "`gateway doctor --migrate`" in refused.err) == (70, True)
    with held(site.home.run, "gateway"):
        assert run(site, "doctor", "--migrate").status == 69
    assert run(site, "transfers").status == 70
    run(site, "doctor", "--migrate")
    assert run(site, "transfers", "--json").data == []
