"""A process that reads hostile files for a sandbox: `python -m gateway.validation.sandbox.worker`, spoken to over its pipes.

It is told its plans and limits once, gives up its rights, builds the validators, and then answers message after message of
files. Each file is noted on a shared page before it is touched, so that the sandbox knows which one killed it, and has its own
processor time. What the worker did not expect ends it: its state is not to be trusted then. It writes to stderr the kind and
place of such an error and never its text, which may quote the file.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.validation.contract import Validator
from gateway.validation.factory import build
from gateway.validation.plan import Kind, Plan
from gateway.validation.sandbox.confinement import CpuAllowance, confine
from gateway.validation.sandbox.messages import Frames, encode, encode_answers, report_to_plain, to_json
from gateway.validation.sandbox.progress import ProgressNote

_CHUNK: Final = 1 << 16
_MOST_HELD: Final = 256 << 10
"""Bytes of answers beyond which they go without the rest of their message: far below the longest message there may be."""
_MOST_DELAY: Final = 0.05
"""Seconds after which they go too, so that what was slow to read is not read again where a later file ends this process."""
ENDED_WELL: Final = 0
ENDED_BROKEN: Final = 3


class _Pipes:
    """Messages from and to the sandbox."""

    def __init__(self, inbox: int, outbox: int) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._frames = Frames()

    def wait(self) -> dict[str, Any] | None:
        """The next message, or None when the sandbox closed its end."""
        while (message := self._frames.next()) is None:
            chunk = os.read(self._inbox, _CHUNK)
            if not chunk:
                return None
            self._frames.take(chunk)
        return message

    def send(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._outbox, view) :]


def main() -> int:
    sys.excepthook = _say_where
    # Whatever a library prints must not end up among the messages.
    outbox = os.dup(1)
    os.dup2(2, 1)
    pipes = _Pipes(0, outbox)
    start = pipes.wait()
    if start is None:
        return ENDED_WELL
    limits = start["limits"]
    confine(limits["memory"], limits["open_files"], limits["written"], start["parent"])
    allowance = CpuAllowance()
    allowance.grant(limits["start_seconds"])
    gc.disable()  # schemas are many objects, and none of them is garbage
    try:
        validators = _build(start["plans"])
    except GatewayError as error:
        pipes.send(encode({"broken": error.reason}))
        return ENDED_BROKEN
    gc.freeze()
    gc.enable()
    pipes.send(encode({"ready": True}))
    _serve(pipes, validators, ProgressNote(start["progress"]), allowance)
    return ENDED_WELL


def _build(plans: Mapping[str, Mapping[str, Any]]) -> dict[str, Validator]:
    return {flow: build(Plan(Kind(plan["kind"]), plan["arguments"])) for flow, plan in plans.items()}


def _serve(pipes: _Pipes, validators: Mapping[str, Validator], progress: ProgressNote, allowance: CpuAllowance) -> None:
    """Answer files until there are no more. A file stays in hand until its answer is made: also that may end a process."""
    while (message := pipes.wait()) is not None:
        answers: list[bytes] = []
        held, since = 0, time.monotonic()
        for number, flow, path, seconds in message["read"]:
            if held > _MOST_HELD or (answers and time.monotonic() - since > _MOST_DELAY):
                pipes.send(encode_answers(answers))
                answers, held, since = [], 0, time.monotonic()
            progress.begin(number)
            allowance.grant(seconds)
            answers.append(to_json(_answer(number, validators[flow], Path(path))))
            held += len(answers[-1])
        pipes.send(encode_answers(answers))


def _answer(number: int, validator: Validator, path: Path) -> dict[str, Any]:
    try:
        report = validator.validate(path)
    except GatewayError as error:
        return {"lost": number, "reason": error.reason}
    return {"done": number, **report_to_plain(report)}


def _say_where(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    """`reader: KeyError at walk.py:120`: the text of an error may quote the file, so it is left out."""
    location = "an unknown place"
    while trace is not None:
        location = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    sys.stderr.write(f"reader: {kind.__name__} at {location}\n")


if __name__ == "__main__":
    sys.exit(main())
