"""Writes docs/console-pages.md, docs/errors.md, docs/events.md, docs/metrics.md, docs/states.md and docs/formats/back-office-tables.md out of the code, and what `make bench` measured into README.md and
docs/performance.md; or with --check says whether they are stale.

Raises nothing of its own: it exits with 0, or with 1 where `--check` finds a page that is not what the code says.
"""

# ruff: noqa: INP001 - a script, no part of a package
from __future__ import annotations

import argparse
import difflib
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import gateway
from gateway.administration.metrics.catalogue import METRICS, SAYS
from gateway.bench.outcome import from_data
from gateway.bench.report import summary, tables
from gateway.console.pages import PAGES
from gateway.domain.people import RIGHTS, PersonRole
from gateway.domain.states import ITINERARIES, Direction, Itinerary, State
from gateway.errors import Disposition, GatewayError, documented_errors
from gateway.events import Event
from gateway.loading.page import tables_page
from gateway.settings.load import LOADABLE
from gateway.settings.resources import resource
from gateway.validation.xml.shape import shapes_of

DOCS: Final = Path(__file__).resolve().parent
_MARK: Final = "<!-- Written by docs/generate.py from the code: change it there. -->"
_MEASURED: Final = "<!-- Measured, and written here by `make bench`. -->"
_MEASURED_END: Final = "<!-- The end of what was measured. -->"
_SCRIPTS: Final = frozenset({"gateway.__main__", "gateway.ledger.migrations.env"})
"""Modules that do something when they are imported."""

_SAID: Final[Mapping[Disposition, tuple[str, str]]] = {
    Disposition.DEFER: (
        "Try again later",
        (
            "The work waits and is tried again by itself, after a random time of at most `retry_base_seconds` doubled with"
            " each failure, up to `retry_cap_seconds`; until the transfer's expiry."
        ),
    ),
    Disposition.REJECT: (
        "The content is wrong",
        (
            "The file goes back to whoever submitted it, with the reasons. On the receiving side the sender is told in the"
            " receipt."
        ),
    ),
    Disposition.QUARANTINE: (
        "It should not exist",
        (
            "What came is locked away whole, nothing of it is delivered, and an error line is logged. `gateway quarantine`"
            " shows it."
        ),
    ),
    Disposition.HOLD: (
        "A person must decide",
        "The work stops where it is, and goes on from there once a person releases it.",
    ),
    Disposition.HALT: (
        "This gateway must not go on",
        "The role ends, and the supervisor stops the whole gateway with the error's exit status.",
    ),
    Disposition.MISUSE: ("The caller", "A command was called wrongly, or by the wrong person. Nothing has changed."),
}

_DRAWINGS: Final = (
    (
        "transfer",
        Direction.OUT,
        "A file on its way to a partner",
        "While it is packed, sealed or sent it moves with its consignment.",
    ),
    (
        "transfer",
        Direction.IN,
        "A file from a partner",
        "Its row is written when its consignment has passed the acceptance rule.",
    ),
    (
        "consignment",
        Direction.OUT,
        "A consignment to a partner",
        (
            "From `sent` back to `sealed`: the receipt is overdue, or a person asked for it, and the same bytes are sent"
            " again."
        ),
    ),
    (
        "consignment",
        Direction.IN,
        "A consignment from a partner",
        "`delivered` means that every transfer in it has come to its end here, whichever that was.",
    ),
    (
        "receipt",
        Direction.OUT,
        "A receipt to a partner",
        "From `sent` back to `issued`: the partner sent the consignment again, so the receipt did not reach it.",
    ),
    ("receipt", Direction.IN, "A receipt from a partner", "What is accepted is kept in `state/evidence`."),
)

_MEANING: Final[Mapping[State, str]] = {
    State.ADMITTED: "copied into custody, durably",
    State.VALIDATED: "found good by the rules of its flow",
    State.PACKED: "assigned to a consignment",
    State.SEALED: "signed and encrypted; from now on the bytes do not change",
    State.SENT: "at the partner under its final name, or in its `out/`",
    State.RECEIPTED: "the partner's signed receipt has been verified",
    State.INGESTED: "the partner's back office has taken it",
    State.LANDED: "copied out of the landing, and recorded",
    State.OPENED: "decrypted, verified and unpacked into the vault",
    State.DELIVERED: "in `spool/inbound`, complete and durable",
    State.ISSUED: "due; its text is written when it is sealed",
    State.ACCEPTED: "verified, and its transfers moved",
    State.REJECTED: "the content is wrong; the file goes back to its sender",
    State.QUARANTINED: "locked away",
    State.HELD: "waits for a person; the ledger remembers where release resumes",
    State.EXPIRED: "no receipt came in time; the file goes back to its operator",
}

_MEANING_HERE: Final[Mapping[tuple[str, Direction, State], str]] = {
    (
        "transfer",
        Direction.OUT,
        State.REJECTED,
    ): "the content is wrong, here or by the partner's word; the file goes back",
    ("transfer", Direction.OUT, State.QUARANTINED): "the partner's gateway locked it away; the file goes back",
    (
        "transfer",
        Direction.OUT,
        State.RECEIPTED,
    ): "the partner's signed receipt has been verified; with the code `refused-by-back-office`, its back office could not take it",
    (
        "transfer",
        Direction.IN,
        State.DELIVERED,
    ): "in `spool/inbound`, complete and durable; with the code `refused-by-back-office`, the back office could not take it",
    ("transfer", Direction.IN, State.REJECTED): "the content is wrong; the sender is told in the receipt",
    ("consignment", Direction.IN, State.DELIVERED): "every transfer in it has come to its end here",
    ("consignment", Direction.OUT, State.RECEIPTED): "answered, transfer by transfer",
    ("consignment", Direction.OUT, State.EXPIRED): "no receipt came in time",
    ("receipt", Direction.OUT, State.SEALED): "signed and encrypted",
}
"""What a state means for one kind only."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    check = parser.parse_args().check
    stale = False
    for name, text in pages().items():
        path = DOCS / name
        before = path.read_text("utf-8") if path.exists() else ""
        if before == text:
            continue
        if check:
            stale = True
            change = difflib.unified_diff(before.splitlines(), text.splitlines(), name, "the code", lineterm="", n=0)
            sys.stderr.write("\n".join(change) + f"\n{name} is stale: run `python docs/generate.py`\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if stale else 0


def pages() -> dict[str, str]:
    """The generated pages by name, as they should read."""
    written = {"errors.md": errors_page(), "events.md": events_page(), "metrics.md": metrics_page()}
    written["formats/back-office-tables.md"] = back_office_tables_page()
    written["console-pages.md"] = console_pages_page()
    return {**written, "states.md": states_page(), **measured_pages()}


# -- what was measured


def measured_pages() -> dict[str, str]:
    """README.md and performance.md with the last bench's tables between their marks; nothing where there was no bench."""
    source = DOCS / "measured" / "measured.json"
    if not source.exists():
        return {}
    data = json.loads(source.read_bytes())
    outcomes = [from_data(outcome) for outcome in data["outcomes"]]
    machine = data["machine"]
    lies_on = f", on {machine['file_system']['said']}" if "file_system" in machine else ""
    where = (
        f"Measured on {machine['measured'][:10]} by `make bench`: {machine['processors']} processors, "
        f"{machine['memory_bytes'] >> 30} GiB, {machine['system']}, both sites and all others on the one machine{lies_on}."
    )
    texts = {
        "../README.md": [where, summary(outcomes), *_plots("docs/measured")],
        "performance.md": [where, tables(outcomes).rstrip("\n"), *_plots("measured")],
    }
    return {name: _between_marks((DOCS / name).read_text("utf-8"), "\n\n".join(text)) for name, text in texts.items()}


def _plots(directory: str) -> Iterator[str]:
    for name, what in (("throughput", "Files a second, by how many are dropped at once"), ("latency", "Single files")):
        if (DOCS / "measured" / f"{name}.svg").exists():
            yield f"![{what}]({directory}/{name}.svg)"


def _between_marks(page: str, text: str) -> str:
    before, _, rest = page.partition(_MEASURED)
    after = rest.partition(_MEASURED_END)[2]
    return f"{before}{_MEASURED}\n\n{text}\n\n{_MEASURED_END}{after}"


# -- errors


def errors() -> Iterator[type[GatewayError]]:
    """Every error of the gateway that has a code of its own, wherever it is defined."""
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if module.name not in _SCRIPTS:
            importlib.import_module(module.name)
    for error in documented_errors():
        ours = error.__module__.startswith("gateway.")
        if ours and error.code != getattr(error.__mro__[1], "code", None):
            yield error


def errors_page() -> str:
    # Those of gateway.errors as they stand there; others by module, since those may be loaded in any order.
    found = sorted(errors(), key=_position)
    lines = [
        "# Errors",
        "",
        _MARK,
        "",
        (
            "What becomes of the work is a property of the error's class, never of the place that meets it. `code` is what the"
            " ledger, the log lines, receipts and `--json` say; the exit status is that of a command that ends with it"
            " (sysexits.h). Reasons never hold content of a file."
        ),
        "",
        (
            "Codes that a validator's finding gives a rejected file are in [formats/](formats/) for LAIDs and extracts, and in"
            " `gateway/validation/xml/codes.py` for claims and referrals. `returned-by-person` is a transfer that somebody gave"
            " back with `gateway return`; `reader-died` a file whose reader ended over it (the third time it is held as"
            " `poison-file`); `no-events` a machine whose file-system events could not be had, so that directories are only"
            " looked through at intervals."
        ),
    ]
    for disposition, (title, explanation) in _SAID.items():
        lines += ["", f"## {title} (`{disposition}`)", "", explanation, ""]
        lines += ["| code | meaning | what to do | exit |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{error.code}` | {_cell(_first_line(error))} | {_cell(error.remedy)} | {error.exit_status} |"
            for error in found
            if error.disposition is disposition
        ]
    return "\n".join(lines) + "\n"


def _position(error: type[GatewayError]) -> str:
    return "" if error.__module__.startswith("gateway.errors.") else error.__module__


def _first_line(error: type[GatewayError]) -> str:
    return (error.__doc__ or error.code).strip().splitlines()[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# -- events


def events_page() -> str:
    lines = [
        "# Events",
        "",
        _MARK,
        "",
        (
            "Everything that a log line or the audit chain can say; `gateway/events.py` holds the table. What to do about it at"
            " night is in [operators/logs.md](operators/logs.md). A state stands where the event alone says in which one it"
            " leaves its subject; with others, the event's detail says it."
        ),
        "",
        "| event | level | means | leaves it |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{event}` | {event.level} | {_cell(event.sentence)} | {'' if event.state is None else f'`{event.state}`'} |"
        for event in Event
    ]
    return "\n".join(lines) + "\n"


# -- metrics


def back_office_tables_page() -> str:
    shapes = [shape for flow in LOADABLE for shape in shapes_of(resource("schemas"), flow)]
    lines = [
        "# Tables of delivered documents",
        "",
        _MARK,
        "",
        (
            "What [`gateway load`](../operators/loading.md) makes in its database, from the schemas in `schemas/`. A table for each document, and one"
            " for each element that may come more than once; what comes once in such an element is a column of its table, named by the path to"
            " it. Names begin with the flow and the version of the schema, so versions stand side by side."
        ),
        "",
        (
            "Every table of documents begins with `document` (the number in `load_documents`; with that row go all rows of the document),"
            " `row_no` (which row of this table it is in the document, from 1 on) and `parent_no` (the `row_no` of the row around it; 0"
            " in the document's own table). `document` and `row_no` are the key. Types are as PostgreSQL calls them; in SQLite a `numeric` with"
            " a fraction is a floating-point number, so sums of money are to be rounded to pence, and days and times are text (ISO 8601, UTC)."
            " PostgreSQL has the texts below as comments of tables and columns."
        ),
        "",
        *tables_page(shapes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def console_pages_page() -> str:
    """Which page of the console is whose."""
    roles = list(PersonRole)
    lines = [
        "# Pages of the console, and whose they are",
        "",
        _MARK,
        "",
        "What is not in this table does not exist, and what a role has no `yes` for is refused, and recorded. A page without a right is for whoever",
        "has not signed in; *signed in* is for everybody about themselves alone. Roles: [Who may use the console](operators/people.md). The rights are looked up at every request.",
        "",
        f"| page | what it is | right | {' | '.join(roles)} |",
        f"| --- | --- | --- | {' | '.join('---' for _ in roles)} |",
    ]
    for page in PAGES:
        right = f"`{page.right}`" if page.right else "signed in" if page.own else "none"
        may = ["yes" if page.right is None or page.right in RIGHTS[role] else "" for role in roles]
        lines.append(f"| `{page.method} {page.path}` | {page.what} | {right} | {' | '.join(may)} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    lines = [
        "# Metrics",
        "",
        _MARK,
        "",
        (
            "What the role `metrics` tells Prometheus where `[metrics] listen` asks for it; `gateway/administration/metrics/catalogue.py` holds the"
            " table. How it is switched on, alerts and a dashboard: [operators/metrics.md](operators/metrics.md). No label ever holds an id, a"
            " file's name or a person's words. Figures of states and ages are read from the ledger in one consistent view. What only"
            " grows begins at 0 when its role starts."
        ),
        "",
        "| metric | kind | labels | means |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {_cell(each.help)} |"
        for each in METRICS
    ]
    lines += ["", "| label | its values |", "| --- | --- |"]
    lines += [f"| `{label}` | {text} |" for label, text in SAYS.items()]
    return "\n".join(lines) + "\n"


# -- states


def states_page() -> str:
    lines = [
        "# States",
        "",
        _MARK,
        "",
        (
            "Which state may follow which. `gateway/domain/states.py` holds the tables; the ledger moves a row only if it"
            " still is in the state that the mover believed it to be in. A state that nothing follows is an end."
        ),
    ]
    for kind, direction, title, note in _DRAWINGS:
        itinerary = ITINERARIES[kind, direction]
        lines += ["", f"## {title}", "", note, "", "```mermaid", "stateDiagram-v2", *_drawing(itinerary), "```", ""]
        lines += ["| state | what has been done | may be followed by |", "| --- | --- | --- |"]
        lines += [
            f"| `{state}` | {_MEANING_HERE.get((kind, direction, state), _MEANING[state])} | {_following(following)} |"
            for state, following in itinerary.items()
        ]
    return "\n".join(lines) + "\n"


def _drawing(itinerary: Itinerary) -> Iterator[str]:
    yield f"    [*] --> {next(iter(itinerary))}"
    for state, followed_by in itinerary.items():
        for following in _in_order(followed_by):
            yield f"    {state} --> {following}"
        if not followed_by:
            yield f"    {state} --> [*]"


def _following(states: frozenset[State]) -> str:
    return ", ".join(f"`{state}`" for state in _in_order(states)) or "nothing: an end"


def _in_order(states: frozenset[State]) -> list[State]:
    """In the order of the enumeration: sets have none, and a page has to come out the same each time."""
    return [state for state in State if state in states]


if __name__ == "__main__":
    sys.exit(main())
