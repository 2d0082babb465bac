"""Passkeys: what a device of the person's signed just now for this console signs in, and nothing else does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from gateway.administration.credentials import passkeys, sessions, signing_in
from gateway.administration.credentials.passkeys import MOST
from gateway.administration.credentials.store import CHALLENGE_SECONDS
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole
from gateway.errors import CredentialsExpired, NotFound, PasskeyRefused, SignInLocked, SignInRefused
from gateway.settings.console import ConsoleSettings
from tests.fakes.authenticator import Device
from tests.fakes.credentials import DAY, WHY, Desk
from tests.fakes.credentials import desk as made

ADDRESS = "192.0.2.1"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with made(tmp_path, ConsoleSettings(listen="127.0.0.1:9640")) as opened:
        opened.person("hb1", PersonRole.OPERATOR)
        yield opened


def add(desk: Desk, device: Device, user: str = "hb1", name: str = "laptop") -> str:
    """Sign in and add a passkey; the session's token."""
    token, session = desk.sign_in(user)
    options = passkeys.begin_to_add(desk.context, token, desk.attempt(user), name)
    passkeys.add(desk.context, token, session.person, device.create(options))
    desk.now += 30.0
    return token


def enter(desk: Desk, device: Device, address: str = ADDRESS) -> str:
    response = device.get(passkeys.begin_to_sign_in(desk.context))
    return passkeys.sign_in(desk.context, response, address)[0]


def refused(desk: Desk, device: Device) -> None:
    with pytest.raises(SignInRefused):
        enter(desk, device)
    desk.now += 10.0


def test_passkey_that_was_added_by_password_and_code_signs_in_alone(desk: Desk) -> None:
    device = Device(counter=1)
    add(desk, device)
    (shown,) = passkeys.listed(desk.context, "hb1")
    assert (shown.name, shown.synced, shown.used) == ("laptop", False, None)
    token = enter(desk, device)
    session = sessions.look(desk.context, token)
    assert session is not None
    assert session.person.user == "hb1"
    assert passkeys.listed(desk.context, "hb1")[0].used is not None
    ((*_, registered),) = desk.told("passkey.registered")
    assert set(registered) == {"sha256"}, "what it is called is its owner's business"
    assert desk.told("signin.accepted")[-1] == ("signin.accepted", "hb1", {"act": "passkey"})


def test_challenge_is_good_once_and_for_two_minutes(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    response = device.get(passkeys.begin_to_sign_in(desk.context))
    passkeys.sign_in(desk.context, response, ADDRESS)
    for _ in range(2):
        with pytest.raises(SignInRefused):
            passkeys.sign_in(desk.context, response, ADDRESS)
        desk.now += 10.0
    response = device.get(passkeys.begin_to_sign_in(desk.context))
    desk.now += CHALLENGE_SECONDS
    with pytest.raises(SignInRefused):
        passkeys.sign_in(desk.context, response, ADDRESS)
    desk.now += 10.0
    enter(desk, device)


def test_challenge_is_used_up_by_an_answer_that_is_not_taken(desk: Desk) -> None:
    device, stranger = Device(), Device()
    add(desk, device)
    options = passkeys.begin_to_sign_in(desk.context)
    with pytest.raises(SignInRefused):
        passkeys.sign_in(desk.context, stranger.get(options), ADDRESS)
    with pytest.raises(SignInRefused):
        passkeys.sign_in(desk.context, device.get(options), ADDRESS)


def test_challenge_for_adding_signs_nobody_in_and_that_for_signing_in_adds_nothing(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    token, session = desk.sign_in("hb1")
    options = passkeys.begin_to_add(desk.context, token, desk.attempt("hb1"), "another")
    with pytest.raises(SignInRefused):
        passkeys.sign_in(desk.context, device.get(options), ADDRESS)
    asked = json.loads(options) | json.loads(passkeys.begin_to_sign_in(desk.context))
    with pytest.raises(PasskeyRefused):
        passkeys.add(desk.context, token, session.person, Device().create(json.dumps(asked)))


@pytest.mark.parametrize(
    "bend",
    [
        lambda device: setattr(device, "origin", "http://localhost:9641"),
        lambda device: setattr(device, "origin", "https://localhost:9640"),
        lambda device: setattr(device, "host", "example.gov.uk"),
        lambda device: setattr(device, "verifies", False),
        lambda device: setattr(device, "key", Device().key),
        lambda device: setattr(device, "handle", "bm9ib2R5"),
        lambda device: setattr(device, "identity", b"another"),
    ],
    ids=["port", "scheme", "host", "not-verified", "key", "handle", "unknown"],
)
def test_what_another_origin_or_device_signed_is_refused(desk: Desk, bend: Callable[[Device], None]) -> None:
    device = Device()
    add(desk, device)
    bend(device)
    refused(desk, device)
    assert len(desk.told("signin.refused")) == 1
    other = Device()
    bend(other)
    if other.origin != Device().origin or other.host != Device().host or not other.verifies:
        with pytest.raises(PasskeyRefused):
            add(desk, other)


def test_key_of_one_person_signs_nobody_else_in_and_is_added_once(desk: Desk) -> None:
    desk.person("hb2", PersonRole.AUDITOR)
    device = Device()
    add(desk, device)
    with pytest.raises(PasskeyRefused):
        add(desk, Device(identity=device.identity), "hb2")
    desk.now += 30.0  # the code was used
    other = Device()
    add(desk, other, "hb2")
    other.identity = device.identity  # says the one and signs with the other
    refused(desk, other)
    with pytest.raises(NotFound):
        passkeys.remove(desk.context, "hb2", passkeys.listed(desk.context, "hb1")[0].id, "")


def test_answer_counts_only_in_the_session_that_asked_and_for_its_person(desk: Desk) -> None:
    desk.person("hb2", PersonRole.AUDITOR)
    token, session = desk.sign_in("hb1")
    stranger, other = desk.sign_in("hb2")
    options = passkeys.begin_to_add(desk.context, token, desk.attempt("hb1"), "laptop")
    with pytest.raises(PasskeyRefused):
        passkeys.add(desk.context, stranger, other.person, Device().create(options))
    roster.suspend(desk.context.ledger, "hb1", WHY)
    with pytest.raises(PasskeyRefused):
        passkeys.add(desk.context, token, session.person, Device().create(options))
    assert passkeys.listed(desk.context, "hb1") == passkeys.listed(desk.context, "hb2") == []


def test_answer_that_comes_after_a_new_password_adds_nothing(desk: Desk) -> None:
    token, session = desk.sign_in("hb1")
    options = passkeys.begin_to_add(desk.context, token, desk.attempt("hb1"), "laptop")
    desk.now += 30.0
    signing_in.renew(desk.context, desk.attempt("hb1"), "seven lanterns below the pier")
    with pytest.raises(PasskeyRefused):
        passkeys.add(desk.context, token, session.person, Device().create(options))


def test_passkey_is_added_only_by_password_and_code(desk: Desk) -> None:
    token, _ = desk.sign_in("hb1")
    for wrong in ({"password": "wrong"}, {"code": "000000"}):
        with pytest.raises(SignInRefused):
            passkeys.begin_to_add(desk.context, token, desk.attempt("hb1", **wrong), "laptop")
        desk.now += 10.0
    for name in ("", "x" * 61, "a\nb"):
        with pytest.raises(PasskeyRefused):
            passkeys.begin_to_add(desk.context, token, desk.attempt("hb1"), name)


@pytest.mark.parametrize("copied", [5, 4, 0], ids=["the-same", "one-before", "none"])
def test_counter_that_went_back_ends_passkey_and_sessions_and_is_told(desk: Desk, copied: int) -> None:
    device = Device(counter=4)
    add(desk, device)
    token = enter(desk, device)
    device.counter = max(copied - 1, 0)
    refused(desk, device)
    assert [subject for _, subject, _ in desk.told("passkey.doubted")] == ["hb1"]
    assert passkeys.listed(desk.context, "hb1") == []
    assert sessions.look(desk.context, token) is None
    device.counter = 100
    refused(desk, device)


def test_counter_that_nobody_signed_ends_nothing(desk: Desk) -> None:
    device = Device(counter=4)
    add(desk, device)
    refused(desk, Device(counter=1, identity=device.identity, handle=device.handle))
    assert desk.told("passkey.doubted") == []
    enter(desk, device)


def test_who_was_suspended_is_refused_and_may_again_when_resumed_and_who_left_has_none(desk: Desk) -> None:
    device = Device(counter=1)
    add(desk, device)
    token = enter(desk, device)
    roster.suspend(desk.context.ledger, "hb1", WHY)
    assert sessions.look(desk.context, token) is None
    refused(desk, device)
    roster.resume(desk.context.ledger, "hb1", WHY)
    enter(desk, device)
    roster.change(desk.context.ledger, "hb1", {PersonRole.AUDITOR}, Details(), WHY)
    enter(desk, device)
    roster.remove(desk.context.ledger, "hb1", WHY)
    refused(desk, device)
    sessions.sweep(desk.context)
    assert passkeys.listed(desk.context, "hb1") == []


def test_passkey_is_good_as_long_as_the_password_and_goes_on_with_a_new_one(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    desk.now += 31 * DAY
    with pytest.raises(CredentialsExpired):
        enter(desk, device)
    signing_in.renew(desk.context, desk.attempt("hb1"), "seven lanterns below the pier")
    enter(desk, device)


def test_new_link_ends_all_passkeys(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    desk.set_password("hb1")
    refused(desk, device)
    assert [detail["act"] for *_, detail in desk.told("passkey.removed")] == ["link"]


def test_removed_passkey_ends_all_sessions_but_the_one_that_removes_it(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    other, own = enter(desk, device), desk.sign_in("hb1")[0]
    passkeys.remove(desk.context, "hb1", passkeys.listed(desk.context, "hb1")[0].id, own)
    assert sessions.look(desk.context, other) is None
    assert sessions.look(desk.context, own) is not None
    refused(desk, device)


def test_failures_wait_as_those_with_passwords_do_and_together_with_them(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    forged = Device(identity=device.identity, handle=device.handle)
    for _ in range(5):
        refused(desk, forged)
    with pytest.raises(SignInLocked):
        enter(desk, device)
    with pytest.raises(SignInLocked):
        signing_in.sign_in(desk.context, desk.attempt("hb1"))
    assert [detail["attempt"] for *_, detail in desk.told("signin.locked")] == [5]
    desk.now += 60.0
    enter(desk, device)
    with pytest.raises(SignInRefused):
        enter(desk, forged)
    desk.now += 1.0
    enter(desk, device)


def test_whatever_is_no_answer_of_a_device_is_refused_as_any_other(desk: Desk) -> None:
    token, session = desk.sign_in("hb1")
    for response in ("", "null", "[]", "{}", '{"id": 1}', "[" * 60_000, '{"id": "' + "é" * 9999, "\x00", "9" * 9999):
        desk.now += 3600.0
        with pytest.raises(SignInRefused):
            passkeys.sign_in(desk.context, response, ADDRESS)
        with pytest.raises(PasskeyRefused):
            passkeys.add(desk.context, token, session.person, response)


def test_challenges_of_strangers_push_out_nobodys_and_are_kept_nowhere(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    first = passkeys.begin_to_sign_in(desk.context)
    for _ in range(300):
        passkeys.begin_to_sign_in(desk.context)
    with sqlite3.connect(desk.context.store.path) as database:
        assert database.execute("SELECT count(*) FROM passkey_challenges").fetchone() == (0,)
    database.close()
    passkeys.sign_in(desk.context, device.get(first), ADDRESS)


@pytest.mark.parametrize("at", [0, 35, 39, 40, 71], ids=["random", "moment", "moment's end", "mac", "mac's end"])
def test_challenge_that_was_not_made_here_signs_nobody_in(desk: Desk, at: int) -> None:
    device = Device()
    add(desk, device)
    options = json.loads(passkeys.begin_to_sign_in(desk.context))
    made = bytearray(base64url_to_bytes(options["challenge"]))
    assert len(made) == 72
    made[at] ^= 1
    with pytest.raises(SignInRefused):
        passkeys.sign_in(
            desk.context, device.get(json.dumps({**options, "challenge": bytes_to_base64url(bytes(made))})), ADDRESS
        )
    desk.now += 10.0
    enter(desk, device)


def test_used_challenge_stays_used_where_the_clock_is_set_back_between(desk: Desk) -> None:
    device = Device()
    add(desk, device)
    response = device.get(passkeys.begin_to_sign_in(desk.context))
    passkeys.sign_in(desk.context, response, ADDRESS)
    desk.now -= 60.0
    enter(desk, device)
    desk.now += 60.0
    with pytest.raises(SignInRefused):
        passkeys.sign_in(desk.context, response, ADDRESS)


def test_nobody_has_more_passkeys_than_so_many(desk: Desk) -> None:
    for _ in range(MOST):
        add(desk, Device())
    with pytest.raises(PasskeyRefused):
        add(desk, Device())


def test_a_database_of_before_passkeys_is_opened_and_keeps_what_it_had(desk: Desk) -> None:
    desk.context.store.close()
    with sqlite3.connect(desk.context.store.path) as database:
        database.execute("DROP TABLE passkeys")
        database.execute("DROP TABLE passkey_challenges")
    database.close()
    type(desk.context.store)(desk.context.store.path).close()
    device = Device()
    add(desk, device)
    enter(desk, device)


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        ({}, ""),
        ({"listen": "127.0.0.1:9640"}, "http://localhost:9640"),
        ({"listen": "[::1]:9640"}, "http://localhost:9640"),
        ({"listen": "127.0.0.2:9640"}, ""),
        ({"listen": "/run/console.sock"}, ""),
        ({"address": "https://gateway.example.gov.uk"}, "https://gateway.example.gov.uk"),
        ({"address": "https://gateway.example.gov.uk:8443"}, "https://gateway.example.gov.uk:8443"),
        ({"address": "http://gateway.example.gov.uk", "listen": "127.0.0.1:9640"}, ""),
        ({"address": "https://192.0.2.1"}, ""),
        ({"address": "https://[2001:db8::1]"}, ""),
        ({"address": "http://localhost:9640"}, "http://localhost:9640"),
        ({"address": "http://127.0.0.1:9640"}, ""),
    ],
)
def test_passkeys_take_a_name_and_https_or_this_machine(settings: dict[str, str], origin: str) -> None:
    assert ConsoleSettings(**settings).passkey_origin == origin  # type: ignore[arg-type]
