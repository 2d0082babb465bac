"""The closed lists are closed: every event that is recorded or logged, every key, every error has its place in them."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

import gateway
from gateway.domain.receipt import SENDERS_STATE
from gateway.domain.states import ITINERARIES, Direction, State
from gateway.errors import Disposition, GatewayError, documented_errors
from gateway.events import BY_NAME, Event
from gateway.logs import KEYS

Sources = Sequence[tuple[str, ast.Module]]

PACKAGE: Final = Path(gateway.__file__).parent
EVENTS: Final = frozenset(event.value for event in Event)
SAYING: Final = frozenset({"record", "log", "announce", "debug", "info", "warning", "error", "exception"})
"""The calls whose first argument is an event."""

FORMED: Final[Mapping[str, frozenset[str]]] = {
    # pattern, with {} for what is put in: the events that can come of it
    "transfer.{}": frozenset(
        f"transfer.{state}"
        for state in {State.VALIDATED, State.DELIVERED, State.REJECTED, State.HELD, *SENDERS_STATE.values()}
    ),
    "{}.sent": frozenset({"consignment.sent", "receipt.sent"}),
    "{}.exported": frozenset({"consignment.exported", "receipt.exported"}),
    "{}.quarantined": frozenset({"consignment.quarantined"}),
    # After an error a receipt is held or waits; a refused one is locked away by another event.
    "{}.{}": frozenset({"consignment.held", "consignment.expired", "receipt.held"})
    | frozenset(f"transfer.{said}" for said in ("held", "rejected", "released", "retried"))
    | frozenset(f"consignment.{said}" for said in ("released", "retried")),
}


@pytest.fixture(scope="module")
def sources() -> Sources:
    return [
        (str(path.relative_to(PACKAGE)), ast.parse(path.read_text("utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))
    ]


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that record or log, by the name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in SAYING:
                yield node


def pattern(node: ast.JoinedStr) -> str:
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{}" for part in node.values
    )


def import_everything() -> None:
    """Load every module that may define an error; the migrations' own script runs only inside Alembic."""
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if module.name not in ("gateway.__main__", "gateway.ledger.migrations.env"):
            importlib.import_module(module.name)


def errors() -> list[type[GatewayError]]:
    """The gateway's own errors; those that tests define for themselves do not count."""
    import_everything()
    return [error for error in documented_errors() if error.__module__.startswith("gateway.")]


# -- events


def test_every_event_that_is_said_outright_is_on_the_list(sources: Sources) -> None:
    nouns = {event.partition(".")[0] for event in EVENTS} - {"gateway"}
    unknown = [
        f"{file}:{node.lineno}: {node.value}"
        for file, tree in sources
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(rf"(?:{'|'.join(sorted(nouns))})\.[a-z]+(?:-[a-z]+)*", node.value)
        and node.value not in EVENTS
    ]
    assert unknown == []


def test_every_call_that_says_an_event_says_one_on_the_list(sources: Sources) -> None:
    unknown = [
        f"{file}:{call.lineno}: {said.value}"
        for file, tree in sources
        for call in calls(tree)
        for said in ast.walk(call.args[0])
        if isinstance(said, ast.Constant)
        and isinstance(said.value, str)
        and re.fullmatch(r"[a-z]+\.[a-z-]+", said.value)
        and said.value not in EVENTS
    ]
    assert unknown == []


def test_every_event_that_is_put_together_is_on_the_list(sources: Sources) -> None:
    """An f-string of a new form fails here: say in FORMED what can come of it."""
    found = {pattern(node) for _, tree in sources for node in formed(tree)}
    assert {"transfer.{}", "{}.{}"} <= found <= FORMED.keys()
    assert frozenset().union(*FORMED.values()) <= EVENTS


def formed(tree: ast.Module) -> Iterator[ast.JoinedStr]:
    """The f-strings that a call says as its event, at once or by way of a variable."""
    said = [call.args[0] for call in calls(tree)]
    names = {node.id for argument in said for node in ast.walk(argument) if isinstance(node, ast.Name)}
    said += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id in names for to in node.targets)
    ]
    for argument in said:
        for node in ast.walk(argument):
            if isinstance(node, ast.JoinedStr) and re.fullmatch(r"(?:[a-z]+|\{\})\.(?:[a-z-]+|\{\})", pattern(node)):
                yield node


def test_every_event_that_is_logged_outright_has_the_level_of_the_table(sources: Sources) -> None:
    """Everything else goes through `announcer`, which asks the table."""
    levels = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}
    said = [
        (f"{file}:{call.lineno}", call.func.attr, ast.literal_eval(call.args[0]))
        for file, tree in sources
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in levels and isinstance(call.args[0], ast.Constant)
    ]
    said = [(place, method, event) for place, method, event in said if event in EVENTS]
    assert len(said) > 20
    assert [line for line in said if levels[line[1]] != BY_NAME[line[2]].level] == []


def test_an_event_has_a_sentence_and_a_state_that_there_is() -> None:
    for event in Event:
        assert re.fullmatch(r"\S.*[^.\s]", event.sentence), event
        assert event.state is None or event.state in set(State), event
        assert event.moves <= set(Direction), event


def test_an_event_that_moves_a_unit_and_is_named_for_a_state_leads_to_one_of_its_itinerary() -> None:
    for event in Event:
        for direction in event.moves:
            itinerary = ITINERARIES[event.noun, Direction(direction)]
            assert event.state is None or event.state in itinerary, event


def test_events_are_a_noun_and_a_past_participle() -> None:
    for event in EVENTS:
        assert re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*", event), event


def test_every_key_of_a_log_line_is_on_the_list(sources: Sources) -> None:
    """Lists go into the chain and not into the log line, so their keys need no place on the list."""
    unknown = []
    for file, tree in sources:
        for call in calls(tree):
            for keyword in call.keywords:
                if keyword.arg == "log" and isinstance(keyword.value, ast.Dict):
                    names = [str(ast.literal_eval(key)) for key in keyword.value.keys if key is not None]
                elif keyword.arg in (None, "log", "exc_info") or _is_list(keyword.value):
                    continue
                else:
                    names = [keyword.arg]
                unknown += [f"{file}:{call.lineno}: {name}" for name in names if name not in KEYS]
    assert unknown == []


def _is_list(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return all(_is_list(side) or ast.unparse(side) == "None" for side in (node.body, node.orelse))
    return isinstance(node, ast.List | ast.ListComp)


# -- errors


def test_an_error_has_a_code_of_its_own() -> None:
    """A class that repeats the code of the one it refines is the same error with more to say."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for error in errors():
        if error.code != getattr(error.__mro__[1], "code", None):
            owners[error.code].append(error.__qualname__)
    assert {code: names for code, names in owners.items() if len(names) > 1} == {}


def test_an_error_says_what_it_is_and_what_to_do() -> None:
    for error in errors():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", error.code), error
        first = (error.__doc__ or "").strip().splitlines()[0]
        assert re.fullmatch(r"[A-Z`].*\.", first), f"{error.__qualname__}: {first!r}"
        assert error.remedy.strip(), error
        assert error.disposition in Disposition


def test_only_errors_of_the_program_itself_lack_a_remedy_of_their_own() -> None:
    generic = {error.code for error in errors() if error.remedy == GatewayError.remedy}
    assert generic == {"impossible-move"}


def test_the_exit_status_is_one_of_sysexits() -> None:
    allowed = {
        Disposition.DEFER: {75},
        Disposition.REJECT: {65},
        Disposition.QUARANTINE: {65},
        Disposition.HOLD: {69},
        Disposition.HALT: {69, 70, 78},
        Disposition.MISUSE: {64, 65, 69, 75, 77},
    }
    for error in errors():
        assert error.exit_status in allowed[error.disposition], error
