"""Channels of `[notify]`: what may be one, and what a sysadmin reads where it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings.home import Home
from gateway.settings.notify import NotifySettings, WebhookChannel
from gateway.settings.read import examine
from gateway.settings.write import render_gateway_toml

MAIL = 'host = "mail.example"\nsender = "gateway@example.gov.uk"\nrecipients = ["a@example.gov.uk"]\n'


@pytest.mark.parametrize(
    "url", ["https://desk.example/x?y=1", "https://desk.example:8443", "https://[::1]:8443/x", "https://192.0.2.1/"]
)
def test_a_webhook_s_address_names_one_server(url: str) -> None:
    host, port = WebhookChannel(url=url).server
    assert host in url
    assert port in (443, 8443)


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example/x", "https://", "https://:443/", "https://user:word@desk.example/", "https://desk.example:0/",
        "https://desk.example:99999/", "https://desk.example:x/", "https://desk..example/", "https://desk.example/#part",
        "https://desk.example/\r\nHost: x", f"https://{'a' * 64}.example/",
    ],
)  # fmt: skip
def test_another_address_is_none(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookChannel(url=url)


@pytest.mark.parametrize(
    "said",
    [
        {"sender": "gateway"}, {"recipients": []}, {"recipients": ["a@example.gov.uk\r\nBcc: b@example.gov.uk"]},
        {"recipients": ["a b@example.gov.uk"]}, {"tls": "none"}, {"events": []}, {"level": "critical"}, {"port": 0},
    ],
)  # fmt: skip
def test_what_is_no_mail_channel_is_refused(said: dict[str, object]) -> None:
    about: dict[str, object] = {
        "host": "mail.example",
        "sender": "g@example.gov.uk",
        "recipients": ["a@example.gov.uk"],
    }
    NotifySettings.model_validate({"mail": {"ops": about}})
    with pytest.raises(ValidationError):
        NotifySettings.model_validate({"mail": {"ops": about | said}})


def test_a_fault_of_a_channel_names_its_line_its_table_and_what_it_must_be(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config.mkdir()
    text = render_gateway_toml(code="DWP", name="DWP", fingerprint="0" * 40, host="::1", port=1, user="gw")
    head = len(text.splitlines())
    text += f"[notify.mail.ops]\n{MAIL}port = 0\ntsl = 1\n[notify.mail.Ops]\n{MAIL}"
    text += "[notify.webhook.desk]\nlevel = 5\n"
    home.gateway_toml.write_text(text, "utf-8")
    faults = [str(fault) for fault in examine(home)[1]]
    kinds = 'one of "info", "warning" and "error"'
    named = "small letters, digits and `-` that begins with a letter, at most 32 long"
    address = "an address that begins with https://, without name or password in it, in quotes"
    assert faults == [
        f"config/gateway.toml:{head + 5}: [notify.mail.ops] port: must be a whole number from 1 to 65535 (got 0)",
        f"config/gateway.toml:{head + 6}: [notify.mail.ops] tsl: is not known here; did you mean `tls`?",
        f"config/gateway.toml:{head + 7}: [notify.mail.Ops]: must have a name of {named}",
        f"config/gateway.toml:{head + 11}: [notify.webhook.desk] url: is missing; it must be {address}",
        f"config/gateway.toml:{head + 12}: [notify.webhook.desk] level: must be {kinds} (got 5)",
    ]


def test_names_of_two_kinds_of_channel_do_not_meet() -> None:
    found = NotifySettings.model_validate(
        {
            "mail": {"x": {"host": "m", "sender": "g@example.gov.uk", "recipients": ["a@example.gov.uk"]}},
            "webhook": {"x": {"url": "https://x"}},
        }
    )
    assert list(found.channels) == ["mail-x", "webhook-x"]
