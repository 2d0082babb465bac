"""Log lines: closed lists, nothing personal, never in the way of the work."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import logs
from gateway.errors import DiskFull
from gateway.events import Event
from gateway.logs import (
    KEYS,
    MAX_TEXT,
    Logger,
    LogLineRefused,
    configure,
    library_lines,
    mask,
    safe_text,
)

ROOT = Path(__file__).resolve().parents[2]


class Full(io.BytesIO):
    """A stream whose disk is full while `full` is set."""

    full = False

    def write(self, data: Any, /) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(data)


def logger(stream: io.BytesIO, *, strict: bool = True, **options: Any) -> Logger:
    return configure("DWP", "inspect", stream=stream, strict=strict, clock=lambda: 0.5, **options)


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_the_contracts_keys() -> None:
    stream = io.BytesIO()
    logger(stream).info(Event.TRANSFER_ADMITTED, flow="claim", bytes=5120, seconds=0.12)
    assert stream.getvalue() == (
        b'{"timestamp":"1970-01-01T00:00:00.500Z","level":"info","event":"transfer.admitted","site":"DWP",'
        b'"role":"inspect","flow":"claim","bytes":5120,"seconds":0.12}\n'
    )


def test_a_node_is_named_in_each_line() -> None:
    stream = io.BytesIO()
    logger(stream, node="north-1").info(Event.TRANSFER_ADMITTED, flow="claim")
    logger(stream).info(Event.TRANSFER_ADMITTED, flow="claim")
    assert [line.get("node") for line in lines(stream)] == ["north-1", None]


def test_events_are_nouns_with_a_past_participle() -> None:
    assert all(re.fullmatch(r"[a-z]+\.[a-z-]+", event) for event in Event)


def test_an_unknown_key_or_event_is_refused_in_strict_mode() -> None:
    log = logger(io.BytesIO())
    with pytest.raises(LogLineRefused):
        log.info(Event.DISK_FULL, claimant="QQ123456C")
    with pytest.raises(LogLineRefused):
        log.info("disk is full")


def test_an_unknown_key_is_dropped_and_counted() -> None:
    stream = io.BytesIO()
    logger(stream, strict=False).info(Event.DISK_FULL, claimant="somebody", address_line="somewhere", count=1)
    logger(stream, strict=False).info("QQ123456C did something")
    assert b"some" not in stream.getvalue()
    assert lines(stream)[0]["dropped"] == 2
    assert lines(stream)[1]["event"] == "log.event-unknown"


@pytest.mark.parametrize(
    "text",
    [
        "QQ123456C",
        "qq123456c",
        "QQ 12 34 56 C",
        "QQ-12-34-56-C",
        "claim_QQ123456C.xml",
        "claimQQ123456.pdf",
        "qq_12_34_56.xml",
        "QQ%2012%2034%2056%20C.pdf",
        "QQ12345601.xml",
        "x QQ123456 x",
        "AB123456A",
        "QQ\u00a012\u00a034\u00a056\u00a0C.pdf",
        "QQ\u201312\u201334\u201356 C",
        "QQ\u200b12\u00ad34\u206056C",
    ],
)
def test_anything_like_a_national_insurance_number_is_masked(text: str) -> None:
    assert not re.search(r"12.{0,3}34", mask(text))
    assert "[masked]" in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "01936f2e-3c4d-7abc-8def-ab123456789a",
        "ab123456" * 8,
        "AB123456" * 5,
        "larger than 1048576 bytes, of 123456 bytes",
        "2026-11-21T10:00:00Z",
        "E09000030",
        "line 123456, field 7",
    ],
)
def test_ids_digests_and_counts_stay_readable(text: str) -> None:
    assert mask(text) == text


@given(
    st.from_regex(r"[A-Za-z]{2}[0-9]{2}[ ._-]?[0-9]{2}[ ._-]?[0-9]{2}[ ]?[A-Da-d]?", fullmatch=True)
    | st.from_regex(r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z][ ._-][0-9]{2}[ ._-]?[0-9]{2}[ ._-]?[0-9]{2}", fullmatch=True),
    st.sampled_from(["", "claim_", "x-", "/", "(", "12"]),
    st.sampled_from(["", ".xml", " ", "_x", ")"]),
)
def test_no_number_survives_in_any_file_name(number: str, before: str, after: str) -> None:
    assert re.sub(r"[^0-9]", "", mask(before + number + after)) == re.sub(r"[^0-9]", "", before)


@given(st.text(st.characters(), max_size=3 * MAX_TEXT))
def test_any_text_is_bounded_printable_and_writable(text: str) -> None:
    safe = safe_text(text)
    assert len(safe) <= 6 * MAX_TEXT
    assert safe.isprintable()
    safe.encode("utf-8")


def test_a_number_across_the_bound_is_not_half_shown() -> None:
    assert "123" not in safe_text("x" * (MAX_TEXT - 4) + "QQ123456C" + "y" * 50)


@pytest.mark.parametrize("form", ["json", "lines"])
def test_a_line_break_in_a_value_makes_no_second_line(form: str) -> None:
    stream = io.BytesIO()
    logger(stream, format=form).warning(Event.SPOOL_REFUSED, name='a\n{"level":"error"}\x1b[2J\r')
    assert stream.getvalue().count(b"\n") == 1
    assert b"\x1b" not in stream.getvalue()


def test_numbers_that_json_cannot_hold_are_written_all_the_same() -> None:
    stream = io.BytesIO()
    logger(stream).info(
        Event.DISK_FULL, count=2**70, seconds=float("nan"), path=Path("/x"), items=[1, b"x", "QQ123456C"]
    )
    line = lines(stream)[0]
    assert line["count"] == str(2**70)
    assert line["items"][2] == "[masked]"


def fail_with(secret: str) -> None:
    passphrase = secret
    raise ValueError(f"no good: {passphrase}")


def test_an_exception_is_places_without_locals_or_message() -> None:
    stream = io.BytesIO()
    try:
        fail_with("correct horse")
    except ValueError:
        logger(stream).exception(Event.ROLE_DIED)
    assert b"horse" not in stream.getvalue()
    line = lines(stream)[0]
    assert (line["level"], line["error"]) == ("error", "ValueError")
    assert [place.split(":")[2] for place in line["trace"][:2]] == [
        "test_an_exception_is_places_without_locals_or_message",
        "fail_with",
    ]


def test_our_own_error_says_its_code_and_reason() -> None:
    stream = io.BytesIO()
    logger(stream).error(Event.DISK_FULL, exc_info=DiskFull("no room in spool"))
    assert lines(stream)[0]["code"] == "disk-full"
    assert lines(stream)[0]["reason"] == "no room in spool"


def test_a_full_disk_is_no_error_of_the_work_and_is_told_later() -> None:
    stream = Full()
    log = logger(stream)
    stream.full = True
    for _ in range(3):
        log.info(Event.DISK_FULL)
    stream.full = False
    log.info(Event.DISK_FULL)
    log.info(Event.DISK_FULL)
    assert [line.get("lost") for line in lines(stream)] == [3, None]


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.BytesIO()
    log = logger(stream, level="warning")
    log.info(Event.DISK_FULL)
    log.warning(Event.DISK_FULL)
    assert len(lines(stream)) == 1


def test_what_libraries_say_comes_masked_and_leaves_logging_as_it_was() -> None:
    stream = io.BytesIO()
    before = logging.getLogger().handlers[:]
    with library_lines(logger(stream)):
        logging.getLogger("paramiko.transport").warning("about %s", "QQ123456C")
        logging.getLogger("alembic").info("nothing")
        logging.getLogger("paramiko").warning("%d", "no number")
    assert logging.getLogger().handlers == before
    assert [(line["event"], line["library"], line["reason"]) for line in lines(stream)] == [
        ("log.line-foreign", "paramiko.transport", "about [masked]"),
        ("log.line-foreign", "paramiko", "a line that could not be put together"),
    ]


def test_a_minute_has_so_many_lines_of_libraries_and_says_where_it_had_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_FOREIGN", 2)
    stream = io.BytesIO()
    with library_lines(logger(stream)):
        for created in (60.0, 61.0, 119.0, 120.0):
            record = logging.makeLogRecord({"name": "uvicorn", "levelno": logging.ERROR, "msg": f"at {created:.0f}"})
            record.created = created
            logging.getLogger().handle(record)
    assert [line["reason"] for line in lines(stream)] == [
        "at 60",
        "at 61 (what libraries say more in this minute is not told)",
        "at 120",
    ]


def test_a_line_costs_little() -> None:
    log = logger(io.BytesIO())
    best = min(_seconds_a_line(log) for _ in range(5))
    assert best < 100e-6, "four times the target, for slow machines"


def _seconds_a_line(log: Logger) -> float:
    begun = time.perf_counter()
    for _ in range(500):
        log.info(
            Event.TRANSFER_ADMITTED,
            transfer="01936f2e-3c4d-7abc-8def-0123456789ab",
            partner="E09000030",
            flow="claim",
            name="claims-000123.xml",
            bytes=5120,
        )
    return (time.perf_counter() - begun) / 500


def test_every_event_that_the_program_names_is_on_the_list() -> None:
    named = {
        node.attr
        for path in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    assert {name for name in named if name.isupper()} <= set(Event.__members__)
    assert {"timestamp", "level", "event", "site", "role"} <= KEYS
