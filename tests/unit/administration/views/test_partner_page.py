"""What a partner's page says of its limits and keys: what is set and where, what is used, and a word for each state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.administration.views.health_fields import EndingKey
from gateway.administration.views.partner_page import Limit, keys, limits
from gateway.settings.faults import Fault
from gateway.settings.model import Stopped
from tests.fakes.two_ledgers import two_ledgers

LA = "E09000030"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
SSH_SHA256 = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
"""As `ssh-keygen -l` says it of that public line."""


def test_each_key_has_a_word_for_its_state(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        settings = pair.dwp.context.settings
    old, lost = "1" * 40, "2" * 40
    partner = settings.partners[LA].model_copy(
        update={
            "old_fingerprint": old,
            "old_fingerprint_until": NOW + timedelta(days=3),
            "ssh_key": SSH,
            "revoked": (lost,),
            "endpoint": None,
        }
    )
    now = NOW.timestamp()

    def told(*ending: EndingKey, **update: object) -> dict[str, str]:
        changed = replace(settings, partners={LA: partner.model_copy(update=update)})
        return {each.fingerprint: each.state for each in keys(changed, ending, LA, now)}

    current = partner.fingerprint
    assert told() == {current: "in use", old: "replaced", SSH_SHA256: "in use", lost: "revoked"}
    assert told(EndingKey(LA, current, "2026-12-05T00:00:00.000Z", 7, "seals no more"))[current] == "ending"
    assert told(EndingKey(LA, current, "2026-11-28T00:00:00.000Z", 0, "seals no more"))[current] == "ended"
    assert told(EndingKey("own", current, "2026-11-28T00:00:00.000Z", 0, "ours"))[current] == "in use"
    assert told(old_fingerprint_until=NOW)[old] == "ended"
    assert told(revoked=(current, SSH_SHA256, old)) == dict.fromkeys((current, SSH_SHA256, old), "revoked")
    assert LA not in told(ssh_key="ssh-ed25519 no-base64")


def test_each_limit_says_what_is_set_where_and_what_is_used(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        settings, ledger = pair.dwp.context.settings, pair.dwp.context.ledger

        def told(**update: object) -> dict[str, Limit]:
            changed = replace(settings, partners={LA: settings.partners[LA].model_copy(update=update)})
            with ledger.read() as connection:
                return {each.name: each for each in limits(changed, connection, LA, NOW.timestamp())}

        plain = told()
        assert (plain["Rate"].most, plain["Windows"].most, plain["Windows"].used) == ("none", "always", "open now")
        assert plain["Quota of a day"].where == "[limits] day_bytes in config/gateway.toml"
        assert plain["Quota of a day"].used == "0 B in the last 24 hours, 0%"
        own = told(day_bytes=5_000_000, max_bytes_per_second=20_000, windows=("20:00-06:00",))
        assert own["Quota of a day"].where == f"day_bytes in config/partners.d/{LA}.toml"
        assert (own["Rate"].most, own["Quota of a day"].most) == ("20 KB a second", "5.0 MB")
        assert own["Windows"].used == "window opens at 20:00 GMT"
        assert "Size of claim" in own
        unreadable = replace(settings, partners={}, stopped={LA: Stopped((Fault("f", 0, "", "cannot be read"),))})
        with ledger.read() as connection:
            assert list(limits(unreadable, connection, LA, NOW.timestamp())) == []
        assert list(keys(unreadable, [], LA, NOW.timestamp())) == []


@pytest.mark.parametrize("code", ["", "E09000099", "../x"])
def test_of_no_partner_nothing_is_said(tmp_path: Path, code: str) -> None:
    with two_ledgers(tmp_path) as pair, pair.dwp.context.ledger.read() as connection:
        assert list(limits(pair.dwp.context.settings, connection, code, NOW.timestamp())) == []
