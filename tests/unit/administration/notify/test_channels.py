"""Notices go to real servers over TLS alone, signed or with a log-in, and every way to fail has words that hold nothing personal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.administration.notify import channels
from gateway.administration.notify.channels import key_of, send
from gateway.administration.notify.notice import Line, Notice
from gateway.errors import NoticeFailed, SecretExposed
from gateway.settings.home import Home
from gateway.settings.notify import MailChannel, WebhookChannel
from gateway.settings.secrets import Secrets
from tests.fakes.notice_servers import PASSWORD, USER, Certificate, made_certificate, mail_server, web_server

NOW = 1_795_000_000.0
KEY = b"k" * 32
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
LINE = Line(
    "consignment.quarantined", "E09000030", "signature-bad", 3, ("claim",),
    "2026-11-21T10:00:00.000Z", "2026-11-21T10:20:00.000Z",
)  # fmt: skip
NOTICE = Notice("019adf00-0000-7000-8000-000000000000", "DWP", "urgent", "2026-11-21T10:21:00.000Z", (LINE,))
TO = ("operations@example.gov.uk", "nobody@example.gov.uk")

# aiosmtpd does not count TLS from the first byte as TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    home = Home(tmp_path)
    home.notify.mkdir(parents=True)
    for name, content in (("mail", PASSWORD), ("hook", SECRET)):
        path = home.notify / f"{name}.secret"
        path.write_text(f"{content}\n", "utf-8")
        path.chmod(0o600)
    return Secrets(home)


def mail(certificate: Certificate, port: int, **said: object) -> MailChannel:
    about = {"host": "127.0.0.1", "port": port, "user": USER, "ca_file": str(certificate.pem)}
    return MailChannel.model_validate(
        about | {"sender": "gateway@example.gov.uk", "recipients": TO[:1], "tls": "starttls"} | said
    )


def hook(certificate: Certificate, port: int, **said: object) -> WebhookChannel:
    about = {"url": f"https://localhost:{port}/hook?team=2", "ca_file": str(certificate.pem)}
    return WebhookChannel.model_validate(about | said)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_mail_goes_over_tls_after_a_log_in_and_says_where_the_desk_aid_is(
    certificate: Certificate, secrets: Secrets, tls: str
) -> None:
    with mail_server(certificate, implicit=tls == "implicit") as server:
        assert send(mail(certificate, server.port, tls=tls), "mail", NOTICE, secrets, NOW) == 0
    (message,) = server.messages
    assert (message["Subject"], message["Auto-Submitted"]) == ("Gateway DWP: 3 errors", "auto-generated")
    assert message["Message-ID"] == f"<{NOTICE.id}@example.gov.uk>"
    assert server.recipients == [TO[0]]
    text = message.get_content().replace("\r\n", "\n")
    assert (
        "ERROR: consignment locked away [signature-bad]\n  consignment.quarantined, 3 times, E09000030 claim\n" in text
    )
    assert "docs/operators/quarantine.md" in text


def test_recipients_that_the_server_refuses_are_counted_and_all_of_them_are_a_failure(
    certificate: Certificate, secrets: Secrets
) -> None:
    with mail_server(certificate) as server:
        assert send(mail(certificate, server.port, recipients=TO), "mail", NOTICE, secrets, NOW) == 1
        with pytest.raises(NoticeFailed, match="none of the recipients"):
            send(mail(certificate, server.port, recipients=TO[1:]), "mail", NOTICE, secrets, NOW)
    assert server.recipients == [TO[0]]


def test_a_mail_server_without_tls_gets_neither_the_password_nor_the_message(
    certificate: Certificate, secrets: Secrets
) -> None:
    with mail_server(None) as server:
        with pytest.raises(NoticeFailed, match="no STARTTLS"):
            send(mail(certificate, server.port), "mail", NOTICE, secrets, NOW)
        with pytest.raises(NoticeFailed, match="TLS failed"):
            send(mail(certificate, server.port, tls="implicit"), "mail", NOTICE, secrets, NOW)
    assert server.messages == []


def test_a_wrong_password_a_strange_certificate_and_no_server_are_told_apart(
    certificate: Certificate, secrets: Secrets, tmp_path: Path
) -> None:
    other = made_certificate(tmp_path)
    with mail_server(certificate) as server:
        for channel, said in (
            (mail(certificate, server.port, user="somebody"), "log-in was refused: 535"),
            (mail(certificate, server.port, tls="implicit"), "TLS failed"),
            (mail(other, server.port), "certificate is refused"),
            (mail(certificate, server.port, ca_file=str(tmp_path / "none.pem")), "`ca_file` cannot be read"),
        ):
            with pytest.raises(NoticeFailed, match=said):
                send(channel, "mail", NOTICE, secrets, NOW)
    with pytest.raises(NoticeFailed, match="no connection: Connection refused"):
        send(mail(certificate, server.port), "mail", NOTICE, secrets, NOW)
    with web_server(certificate) as web, pytest.raises(NoticeFailed, match="certificate is refused"):
        send(hook(other, web.port), "hook", NOTICE, secrets, NOW)
    assert web.requests == []


def test_a_webhook_is_signed_over_id_time_and_body_as_standard_webhooks_has_it(
    certificate: Certificate, secrets: Secrets
) -> None:
    with web_server(certificate) as server:
        assert send(hook(certificate, server.port), "hook", NOTICE, secrets, NOW) == 0
    ((path, headers, body),) = server.requests
    assert path == "/hook?team=2"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (NOTICE.id, "1795000000")
    content = json.loads(body)
    assert (content["version"], content["site"], content["kind"], content["more"]) == (1, "DWP", "urgent", 0)
    assert content["events"][0] == {
        "level": "error", "sentence": "consignment locked away", "desk_aid": "docs/operators/quarantine.md",
        "event": "consignment.quarantined", "partner": "E09000030", "code": "signature-bad", "count": 3,
        "flows": ["claim"], "first": "2026-11-21T10:00:00.000Z", "last": "2026-11-21T10:20:00.000Z",
    }  # fmt: skip


def test_the_signature_is_that_of_the_example_that_standard_webhooks_publishes() -> None:
    """Source: the specification's own test vector, as its reference libraries have it."""
    identity, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    headers = channels.signed_headers(identity, 1614265330.7, body, key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [302, 400, 410, 500, 503])
def test_a_webhook_that_is_not_taken_is_a_failure_and_no_redirection_is_followed(
    certificate: Certificate, secrets: Secrets, status: int
) -> None:
    with web_server(certificate) as server:
        server.status = status
        with pytest.raises(NoticeFailed, match=f"status {status}"):
            send(hook(certificate, server.port), "hook", NOTICE, secrets, NOW)
    assert len(server.requests) == 1


def test_a_server_that_says_nothing_is_given_up(
    certificate: Certificate, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "ANSWER_SECONDS", 0.2)
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for channel, name in (
            (mail(certificate, silent.getsockname()[1]), "mail"),
            (hook(certificate, silent.getsockname()[1]), "hook"),
        ):
            with pytest.raises(NoticeFailed, match="no answer"):
                send(channel, name, NOTICE, secrets, NOW)


def test_a_password_that_is_not_ascii_is_told_and_not_shown(certificate: Certificate, secrets: Secrets) -> None:
    secrets.of_channel("mail").write_text("£5 correct horse", "utf-8")
    with mail_server(certificate) as server, pytest.raises(NoticeFailed, match="not ASCII") as failed:
        send(mail(certificate, server.port), "mail", NOTICE, secrets, NOW)
    assert "horse" not in str(failed.value)


def test_a_secret_that_is_missing_open_or_none_is_refused_before_anybody_is_called(
    certificate: Certificate, secrets: Secrets
) -> None:
    channel, path = hook(certificate, 9), secrets.of_channel("hook")
    for content, said in (
        ("", "is empty"),
        ("whsec_!!", "not whsec_"),
        ("whsec_a2V5", "not whsec_"),
        (base64.b64encode(KEY).decode(), "not whsec_"),
    ):
        path.write_text(content, "utf-8")
        with pytest.raises(NoticeFailed, match=said):
            send(channel, "hook", NOTICE, secrets, NOW)
    path.chmod(0o644)
    with pytest.raises(SecretExposed, match=r"state/notify/hook\.secret: its mode is 0644"):
        send(channel, "hook", NOTICE, secrets, NOW)
    path.unlink()
    with pytest.raises(NoticeFailed, match=r"state/notify/hook\.secret cannot be read: No such file"):
        send(channel, "hook", NOTICE, secrets, NOW)
