"""docs/operators/people.md at work: its own commands on a real site, with the real cost of a password; and what they open and end."""

from __future__ import annotations

import io
import random
import re
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyotp

from gateway.administration.credentials import links, sessions, signing_in
from gateway.administration.credentials.context import CredentialContext, credentials
from gateway.administration.credentials.signing_in import Attempt
from gateway.administration.site.settings import load
from gateway.demo import consoles as demo_consoles
from gateway.demo import left_open
from gateway.demo.script import once_more
from gateway.demo.sites import DemoSite
from gateway.domain.people import PersonRole, Right, may
from gateway.domain.requests import Act
from gateway.logs import configure
from gateway.sample.catalog import samplers
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import ROOT, Site, two_sites

PAGE = (ROOT / "docs" / "operators" / "people.md").read_text("utf-8")
COMMANDS = [line.strip() for block in re.findall(r"(?ms)^ *```\n(.*?)^ *```$", PAGE) for line in block.splitlines()]
PASSWORD = "kettle upon a violet mountain"  # noqa: S105 - of this test


@contextmanager
def console(site: Site, clock: list[float]) -> Iterator[CredentialContext]:
    """The site's credentials, as the console has them, by a clock that the test moves on for the codes."""
    log = configure(site.code, "console", stream=io.BytesIO(), strict=True)
    with credentials(load(site.home), log, lambda: time.time() + clock[0]) as context:
        yield context


def test_the_desk_aid_does_what_it_says(tmp_path: Path) -> None:
    first, link, second, more, suspend, resume, remove, listed = [shlex.split(line)[1:] for line in COMMANDS]
    with two_sites(tmp_path) as (dwp, _):
        dwp.edit_config("console", address="https://gateway.example.gov.uk")
        dwp.gateway("config", "check")
        dwp.gateway(*first)
        address = dwp.gateway(*link).stdout.strip()
        found = re.fullmatch(r"https://gateway\.example\.gov\.uk/start/([0-9a-f]{64})", address)
        assert found is not None
        dwp.gateway(*second)
        assert "operator" not in dwp.gateway(*second, check=False).stdout, "a user id is given once"
        clock = [0.0]
        with console(dwp, clock) as context:
            # The administrator's first password, and a session.
            start = links.start(context, found[1])
            otp = pyotp.TOTP(start.secret)
            links.use(context, found[1], PASSWORD, otp.at(int(context.clock())))
            clock[0] += 30
            attempt = Attempt(start.person.user, PASSWORD, otp.at(int(context.clock())), "192.0.2.1")
            _, session = signing_in.sign_in(context, attempt)
            assert may(session.person, Right.PEOPLE)
            assert not may(session.person, Right.OPEN)

            # The assessor: rights and session end with the command that suspends, and stay ended.
            again = dwp.json("people", "link", "hb2210", "--reason", "first password", "--json")["link"]
            token = again.rpartition("/")[2]
            otp = pyotp.TOTP(links.start(context, token).secret)
            links.use(context, token, PASSWORD, otp.at(int(context.clock())))
            clock[0] += 30
            attempt = Attempt("hb2210", PASSWORD, otp.at(int(context.clock())), "192.0.2.1")
            signed, session = signing_in.sign_in(context, attempt)
            assert may(session.person, Right.OPEN)
            dwp.gateway(*suspend)
            assert sessions.look(context, signed) is None
            dwp.gateway(*resume)
            assert sessions.look(context, signed) is None

            dwp.gateway(*more)
            clock[0] += 30
            attempt = Attempt("hb2210", PASSWORD, otp.at(int(context.clock())), "192.0.2.1")
            signed, session = signing_in.sign_in(context, attempt)
            assert may(session.person, Right.CHECK)
            dwp.gateway(*remove)
            assert sessions.look(context, signed) is None

        people = {person["user"]: person for person in dwp.json(*listed, "--json")}
        assert (people["hb2210"]["state"], people["hb2210"]["roles"]) == ("left", [])
        assert people["hb1042"]["roles"] == ["administrator"]
        assert dwp.json("audit", "verify", "--json")["faults"] == []
        store = dwp.home.console_store
        assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(store.stat().st_mode) == 0o600
        assert b"$argon2id$v=19$m=65536,t=3,p=4$" in b"".join(each.read_bytes() for each in store.parent.iterdir())
        assert not any(PASSWORD.encode() in each.read_bytes() for each in store.parent.iterdir())


def test_people_of_the_demonstration_are_one_of_each_role_and_two_where_it_takes_two(tmp_path: Path) -> None:
    with copied_pair(tmp_path) as (dwp, _):
        site = DemoSite(dwp.code, dwp.home)
        demo_consoles.prepare([site])
        found = demo_consoles.people([site])
        with console(dwp, [0.0]) as context:
            persons = [links.start(context, each.link.rpartition("/")[2]).person for each in found]
        assert [(each.user, {each.role}) for each in found] == [(each.user, set(each.roles)) for each in persons]
        assert {each.address for each in found} == {load(dwp.home).console.origin}
        assert len(load(dwp.home).continuity.tell) == 2
        for right in {act.right for act in Act if act.people > 1}:
            assert sum(may(person, right) for person in persons) >= 2, right
        assert {role for person in persons for role in person.roles} == set(PersonRole)


def test_the_demonstration_leaves_a_held_file_one_in_quarantine_and_a_check(tmp_path: Path) -> None:
    makers, today = samplers(), datetime.now(UTC).date()
    with two_sites(tmp_path) as (dwp, la):
        demo_consoles.people([DemoSite(dwp.code, dwp.home)])
        la.edit_config("flows.extract", settle_seconds=0.5)
        for site in (dwp, la):
            site.start()
        given = makers["extract"].make(sender=la.code, recipient="DWP", index=1, random=random.Random(1), today=today)
        la.drop("extract", "DWP", given.name, given.content)
        la.wait_for(given.name, "receipted")
        first = once_more(makers, today, la.code, "first")
        dwp.drop("claim", la.code, first.name, first.content)
        dwp.wait_for(first.name, "receipted")
        left_open.leave(makers, DemoSite(dwp.code, dwp.home), la.code, today, 60.0)
        assert [row["code"] for row in dwp.rows() if row["state"] == "held"] == ["suspected-duplicate"]
        assert [row["code"] for row in dwp.json("quarantine", "list")] == ["landing-unexpected"]
        (check,) = dwp.json("checks")
        assert (check["user"], check["state"]) == (left_open.OPENER, "drawn")
        assert [row["state"] for row in la.rows() if row["direction"] == "in"] == ["delivered", "delivered"]
        dwp.gateway("audit", "verify")
