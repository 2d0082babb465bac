"""What a sandbox and its workers say to each other: JSON objects, each behind its length in four bytes.

Plain JSON and no pickle: a worker that a hostile file took over can send lies, but nothing that is executed. ValueError
is raised for bytes that are no such message.

    to a worker     {"plans": ..., "limits": ..., "parent": PID, "progress": DESCRIPTOR}, once
                    {"read": [[NUMBER, FLOW, PATH, SECONDS OF PROCESSOR TIME], ...]}, files to be read in this order
    from a worker   {"ready": true} or {"broken": REASON}, once
                    {"answers": [{"done": NUMBER, and the report} or {"lost": NUMBER, "reason": REASON}, ...]}, in the
                    order of the files; how many there are in one message is the worker's to say
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

import orjson

from gateway.validation.contract import MOST_MARKS, Finding, RecordException, RecordMark, Report
from gateway.validation.exceptions import MOST, OF_RECORD

LONGEST: Final = 4 << 20
"""Bytes: a report may name 10,000 exceptions."""
_HEAD: Final = 4
_MOST_FINDINGS: Final = 1000
_DIGESTS: Final = re.compile(r"[0-9a-f]{32} (?:[0-9a-f]{32})?(?: [0-9a-f]{32}){0,4}")
_LAST_DAY: Final = date.max.toordinal()
_FIELD: Final = re.compile(r"[A-Za-z0-9_./?-]{1,1000}")


def encode(message: Mapping[str, Any]) -> bytes:
    return _framed(to_json(message))


def encode_answers(answers: Iterable[bytes]) -> bytes:
    """One message of answers that are JSON already."""
    return _framed(b'{"answers":[' + b",".join(answers) + b"]}")


def to_json(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message)
    except TypeError:  # a name that is no UTF-8, which only the standard library writes
        return json.dumps(message, separators=(",", ":")).encode()


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(_HEAD, "big") + body


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now. To be iterated to its end."""
        self._bytes += chunk
        while (message := self.next()) is not None:
            yield message

    def next(self) -> dict[str, Any] | None:
        """One message, if there is a complete one."""
        if len(self._bytes) < _HEAD:
            return None
        length = int.from_bytes(self._bytes[:_HEAD], "big")
        if length > LONGEST:
            raise ValueError("a message longer than any that is sent")
        if len(self._bytes) < _HEAD + length:
            return None
        message = _from_json(bytes(self._bytes[_HEAD : _HEAD + length]))
        del self._bytes[: _HEAD + length]
        if not isinstance(message, dict):
            raise ValueError("a message that is not an object")  # noqa: TRY004 - one error for all that is malformed
        return message

    def take(self, chunk: bytes) -> None:
        """Keep bytes for `next`."""
        self._bytes += chunk


def _from_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # or a name that is no UTF-8
        try:
            return json.loads(body)
        except RecursionError as error:
            raise ValueError("a message nested too deep") from error


def report_to_plain(report: Report) -> dict[str, Any]:
    return {
        "schema": report.schema,
        "findings": [[str(finding.code), finding.where, finding.message] for finding in report.findings],
        "total": report.total,
        "facts": dict(report.facts),
        "exceptions": [[each.row, each.field, str(each.code), each.message] for each in report.exceptions],
        "marks": [_mark_to_plain(each) for each in report.marks],
    }


def report_from_plain(plain: Mapping[str, Any]) -> Report:
    """The report in a message, its every part looked at: it comes from a process that read a hostile file."""
    schema, findings, total, facts = (plain.get(name) for name in ("schema", "findings", "total", "facts"))
    if not (schema is None or isinstance(schema, str)) or not isinstance(total, int) or isinstance(total, bool):
        raise ValueError("a report without schema or total")
    if not isinstance(findings, list) or len(findings) > _MOST_FINDINGS or total < len(findings):
        raise ValueError("a report whose findings do not fit its total")
    if not isinstance(facts, dict) or not all(isinstance(fact, str) for fact in facts.values()):
        raise ValueError("a report whose facts are not text")
    exceptions = plain.get("exceptions")
    if not isinstance(exceptions, list) or len(exceptions) not in (0, total) or len(exceptions) > MOST:
        raise ValueError("a report whose exceptions are not all that was found")
    marks = plain.get("marks", [])
    if not isinstance(marks, list) or len(marks) > MOST_MARKS:
        raise ValueError("a report with more marks than records are marked")
    return Report(
        schema,
        tuple(_finding(finding) for finding in findings),
        total,
        facts,
        tuple(_exception(exception) for exception in exceptions),
        tuple(_mark(mark) for mark in marks),
    )


def _finding(plain: object) -> Finding:
    match plain:
        case [str(code), str(where), str(message)]:
            return Finding(code, where, message)
        case _:
            raise ValueError("a finding that is not three texts")


def _mark_to_plain(mark: RecordMark) -> list[Any]:
    """Its digests in one text: of the record, of its award if it has one, and of its claims."""
    return [mark.row, mark.day, " ".join([each.hex() for each in (mark.fact, mark.award, *mark.claims)])]


def _mark(plain: object) -> RecordMark:
    match plain:
        case [int(row), int(day), str(digests)] if row > 0 and 0 <= day <= _LAST_DAY and _DIGESTS.fullmatch(digests):
            fact, award, *claims = map(bytes.fromhex, digests.split(" "))
            return RecordMark(row, fact, award, day, tuple(claims))
        case _:
            raise ValueError("a mark that is not digests and a day")


def _exception(plain: object) -> RecordException:
    """One that may go into a list for people and into a receipt's count: of a known code, at a place, with a sentence."""
    match plain:
        case [int(row), str(field), str(code), str(message)] if (
            row > 0 and (not field or _FIELD.fullmatch(field)) and code in OF_RECORD and message.isprintable()
        ):
            return RecordException(row, field, code, message)
        case _:
            raise ValueError("an exception that is not one of a record")
