"""One attempt at a time, which can be left: a server that never ends an attempt holds neither the role nor memory."""

from __future__ import annotations

import threading
import time

import pytest

from gateway.administration.notify import sending
from gateway.administration.notify.notice import Notice
from gateway.administration.notify.sending import Sender
from gateway.errors import NoticeFailed
from gateway.settings.notify import Channel, WebhookChannel

CHANNEL = WebhookChannel(url="https://desk.example/x")
NOTICE = Notice("019adf00-0000-7000-8000-000000000000", "DWP", "test", "2026-11-21T10:21:00.000Z")


class Server:
    """Takes what is sent once it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.lets = threading.Event()
        self.asked = 0
        self.error = error

    def __call__(self, _channel: Channel, _name: str, _notice: Notice, _now: float) -> int:
        self.asked += 1
        assert self.lets.wait(20)
        if self.error is not None:
            raise self.error
        return 1


def test_what_was_sent_and_what_failed_comes_back_to_whoever_waits() -> None:
    server = Server()
    server.lets.set()
    assert Sender(server, lambda: False)(CHANNEL, "a", NOTICE, 0.0) == 1
    for error in (NoticeFailed("no"), ValueError("a defect")):
        server.error = error
        with pytest.raises(type(error)):
            Sender(server, lambda: False)(CHANNEL, "a", NOTICE, 0.0)


def test_a_role_that_is_to_stop_waits_a_little_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "STOP_SECONDS", 0.2)
    server, started = Server(), time.monotonic()
    with pytest.raises(NoticeFailed, match="is to stop"):
        Sender(server, lambda: True)(CHANNEL, "a", NOTICE, 0.0)
    assert time.monotonic() - started < 10
    server.lets.set()


def test_an_attempt_that_never_ends_is_left_and_no_second_one_is_made_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "MOST_SECONDS", 0.1)
    server = Server()
    sender = Sender(server, lambda: False)
    with pytest.raises(NoticeFailed, match="too long"):
        sender(CHANNEL, "a", NOTICE, 0.0)
    with pytest.raises(NoticeFailed, match="an attempt before"):
        sender(CHANNEL, "a", NOTICE, 0.0)
    assert server.asked == 1
    monkeypatch.setattr(sending, "MOST_SECONDS", 20.0)
    server.lets.set()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert sender(CHANNEL, "a", NOTICE, 0.0) == 1
            break
        except NoticeFailed:
            time.sleep(0.01)
    assert server.asked == 2
