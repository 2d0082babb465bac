"""What auditors of the console ask of the vault: who may, one at a time, answers of a process that ends as it should or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from gateway.domain.people import PersonRole
from gateway.domain.requests import Act, RequestState
from gateway.errors import RightMissing, UsageWrong
from gateway.ledger import people, requests
from gateway.ledger.queries import statements, verifications
from gateway.ledger.queries.events import events_of
from gateway.ledger.units import Request
from gateway.stages.timers import proofs
from gateway.stages.timers.proofs import Proofs
from tests.acceptance.sites import claim
from tests.fakes.staff import ADMINISTRATOR, hire
from tests.fakes.two_ledgers import Bench, PretendedPgp, two_ledgers

VERIFIED = {"events": 7, "head": "a" * 64, "faults": 0, "first": None, "unseen": ["quarantine"]}
FAULTED = VERIFIED | {"faults": 3, "first": "row transfer x: somebody changed it"}
MADE = {
    "first": 1,
    "last": 9,
    "confirmed": 8,
    "by": "E09000030",
    "missing": ["a"],
    "keys": ["DWP=A"],
    "sha256": "b" * 64,
    "bytes": 12,
}


@pytest.fixture
def dwp(tmp_path: Path) -> Iterator[Bench]:
    with two_ledgers(tmp_path) as pair:
        hire(pair.dwp.ledger, "aud1", "aud2", role=PersonRole.AUDITOR)
        hire(pair.dwp.ledger, "op1", role=PersonRole.OPERATOR)
        pair.dwp.home.proofs.mkdir(parents=True, exist_ok=True)
        yield pair.dwp


def printing(answer: object) -> Callable[[str], subprocess.Popen[bytes]]:
    """A process that prints this, as the worker does."""
    return running(f"import sys; sys.stdout.buffer.write({orjson.dumps(answer)!r})")


def running(program: str) -> Callable[[str], subprocess.Popen[bytes]]:
    return lambda _request: subprocess.Popen([sys.executable, "-S", "-c", program], stdout=subprocess.PIPE)


def stage(bench: Bench, start: Callable[[str], subprocess.Popen[bytes]]) -> Proofs:
    return Proofs(bench.context, PretendedPgp(bench.settings.site.code), start, lambda: None)


def ask(bench: Bench, act: Act, subject: str = verifications.SUBJECT, user: str = "aud1") -> str:
    with bench.ledger.write() as transaction:
        return requests.ask(transaction, bench.context.new_id(), act, subject, user, "because of the test").id


def found(bench: Bench, identity: str) -> Request:
    with bench.ledger.read() as connection:
        return requests.find(connection, identity)


def ended(bench: Bench, at_work: Proofs, identity: str) -> Request:
    """The request, once its process has ended and the stage has made its next step."""
    for work in at_work._works.values():
        assert work.ended.wait(20)
    at_work.step()
    return found(bench, identity)


def answered(bench: Bench, act: Act, answer: object, subject: str = verifications.SUBJECT) -> Request:
    identity, at_work = ask(bench, act, subject), stage(bench, printing(answer))
    assert at_work.step().done == 1
    request = ended(bench, at_work, identity)
    at_work.close()
    return request


@pytest.mark.parametrize("answer", [VERIFIED, FAULTED])
def test_a_verification_is_an_event_with_who_asked_and_the_first_fault(dwp: Bench, answer: dict[str, object]) -> None:
    assert answered(dwp, Act.VERIFY, answer).state is RequestState.DONE
    with dwp.ledger.read() as connection:
        (one,) = verifications.page(connection, 10)
        (event,) = events_of(connection, [verifications.SUBJECT])
    assert (one.actor, one.events, one.faults, one.first) == ("aud1", 7, answer["faults"], answer["first"])
    assert one.unseen == ("quarantine",)
    assert event.event == ("verification.failed" if answer["faults"] else "verification.passed")


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import sys; sys.exit(3)", "proof-failed"),
        ("print('no answer')", "proof-failed"),
        ("print('{}')", "proof-failed"),
        ("print('[1]')", "proof-failed"),
        ("print('x' * 10_000_000)", "proof-failed"),
        ("""print('{"code":"audit-chain","reason":"it was cut","remedy":"stop","later":false}')""", "audit-chain"),
        ("""print('{"events":"many","head":1,"faults":"none","first":null,"unseen":[]}')""", "proof-failed"),
    ],
)
def test_a_process_that_ends_without_an_answer_is_a_refusal(dwp: Bench, program: str, code: str) -> None:
    identity, at_work = ask(dwp, Act.VERIFY), stage(dwp, running(program))
    at_work.step()
    request = ended(dwp, at_work, identity)
    assert (request.state, request.code) == (RequestState.REFUSED, code)
    with dwp.ledger.read() as connection:
        assert verifications.page(connection, 10) == []
    assert ask(dwp, Act.VERIFY), "another one can be asked for"
    at_work.close()


def test_one_verification_at_a_time_whoever_asks(dwp: Bench) -> None:
    identity = ask(dwp, Act.VERIFY)
    at_work = stage(dwp, running("import time; time.sleep(600)"))
    with pytest.raises(UsageWrong, match="not done yet"):
        ask(dwp, Act.VERIFY, user="aud2")
    at_work.step()
    with pytest.raises(UsageWrong, match="not done yet"):
        ask(dwp, Act.VERIFY, user="aud2")
    assert at_work.step().done == 0, "it is begun once"
    assert len(at_work._works) == 1
    other = stage(dwp, printing(VERIFIED))
    assert other.step().done == 0, "it belongs to the first"
    (work,) = at_work._works.values()
    at_work.close()
    assert work.process.returncode == -9, "the process ends with its role"
    assert found(dwp, identity).state is RequestState.ASKED, "and the next one begins anew"
    dwp.now += requests.LEASE_SECONDS + 1
    other.step()
    assert ended(dwp, other, identity).state is RequestState.DONE
    other.close()


def test_the_lease_of_a_long_verification_is_renewed(dwp: Bench) -> None:
    identity = ask(dwp, Act.VERIFY)
    at_work, other = stage(dwp, running("import time; time.sleep(600)")), stage(dwp, printing(VERIFIED))
    at_work.step()
    for _ in range(10):
        dwp.now += requests.LEASE_SECONDS / 2
        step = at_work.step()
        assert step.due is not None
        assert step.due <= dwp.now + requests.LEASE_SECONDS
        assert other.step().done == 0
    assert found(dwp, identity).state is RequestState.ASKED
    at_work.close()
    other.close()


def test_only_who_may_asks_and_the_right_is_asked_again_at_the_end(dwp: Bench) -> None:
    for act in (Act.VERIFY, Act.MAKE_STATEMENT, Act.EVIDENCE):
        with pytest.raises(RightMissing):
            ask(dwp, act, user="op1")
        with pytest.raises(RightMissing):
            ask(dwp, act, user="nobody")
    identity, at_work = ask(dwp, Act.VERIFY), stage(dwp, printing(FAULTED))
    at_work.step()
    with dwp.ledger.write() as transaction:
        people.suspend(transaction, "aud1", ADMINISTRATOR)
    request = ended(dwp, at_work, identity)
    assert (request.state, request.code) == (RequestState.REFUSED, RightMissing.code)
    with dwp.ledger.read() as connection:
        assert verifications.page(connection, 10) == []
    identity = ask(dwp, Act.VERIFY, user="aud2")
    with dwp.ledger.write() as transaction:
        people.suspend(transaction, "aud2", ADMINISTRATOR)
    started: list[str] = []

    def start(request: str) -> subprocess.Popen[bytes]:
        started.append(request)
        return printing(VERIFIED)(request)

    never = stage(dwp, start)
    never.step()
    assert started == [], "nothing is begun for somebody who may not"
    never.close()
    assert found(dwp, identity).state is RequestState.REFUSED
    at_work.close()


def test_evidence_is_about_a_transfer_and_its_file_goes_with_a_refusal_and_with_its_time(dwp: Bench) -> None:
    transfer = dwp.submit(*claim(1))

    def made(request: str) -> subprocess.Popen[bytes]:
        (dwp.home.proofs / f"{request}.zip").write_bytes(b"evidence 123")
        os.utime(dwp.home.proofs / f"{request}.zip", (dwp.now, dwp.now))
        return printing(MADE)(request)

    at_work = stage(dwp, made)
    identity = ask(dwp, Act.EVIDENCE, transfer)
    other = ask(dwp, Act.EVIDENCE, transfer, "aud2")
    assert at_work.step().done == 1, "one at a time"
    request = ended(dwp, at_work, identity)
    assert (request.state, request.kind, request.unit) == (RequestState.DONE, "transfer", transfer)
    with dwp.ledger.read() as connection:
        (event,) = [each for each in events_of(connection, [identity]) if each.event == "evidence.made"]
        assert not [each for each in events_of(connection, [transfer]) if each.event.startswith("evidence")]
    assert orjson.loads(event.detail)["transfer"] == transfer
    with dwp.ledger.write() as transaction:
        people.suspend(transaction, "aud2", ADMINISTRATOR)
    assert ended(dwp, at_work, other).state is RequestState.REFUSED
    assert [path.name for path in dwp.home.proofs.iterdir()] == [f"{identity}.zip"], "nobody gets what was refused"
    dwp.now += proofs.KEPT_SECONDS - 1
    at_work.step()
    assert list(dwp.home.proofs.iterdir())
    dwp.now += 61
    at_work.step()
    assert list(dwp.home.proofs.iterdir()) == []
    (dwp.home.proofs / "left.zip").write_bytes(b"")
    stage(dwp, made).close()
    assert list(dwp.home.proofs.iterdir()) == [], "and none outlives the role"
    at_work.close()


def test_what_a_full_disk_puts_off_waits_and_is_begun_again(dwp: Bench) -> None:
    full = {"code": "disk-full", "reason": "no room", "remedy": "make some", "later": True}
    identity, at_work = ask(dwp, Act.EVIDENCE, dwp.submit(*claim(1))), stage(dwp, printing(full))
    at_work.step()
    assert ended(dwp, at_work, identity).state is RequestState.ASKED
    assert at_work.step().done == 0, "not at once"
    dwp.now += requests.LEASE_SECONDS + 1
    assert at_work.step().done == 1
    at_work.close()


def test_a_statement_is_made_where_yesterday_has_none(dwp: Bench) -> None:
    dwp.submit(*claim(1))
    dwp.now += 86_400
    at_work = stage(dwp, printing(None))
    done = ask(dwp, Act.MAKE_STATEMENT, statements.OWN)
    assert at_work.step().done == 1
    assert found(dwp, done).state is RequestState.DONE
    with dwp.ledger.read() as connection:
        ((number, noted),) = statements.some(connection, 10)
        assert statements.numbered(connection, number) == noted
        assert statements.numbered(connection, number - 1) is None
    again = ask(dwp, Act.MAKE_STATEMENT, statements.OWN)
    at_work.step()
    assert (found(dwp, again).state, found(dwp, again).code) == (RequestState.REFUSED, UsageWrong.code)
    at_work.close()
