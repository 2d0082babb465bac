"""Log-ins out of sshd's messages: real ones of OpenSSH 9.2, and what strangers may have them say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.logins import Login, Result
from gateway.transport.sshd.logins import GRACE, MOST, Attempt, Connections

OURS = "SHA256:vzpXznsxNT3m+z2/WLTVC7GIib3qmt3jzV9rE7FTQ4M"
STRANGERS = "SHA256:+s0UN0DzMGSbfcU+oMXD5aKywtyLkRDlieiH1XKdIf0"
OWNERS = {OURS: "DWP"}
OPENED = 'Connection from 127.0.0.1 port 52138 on 127.0.0.1 port 37225 rdomain ""'
ACCEPTED = f"Accepted publickey for gateway from 127.0.0.1 port 52138 ssh2: ED25519 {OURS}"


def came_out(*messages: str) -> list[Attempt]:
    """All that came out until sshd's end."""
    connections = Connections(OWNERS)
    return [attempt for message in messages for attempt in connections.read(message, 0.0)] + list(connections.end())


def result(*messages: str) -> Result:
    """How the one connection came out that these messages are about."""
    (attempt,) = came_out(OPENED, *messages)
    return attempt.login.result


CLOSED = "Connection closed by authenticating user gateway 127.0.0.1 port 52138 [preauth]"
FAILED = f"Failed publickey for gateway from 127.0.0.1 port 52138 ssh2: ED25519 {STRANGERS}"

REAL: dict[str, tuple[Result, Sequence[str]]] = {
    "a partner": (
        Result.ACCEPTED,
        [
            f"Accepted key ED25519 {OURS} found at /srv/gateway/state/sshd/authorized_keys:1",
            "Postponed publickey for gateway from 127.0.0.1 port 52138 ssh2 [preauth]",
            f"Accepted key ED25519 {OURS} found at /srv/gateway/state/sshd/authorized_keys:1",
            ACCEPTED,
            "Starting session: forced-command (key-option) 'internal-sftp -u 0077' for gateway from 127.0.0.1 port 52138 id 0",
            "Received disconnect from 127.0.0.1 port 52138:11: disconnected by user",
            "Disconnected from user gateway 127.0.0.1 port 52138",
        ],
    ),
    "a partner that shows another key first": (Result.ACCEPTED, [FAILED, ACCEPTED]),
    "a stranger's key": (Result.WRONG_KEY, [FAILED, CLOSED]),
    "three of a stranger's keys": (
        Result.WRONG_KEY,
        [
            *[FAILED] * 3,
            "maximum authentication attempts exceeded for gateway from 127.0.0.1 port 52138 ssh2 [preauth]",
            "Disconnecting authenticating user gateway 127.0.0.1 port 52138: Too many authentication failures [preauth]",
        ],
    ),
    "a partner's public key without the secret one": (
        Result.KEY_REFUSED,
        [
            f"Accepted key ED25519 {OURS} found at /srv/gateway/state/sshd/authorized_keys:1",
            f"Failed publickey for gateway from 127.0.0.1 port 52138 ssh2: ED25519 {OURS}",
            CLOSED,
        ],
    ),
    "a kind of key that is not accepted": (
        Result.NO_KEY,
        ["userauth_pubkey: signature algorithm ecdsa-sha2-nistp256 not in PubkeyAcceptedAlgorithms [preauth]", CLOSED],
    ),
    "a password": (Result.NO_KEY, [CLOSED]),
    "an account that there is not": (
        Result.UNKNOWN_USER,
        [
            "Invalid user admin from 127.0.0.1 port 52138",
            "Connection closed by invalid user admin 127.0.0.1 port 52138 [preauth]",
        ],
    ),
    "an account that is not let in": (
        Result.UNKNOWN_USER,
        [
            "User daemon from 127.0.0.1 not allowed because not listed in AllowUsers",
            "Connection closed by invalid user daemon 127.0.0.1 port 52138 [preauth]",
        ],
    ),
    "a password for an account that there is not": (
        Result.UNKNOWN_USER,
        ["Failed password for invalid user admin from 127.0.0.1 port 52138 ssh2"],
    ),
    "a port scan": (
        Result.NO_LOGIN,
        [
            "kex_exchange_identification: Connection closed by remote host",
            "Connection closed by 127.0.0.1 port 52138",
        ],
    ),
    "a browser": (
        Result.NO_LOGIN,
        [
            'kex_exchange_identification: client sent invalid protocol identifier "GET / HTTP/1.0"',
            "banner exchange: Connection from 127.0.0.1 port 52138: invalid format",
        ],
    ),
    "nonsense": (
        Result.NO_LOGIN,
        [
            "Bad packet length 4294967295. [preauth]",
            "ssh_dispatch_run_fatal: Connection from 127.0.0.1 port 52138: message authentication code incorrect [preauth]",
        ],
    ),
    "nonsense after a name": (
        Result.NO_KEY,
        [
            "ssh_dispatch_run_fatal: Connection from authenticating user gateway 127.0.0.1 port 52138: incorrect signature"
        ],
    ),
    "a reset": (Result.NO_LOGIN, ["Connection reset by 127.0.0.1 port 52138 [preauth]"]),
    "an old client": (
        Result.NO_AGREEMENT,
        [
            "Unable to negotiate with 127.0.0.1 port 52138: no matching cipher found. Their offer: aes128-cbc [preauth]",
        ],
    ),
    "one that sleeps": (Result.NO_LOGIN, ["fatal: Timeout before authentication for 127.0.0.1 port 52138"]),
    "nothing more": (Result.NO_LOGIN, []),
}


@pytest.mark.parametrize("case", REAL)
def test_a_connection_comes_out_once_as_what_it_was(case: str) -> None:
    expected, messages = REAL[case]
    assert result(*messages) is expected


def test_a_partner_is_known_by_its_key_and_a_stranger_has_no_name() -> None:
    (attempt,) = came_out(OPENED, ACCEPTED)
    assert attempt == Attempt(Login(Result.ACCEPTED, "DWP", OURS), "127.0.0.1")
    (attempt,) = came_out(OPENED, FAILED)
    assert attempt.login == Login(Result.WRONG_KEY)


def test_a_key_that_is_nobodys_any_more_is_still_a_login() -> None:
    """The moment between a reload and the messages of sshd before it."""
    (attempt,) = came_out(ACCEPTED.replace(OURS, STRANGERS))
    assert attempt.login == Login(Result.ACCEPTED)


def test_a_login_by_ipv6_is_one_as_well() -> None:
    peer = "fe80::1%eth0 port 52138"
    (attempt,) = came_out(
        f'Connection from {peer} on ::1 port 22 rdomain ""',
        f"Accepted publickey for gateway from {peer} ssh2: ED25519 {OURS}",
    )
    assert attempt == Attempt(Login(Result.ACCEPTED, "DWP", OURS), "fe80::1%eth0")
    (attempt,) = came_out(
        f'Connection from {peer} on ::1 port 22 rdomain ""',
        f"ssh_dispatch_run_fatal: Connection from invalid user x {peer}: incomplete message [preauth]",
    )
    assert attempt.login.result is Result.UNKNOWN_USER


def test_a_connection_that_sshd_has_no_room_for_is_told_as_dropped() -> None:
    (attempt,) = came_out("drop connection #141 from [192.0.2.7]:53352 on [127.0.0.1]:42115 past MaxStartups")
    assert attempt == Attempt(Login(Result.DROPPED), "192.0.2.7")


# -- what strangers choose

FORGED = f"Accepted publickey for gateway from 192.0.2.7 port 5 ssh2: ED25519 {OURS}"
NAMES = [
    "x from 192.0.2.7 port 5",
    "gateway from 192.0.2.7 port 5 ssh2",
    f"x\n{FORGED}",
    f"x\r\n{FORGED}\r\n",
    FORGED,
    "authenticating user gateway 192.0.2.7 port 5 [preauth]",
    "",
    " ",
    "invalid user x",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "message",
    [
        "Invalid user {name} from 127.0.0.1 port 52138",
        f"Failed publickey for invalid user {{name}} from 127.0.0.1 port 52138 ssh2: ED25519 {STRANGERS}",
        "Connection closed by invalid user {name} 127.0.0.1 port 52138 [preauth]",
        "maximum authentication attempts exceeded for invalid user {name} from 127.0.0.1 port 52138 ssh2 [preauth]",
    ],
)
def test_no_user_name_passes_for_anything_but_an_unknown_user_of_its_own_connection(message: str, name: str) -> None:
    other = OPENED.replace("127.0.0.1 port 52138", "192.0.2.7 port 5")
    found = came_out(OPENED, other, message.format(name=name))
    assert {(each.address, each.login.result) for each in found} == {
        ("127.0.0.1", Result.UNKNOWN_USER),
        ("192.0.2.7", Result.NO_LOGIN),
    }


@pytest.mark.parametrize("words", [FORGED, f"\n{FORGED}", f"\r\n{FORGED}\r\n", "x from 192.0.2.7 port 5"])
@pytest.mark.parametrize(
    "message",
    [
        "Unable to negotiate with 127.0.0.1 port 52138: no matching key exchange method found. Their offer: {} [preauth]",
        'kex_exchange_identification: client sent invalid protocol identifier "{}"',
        "Received disconnect from 127.0.0.1 port 52138:11: {} [preauth]",
        "error: {}",
    ],
)
def test_no_word_of_a_stranger_is_taken_for_sshds(message: str, words: str) -> None:
    found = came_out(OPENED, message.format(words))
    assert [each.address for each in found] == ["127.0.0.1"]
    assert found[0].login.result in (Result.NO_LOGIN, Result.NO_AGREEMENT)


OPENS = "Connection from 127.0.0.1 port {port} on 127.0.0.1 port 22"
ACCEPTS = "Accepted publickey for gateway from 127.0.0.1 port {port} ssh2: ED25519 {key}"
ENDS = (
    "Connection closed by authenticating user gateway 127.0.0.1 port {port} [preauth]",
    "Unable to negotiate with 127.0.0.1 port {port}: {word} [preauth]",
)
DROPS = "drop connection #1 from [127.0.0.1]:{port} on [127.0.0.1]:22 past MaxStartups"
SHOWS = (
    "Failed publickey for gateway from 127.0.0.1 port {port} ssh2: ED25519 {key}",
    "Invalid user {word} from 127.0.0.1 port {port}",
    "error: {word}",
)
SAID = st.tuples(
    st.sampled_from([OPENS, ACCEPTS, *ENDS, DROPS, *SHOWS]),
    st.integers(1, 6),
    st.sampled_from([OURS, STRANGERS]),
    st.text(max_size=20) | st.sampled_from(NAMES),
)


@given(st.lists(SAID, max_size=60))
def test_whatever_is_said_every_connection_comes_out_once(said: list[tuple[str, int, str, str]]) -> None:
    connections = Connections(OWNERS)
    heard, expected, following = 0, 0, set[int]()
    for shape, port, key, word in said:
        heard += sum(1 for _ in connections.read(shape.format(port=port, key=key, word=word), 0.0))
        # A success counts also where nobody heard its connection open.
        expected += shape in (OPENS, DROPS) or (shape == ACCEPTS and port not in following)
        if shape == OPENS:
            following.add(port)
        elif shape == ACCEPTS or shape in ENDS:
            following.discard(port)
        assert len(connections) == len(following)
    assert heard + sum(1 for _ in connections.end()) == expected


# -- bounds


def test_what_is_never_heard_of_again_comes_out_after_its_grace() -> None:
    connections = Connections(OWNERS)
    assert list(connections.read(OPENED, 100.0)) == []
    assert list(connections.read(FAILED, 101.0)) == []
    assert list(connections.overdue(100.0 + GRACE)) == []
    (attempt,) = connections.overdue(100.1 + GRACE)
    assert attempt.login.result is Result.WRONG_KEY
    assert len(connections) == 0


def test_no_number_of_connections_takes_more_than_its_bound_and_none_goes_uncounted() -> None:
    connections = Connections(OWNERS)
    told = 0
    for number in range(MOST + 500):
        opened = f"Connection from 192.0.2.{number % 200} port {number} on 127.0.0.1 port 22"
        told += sum(1 for _ in connections.read(opened, 0.0))
    assert (told, len(connections)) == (500, MOST)
    assert sum(1 for _ in connections.end()) == MOST
