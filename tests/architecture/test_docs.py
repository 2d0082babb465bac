"""The documentation says what the code does: generated pages are fresh, links lead somewhere, names are real."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.cli import COMMANDS
from gateway.domain.manifest import Manifest
from gateway.domain.receipt import Receipt
from gateway.errors import Quarantine, documented_errors
from gateway.events import Event
from gateway.flows.catalog import FLOWS
from gateway.ledger.commitment import EXEMPT, PERSONAL, PLAIN
from gateway.ledger.migrate import migrate
from gateway.ledger.store import Ledger
from gateway.ledger.tables import TRANSFERS

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
LINK: Final = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CODE_BLOCK: Final = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "spool").glob("*.md")])


def prose(path: Path) -> str:
    """The text of a page without its blocks of code."""
    return CODE_BLOCK.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def first_column(text: str, heading: str) -> list[str]:
    """The first cells of the table under a heading, without backticks."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


# -- generated pages


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_stale_page_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "docs"
    copy.mkdir()
    script = copy / "generate.py"
    script.write_bytes((DOCS / "generate.py").read_bytes())
    check = [sys.executable, str(script), "--check"]
    assert subprocess.run(check, cwd=ROOT, capture_output=True, check=False).returncode == 1
    subprocess.run([sys.executable, str(script)], cwd=ROOT, check=True)
    assert subprocess.run(check, cwd=ROOT, capture_output=True, check=False).returncode == 0
    assert (copy / "errors.md").read_bytes() == (DOCS / "errors.md").read_bytes()


# -- links and names


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(prose(page)):
        target, _, anchor = found["target"].partition("#")
        assert "://" not in target, f"{page.name} links out of the project: {target}"
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name}: {found['target']}"
        assert there == ROOT or ROOT in there.parents, f"{page.name}: {found['target']}"
        if anchor:
            assert anchor in anchors(there), f"{page.name}: {found['target']}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        for found in LINK.finditer(prose(page)):
            there = (page.parent / found["target"].partition("#")[0]).resolve()
            todo += sorted(there.glob("*.md")) if there.is_dir() else [there] if there.suffix == ".md" else []
    assert set(DOCS.rglob("*.md")) - reached == set()


def test_no_page_sends_its_reader_to_an_address() -> None:
    """The pages have to be true on a machine without a network, and no address of ours belongs in them.

    Clients that take a URL are shown one with words where the partner's own host and account go, or this machine's; so are stores.
    """
    for page in pages():
        assert "://" not in re.sub(
            r"(sftp://(USER@)?|https://)HOST\b|postgresql://(HOST)?/DATABASE\b|file:///DIRECTORY\b|s3://BUCKET\b|http://127\.0\.0\.1\b",
            "",
            page.read_text("utf-8"),
        ), page.name


def test_commands_in_the_documentation_exist() -> None:
    words = {name for page in pages() for name in re.findall(r"`gateway ([a-z][a-z-]*)", page.read_text("utf-8"))}
    assert words <= set(COMMANDS), words - set(COMMANDS)


def test_the_readme_names_every_command_that_a_person_calls() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"gateway ([a-z-]+)", text)) | set(re.findall(r"\bgw ([a-z-]+)", text))
    assert set(COMMANDS) - named == set()


def test_the_readme_lists_the_flows_that_there_are() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| `([a-z]+)` \| .* \| .* \| (\w+) \| (\w+) \|$", text, re.MULTILINE)
    kinds = {"DWP": ("dwp",), "authority": ("la",), "any": ("dwp", "la")}
    said = {
        (flow, source, target)
        for flow, *ends in listed
        for source in kinds[ends[0]]
        for target in kinds[ends[1]]
        if (source, target) != ("dwp", "dwp")  # there is one Department
    }
    assert said == {(flow.name, *(kind.value for kind in way)) for flow in FLOWS.values() for way in flow.ways}


def test_error_codes_in_the_documentation_exist() -> None:
    known = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE))
    for page in (
        DOCS / "wire-format.md",
        DOCS / "limits.md",
        *(DOCS / "operators").glob("*.md"),
        *(DOCS / "adr").glob("*.md"),
    ):
        for word in re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", prose(page)):
            if word.partition("-")[0] in (
                "envelope",
                "signature",
                "signer",
                "manifest",
                "archive",
                "replay",
                "receipt",
            ):
                assert word in known, f"{page.name}: {word}"


def test_events_in_the_documentation_exist_and_the_night_s_page_knows_every_alarm() -> None:
    nouns = {event.value.partition(".")[0] for event in Event} - {"gateway"}
    shape = re.compile(rf"`((?:{'|'.join(sorted(nouns))})\.(?!py`)[a-z]+(?:-[a-z]+)*)`")
    for page in pages():
        unknown = set(shape.findall(prose(page))) - {event.value for event in Event}
        assert not unknown, f"{page.name}: {unknown}"
    night = (DOCS / "operators" / "logs.md").read_text("utf-8")
    never_said = {"transfer.ingested", "transfer.quarantined", "chain.broken"}
    never_said |= {"receipt.held", "consignment.held", "log.event-unknown", "consignment.receipted"}
    never_said |= {"ledger.committed", "ledger.adopted"}  # in the chain alone
    missing = {event.value for event in Event if f"`{event.value}`" not in night} - never_said
    assert missing == set()
    table = re.compile(r"^\| (`[^|]*)\|", re.MULTILINE)
    rows = " ".join(table.findall(night))
    unlisted = [event for event in Event if event.level == "error" and f"`{event}`" not in rows]
    assert set(unlisted) <= never_said, "an error has a line of its own"
    urgent = " ".join(table.findall(night.partition("**These can wait for the morning.**")[0]))
    assert [event for event in Event if event.level == "info" and f"`{event}`" in urgent] == []


@pytest.mark.parametrize("page", ["promises.md", "threat-model.md"])
def test_tests_that_a_page_of_promises_names_exist(page: str) -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", (DOCS / page).read_text("utf-8")))
    known = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(named) >= 15
    assert named - known == set()


def test_every_reason_to_lock_something_away_is_provoked_by_a_test_on_real_engines() -> None:
    text = "".join(
        path.read_text("utf-8")
        for level in ("acceptance", "integration")
        for path in (ROOT / "tests" / level).glob("*.py")
    )
    refusals = [error for error in documented_errors() if issubclass(error, Quarantine)]
    assert len(refusals) > 40
    for error in refusals:
        assert f'"{error.code}"' in text or f"errors.{error.__name__}" in text, error.code


# -- dependencies, decisions, fields


def test_the_dependency_tables_are_the_projects() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    text = (DOCS / "dependencies.md").read_text("utf-8")
    for heading, wanted in (
        ("At run time", project["dependencies"]),
        ("With the extra `timestamps`", project["optional-dependencies"]["timestamps"]),
        ("With the extra `postgresql`", project["optional-dependencies"]["postgresql"]),
        ("With the extra `nodes`", project["optional-dependencies"]["nodes"]),
        ("With the extra `traces`", project["optional-dependencies"]["traces"]),
        ("For development", project["optional-dependencies"]["dev"]),
    ):
        named = first_column(text, heading)
        assert sorted(named) == sorted(re.split(r"[<>=!~\[; ]", each, maxsplit=1)[0] for each in wanted), heading


def test_the_table_of_layers_is_import_linters() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = [each for each in contracts if each["name"] == "Imports point down"]
    wanted = [
        {room.strip().removeprefix("gateway.") for room in line.split("|")}
        for line in layers["layers"]
        if not line.startswith("(")  # not there yet
    ]
    said = first_column((DOCS / "architecture.md").read_text("utf-8"), "Layers")
    assert [set(re.findall(r"\w+", line)) for line in said] == wanted


def test_the_debian_packages_are_the_makefiles() -> None:
    text = (DOCS / "dependencies.md").read_text("utf-8")
    named = {package for cell in first_column(text, "Programs of the system") for package in re.split("`, `", cell)}
    packages = re.search(r"^PACKAGES := (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert packages is not None
    assert named == set(packages[1].split())


def test_decisions_are_numbered_without_gaps_and_have_their_three_parts() -> None:
    records = sorted(path for path in (DOCS / "adr").glob("*.md") if path.name != "README.md")
    assert [path.name[:5] for path in records] == [f"{number:04d}-" for number in range(1, len(records) + 1)]
    index = (DOCS / "adr" / "README.md").read_text("utf-8")
    for path in records:
        text = path.read_text("utf-8")
        number = path.name[:4]
        assert re.match(rf"# {number}\. .+\n", text), path.name
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"], path.name
        assert f"[{number}]({path.name})" in index, path.name


@pytest.mark.parametrize(("model", "heading"), [(Manifest, "The manifest"), (Receipt, "The receipt")])
def test_the_wire_format_names_every_field(model: type[Manifest | Receipt], heading: str) -> None:
    text = (DOCS / "wire-format.md").read_text("utf-8")
    section = re.split(rf"^##+ {heading}$", text, maxsplit=1, flags=re.MULTILINE)[1]
    example = CODE_BLOCK.search(section)
    assert example is not None
    item = model.model_fields["items"].annotation
    inner = item.__args__[0] if item is not None else None
    assert inner is not None
    fields = {*model.model_fields, *(field.alias or name for name, field in inner.model_fields.items())}
    missing = {name for name in fields if f'"{name}"' not in example[0]}
    assert missing == set()


# -- the audit example


def programs(page: Path) -> Iterator[str]:
    yield from re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_chain_in_the_documentation_is_checked_by_the_program_in_the_documentation(tmp_path: Path) -> None:
    """A good chain passes; an edited, a removed and a reordered event are each noticed."""
    program, *_ = programs(DOCS / "audit.md")
    script = tmp_path / "check.py"
    script.write_text(program, "utf-8")
    ledger = tmp_path / "ledger" / "ledger.sqlite3"
    migrate(ledger)
    book = Ledger(ledger, clock=lambda: 1_795_000_000.25, role="inspect")
    for number in range(1, 6):
        with book.write() as transaction:
            transaction.record("transfer.held", "transfer", f"Ynys Môn \u2028 {number}", "DWP", reason='"quoted" \x1f')
            head = transaction.head()
    book.close()
    assert check(script, ledger) == (0, head.sha256)
    for spoil in (
        "UPDATE events SET detail = replace(detail, 'quoted', 'Quoted') WHERE sequence = 3",
        "DELETE FROM events WHERE sequence = 3",
        "UPDATE events SET sequence = CASE sequence WHEN 2 THEN 30 WHEN 3 THEN 2 ELSE sequence END",
    ):
        copy = tmp_path / "copy.sqlite3"
        spoilt(ledger, copy, spoil)
        assert check(script, copy)[0] == 1, spoil


def test_the_rows_are_checked_by_the_program_in_the_documentation(tmp_path: Path) -> None:
    """True rows pass; an edited value, a removed row and a row that was put in are each noticed."""
    _, program, *_ = programs(DOCS / "audit.md")
    script = tmp_path / "check.py"
    script.write_text(program, "utf-8")
    ledger = tmp_path / "ledger" / "ledger.sqlite3"
    migrate(ledger)
    book = Ledger(ledger, clock=lambda: 1_795_000_000.25, role="inspect")
    row = {"direction": "out", "flow": "claim", "partner": "DWP", "size": 5, "sha256": "f" * 64, "state": "admitted"}
    for number in range(1, 4):
        with book.write() as transaction:
            transaction.set_lane("DWP", sequence=number)
            named = {"id": f"t{number}", "name": f"Ynys Môn \u2028 {number}.xml", "reason": '"quoted" \x1f'}
            transaction.insert(TRANSFERS, [row | named])
            if number == 2:
                transaction.connection.exec_driver_sql("DELETE FROM transfers WHERE id = 't1'")
    book.close()
    assert check(script, ledger) == (0, "says")
    for spoil in (
        "UPDATE transfers SET name = 'other.xml' WHERE id = 't2'",
        "UPDATE transfers SET updated = updated + 1 WHERE id = 't3'",
        "UPDATE lanes SET held = 1",
        "DELETE FROM transfers WHERE id = 't3'",
        "INSERT INTO lanes SELECT 'E09000030', held, failures, due, code, reason, sequence, 1, NULL, updated, salt FROM lanes",
    ):
        copy = tmp_path / "copy.sqlite3"
        spoilt(ledger, copy, spoil)
        assert check(script, copy)[0] == 1, spoil


def test_the_documentation_lists_the_columns_that_the_chain_commits_to_and_says_why_not_of_the_others() -> None:
    text = (DOCS / "audit.md").read_text("utf-8")
    listed = re.findall(r"^([a-z]+): ([a-z_0-9 ]+) \| ([a-z_ ]+)$", text, re.MULTILINE)
    assert {table: tuple(plain.split()) for table, plain, _ in listed} == PLAIN
    assert {table: tuple(personal.split()) for table, _, personal in listed} == PERSONAL
    _, _, after = text.partition("| column | why it may change")
    reasons = after[: after.index("\n\n")]
    excused = {
        name for cells in re.findall(r"^\| (`[^|]*)\|", reasons, re.MULTILINE) for name in re.findall("`(.+?)`", cells)
    }
    assert excused == {name for names in EXEMPT.values() for name in names}


def check(script: Path, ledger: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-I", str(script), str(ledger)], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.strip().rpartition(" ")[2]


def spoilt(ledger: Path, copy: Path, statement: str) -> None:
    import sqlite3  # noqa: PLC0415 - only here

    copy.unlink(missing_ok=True)
    source, target = sqlite3.connect(ledger), sqlite3.connect(copy)
    try:
        source.backup(target)
        target.execute(statement)
        target.commit()
    finally:
        source.close()
        target.close()
