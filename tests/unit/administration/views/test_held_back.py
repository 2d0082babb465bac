"""Why something was held back, for whoever asks and whoever agrees: the findings with their places, and nothing for other acts."""

from __future__ import annotations

from pathlib import Path

from gateway.administration.views.held_back import HeldBack, held_back
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.ledger.queries import overview
from gateway.ledger.tables import TRANSFERS
from tests.fakes.two_ledgers import two_ledgers


def test_findings_with_their_places_for_a_release_alone(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        bench = pair.dwp
        sent = bench.submit("a.xml", b"content")
        with bench.ledger.write() as transaction:
            (row,) = overview.transfers(transaction.connection)
            event = transaction.record("transfer.held", "transfer", sent, bench.other, state="held")
            reason = "line 3: no date [date]\nline 9: no number [nino]"
            change = {"key": row.key, "state": State.HELD, "resume": State.VALIDATED, "event": event}
            transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [change | {"code": "content", "reason": reason}])
        with bench.ledger.read() as connection:
            found = held_back(connection, Act.RELEASE, sent)
            assert found == HeldBack(tuple(reason.splitlines()), f"/transfers/{sent}")
            assert held_back(connection, Act.HOLD, sent) is None
            for act in (Act.RELEASE, Act.DISCARD):
                assert held_back(connection, act, "nothing") is None
                assert held_back(connection, act, bench.other) is None
