"""Batches for a document system: each document in exactly one, whole, with a manifest whose digests are true and a marker."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.administration.indexing.approving import require_approved
from gateway.administration.indexing.batches import Batch
from gateway.administration.indexing.indexer import Left
from gateway.administration.indexing.sizing import batches, due
from gateway.domain.states import State
from gateway.errors import ConfigurationInvalid, DiskFailed, IndexNotApproved
from gateway.settings.model import Settings
from tests.examples import examples
from tests.unit.administration.indexing.site import IDS, NOW, IndexedSite, as_toml, indexed_site, row, template

_MIB = 1 << 20
TIME = f"{datetime.fromtimestamp(NOW, UTC):%Y%m%dT%H%M%SZ}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[IndexedSite]:
    with indexed_site(tmp_path, documents=3, mib=1, wait_seconds=60) as made:
        yield made


def true_to(files: dict[str, bytes]) -> None:
    """What holds of every batch: the manifest names all that is there, with its digest, and the sums say the same."""
    manifest = json.loads(files["manifest.json"])
    told = {each["file"]: each for each in (*manifest["documents"], *manifest["files"])}
    assert set(files) == {*told, "manifest.json", "SHA256SUMS", "done"}
    for name, each in told.items():
        assert each["size"] == len(files[name])
        assert each["sha256"] == hashlib.sha256(files[name]).hexdigest()
    lines = files["SHA256SUMS"].decode().splitlines()
    sums = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    assert sums == {name: hashlib.sha256(files[name]).hexdigest() for name in (*told, "manifest.json")}
    assert manifest["count"] == len(manifest["documents"])
    assert manifest["bytes"] == sum(each["size"] for each in manifest["documents"])
    assert {each["index"] for each in manifest["documents"]} <= set(told)


# -- sizes


@examples(300)
@given(st.lists(st.integers(0, 5 * _MIB), max_size=30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 200))
def test_every_document_is_in_one_batch_in_its_order_and_no_batch_is_too_large(
    sizes: list[int], documents: int, mib: int, age: int
) -> None:
    says = template(documents=documents, mib=mib, wait_seconds=100).says
    rows = [row(key=number, size=size, updated=NOW - age) for number, size in enumerate(sizes)]
    made = batches(rows, says)
    assert [each for batch in made for each in batch] == rows
    for batch in made:
        assert 1 <= len(batch) <= documents
        assert len(batch) == 1 or sum(each.size for each in batch) <= mib * _MIB
    for batch, following in pairwise(made):
        full = len(batch) == documents or sum(each.size for each in batch) + following[0].size > mib * _MIB
        assert full, "no batch ends before it has to"
    ready = due(made, says, NOW)
    assert ready == made[: len(ready)]
    assert len(made) - len(ready) <= 1
    if age >= 100:
        assert ready == made


def test_a_small_batch_waits_for_more_and_not_for_ever(site: IndexedSite) -> None:
    site.deliver(0)
    site.now = NOW + 59
    assert site.work(all_of_it=False) == []
    assert site.batches() == {}
    site.now = NOW + 60
    assert [each.documents for each in site.work(all_of_it=False) if isinstance(each, Batch)] == [1]


def test_a_clock_that_was_put_back_keeps_nothing_waiting(site: IndexedSite) -> None:
    site.deliver(0)
    site.now = NOW - 86_400
    assert len(site.work(all_of_it=False)) == 1


def test_a_full_batch_waits_for_nothing_and_the_rest_goes_on_waiting(site: IndexedSite) -> None:
    for number in range(5):
        site.deliver(number)
    assert len(site.work(all_of_it=False)) == 1
    assert site.left() == {f"{identity}.pdf" for identity in IDS[3:5]}


# -- folders


def test_each_document_is_in_one_whole_batch_in_the_order_in_which_it_came(site: IndexedSite) -> None:
    for number in (4, 1, 3, 0, 2):
        site.deliver(number)
    told = site.work()
    made = site.batches()
    assert list(made) == [f"laid-{TIME}-000001", f"laid-{TIME}-000002"]
    assert [each.batch for each in told if isinstance(each, Batch)] == list(made)
    for files in made.values():
        true_to(files)
    documents = [each["transfer"] for manifest in site.manifests() for each in manifest["documents"]]
    assert documents == [IDS[number] for number in (4, 1, 3, 0, 2)]
    assert site.left() == set()
    assert made[f"laid-{TIME}-000001"][f"{IDS[4]}.pdf"] == b"%PDF-1.7 4"
    assert made[f"laid-{TIME}-000001"][f"{IDS[4]}.csv"].decode().splitlines()[1].startswith(f'"{IDS[4]}"')
    assert made[f"laid-{TIME}-000001"]["done"] == b""


def test_folders_and_files_are_the_groups_to_read_and_take_away(site: IndexedSite) -> None:
    site.deliver(0)
    os.umask(0o077)
    site.work()
    folder = site.home.batches / "laid"
    for directory in (site.home.batches, folder, folder / f"laid-{TIME}-000001"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o2770
    assert stat.S_IMODE((folder / f"laid-{TIME}-000001" / "manifest.json").stat().st_mode) == 0o640


def test_what_lies_beside_a_document_goes_with_it_and_its_marker_does_not(site: IndexedSite) -> None:
    identity = site.deliver(0)
    directory = site.home.inbound / "laid" / "DWP"
    (directory / f"{identity}.pdf.exceptions.csv").write_bytes(b"row,field,code,message\r\n")
    site.settings = _with_markers(site.settings)
    (directory / f"{identity}.pdf.done").write_bytes(b"")
    site.work()
    (files,) = site.batches().values()
    assert f"{identity}.pdf.exceptions.csv" in files
    assert f"{identity}.pdf.done" not in files
    true_to(files)
    assert site.left() == set()


def _with_markers(settings: Settings) -> Settings:
    flows = {name: flow.model_copy(update={"done_marker": True}) for name, flow in settings.flows.items()}
    return replace(settings, flows=flows)


def test_one_index_of_a_whole_batch_has_a_record_for_each_document(tmp_path: Path) -> None:
    with indexed_site(tmp_path, per="batch", format="json") as site:
        for number in range(3):
            site.deliver(number)
        site.work()
        (files,) = site.batches().values()
        assert [each["Transfer"] for each in json.loads(files["index.json"])] == IDS[:3]
        true_to(files)


def test_what_is_not_the_delivered_file_stays_and_is_told_once(site: IndexedSite) -> None:
    identity = site.deliver(0)
    site.deliver(1)
    path = site.home.inbound / "laid" / "DWP" / f"{identity}.pdf"
    path.write_bytes(b"%PDF-1.7 altered")
    (path.parent / "somebody's.pdf").write_bytes(b"%PDF")
    (path.parent / "link.pdf").symlink_to(path)
    indexer = site.indexer()
    told = list(indexer.work(all_of_it=True))
    assert [each.code for each in told if isinstance(each, Left)] == ["index-unknown", "index-conflict"]
    assert site.left() == {path.name, "somebody's.pdf", "link.pdf"}
    (files,) = site.batches().values()
    assert f"{IDS[1]}.pdf" in files
    assert f"{identity}.pdf" not in files
    true_to(files)
    assert list(indexer.work(all_of_it=True)) == []


def test_what_was_altered_in_an_open_batch_is_not_shown_where_another_file_has_its_name_by_now(
    site: IndexedSite,
) -> None:
    identity = site.deliver(0, delivered_name=f"{IDS[0]}.pdf")
    folder = site.home.open_batches / "laid" / f"laid-{TIME}-000001"
    folder.mkdir(parents=True)
    (folder / f"{identity}.pdf").write_bytes(b"%PDF-1.7 altered")
    entry = {
        "flow": "laid",
        "partner": "DWP",
        "name": f"{identity}.pdf",
        "transfer": identity,
        "file": f"{identity}.pdf",
    }
    (folder.parent / "journal.json").write_text(json.dumps({"number": 1, "batch": folder.name, "open": [entry]}))
    told = site.work()
    assert [each.code for each in told if isinstance(each, Left)] == ["index-conflict"]
    (files,) = site.batches().values()
    assert files[f"{identity}.pdf"] == b"%PDF-1.7 0"
    true_to(files)
    assert site.left() == {f"{identity}~{identity}.pdf"}


def test_a_copy_beside_a_delivered_file_does_not_keep_it_out_of_its_batch(site: IndexedSite) -> None:
    identity = site.deliver(0, delivered_name=f"{IDS[0]}.pdf")
    directory = site.home.inbound / "laid" / "DWP"
    for copy in (f"{identity} (copy).pdf", f"{identity}~1.pdf"):
        (directory / copy).write_bytes(b"%PDF-1.7 altered")
    told = site.work()
    assert [each.code for each in told if isinstance(each, Left)] == ["index-unknown"] * 2
    (files,) = site.batches().values()
    assert files[f"{identity}.pdf"] == b"%PDF-1.7 0"
    assert len(site.left()) == 2


def test_a_batch_of_which_nothing_is_left_takes_no_number(site: IndexedSite) -> None:
    identity = site.deliver(0)
    (site.home.inbound / "laid" / "DWP" / f"{identity}.pdf").write_bytes(b"another")
    site.work()
    site.deliver(1)
    site.work()
    assert list(site.batches()) == [f"laid-{TIME}-000001"]


@pytest.mark.parametrize(
    "values", [{"state": State.OPENED}, {"answer_file": "1"}, {"redirected_to": IDS[9]}, {"state": State.INGESTED}]
)
def test_what_is_not_the_back_offices_now_is_in_no_batch(site: IndexedSite, values: dict[str, Any]) -> None:
    site.deliver(0, **values)
    assert site.work() == []
    assert len(site.left()) == 1


def test_numbers_go_on_after_the_importer_took_a_batch_and_where_the_journal_was_lost(site: IndexedSite) -> None:
    for number in range(3):
        site.deliver(number)
        site.work()
    (site.home.open_batches / "laid" / "journal.json").unlink()
    site.deliver(3)
    site.work()
    assert list(site.batches())[-1] == f"laid-{TIME}-000004"


def test_a_folder_of_a_batch_that_was_never_opened_is_removed_and_one_with_anything_in_it_is_not(
    site: IndexedSite,
) -> None:
    for name in ("laid-20261121T000000Z-000001", "laid-20261121T000001Z-000001"):
        (site.home.open_batches / "laid" / name).mkdir(parents=True)
    (site.home.open_batches / "laid" / name / "a.pdf").write_bytes(b"%PDF")
    site.deliver(0)
    site.work()
    assert [path.name for path in (site.home.open_batches / "laid").glob("laid-*")] == [name]


def test_a_damaged_journal_is_told_and_nothing_is_moved(site: IndexedSite) -> None:
    site.deliver(0)
    site.work()
    (site.home.open_batches / "laid" / "journal.json").write_text('{"number": "x"}')
    site.deliver(1)
    with pytest.raises(DiskFailed, match="damaged"):
        site.work()
    assert site.left() == {f"{IDS[1]}.pdf"}


def test_an_open_batch_whose_template_is_gone_stops_the_work(site: IndexedSite) -> None:
    site.use(template("other", flows=["scan"]))
    folder = site.home.open_batches / "gone"
    folder.mkdir(parents=True)
    entry = {"flow": "laid", "partner": "DWP", "name": "a.pdf", "transfer": IDS[0], "file": "a.pdf"}
    (folder / "journal.json").write_text(json.dumps({"number": 1, "batch": "gone-1", "open": [entry]}))
    with pytest.raises(ConfigurationInvalid, match="unfinished batch of gone"):
        site.indexer()


# -- what the sender wrote


def test_an_index_with_the_senders_words_takes_leave_for_the_template_as_it_stands(tmp_path: Path) -> None:
    personal = {"fields": ["reference"], "decided_by": "the owner", "why": "filed by reference"}
    fields = [{"name": "Reference", "value": "reference"}]
    with indexed_site(tmp_path, fields=fields, personal=personal) as site:
        site.deliver(0, reference="HB-1001")
        with pytest.raises(IndexNotApproved):
            site.indexer()
        assert site.left() == {f"{IDS[0]}.pdf"}
        made = template(fields=fields, personal=personal)
        with site.bench.ledger.write() as transaction:
            transaction.record("index.approved", "site", "laid", sha256=made.sha256)
        site.work()
        (files,) = site.batches().values()
        assert files[f"{IDS[0]}.csv"].decode().splitlines() == ['"Reference"', '"HB-1001"']
        changed = template(fields=fields, personal=personal, date="%d/%m/%Y")
        with site.bench.ledger.read() as connection, pytest.raises(IndexNotApproved):
            require_approved(connection, changed)
        path = site.home.index / "laid.toml"
        path.write_text("# a remark of no consequence\n" + as_toml(made))
        site.indexer()
