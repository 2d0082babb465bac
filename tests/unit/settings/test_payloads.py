"""`[payloads]`: where a site's files are kept beside this machine, and by which keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.errors import ConfigurationInvalid, SecretExposed
from gateway.settings.directories import make, site_directories
from gateway.settings.home import Home
from gateway.settings.payload_keys import access_key, read_key
from gateway.settings.payloads import PayloadsSettings
from gateway.settings.read import examine, load
from gateway.settings.secrets import Secrets
from gateway.settings.write import Value, change, render_gateway_toml, write_text


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "site")
    make(site_directories(made))
    return configured(made, {})


def configured(home: Home, payloads: dict[str, Value]) -> Home:
    text = render_gateway_toml(
        code="DWP", name="DWP", fingerprint="A" * 40, host="127.0.0.1", port=2222, user="gateway"
    )
    write_text(home.gateway_toml, change(text, "payloads", payloads) if payloads else text)
    return home


@pytest.mark.parametrize(
    ("url", "directory", "bucket"),
    [
        ("", None, None),
        ("file:///srv/shared/gateway-store", Path("/srv/shared/gateway-store"), None),
        ("s3://gateway-files", None, ("gateway-files", "")),
        ("s3://gateway-files/dwp/live/", None, ("gateway-files", "dwp/live")),
    ],
)
def test_a_store_is_a_directory_or_a_bucket(url: str, directory: Path | None, bucket: tuple[str, str] | None) -> None:
    said = PayloadsSettings(url=url)
    assert (said.directory, said.bucket, said.is_remote) == (directory, bucket, bucket is not None)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "/srv/store",
            "file://srv/store",
            "file:///",
            "file:///srv/../etc",
            "file:///srv/%2e%2e/etc",
            "file://host/srv",
        ),
        *(
            "s3://",
            "s3://A",
            "s3://key:secret@bucket",
            "s3://bucket/../other",
            "s3://bucket//x",
            "https://bucket.s3.org",
        ),
        *("s3://bucket?x=1", "file:///srv/a\nb"),
    ],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        PayloadsSettings(url=url)


@pytest.mark.parametrize(
    ("endpoint", "is_taken"),
    [
        ("https://s3.example.org:9000", True),
        ("http://127.0.0.1:9000", True),
        ("http://[::1]:9000", True),
        ("http://s3.example.org", False),
        ("https://key:secret@s3.example.org", False),
        ("https://s3.example.org/bucket", False),
        ("s3.example.org", False),
        ("ftp://s3.example.org", False),
        ("https://s3.example.org:99999", False),
    ],
)
def test_a_server_without_tls_is_one_of_this_machine(endpoint: str, *, is_taken: bool) -> None:
    if is_taken:
        assert PayloadsSettings(url="s3://bucket", endpoint=endpoint).endpoint == endpoint
        return
    with pytest.raises(ValidationError):
        PayloadsSettings(url="s3://bucket", endpoint=endpoint)


@pytest.mark.parametrize(
    ("payloads", "where"),
    [
        ({"url": "file:///srv/store", "endpoint": "https://s3.example.org"}, "[payloads] endpoint"),
        ({"url": "file:///srv/store", "server_side_encryption": "AES256"}, "[payloads] server_side_encryption"),
        ({"url": "s3://bucket", "kms_key": "alias/x"}, "[payloads] kms_key"),
        ({"url": "s3:/bucket"}, "[payloads] url"),
        ({"url": "file://{home}/store"}, "[payloads] url"),
        ({"url": "s3://bucket", "server_side_encryption": "aws:kms", "kms_key": "alias/x"}, None),
        ({"url": "", "endpoint": "https://s3.example.org"}, None),
    ],
)
def test_faults_are_told_with_their_line(home: Home, payloads: dict[str, str], where: str | None) -> None:
    configured(home, {name: value.format(home=home.root) for name, value in payloads.items()})
    _, faults = examine(home)
    assert [fault.where for fault in faults] == ([] if where is None else [where])
    assert all(fault.line > 0 and fault.file == "config/gateway.toml" for fault in faults)


def test_keys_are_read_only_where_they_are_closed(home: Home) -> None:
    settings = load(home)
    with pytest.raises(ConfigurationInvalid):
        read_key(settings, home.payload_key)
    home.payload_key.write_text("AGE-SECRET-KEY-1X\n", encoding="ascii")
    home.payload_key.chmod(0o640)
    with pytest.raises(SecretExposed):
        read_key(settings, home.payload_key)
    split = replace(settings, accounts=settings.accounts.model_copy(update={"split": True}))
    assert read_key(split, home.payload_key) == "AGE-SECRET-KEY-1X\n"
    home.payload_key.chmod(0o604)
    with pytest.raises(SecretExposed):
        read_key(split, home.payload_key)


def test_the_access_key_is_in_its_file_or_in_the_environment_and_nowhere_else(home: Home) -> None:
    settings, secrets = load(home), Secrets(home)
    with pytest.raises(ConfigurationInvalid):
        access_key(settings, secrets, {})
    named = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert access_key(settings, secrets, named) == ("AKIA", "secret", "")
    secrets.s3.write_text("OURS\nhidden\n", encoding="ascii")
    secrets.s3.chmod(0o600)
    assert access_key(settings, secrets, named) == ("OURS", "hidden", "")
    secrets.s3.write_text("OURS\n", encoding="ascii")
    with pytest.raises(ConfigurationInvalid):
        access_key(settings, secrets, named)
