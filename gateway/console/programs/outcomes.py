"""The back office's answers for programs: give one, and see what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from starlette.responses import Response

from gateway.administration.requests import outcomes
from gateway.administration.views.records import moment
from gateway.console.programs.calls import Call, Fields, answered
from gateway.domain.back_office_answer import BackOfficeAnswer
from gateway.domain.identity import to_text
from gateway.domain.requests import Act, RequestState
from gateway.ledger.units import Request

_Finding = Annotated[str, Field(min_length=1, max_length=500)]


class OutcomeFields(Fields):
    """What the back office says: it has taken the file over, or cannot, and what is wrong with it. Findings go to the sender, without values that
    name people; of all of them together 2,000 characters are kept.
    """

    transfer: Annotated[str, Field(min_length=36, max_length=36)]
    outcome: BackOfficeAnswer
    findings: Annotated[tuple[_Finding, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.outcome is BackOfficeAnswer.REJECTED) != bool(self.findings):
            raise ValueError("a rejection has at least one finding, an acceptance none")
        return self


@dataclass(frozen=True)
class OutcomeView:
    """An answer, and what became of it: `asked` until the gateway has carried it out; `refused` has code, reason and remedy."""

    id: str
    transfer: str
    outcome: Literal["accepted", "rejected"]
    state: Literal["asked", "done", "refused"]
    asked: str
    updated: str | None
    code: str | None
    reason: str | None
    remedy: str | None


def give(call: Call) -> Response:
    """Take an answer; the gateway carries it out within seconds."""
    body: OutcomeFields = call.body
    said = outcomes.Outcome(body.transfer, body.outcome, body.findings)
    asked = outcomes.answer(call.site.credentials, call.site.settings, call.token, call.key, said)
    return answered(_shown(asked), 202, {"location": f"/api/v1/outcomes/{asked.id}"})


def one(call: Call) -> Response:
    """What became of one."""
    with call.site.reading() as connection:
        return answered(_shown(outcomes.find(connection, call.token, call.path["id"])))


def _shown(request: Request) -> OutcomeView:
    return OutcomeView(
        id=request.id,
        transfer=request.subject,
        outcome="accepted" if request.act is Act.ACCEPT else "rejected",
        state={RequestState.DONE: "done", RequestState.REFUSED: "refused"}.get(request.state, "asked"),  # type: ignore[arg-type]
        asked=to_text(request.created),
        updated=moment(request.updated),
        code=request.code,
        reason=request.refusal,
        remedy=request.remedy,
    )
