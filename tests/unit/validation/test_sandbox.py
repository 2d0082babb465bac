"""Readers in their sandbox, with real processes: what one of them dies of never touches the files of the others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.errors import ConfigurationInvalid
from gateway.sample.claim import claim_sampler
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.plan import Kind, Plan, pdf_plan, xml_plan
from gateway.validation.sandbox import reader
from gateway.validation.sandbox.messages import LONGEST, Frames, encode, report_from_plain, report_to_plain
from gateway.validation.sandbox.pool import Crash, Job, Sandbox, WorkerLimits, _batch
from gateway.validation.sandbox.progress import ProgressNote
from gateway.validation.sandbox.reader import Reader
from gateway.validation.xml.codes import XmlLimits

SCHEMAS = resource("schemas")
NO_LIMITS = XmlLimits(size=1 << 30, nodes=1 << 30, record=1 << 30)
"""Limits that let a document through to where it hurts."""


@pytest.fixture
def claims(tmp_path: Path) -> list[Path]:
    """Forty claims, every fifth of them with a number that was never issued."""
    sampler, today = claim_sampler(), datetime.now(UTC).date()
    paths = []
    for number in range(40):
        defect = "nino" if number % 5 == 0 else None
        sample = sampler.make(
            sender="DWP", recipient="4220", index=number, random=Random(number), today=today, defect=defect
        )
        path = tmp_path / f"{number:02d}.xml"
        path.write_bytes(sample.content)
        paths.append(path)
    return paths


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox({"claim": xml_plan(SCHEMAS, "claim", allow_test_numbers=True), "laid": pdf_plan()}) as opened:
        yield opened


def jobs(paths: list[Path], flow: str = "claim") -> list[Job]:
    return [Job(path.stem, flow, path) for path in paths]


def verdicts(answers: Iterator[tuple[Job, Report | Crash]]) -> dict[str, bool | str]:
    """By key: whether the file is valid, or what its reader died of. Fails on a key that is answered twice."""
    found: dict[str, bool | str] = {}
    for job, answer in answers:
        assert job.key not in found
        found[job.key] = answer.reason if isinstance(answer, Crash) else answer.valid
    return found


def expected(paths: list[Path]) -> dict[str, bool | str]:
    return {path.stem: int(path.stem) % 5 != 0 for path in paths}


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def burning(tmp_path: Path, records: int) -> Path:
    """A document that takes long to read, record by record."""
    path = tmp_path / "burning.xml"
    with path.open("wb") as file:
        file.write(b'<Claims xmlns="urn:gateway:claim:1.0"><Header/>' + b"<Claim/>" * records + b"</Claims>")
    return path


# -- answers


def test_every_job_is_answered_once_and_rightly(sandbox: Sandbox, claims: list[Path]) -> None:
    assert verdicts(sandbox.validate(jobs(claims))) == expected(claims)


def test_workers_are_kept_from_call_to_call(sandbox: Sandbox, claims: list[Path]) -> None:
    verdicts(sandbox.validate(jobs(claims[:4])))
    before = sandbox.pids
    assert verdicts(sandbox.validate(jobs(claims))) == expected(claims)
    assert sandbox.pids == before
    assert len(before) == 2


def test_report_crosses_the_pipe_whole(sandbox: Sandbox, claims: list[Path]) -> None:
    answers = {job.key: answer for job, answer in sandbox.validate(jobs(claims[:2]))}
    wrong, right = answers["00"], answers["01"]
    assert isinstance(wrong, Report)
    assert isinstance(right, Report)
    assert [finding.code for finding in wrong.findings] == ["nino"]
    assert wrong.findings[0].where.startswith("line ")
    assert right.schema == "claim/1.0"
    assert right.facts["authority"] == "4220"


def test_flows_are_read_by_their_own_validators(sandbox: Sandbox, claims: list[Path]) -> None:
    mixed = [Job("as-claim", "claim", claims[1]), Job("as-laid", "laid", claims[1])]
    assert verdicts(sandbox.validate(mixed)) == {"as-claim": True, "as-laid": False}


def test_nothing_to_do_starts_no_process(sandbox: Sandbox) -> None:
    assert list(sandbox.validate([])) == []
    assert sandbox.pids == ()


def test_flow_without_a_plan_is_a_key_error(sandbox: Sandbox, claims: list[Path]) -> None:
    with pytest.raises(KeyError):
        list(sandbox.validate(jobs(claims, "etd")))


def test_file_that_is_not_there_is_no_reason_to_lose_the_reader(sandbox: Sandbox, claims: list[Path]) -> None:
    absent = Job("absent", "claim", claims[0].parent / "absent.xml")
    found = verdicts(sandbox.validate([absent, *jobs(claims)]))
    assert found.pop("absent") == "a file to be validated cannot be read: No such file or directory"
    assert found == expected(claims)


def test_name_that_is_not_utf8_is_read(sandbox: Sandbox, claims: list[Path]) -> None:
    strange = Path(os.fsdecode(os.fsencode(claims[1].parent) + b"/\xff\xfe.xml"))
    claims[1].rename(strange)
    assert verdicts(sandbox.validate([Job("strange", "claim", strange)])) == {"strange": True}


def test_caller_that_stops_listening_gets_right_answers_the_next_time(sandbox: Sandbox, claims: list[Path]) -> None:
    answers = sandbox.validate(jobs(claims))
    next(answers)
    answers.close()  # type: ignore[attr-defined]  # a generator, though the signature only promises an iterator
    assert verdicts(sandbox.validate(jobs(claims))) == expected(claims)


# -- deaths


def test_killed_reader_loses_at_most_the_file_in_its_hands(sandbox: Sandbox, claims: list[Path]) -> None:
    found: dict[str, bool | str] = {}
    for job, answer in sandbox.validate(jobs(claims)):
        if len(found) in (3, 12, 21):
            os.kill(sandbox.pids[0], signal.SIGKILL)
        found[job.key] = answer.reason if isinstance(answer, Crash) else answer.valid
    lost = {key for key, verdict in found.items() if verdict == "its reader was ended by SIGKILL"}
    assert len(lost) <= 3
    assert {key: verdict for key, verdict in found.items() if key not in lost} == {
        key: verdict for key, verdict in expected(claims).items() if key not in lost
    }
    assert len(found) == len(claims)


def test_readers_that_died_while_idle_are_replaced_and_no_file_is_blamed(sandbox: Sandbox, claims: list[Path]) -> None:
    verdicts(sandbox.validate(jobs(claims[:4])))
    for pid in sandbox.pids:
        os.kill(pid, signal.SIGKILL)
    assert verdicts(sandbox.validate(jobs(claims))) == expected(claims)


def test_stopped_reader_is_given_up_after_its_time_and_its_neighbour_goes_on(claims: list[Path]) -> None:
    plans = {"claim": xml_plan(SCHEMAS, "claim", allow_test_numbers=True)}
    with Sandbox(plans, limits=WorkerLimits(wall_seconds=1)) as sandbox:
        found: dict[str, bool | str] = {}
        for job, answer in sandbox.validate(jobs(claims)):
            if not found:
                os.kill(sandbox.pids[0], signal.SIGSTOP)
            found[job.key] = answer.reason if isinstance(answer, Crash) else answer.valid
        lost = [verdict for verdict in found.values() if isinstance(verdict, str)]
        assert lost in ([], ["reading it took longer than 1 s"])
        assert len(found) == len(claims)


def test_file_that_takes_too_much_processor_time_is_lost_and_no_other(tmp_path: Path, claims: list[Path]) -> None:
    plans = {"claim": xml_plan(SCHEMAS, "claim", limits=NO_LIMITS, allow_test_numbers=True)}
    limits = WorkerLimits(cpu_seconds=1, bytes_per_second=1 << 40, wall_seconds=60, memory=8 << 30)
    with Sandbox(plans, limits=limits) as sandbox:
        burner = Job("burner", "claim", burning(tmp_path, 6_000_000))
        found = verdicts(sandbox.validate([*jobs(claims[:20]), burner, *jobs(claims[20:])]))
    assert found.pop("burner") == "reading it took more than 1 s of processor time"
    assert found == expected(claims)


def test_file_that_takes_too_much_memory_is_lost_and_no_other(tmp_path: Path, claims: list[Path]) -> None:
    plans = {"claim": xml_plan(SCHEMAS, "claim", limits=NO_LIMITS, allow_test_numbers=True)}
    with Sandbox(plans, limits=WorkerLimits(cpu_seconds=30, memory=512 << 20)) as sandbox:
        eater = Job("eater", "claim", burning(tmp_path, 6_000_000))
        found = verdicts(sandbox.validate([*jobs(claims[:20]), eater, *jobs(claims[20:])]))
    assert found.pop("eater") == "reading it took more than 512 MiB of memory"
    assert found == expected(claims)


def test_readers_end_with_the_process_that_started_them(claims: list[Path]) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from gateway.validation.plan import xml_plan
        from gateway.validation.sandbox.pool import Job, Sandbox

        sandbox = Sandbox({"claim": xml_plan(Path(sys.argv[1]), "claim")})
        list(sandbox.validate([Job("1", "claim", Path(sys.argv[2]))]))
        print(*sandbox.pids, flush=True)
        time.sleep(60)
        """
    )
    command = [sys.executable, "-c", program, str(SCHEMAS), str(claims[0])]
    environment = {**os.environ, "PYTHONPATH": str(SCHEMAS.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        parent.kill()
        parent.wait()
        until(lambda: not any(alive(pid) for pid in pids))


def test_closed_sandbox_leaves_no_process(claims: list[Path]) -> None:
    with Sandbox({"claim": xml_plan(SCHEMAS, "claim")}) as sandbox:
        verdicts(sandbox.validate(jobs(claims)))
        pids = sandbox.pids
    assert not any(alive(pid) for pid in pids)


# -- batches: many files in one message


def test_file_that_ends_its_reader_is_known_among_those_of_its_batch(tmp_path: Path, claims: list[Path]) -> None:
    plans = {"claim": xml_plan(SCHEMAS, "claim", allow_test_numbers=True)}
    with Sandbox(plans, 1) as sandbox:
        verdicts(sandbox.validate(jobs(claims[:1])))
        stuck = tmp_path / "stuck"
        os.mkfifo(stuck)
        killer = threading.Thread(target=kill_at, args=(stuck, *sandbox.pids))
        killer.start()
        found = verdicts(sandbox.validate([*jobs(claims[:7]), Job("stuck", "claim", stuck), *jobs(claims[7:])]))
        killer.join()
    assert found.pop("stuck") == "its reader was ended by SIGSEGV"
    assert found == expected(claims)


def test_file_that_keeps_its_reader_is_known_among_those_of_its_batch(tmp_path: Path, claims: list[Path]) -> None:
    plans = {"claim": xml_plan(SCHEMAS, "claim", allow_test_numbers=True)}
    with Sandbox(plans, 1, WorkerLimits(wall_seconds=1)) as sandbox:
        stuck = tmp_path / "stuck"
        os.mkfifo(stuck)
        found = verdicts(sandbox.validate([*jobs(claims[:7]), Job("stuck", "claim", stuck), *jobs(claims[7:])]))
    assert found.pop("stuck") == "reading it took longer than 1 s"
    assert found == expected(claims)


def kill_at(fifo: Path, pid: int) -> None:
    """Kill a reader that has come to the FIFO: nobody can open one for writing before."""

    def opened() -> bool:
        with suppress(OSError):
            held.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(held)

    held: list[int] = []
    until(opened)
    os.kill(pid, signal.SIGSEGV)
    os.close(held[0])


def test_answer_that_makes_no_sense_is_laid_on_its_own_file(
    sandbox: Sandbox, claims: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = [ValueError("a finding that is not three texts")]

    def distrusted(plain: Mapping[str, Any]) -> Report:
        if plain["total"] and lies:
            raise lies.pop()
        return report_from_plain(plain)

    monkeypatch.setattr(reader, "report_from_plain", distrusted)
    assert verdicts(sandbox.validate(jobs(claims[:1]))) == {"00": "its reader gave an answer that makes no sense"}
    lies.append(ValueError("a report without schema or total"))
    found = verdicts(sandbox.validate(jobs(claims)))
    (lost,) = (key for key, verdict in found.items() if verdict == "its reader gave an answer that makes no sense")
    assert int(lost) % 5 == 0
    assert found == {**expected(claims), lost: found[lost]}


def test_batch_holds_small_files_alone() -> None:
    sizes = [100, 200, 300 << 10, 100, 200 << 10, 100 << 10]
    waiting = deque(Job(str(number), "claim", Path("/f"), size) for number, size in enumerate(sizes))
    batches = []
    while waiting:
        batches.append([job.key for job in _batch(waiting, 32)])
    assert batches == [["0", "1"], ["2"], ["3", "4"], ["5"]]
    waiting = deque(Job(str(number), "claim", Path("/" + 1500 * "f"), 1) for number in range(5))
    assert [len(_batch(waiting, 32)), len(_batch(waiting, 2)), len(_batch(waiting, 2))] == [2, 2, 1]


def test_reader_that_says_again_and_again_that_it_has_just_begun_gains_nothing(claims: list[Path]) -> None:
    one = Reader({"claim": xml_plan(SCHEMAS, "claim")}, WorkerLimits(wall_seconds=1))
    os.kill(one.pid, signal.SIGSTOP)
    note = ProgressNote(os.dup(one._page.descriptor))
    one.give(1, jobs(claims[:2]))
    began = time.monotonic()
    note.begin(1)
    for _ in range(2):
        while one.deadline is not None and time.monotonic() < one.deadline:
            time.sleep(0.01)
        note.begin(1)
        overdue = one.is_overdue()
    assert overdue
    assert time.monotonic() - began < 5
    note.begin(2)
    one.end(overdue=True)
    died_of, unread = one.legacy()
    assert died_of is not None
    assert (died_of[0].key, [job.key for job in unread]) == ("00", ["01"])


# -- what a reader gave up


def test_reader_runs_under_its_limits(sandbox: Sandbox, claims: list[Path]) -> None:
    verdicts(sandbox.validate(jobs(claims[:4])))
    # The other reader may still be starting.
    until(lambda: all("Umask:\t0077" in Path(f"/proc/{pid}/status").read_text() for pid in sandbox.pids))
    cpu = re.compile("Max cpu time +[0-9]")
    until(lambda: all(cpu.search(Path(f"/proc/{pid}/limits").read_text()) for pid in sandbox.pids))
    for pid in sandbox.pids:
        limits = Path(f"/proc/{pid}/limits").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
        found = {line[:25].strip(): line[26:].split()[:2] for line in limits.splitlines()}
        assert found["Max core file size"] == ["0", "0"]
        assert found["Max address space"] == [str(1 << 30)] * 2
        assert found["Max open files"] == ["64", "64"]
        assert found["Max file size"] == [str(1 << 20)] * 2
        assert "NoNewPrivs:\t1" in status


def test_schema_that_cannot_be_used_is_said_and_not_blamed_on_a_file(tmp_path: Path, claims: list[Path]) -> None:
    with (
        Sandbox({"claim": xml_plan(tmp_path, "claim")}) as sandbox,
        pytest.raises(ConfigurationInvalid, match="no schema for the flow claim"),
    ):
        verdicts(sandbox.validate(jobs(claims)))


def test_plan_that_does_not_fit_is_said(claims: list[Path]) -> None:
    plan = Plan(Kind.XML, {"flow": "claim", "schema_root": str(SCHEMAS), "colour": "blue"})
    with Sandbox({"claim": plan}) as sandbox, pytest.raises(ConfigurationInvalid, match="does not take"):
        verdicts(sandbox.validate(jobs(claims)))


# -- frames


def test_messages_survive_being_cut_anywhere() -> None:
    messages: list[dict[str, object]] = [{"begin": 1}, {"done": 1, "text": "Siân \udcff"}, {}]
    stream = b"".join(encode(message) for message in messages)
    for size in (1, 2, 3, 5, len(stream)):
        frames = Frames()
        found = [m for at in range(0, len(stream), size) for m in frames.feed(stream[at : at + size])]
        assert found == messages


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        ((LONGEST + 1).to_bytes(4, "big"), "longer than any"),
        (b"\0\0\0\2[]", "not an object"),
        (b"\0\0\0\1{", "Expecting property name"),
        (b"\0\0\0\4nul\xff", "can't decode"),
        ((200_000).to_bytes(4, "big") + b"[" * 200_000, "too deep"),
    ],
)
def test_bytes_that_are_no_message_are_a_value_error(stream: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(Frames().feed(stream))


@pytest.mark.parametrize(
    "lie",
    [
        {},
        {"schema": 1},
        {"total": "0"},
        {"total": True},
        {"findings": [["a", "b"]], "total": 1},
        {"findings": [["a", "b", 3]], "total": 1},
        {"findings": [["a", "b", "c"]], "total": 0},
        {"facts": {"authority": 4220}},
        {"facts": None},
        {"findings": None},
    ],
)
def test_report_of_another_form_is_a_value_error(lie: dict[str, object]) -> None:
    honest = report_to_plain(Report("claim/1.0", facts={"records": "1"}))
    assert report_from_plain(honest) == Report("claim/1.0", facts={"records": "1"})
    with pytest.raises(ValueError, match=r"^a (report|finding) "):
        report_from_plain({**honest, **lie} if lie else {})


# -- readers that a file took over; what they do is played by a program that has nothing else to do

PROGRAM = '''
import fcntl, json, mmap, os, struct, sys, time

held = b""

def take():
    """The next message; everything that is in the pipe is taken out of it."""
    global held
    while len(held) < 4 or len(held) < 4 + int.from_bytes(held[:4], "big"):
        chunk = os.read(0, 65536)
        if not chunk:
            sys.exit()
        held += chunk
    end = 4 + int.from_bytes(held[:4], "big")
    message, held = json.loads(held[4:end]), held[end:]
    return message

def say(message):
    body = json.dumps(message).encode()
    os.write(1, len(body).to_bytes(4, "big"))
    while body:
        body = body[os.write(1, body[:32768]):]
        time.sleep(0.01 if body else 0)

def answer(number, schema="honest", findings=0):
    found = [["code", "w" * 900, "m"]] * findings
    report = {"schema": schema, "findings": found, "total": findings, "facts": {}, "exceptions": []}
    say({"answers": [{"done": number, **report}]})

page = mmap.mmap(take()["progress"], 16)
say({"ready": True})
while True:
    batch = take()["read"]
    for number, _, path, _ in batch:
        page[:16] = struct.pack("=QQ", number, time.monotonic_ns())
        name = os.path.basename(path)
        if name.startswith("far"):
            page[:8] = struct.pack("=Q", 1 << 40)
            sys.exit(1)
        if name.startswith("drip"):
            os.write(1, (1 << 20).to_bytes(4, "big"))
            while True:
                os.write(1, b"x")
                time.sleep(0.005)
        if name.startswith("loud"):
            for _ in range(3):
                if os.fork() == 0:
                    end = time.monotonic() + 20
                    while time.monotonic() < end:
                        os.write(2, b"x" * 65536)
                    os._exit(0)
            time.sleep(0.1)
            os._exit(1)
        answer(number, findings=300 if name.startswith("long") else 0)
    if any(os.path.basename(path).startswith("deaf") for _, _, path, _ in batch):
        time.sleep(0.1)
        os.read(0, 65536)  # the batch ahead
        fcntl.fcntl(0, 1031, 4096)  # F_SETPIPE_SZ
        while True:
            number += 1
            time.sleep(0.01)
            answer(number, "never read")
'''


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sandbox]:
    def start(self: Reader) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(self._page.descriptor,),
        )

    monkeypatch.setattr(Reader, "_start", start)
    return lambda workers=1: Sandbox({"laid": pdf_plan()}, workers, WorkerLimits(wall_seconds=1))


def named(*names: str) -> list[Job]:
    return [Job(name, "laid", Path("/absent", name)) for name in names]


def told(answers: Iterator[tuple[Job, Report | Crash]], away: float = 0.0) -> dict[str, str | None]:
    """By key: what was said of the file. The caller is away for so many seconds after each answer."""
    found = {}
    for job, answer in answers:
        assert job.key not in found
        found[job.key] = answer.reason if isinstance(answer, Crash) else answer.schema
        time.sleep(away)
    return found


def test_reader_is_not_blamed_for_the_time_of_a_caller_who_did_not_listen(play: Callable[..., Sandbox]) -> None:
    with play() as sandbox:
        assert told(sandbox.validate(named("long1", "long2")), 1.3) == {"long1": "honest", "long2": "honest"}


def test_reader_that_talks_without_end_ends_though_nobody_listens_at_times(play: Callable[..., Sandbox]) -> None:
    with play(2) as sandbox:
        found = told(sandbox.validate(named("drip", *(f"{number}" for number in range(5)))), 0.2)
    assert found.pop("drip") == "reading it took longer than 1 s"
    assert set(found.values()) == {"honest"}
    assert len(found) == 5


@pytest.mark.timeout(60)
def test_reader_that_takes_no_message_stalls_nobody_and_answers_only_what_it_was_given(
    play: Callable[..., Sandbox],
) -> None:
    names = ["deaf", *(f"{number}".ljust(240, "n") for number in range(80))]
    with play() as sandbox:
        found = told(sandbox.validate(named(*names)))
    assert list(found) == names
    lies = [name for name, said in found.items() if said == "never read"]
    assert 0 < len(lies) < 40  # what was taken out of the pipe is the reader's to answer
    assert set(found.values()) == {"never read", "honest"}


def test_reader_that_says_it_has_a_file_it_was_not_given_answers_for_the_one_whose_turn_it_was(
    play: Callable[..., Sandbox],
) -> None:
    with play() as sandbox:
        found = told(sandbox.validate(named("1", "far", "2")))
    assert found == {"1": "honest", "far": "its reader gave an answer that makes no sense", "2": "honest"}


def test_what_is_written_to_stderr_without_end_keeps_nobody(play: Callable[..., Sandbox]) -> None:
    began = time.monotonic()
    with play() as sandbox:
        found = told(sandbox.validate(named("1", "loud", "2")))
    assert found == {"1": "honest", "loud": "reading it took longer than 1 s", "2": "honest"}
    assert time.monotonic() - began < 15
