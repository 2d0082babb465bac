"""The table of operations: what the interface for programs has, by which right. What is not in it does not exist.

The table is data: `openapi` writes it down for programs, and tests hold every operation against every right. docs/formats/api.md tells it to people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from gateway.console.programs import events, outcomes, submissions, transfers
from gateway.console.programs.calls import Call, Fields
from gateway.domain.people import Right

PREFIX: Final = "/api/v1"
READS: Final = (401, 403, 422, 429, 503)
WRITES: Final = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


@dataclass(frozen=True)
class Operation:
    """One of them, `path` below PREFIX. `query` and `body` are the models of what it takes, `gives` the type of its answer, `problems` the
    statuses of what it may say instead. Those without `answer` are `events.wait` and, with `takes_file`,
    `submissions.take`, and `payloads.give`, which gives bytes. One that takes a body or a file takes an idempotency key.
    """

    name: str
    method: str
    path: str
    right: Right
    answer: Callable[[Call], Response] | None
    gives: Any
    what: str
    query: type[Fields] | None = None
    body: type[Fields] | None = None
    takes_file: bool = False
    status: int = 200
    problems: tuple[int, ...] = READS


OPERATIONS: Final = (
    Operation(
        *("list-transfers", "GET", "/transfers", Right.LOOK, transfers.listed, transfers.TransferList),
        "List transfers, the newest first.",
        query=transfers.TransfersQuery,
    ),
    Operation(
        *("show-transfer", "GET", "/transfers/{id}", Right.LOOK, transfers.one, transfers.ToldTransfer),
        "Tell the story of one transfer.",
        problems=(*READS, 404),
    ),
    Operation(
        *("list-receipts", "GET", "/transfers/{id}/receipts", Right.LOOK, transfers.receipts, transfers.ReceiptList),
        "Show what was signed about one transfer.",
        problems=(*READS, 404),
    ),
    Operation(
        *("fetch-payload", "GET", "/transfers/{id}/payload", Right.OPEN, None, bytes),
        "Take a delivered file.",
        problems=(*READS, 404, 409),
    ),
    Operation(
        *("submit", "POST", "/transfers", Right.SEND, None, submissions.SubmissionView),
        "Hand a file over for a partner.",
        query=submissions.SubmissionQuery,
        takes_file=True,
        status=202,
        problems=WRITES,
    ),
    Operation(
        *("show-submission", "GET", "/submissions/{id}", Right.SEND, submissions.one, submissions.SubmissionView),
        "See whether a file was taken into custody.",
        problems=(*READS, 404),
    ),
    Operation(
        *("follow-events", "GET", "/events", Right.LOOK, None, events.EventList),
        "Follow what happens; with `Accept: text/event-stream` as server-sent events.",
        query=events.EventsQuery,
    ),
    Operation(
        *("give-outcome", "POST", "/outcomes", Right.ANSWER, outcomes.give, outcomes.OutcomeView),
        "Give the back office's answer about a delivered transfer.",
        body=outcomes.OutcomeFields,
        status=202,
        problems=WRITES,
    ),
    Operation(
        *("show-outcome", "GET", "/outcomes/{id}", Right.ANSWER, outcomes.one, outcomes.OutcomeView),
        "See what became of an answer.",
        problems=(*READS, 404),
    ),
)
