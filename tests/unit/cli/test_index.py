"""`gateway index`: what it says, what it changes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ledger.queries.events import chain, reasons_of
from gateway.settings.index_templates import example_text
from tests.fakes.two_ledgers import Bench
from tests.unit.administration.indexing.site import IDS, IndexedSite, indexed_site, template
from tests.unit.cli.conftest import Run

PERSONAL = {"fields": ["reference"], "decided_by": "the owner", "why": "filed by reference"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[IndexedSite]:
    with indexed_site(tmp_path, documents=2) as made:
        configure(made.bench)
        yield made


def configure(bench: Bench) -> None:
    bench.configure()
    toml = bench.home.gateway_toml
    toml.write_text(f'{toml.read_text()}\n[flows.laid]\ninbound_name = "{{transfer}}{{ext}}"\n')


def test_a_dry_run_changes_nothing_and_says_what_once_makes(site: IndexedSite, run: Run) -> None:
    for number in range(3):
        site.deliver(number)
    (site.home.inbound / "laid" / "DWP" / "mine.pdf").write_bytes(b"%PDF")
    before = site.left()
    would = json.loads(run(site.bench, "index", "run", "--dry-run", "--json").out)
    assert [each["documents"] for each in would["batches"]] == [2, 1]
    assert [each["code"] for each in would["left"]] == ["index-unknown"]
    assert site.left() == before
    assert site.batches() == {}
    said = run(site.bench, "index", "run", "--once")
    assert "3 documents in 2 batches." in said.err
    assert "mine.pdf" in said.out
    assert [name.rpartition("-")[2] for name in site.batches()] == ["000001", "000002"]
    assert "Nothing waits for the document system." in run(site.bench, "index", "run", "--once").err


def test_without_a_template_it_says_where_to_get_one(site: IndexedSite, run: Run) -> None:
    (site.home.index / "laid.toml").unlink()
    said = run(site.bench, "index", "run", "--once")
    assert (said.status, "gateway index example csv" in said.err) == (78, True)
    assert run(site.bench, "index", "example", "xml").out == example_text("xml")


def test_an_approval_names_what_and_who_and_why_and_only_then_it_is_indexed(site: IndexedSite, run: Run) -> None:
    site.use(template(fields=[{"name": "Reference", "value": "reference"}], personal=PERSONAL))
    site.deliver(0, reference="HB-1001")
    refused = run(site.bench, "index", "run", "--once")
    assert (refused.status, "gateway index approve NAME" in refused.err) == (77, True)
    assert run(site.bench, "index", "approve", "laid").status == 0
    with site.bench.ledger.read() as connection:
        (entry,) = [each for each in chain(connection) if each.event == "index.approved"]
        told = json.loads(entry.detail)
        assert reasons_of(connection, [entry]) == {entry.sequence: PERSONAL["why"]}
    assert (entry.subject, told["personal"], told["decided_by"]) == ("laid", ["reference"], "the owner")
    assert "HB-1001" not in entry.detail
    assert run(site.bench, "index", "run", "--once").status == 0
    (files,) = site.batches().values()
    assert b"HB-1001" in files[f"{IDS[0]}.csv"]


def test_a_template_that_needs_nobodys_leave_gets_none(site: IndexedSite, run: Run) -> None:
    said = run(site.bench, "index", "approve", "laid", "--reason", "because of the test")
    assert (said.status, "needs nobody's leave" in said.err) == (64, True)


def test_config_check_finds_what_is_wrong_with_a_template(site: IndexedSite, run: Run) -> None:
    path = site.home.index / "laid.toml"
    path.write_text(path.read_text().replace("documents = 2", "documents = 0"))
    said = run(site.bench, "config", "check")
    assert (said.status, "config/index/laid.toml" in said.out) == (78, True)
