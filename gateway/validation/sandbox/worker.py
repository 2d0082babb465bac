"""A process that reads hostile files for a sandbox: `python -m gateway.validation.sandbox.worker`, spoken to over its pipes.

It is told its plans and limits once, gives up its rights, builds the validators, and then answers job after job: `begin`
before a file is touched, so that the sandbox knows which one killed it, then `done` with the report, or `lost`. What it
did not expect ends it: its state is not to be trusted then. It writes to stderr the kind and place of such an error and
never its text, which may quote the file.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.validation.contract import Validator
from gateway.validation.factory import build
from gateway.validation.plan import Kind, Plan
from gateway.validation.sandbox.confinement import allow_cpu, confine
from gateway.validation.sandbox.messages import Frames, encode, report_to_plain

_CHUNK: Final = 1 << 16
ENDED_WELL: Final = 0
ENDED_BROKEN: Final = 3


class _Pipes:
    """Messages from and to the sandbox."""

    def __init__(self, inbox: int, outbox: int) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._frames = Frames()

    def ready(self) -> dict[str, Any] | None:
        """A message that is here already."""
        return self._frames.next()

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
    allow_cpu(limits["start_seconds"])
    gc.disable()  # schemas are many objects, and none of them is garbage
    try:
        validators = _build(start["plans"])
    except GatewayError as error:
        pipes.send(encode({"broken": error.reason}))
        return ENDED_BROKEN
    gc.freeze()
    gc.enable()
    pipes.send(encode({"ready": True}))
    _serve(pipes, validators)
    return ENDED_WELL


def _build(plans: Mapping[str, Mapping[str, Any]]) -> dict[str, Validator]:
    return {flow: build(Plan(Kind(plan["kind"]), plan["arguments"])) for flow, plan in plans.items()}


def _serve(pipes: _Pipes, validators: Mapping[str, Validator]) -> None:
    """Answer jobs until there are no more; the end of one and the beginning of the next go out in one write."""
    job = pipes.wait()
    if job is not None:
        pipes.send(encode({"begin": job["job"]}))
    while job is not None:
        allow_cpu(job["cpu"])
        answer = _answer(job, validators)
        if (following := pipes.ready()) is not None:
            pipes.send(encode(answer) + encode({"begin": following["job"]}))
        else:
            pipes.send(encode(answer))
            following = pipes.wait()
            if following is not None:
                pipes.send(encode({"begin": following["job"]}))
        job = following


def _answer(job: Mapping[str, Any], validators: Mapping[str, Validator]) -> dict[str, Any]:
    try:
        report = validators[job["flow"]].validate(Path(job["path"]))
    except GatewayError as error:
        return {"lost": job["job"], "reason": error.reason}
    return {"done": job["job"], **report_to_plain(report)}


def _say_where(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    """`reader: KeyError at walk.py:120`: the text of an error may quote the file, so it is left out."""
    location = "an unknown place"
    while trace is not None:
        location = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    sys.stderr.write(f"reader: {kind.__name__} at {location}\n")


if __name__ == "__main__":
    sys.exit(main())
