"""What is asked about a partner is asked once, however many ask at the same moment."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.administration.requests import about_partners
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act
from gateway.errors import UsageWrong
from gateway.ledger.queries.requests import open_about
from gateway.settings.model import Settings
from tests.fakes.credentials import desk
from tests.fakes.staff import hire

LA = "E08000004"


@pytest.mark.parametrize("act", [Act.TEST_LINK, Act.SUSPEND_PARTNER])
def test_of_many_that_ask_at_once_one_is_heard(tmp_path: Path, act: Act) -> None:
    partner = SimpleNamespace(endpoint="a server", link="sftp")
    about = SimpleNamespace(codes=[LA], stopped={}, partners={LA: partner}, home=SimpleNamespace(run=tmp_path))
    settings = cast("Settings", about)
    together, refused = threading.Barrier(6), []
    with desk(tmp_path / "site") as opened:
        ledger = opened.context.ledger
        hire(ledger, "adm1", role=PersonRole.ADMINISTRATOR)

        def ask() -> None:
            together.wait()
            try:
                about_partners.ask(settings, ledger, act, LA, "adm1", "race test")
            except UsageWrong as error:
                refused.append(error.reason)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with ledger.read() as connection:
            assert len(open_about(connection, [act], LA)) == 1
    assert refused == ["The same was asked already, and has no answer yet: look under Requests."] * 5
