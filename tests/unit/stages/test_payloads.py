"""What people of the console ask about bytes: uploads checked and sent once, payloads rendered, with real readers and a real ledger."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gateway.assembly import reading
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act, RequestState
from gateway.domain.shown import FINDINGS, KEPT_SECONDS, META, Kind, read_findings, read_form, read_shown, read_words
from gateway.domain.states import State
from gateway.domain.uploads import Upload, note
from gateway.errors import DiskFailed, EnvelopeTruncated, RightMissing, Unshown
from gateway.ledger import people, requests
from gateway.ledger.head_file import HeadFile
from gateway.ledger.queries import events, overview
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.store import Ledger
from gateway.ledger.units import Quarantined, Request, Transfer
from gateway.settings.model import Validation
from gateway.spool import uploads
from gateway.stages import showing, uploading
from gateway.stages.background_readers import BackgroundReaders
from gateway.stages.quarantine import locking_away, measure, quarantine_file
from gateway.stages.scanning import isolate, isolating
from gateway.stages.timers.payloads import Payloads
from gateway.stages.timers.requests import VAULT_ACTS, Requests
from gateway.storage.payloads import KeptFile
from tests.acceptance.sites import claim
from tests.fakes import bombs
from tests.fakes.staff import ADMINISTRATOR, hire
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

NAME, CONTENT = claim(1)
REASON = "the authority has called"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        for bench in (made.dwp, made.la):
            hire(bench.ledger, "j.smith", "b.jones")
            for directory in (bench.home.uploads, bench.home.shown):
                directory.mkdir(parents=True, exist_ok=True)
        yield made


@pytest.fixture
def dwp(pair: Pair) -> Bench:
    return pair.dwp


def stage(bench: Bench) -> Payloads:
    settings = replace(bench.settings, validation=Validation(test_numbers=True))
    return Payloads(replace(bench.context, settings=settings), reading.plans(settings))


def upload(bench: Bench, content: bytes = CONTENT, *, flow: str = "claim", name: str = NAME, **other: str) -> str:
    """What the console leaves of a file that somebody uploaded."""
    identity = bench.context.new_id()
    made = Upload(identity, "j.smith", flow, bench.other, name, len(content), bench.context.clock())
    made = replace(made, **other)  # type: ignore[arg-type]
    (bench.home.uploads / identity).write_bytes(content)
    (bench.home.uploads / f"{identity}.json").write_bytes(note(made))
    for path in bench.home.uploads.iterdir():
        os.utime(path, (bench.now, bench.now))
    return identity


def ask(bench: Bench, act: Act, subject: str, user: str = "j.smith") -> str:
    with bench.ledger.write() as transaction:
        return requests.ask(transaction, bench.context.new_id(), act, subject, user, REASON).id


def answered(bench: Bench, act: Act, subject: str, user: str = "j.smith") -> Request:
    identity = ask(bench, act, subject, user)
    with closing(stage(bench)) as at_work:
        assert work(at_work) == 1
    return found(bench, identity)


def work(at_work: Payloads, seconds: float = 30.0) -> int:
    """Step until nothing is under way any more; how many answers there were."""
    until, done = time.monotonic() + seconds, 0
    while True:
        step = at_work.step()
        done += step.done
        if not step.done and not at_work._running:
            return done
        assert time.monotonic() < until
        time.sleep(0.01)


def found(bench: Bench, identity: str) -> Request:
    with bench.ledger.read() as connection:
        return requests.find(connection, identity)


def transfers(bench: Bench) -> list[Transfer]:
    with bench.ledger.read() as connection:
        return list(overview.transfers(connection))


def test_an_upload_is_checked_by_the_rules_of_its_flow_and_stays(dwp: Bench) -> None:
    identity = upload(dwp)
    done = answered(dwp, Act.CHECK, identity)
    assert (done.state, done.kind, done.unit, done.became) == (RequestState.DONE, "upload", identity, "checked")
    findings = read_findings((dwp.home.shown / done.id / META).read_bytes())
    assert (findings.accepted, findings.total, findings.findings) == (True, 0, ())
    assert transfers(dwp) == []
    assert (dwp.home.uploads / identity).read_bytes() == CONTENT


def test_findings_of_an_upload_name_places_and_rules_and_no_value(dwp: Bench) -> None:
    name, content = claim(2, defect="date")
    done = answered(dwp, Act.CHECK, upload(dwp, content, name=name))
    findings = read_findings((dwp.home.shown / done.id / META).read_bytes())
    assert not findings.accepted
    assert "date" in {code for code, _, _ in findings.findings}


def test_a_file_for_another_authority_is_told_before_it_is_sent(dwp: Bench) -> None:
    name, content = claim(2, authority="E08000004")
    done = answered(dwp, Act.CHECK, upload(dwp, content, name=name))
    findings = read_findings((dwp.home.shown / done.id / META).read_bytes())
    assert [code for code, _, _ in findings.findings] == ["wrong-authority"]


def test_what_is_sent_twice_is_sent_once(dwp: Bench) -> None:
    identity = upload(dwp)
    first, second = ask(dwp, Act.SEND, identity), ask(dwp, Act.SEND, identity)
    at_work = stage(dwp)
    assert [at_work.step().done for _ in range(3)] == [1, 1, 0]
    assert [found(dwp, each).unit for each in (first, second)] == [identity, identity]
    assert {found(dwp, each).state for each in (first, second)} == {RequestState.DONE}
    (row,) = transfers(dwp)
    assert (row.id, row.name, row.size, row.state) == (identity, NAME, len(CONTENT), State.ADMITTED)
    assert (dwp.home.custody / identity).read_bytes() == CONTENT
    assert list(dwp.home.uploads.iterdir()) == []


def test_who_sent_it_is_in_the_event_of_its_admission(dwp: Bench) -> None:
    answered(dwp, Act.SEND, upload(dwp))
    with dwp.ledger.read() as connection:
        (admitted,) = [each for each in events.chain(connection) if each.event == "transfer.admitted"]
    assert json.loads(admitted.detail)["actor"] == "j.smith"


@pytest.mark.parametrize("moment", ["after the copy", "after the commit"])
def test_a_crash_sends_nothing_twice_and_loses_nothing_that_was_said_to_be_sent(
    dwp: Bench, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    identity = upload(dwp)
    asked = ask(dwp, Act.SEND, identity)
    if moment == "after the copy":
        monkeypatch.setattr(uploading, "record_admitted", _die)
    else:
        monkeypatch.setattr(uploads, "remove_upload", _die)
    with pytest.raises(InterruptedError):
        stage(dwp).step()
    monkeypatch.undo()
    assert found(dwp, asked).state == (RequestState.ASKED if moment == "after the copy" else RequestState.DONE)
    dwp.now += 60  # the lease of the process that died
    again = ask(dwp, Act.SEND, identity)
    at_work = stage(dwp)
    while at_work.step().done:
        pass
    assert {found(dwp, each).state for each in (asked, again)} == {RequestState.DONE}
    assert [row.id for row in transfers(dwp)] == [identity]
    assert (dwp.home.custody / identity).read_bytes() == CONTENT
    assert list(dwp.home.uploads.iterdir()) == []


def _die(*_: object, **__: object) -> None:
    raise InterruptedError("a crash")


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"user": "b.jones"}, "not-found"),
        ({"partner": "E06000001"}, "partner-unknown"),
        ({"flow": "outcome"}, "flow-not-permitted"),
        ({"name": "../etc/passwd"}, "file-name"),
    ],
)
def test_what_a_note_may_not_say_is_refused(dwp: Bench, other: dict[str, str], code: str) -> None:
    identity = upload(dwp, **other)  # type: ignore[arg-type]
    refused = answered(dwp, Act.SEND, identity)
    assert (refused.state, refused.code) == (RequestState.REFUSED, code)
    assert transfers(dwp) == []


def test_a_link_in_the_uploads_is_no_upload(dwp: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    identity = upload(dwp)
    (dwp.home.uploads / identity).unlink()
    (dwp.home.uploads / identity).symlink_to(secret)
    for act in (Act.CHECK, Act.SEND):
        assert answered(dwp, act, identity).code == "not-found"


def test_uploads_that_nobody_sends_are_removed_after_an_hour(dwp: Bench) -> None:
    identity = upload(dwp)
    at_work = stage(dwp)
    at_work.step()
    assert (dwp.home.uploads / identity).exists()
    dwp.now += uploads.KEPT_SECONDS + 61
    at_work.step()
    assert list(dwp.home.uploads.iterdir()) == []


def test_a_payload_in_custody_is_rendered_as_a_form_with_what_a_check_is_drawn_by(dwp: Bench) -> None:
    sent = dwp.submit(NAME, CONTENT)
    done = answered(dwp, Act.OPEN, sent)
    assert (done.state, done.unit, done.became) == (RequestState.DONE, sent, "rendered")
    directory = dwp.home.shown / done.id
    shown = read_shown((directory / META).read_bytes())
    assert (shown.kind, shown.pages, shown.total, shown.schema) == (Kind.FORM, 1, 1, "claim/1.0")
    (case,) = shown.cases
    assert case.birth is not None
    assert case.in_payment is not None
    labels = [node.label for node in read_form((directory / "page-1.json").read_bytes())]
    assert labels == ["Header", "Trailer", "Claim 1 of 1"]
    assert sorted(path.name for path in directory.iterdir()) == ["page-1.json", META]


def test_a_delivered_file_is_rendered_and_one_that_was_taken_away_is_said_to_be_gone(pair: Pair) -> None:
    pair.dwp.submit(NAME, CONTENT)
    pair.work()
    (row,) = transfers(pair.la)
    assert row.state == State.DELIVERED
    done = answered(pair.la, Act.OPEN, row.id)
    assert done.state == RequestState.DONE, done
    assert {path.name for path in (pair.la.home.shown / done.id).iterdir()} == {"page-1.json", META}
    (delivered,) = [path for path in pair.la.home.inbound.rglob("*") if path.is_file() and path.stat().st_size]
    delivered.write_bytes(b"something else")
    gone = answered(pair.la, Act.OPEN, row.id)
    assert (gone.state, gone.code) == (RequestState.REFUSED, "payload-gone")


@pytest.mark.parametrize("subject", ["nothing", "0190a0a0-0000-7000-8000-000000000000", "../../etc/passwd"])
def test_what_is_no_transfer_is_not_shown(dwp: Bench, subject: str) -> None:
    refused = answered(dwp, Act.OPEN, subject)
    assert (refused.state, refused.code) == (RequestState.REFUSED, "not-found")
    assert list(dwp.home.shown.iterdir()) == []


@pytest.mark.parametrize("bomb", sorted(bombs.XML))
def test_a_bomb_is_not_shown_and_leaves_nothing(dwp: Bench, bomb: str) -> None:
    sent = dwp.submit("bomb.xml", bombs.XML[bomb]())
    refused = answered(dwp, Act.OPEN, sent)
    assert (refused.state, refused.code) == (RequestState.REFUSED, "unshown")
    assert list(dwp.home.shown.iterdir()) == []


def test_whoever_lost_the_right_meanwhile_is_shown_nothing(dwp: Bench) -> None:
    sent = dwp.submit(NAME, CONTENT)
    identity = ask(dwp, Act.OPEN, sent)
    with dwp.ledger.write() as transaction:
        people.suspend(transaction, "j.smith", ADMINISTRATOR)
    stage(dwp).step()
    refused = found(dwp, identity)
    assert (refused.state, refused.code) == (RequestState.REFUSED, RightMissing.code)
    assert list(dwp.home.shown.iterdir()) == []


def test_renderings_go_after_minutes_and_when_the_role_starts(dwp: Bench) -> None:
    sent = dwp.submit(NAME, CONTENT)
    done = answered(dwp, Act.OPEN, sent)
    directory = dwp.home.shown / done.id
    os.utime(directory, (dwp.context.clock(), dwp.context.clock()))
    showing.sweep(dwp.home.shown, dwp.context.clock() + KEPT_SECONDS - 1)
    assert directory.exists()
    showing.sweep(dwp.home.shown, dwp.context.clock() + KEPT_SECONDS + 1)
    assert not directory.exists()
    done = answered(dwp, Act.OPEN, sent)
    assert (dwp.home.shown / done.id).exists()
    stage(dwp)
    assert list(dwp.home.shown.iterdir()) == []


@pytest.mark.parametrize("lie", ["a link", "another name", "a picture that is none", "no meta", "meta that lies"])
def test_a_reader_that_was_taken_over_shows_nothing(tmp_path: Path, lie: str) -> None:
    (tmp_path / META).write_bytes(
        b'{"kind":"form","pages":1,"first":1,"last":1,"total":1,"schema":null,"reference":null,"cases":[]}'
    )
    match lie:
        case "a link":
            (tmp_path / "page-1.json").symlink_to("/etc/passwd")
        case "another name":
            (tmp_path / "page-1.html").write_bytes(b"<script>")
        case "a picture that is none":
            (tmp_path / "page-1.png").write_bytes(b"<svg/>")
        case "no meta":
            (tmp_path / META).unlink()
        case _:
            (tmp_path / META).write_bytes(b"[" * 100_000)
    with pytest.raises(Unshown):
        showing._look_through(tmp_path)


# -- beside the role's other work


def slow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Event:
    """Renderings end once the event is set."""
    go_on, really = Event(), showing.render

    def render(*given: Any) -> None:
        assert go_on.wait(30)
        really(*given)

    monkeypatch.setattr(showing, "render", render)
    return go_on


def test_a_step_does_not_wait_for_what_is_being_rendered(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, identity = dwp.submit(NAME, CONTENT), upload(dwp)
    go_on = slow(dwp, monkeypatch)
    asked, woken = ask(dwp, Act.OPEN, sent), Event()
    settings = replace(dwp.settings, validation=Validation(test_numbers=True))
    with closing(Payloads(replace(dwp.context, settings=settings), reading.plans(settings), woken.set)) as at_work:
        step = at_work.step()
        assert step.done == 0
        assert step.due is not None, "the lease is to be renewed"
        also = ask(dwp, Act.SEND, identity)
        assert at_work.step().done == 1
        assert [found(dwp, each).state for each in (asked, also)] == [RequestState.ASKED, RequestState.DONE]
        assert not woken.is_set()
        go_on.set()
        assert woken.wait(30), "the role is woken"
        assert at_work.step().done == 1
    assert found(dwp, asked).state == RequestState.DONE


def test_two_are_read_at_once_one_of_each_person_and_people_wait_in_turns(
    dwp: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hire(dwp.ledger, "a.third")
    sent = dwp.submit(NAME, CONTENT)
    go_on = slow(dwp, monkeypatch)
    with dwp.ledger.write() as transaction:  # more than are looked at together
        many = [
            requests.ask(transaction, dwp.context.new_id(), Act.OPEN, sent, "j.smith", REASON).id for _ in range(600)
        ]
    others = [ask(dwp, Act.OPEN, sent, user) for user in ("b.jones", "a.third")]
    with closing(stage(dwp)) as at_work:
        at_work.step()
        assert set(at_work._running) == {many[0], others[0]}
        at_work.step()
        assert set(at_work._running) == {many[0], others[0]}, "no second one of anybody"
        go_on.set()
        order = []
        while found(dwp, others[1]).state is RequestState.ASKED:
            before = set(at_work._running)
            at_work.step()
            order += [each for each in at_work._running if each not in before]
        assert order[0] == others[1], "who has had no turn is next"
        assert found(dwp, many[2]).state is RequestState.ASKED


def test_what_takes_longer_than_a_lease_stays_with_its_role(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = dwp.submit(NAME, CONTENT)
    go_on = slow(dwp, monkeypatch)
    asked = ask(dwp, Act.OPEN, sent)
    with closing(stage(dwp)) as at_work:
        at_work.step()
        for _ in range(4):
            dwp.now += 12
            at_work.step()
            assert not requests.is_free(found(dwp, asked), "another", dwp.context.clock())
        go_on.set()
        assert work(at_work) == 1
    assert found(dwp, asked).state == RequestState.DONE


def test_a_role_that_stops_ends_its_readers_and_what_was_asked_is_done_by_the_next(
    dwp: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Event()
    pids: list[int] = []
    really = BackgroundReaders.sandbox

    @contextmanager
    def sandbox(readers: BackgroundReaders, plans: Any, limits: Any) -> Iterator[Any]:
        with really(readers, plans, limits) as made:
            made.start()
            pids.extend(made.pids)
            os.kill(pids[0], signal.SIGSTOP)  # it reads for ever
            begun.set()
            yield made

    monkeypatch.setattr(BackgroundReaders, "sandbox", sandbox)
    sent = dwp.submit(NAME, CONTENT)
    asked = ask(dwp, Act.OPEN, sent)
    at_work = stage(dwp)
    at_work.step()
    assert begun.wait(30)
    before = time.monotonic()
    at_work.close()
    assert time.monotonic() - before < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert found(dwp, asked).state == RequestState.ASKED
    monkeypatch.undo()
    dwp.now += 60
    with closing(stage(dwp)) as at_work:
        assert list(dwp.home.shown.iterdir()) == []
        assert work(at_work) == 1
    assert found(dwp, asked).state == RequestState.DONE


# -- what is in quarantine


def locked_file(bench: Bench, content: bytes, flow: str = "claim") -> Quarantined:
    """A file that the virus scanner objected to, as conclude locks it away."""
    sent = bench.submit(NAME, content, flow)
    (row,) = [each for each in transfers(bench) if each.id == sent]
    file = KeptFile(bench.home.custody / sent, row.sha256)
    with isolating(bench.context, {row.key: file}) as ids, bench.ledger.write() as transaction:
        isolate(transaction, row, ids[row.key], file.path, "Eicar-Test-Signature")
    with bench.ledger.read() as connection:
        return quarantined(connection)[0]


def locked_sealed(bench: Bench, content: bytes) -> Quarantined:
    """A sealed file that broke a rule."""
    path = bench.home.sealed_in / bench.other / f"{bench.context.new_id()}.pgp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    named = {"kind": "consignment", "stem": path.stem, "partner": bench.other}
    error = EnvelopeTruncated("it ends in the middle")
    with (
        locking_away(bench.context, [(path, measure(path))]) as (ready,),
        bench.ledger.write() as transaction,
    ):
        quarantine_file(bench.context, transaction, ready, error=error, **named)
    with bench.ledger.read() as connection:
        return quarantined(connection)[0]


def test_an_infected_file_is_rendered_beside_what_is_wrong_with_it_and_stays_locked_away(dwp: Bench) -> None:
    _, content = claim(2, defect="date")
    locked = locked_file(dwp, content)
    done = answered(dwp, Act.EXAMINE_FILE, locked.id)
    assert (done.state, done.kind, done.unit, done.became) == (
        RequestState.DONE, "quarantine", locked.id, "rendered"
    )  # fmt: skip
    directory = dwp.home.shown / done.id
    assert read_shown((directory / META).read_bytes()).kind is Kind.FORM
    findings = read_findings((directory / FINDINGS).read_bytes())
    assert not findings.accepted
    assert all(where for _, where, _ in findings.findings)
    assert "date" in {code for code, _, _ in findings.findings}
    assert (dwp.home.infected / locked.id).read_bytes() == content


@pytest.mark.parametrize("content", [b"MZ\x90no document at all", bombs.XML[min(bombs.XML)]()])
def test_of_what_no_reader_can_render_the_first_bytes_are_shown(dwp: Bench, content: bytes) -> None:
    done = answered(dwp, Act.EXAMINE_FILE, locked_file(dwp, content).id)
    directory = dwp.home.shown / done.id
    assert read_shown((directory / META).read_bytes()).kind is Kind.BYTES
    assert content[:16].hex(" ") in read_words((directory / "page-1.json").read_bytes())
    assert "No reader can render it" in read_findings((directory / FINDINGS).read_bytes()).note
    assert {path.name for path in directory.iterdir()} == {META, FINDINGS, "page-1.json"}


def test_of_a_sealed_file_the_vault_says_what_it_begins_as_and_opens_nothing(dwp: Bench) -> None:
    content = b"\x84\x5e\x03" + bytes(range(1, 9)) + b"\x01" + bytes(100)
    locked = locked_sealed(dwp, content)
    asked = ask(dwp, Act.EXAMINE_SEALED, locked.id)
    assert stage(dwp).step().done == 0, "inspect does not read it"
    Requests(dwp.context, "vault-requests", VAULT_ACTS).step()
    done = found(dwp, asked)
    assert (done.state, done.unit) == (RequestState.DONE, locked.id)
    assert "encrypted for the key 0102030405060708" in (done.became or "")
    assert list(dwp.home.shown.iterdir()) == []
    assert (dwp.home.quarantine / f"{locked.id}.sealed").read_bytes() == content


def test_only_who_may_examine_and_only_the_right_kind_by_its_whole_id(dwp: Bench) -> None:
    hire(dwp.ledger, "op", role=PersonRole.OPERATOR)
    hire(dwp.ledger, "chk", role=PersonRole.CHECKING_OFFICER)
    sealed, file = locked_sealed(dwp, b"x"), locked_file(dwp, CONTENT)
    for user in ("op", "chk"):
        for act in (Act.EXAMINE_FILE, Act.EXAMINE_SEALED):
            with pytest.raises(RightMissing):
                ask(dwp, act, file.id, user)
    sent = next(row.id for row in transfers(dwp))
    for subject in (sealed.id, sent, file.id[:8], f"{file.id}:0", "../../infected", "x" * 90):
        refused = answered(dwp, Act.EXAMINE_FILE, subject)
        assert refused.state is RequestState.REFUSED, subject
    at_work = Requests(dwp.context, "vault-requests", VAULT_ACTS)
    asked = [ask(dwp, Act.EXAMINE_SEALED, subject) for subject in (file.id, sealed.id[:8], "../../keyrings", sent)]
    at_work.step()
    assert {found(dwp, each).state for each in asked} == {RequestState.REFUSED}
    (dwp.home.quarantine / f"{sealed.id}.sealed").unlink()
    (dwp.home.quarantine / f"{sealed.id}.sealed").symlink_to(dwp.home.ledger)
    asked = [ask(dwp, Act.EXAMINE_SEALED, sealed.id)]
    with suppress(DiskFailed):
        at_work.step()
    assert found(dwp, asked[0]).state is not RequestState.DONE
    assert list(dwp.home.shown.iterdir()) == []


def test_a_role_that_is_killed_leaves_no_reader_and_nothing_shown_and_its_request_is_answered_by_the_next(
    dwp: Bench,
) -> None:
    strokes = b"0 0 m 600 800 100 200 7 9 c S\n" * 200_000
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << >> >>"
    catalogue = (b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
    content = bombs.pdf([*catalogue, page, bombs.stream(b"[1 2 3] 0 d 3 w\n" + strokes, b"")])
    asked = ask(dwp, Act.OPEN, dwp.submit("a.pdf", content, "laid"))
    role = os.fork()
    if role == 0:
        try:
            own = Ledger(
                dwp.home.ledger, clock=lambda: dwp.now, role="inspect", head_file=HeadFile(dwp.home.ledger_head)
            )
            Payloads(replace(dwp.context, ledger=own), {}).step()
            signal.pause()
        finally:
            os._exit(1)

    def readers() -> list[Path]:
        tasks = [each / "children" for each in Path(f"/proc/{role}/task").iterdir()]
        return [Path(f"/proc/{child}") for each in tasks for child in each.read_text().split()]

    until = time.monotonic() + 30
    while not (list(dwp.home.shown.glob("*.making")) and readers()):
        assert time.monotonic() < until
        time.sleep(0.02)
    there = readers()
    os.kill(role, signal.SIGKILL)
    os.waitpid(role, 0)
    while any(each.exists() and "Z" not in (each / "stat").read_text().split()[2] for each in there):
        assert time.monotonic() < until, "a reader that outlives its role"
        time.sleep(0.02)
    assert found(dwp, asked).state == RequestState.ASKED
    with closing(stage(dwp)) as at_work:
        assert list(dwp.home.shown.iterdir()) == []
        at_work.step()
        assert not at_work._running, "the lease of the role that was killed runs yet"
        dwp.now += requests.LEASE_SECONDS + 1
        at_work.step()
        assert set(at_work._running) == {asked}
