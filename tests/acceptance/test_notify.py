"""The desk aid on notices, followed at a site: its own commands, real servers with TLS, one that is down, a role that is killed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.copies import LA, copied_pair
from tests.acceptance.sites import Site, wait_until
from tests.fakes.notice_servers import (
    PASSWORD,
    USER,
    Certificate,
    MailServer,
    WebServer,
    made_certificate,
    mail_server,
    web_server,
)

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "operators" / "notices.md").read_text("utf-8")
NAME: Final = "Claim QQ 12 34 56 C.xml"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="takes openssl, which the desk aid uses")


@dataclass
class Told:
    """A site that tells, and who is told."""

    site: Site
    certificate: Certificate
    mail: MailServer
    web: WebServer
    stack: ExitStack

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.mail.messages]

    def counted(self, event: str) -> int:
        """How many of these events the mails count."""
        texts = [message.get_content() for message in self.mail.messages]
        return sum(int(number) for text in texts for number in re.findall(rf"{re.escape(event)}, (\d+) time", text))

    def posted(self) -> list[str]:
        """The events that the web server was told."""
        return [event["event"] for _, _, body in self.web.requests for event in json.loads(body)["events"]]


def blocks(kind: str = "") -> list[str]:
    """The page's blocks of that kind, without their margin."""
    found = re.findall(r"(?ms)^( *)```(\w*)\n(.*?)^ *```$", PAGE)
    return [
        "".join(line[len(margin) :] for line in text.splitlines(keepends=True))
        for margin, of_kind, text in found
        if of_kind == kind
    ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A site that runs and whose channels are switched on as the desk aid says; servers and addresses are those of this machine."""
    root = tmp_path_factory.mktemp("notices")
    certificate = made_certificate(root)
    with ExitStack() as stack:
        dwp, _ = stack.enter_context(copied_pair(root))
        servers = stack.enter_context(ExitStack())
        mail = servers.enter_context(mail_server(certificate))
        web = stack.enter_context(web_server(certificate))
        dwp.edit_config("daemon", rescan_seconds=0.5, workers=1)
        dwp.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
        dwp.edit_config("notify", digest_minutes=0.01, least_minutes=0.01)
        dwp.start()
        shown, *further = blocks("toml")
        assert all(tomllib.loads(each)["notify"] for each in further)
        tables = tomllib.loads(shown)["notify"]
        here = {"ca_file": str(certificate.pem)}
        about = tables["mail"]["operations"] | {"host": "localhost", "port": mail.port, "user": USER}
        dwp.edit_config("notify.mail.operations", **about, **here)
        about = tables["webhook"]["helpdesk"] | {"url": f"https://localhost:{web.port}/gateway"}
        dwp.edit_config("notify.webhook.helpdesk", **about, **here)
        secrets, commands, *_ = blocks()
        subprocess.run(["sh", "-e", "-c", secrets], input=PASSWORD, text=True, check=True, cwd=dwp.home.root)
        for command in commands.splitlines():
            said = dwp.gateway(*command.split()[1:])
            if "test" in command:
                assert re.findall(r": taken$", said.stdout, re.MULTILINE) == [": taken"] * 2
        wait_until(lambda: dwp.role("notify"), 60, "the notify role")
        yield Told(dwp, certificate, mail, web, servers)
        stack.callback(dwp.stop)


def test_a_test_came_by_both_ways_and_the_page_s_command_verifies_its_signature(told: Told, tmp_path: Path) -> None:
    assert told.subjects()[0] == "Gateway DWP: a test"
    path, headers, body = told.web.requests[0]
    assert (path, json.loads(body)["kind"]) == ("/gateway", "test")
    (tmp_path / "body.json").write_bytes(body)
    (tmp_path / "state").symlink_to(told.site.home.state)
    (verify,) = [block for block in blocks() if "openssl dgst" in block]
    given = f"id={headers['webhook-id']}; timestamp={headers['webhook-timestamp']}\n"
    done = subprocess.run(["sh", "-e", "-c", given + verify], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert headers["webhook-signature"] == f"v1,{done.stdout.strip()}"


def test_a_file_that_comes_back_is_told_by_mail_and_neither_its_name_nor_its_id(told: Told) -> None:
    told.site.drop("claim", LA, NAME, b"<wrong")
    sent = told.site.wait_for(NAME, "rejected", 60)
    wait_until(lambda: told.counted("transfer.rejected"), 60, "the mail")
    texts = [message.as_string() for message in told.mail.messages]
    assert any("transfer.rejected" in text and f"{LA} claim" in text and "returned-files.md" in text for text in texts)
    for text in texts:
        assert not re.search(r"QQ|12 34|\.xml", text)
        assert sent["id"] not in text
    assert "transfer.rejected" not in told.posted(), "the helpdesk asked for errors alone"


def test_what_happens_while_a_server_is_down_and_the_role_is_killed_is_told_once(told: Told) -> None:
    before = told.counted("transfer.rejected")
    told.stack.close()
    told.site.drop("claim", LA, f"1 {NAME}", b"<wrong 1")
    told.site.wait_for(f"1 {NAME}", "rejected", 60)
    wait_until(lambda: told.site.events("notice.deferred"), 60, "a failure")
    told.site.kill("notify")
    wait_until(lambda: told.site.role("notify"), 60, "another process of notify")
    told.site.drop("claim", LA, f"2 {NAME}", b"<wrong 2")
    told.site.wait_for(f"2 {NAME}", "rejected", 60)

    def waits() -> bool:
        listed = {each["channel"]: each for each in told.site.json("notify", "list")["channels"]}
        mail, web = listed["mail-operations"], listed["webhook-helpdesk"]
        assert web["failures"] == 0
        return bool(mail["failures"] and mail["others_since"] and mail["code"] == "notice-failed")

    wait_until(waits, 60, "the failure in the list")
    refused = told.site.gateway("notify", "test", "mail-operations", check=False)
    assert refused.returncode == 69
    assert "refused: no connection: Connection refused" in refused.stdout
    came = told.mail.messages
    told.mail = told.stack.enter_context(mail_server(told.certificate, port=told.mail.port))
    told.mail.messages[:0] = came
    wait_until(lambda: told.counted("transfer.rejected") >= before + 2, 60, "both")
    assert told.counted("transfer.rejected") == before + 2
    assert len({message["Message-ID"] for message in told.mail.messages}) == len(told.mail.messages)
    told.site.gateway("audit", "verify")


def test_a_disk_without_room_is_told_at_once_by_both_ways(told: Told) -> None:
    told.site.edit_config("limits", min_free_bytes=2**60)
    told.site.gateway("reload")
    wait_until(lambda: told.counted("intake.stopped") and "intake.stopped" in told.posted(), 60, "both")
    assert "Gateway DWP: 1 error" in told.subjects()
    told.site.edit_config("limits", min_free_bytes=2**20)
    told.site.gateway("reload")


def test_the_role_has_the_walls_that_it_says(told: Told) -> None:
    confined = [line for line in told.site.events("role.confined") if line["role"] == "notify"]
    ports = sorted((told.mail.port, told.web.port))
    said = f"connects to port {ports[0]}, {ports[1]} alone"
    assert {said, "connects anywhere: no Landlock for ports here"} & set(confined[-1]["measures"])
    assert "no core dumps" in confined[-1]["measures"]
