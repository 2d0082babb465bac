"""The reference back office: each document once, in a transaction of its own, answered when its rows are on the disk."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from gateway.errors import ConfigurationInvalid, DiskFull, LoadDatabaseUnavailable
from gateway.loading import loader as loader_module
from gateway.loading.database import Database
from gateway.loading.loader import require_unclaimed
from gateway.settings.index_templates import example_text
from gateway.settings.load import LoadSettings
from gateway.storage.durable import DISK
from tests.fakes.postgresql import server
from tests.unit.loading.site import IDS, LoadingSite, made

FLOWS = ("claim", "etd", "referral", "scan")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Each kind of database; of PostgreSQL one server for all tests of this file."""
    if request.param == "sqlite":
        yield None
        return
    with server() as url:
        yield url


@pytest.fixture
def site(database: str | None, tmp_path: Path) -> Iterator[LoadingSite]:
    site = LoadingSite(tmp_path, database)
    yield site
    if database is not None:
        site.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


def test_every_flow_and_version_becomes_rows_and_is_answered_by_its_id(site: LoadingSite) -> None:
    documents = [(flow, made(flow)) for flow in FLOWS if flow != "etd"]
    documents += [("etd", made("etd", version=version)) for version in ("1.0", "1.1")]
    for identity, (flow, content) in zip(IDS, documents, strict=False):
        site.deliver(flow, f"{identity}.xml", content)
    lines = site.load()
    assert [line.verdict for line in lines] == ["accepted"] * 5
    assert site.answers() == {f"{identity}.accepted": "" for identity in IDS[:5]}
    assert site.left() == set()
    rows = site.rows(
        "SELECT transfer, flow, schema, verdict, records, sha256, answered IS NOT NULL FROM load_documents ORDER BY 1"
    )
    assert {row[2] for row in rows} == {"claim/1.0", "etd/1.0", "etd/1.1", "referral/1.0", "scan/1.0"}
    for row, identity, (flow, content) in zip(rows, IDS, documents, strict=False):
        assert row[:2] == (identity, flow)
        assert row[3:] == ("accepted", row[4], hashlib.sha256(content).hexdigest(), True)
        assert row[4] > 0
    assert site.rows("SELECT count(*) FROM etd_1_0_notice")[0][0] > 0
    assert site.rows("SELECT count(*) FROM etd_1_1_notice")[0][0] > 0


def test_every_text_of_a_document_is_in_a_column_and_nothing_else_is(site: LoadingSite) -> None:
    content = made("claim", 3)
    site.deliver("claim", f"{IDS[0]}.xml", content)
    site.load()
    tree = etree.fromstring(content)
    written = sorted(_plain(node.text or "") for node in tree.iter() if not len(node))
    with closing(site.loader()) as loader:
        tables = [table for shape in loader.shapes if shape.schema == "claim/1.0" for table in shape.tables]
    kept = [
        _plain(str(value))
        for table in tables
        for row in site.rows(f"SELECT * FROM {table.name}")  # noqa: S608  # names of ours
        for value in row[3:]
        if value is not None
    ]
    assert sorted(kept) == written


def _plain(text: str) -> str:
    """A value however its database writes it: times without their zone, numbers without noughts at the end."""
    text = text.replace("T", " ", 1) if text[:4].isdigit() and text[10:11] == "T" else text
    text = text.removesuffix("Z").removesuffix("+00:00")
    try:
        return f"{float(text):.3f}"
    except ValueError:
        return text


def test_rows_of_an_element_name_the_row_around_it(site: LoadingSite) -> None:
    site.deliver("referral", f"{IDS[0]}.xml", made("referral", 5))
    site.load()
    counted = site.rows(
        "SELECT (SELECT count(*) FROM referral_1_0_discrepancy), (SELECT count(*) FROM referral_1_0_discrepancy d "
        "JOIN referral_1_0_referral r ON r.document = d.document AND r.row_no = d.parent_no)"
    )
    assert counted[0][0] == counted[0][1] > 0


def test_a_document_that_is_not_good_is_rejected_alone_and_its_file_stays(site: LoadingSite) -> None:
    site.deliver("claim", f"{IDS[0]}.xml", made("claim", 0))
    site.deliver("claim", f"{IDS[1]}.xml", made("claim", 1, defect="nino-letter"))
    site.deliver("claim", f"{IDS[2]}.xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')
    site.deliver("claim", f"{IDS[3]}.xml", made("claim", 2))
    assert [line.verdict for line in site.load()] == ["accepted", "rejected", "rejected", "accepted"]
    answers = site.answers()
    assert {name.partition(".")[2] for name in answers} == {"accepted", "rejected"}
    assert "[nino]" in answers[f"{IDS[1]}.rejected"]
    assert "[xml-doctype]" in answers[f"{IDS[2]}.rejected"]
    assert "passwd" not in "".join(answers.values())
    assert site.left() == {f"{IDS[1]}.xml", f"{IDS[2]}.xml"}
    assert site.rows("SELECT count(DISTINCT document) FROM claim_1_0_claims") == [(2,)]
    again = site.load()
    assert [(line.verdict, line.earlier) for line in again] == [("rejected", True)] * 2
    assert site.rows("SELECT count(*) FROM load_documents") == [(4,)]


def test_a_row_that_the_database_does_not_take_rejects_its_document_alone(site: LoadingSite) -> None:
    site.deliver("claim", f"{IDS[0]}.xml", made("claim", 0))
    site.load()
    site.execute("CREATE UNIQUE INDEX once ON claim_1_0_claim (claim_reference)")
    site.deliver("claim", f"{IDS[1]}.xml", made("claim", 0))
    site.deliver("claim", f"{IDS[2]}.xml", made("claim", 1))
    assert [line.verdict for line in site.load()] == ["rejected", "accepted"]
    answer = site.answers()[f"{IDS[1]}.rejected"]
    assert re.fullmatch(r"The database does not take a row of it \((IntegrityError|UniqueViolation)\)\.", answer)
    assert site.rows("SELECT verdict FROM load_documents ORDER BY document") == [
        ("accepted",),
        ("rejected",),
        ("accepted",),
    ]
    assert site.rows("SELECT count(DISTINCT document) FROM claim_1_0_claims") == [(2,)]


def test_records_with_listed_exceptions_are_set_aside_and_the_others_loaded(site: LoadingSite) -> None:
    content = made("claim", 4)
    root = etree.fromstring(content)
    records = len(root.findall("{*}Claim"))
    name = f"{IDS[0]}.xml"
    listed = b"row,field,code,message\r\n1,Claimant/Nino,nino,odd\r\n"
    site.deliver("claim", name, content, exceptions_csv=listed)
    (line,) = site.load()
    assert (line.verdict, line.records, line.set_aside) == ("accepted", records - 1, 1)
    assert site.rows("SELECT count(*) FROM claim_1_0_claim") == [(records - 1,)]
    assert site.left() == set()


def test_what_was_loaded_is_not_loaded_again_and_is_answered_in_the_end(site: LoadingSite) -> None:
    site.deliver("claim", f"{IDS[0]}.xml", made("claim"))
    full = replace(DISK, rename=_full)
    with closing(site.loader(full)) as loader, pytest.raises(DiskFull):
        list(loader.load())
    assert site.answers() == {}
    assert site.left() == {f"{IDS[0]}.xml"}
    (line,) = site.load()
    assert (line.verdict, line.earlier) == ("accepted", True)
    assert list(site.answers()) == [f"{IDS[0]}.accepted"]
    assert site.rows("SELECT count(*) FROM claim_1_0_claims") == [(1,)]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_other_bytes_under_the_id_of_a_loaded_transfer_are_left_for_a_person(site: LoadingSite) -> None:
    site.deliver("claim", f"{IDS[0]}.xml", made("claim", 0))
    site.load()
    (site.home.outcomes / "claim" / "DWP" / f"{IDS[0]}.accepted").unlink()
    site.deliver("claim", f"{IDS[0]}.xml", made("claim", 1))
    (line,) = site.load()
    assert line.verdict == "conflict"
    assert site.answers() == {}
    assert site.left() == {f"{IDS[0]}.xml"}


def test_a_document_that_is_named_as_a_marker_is_not_removed_with_another_one(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path, template="{name}")
    site.deliver("claim", "a.xml.done", b"<a/>")
    site.deliver("claim", "a.xml", made("claim"))
    assert [line.verdict for line in site.load()] == ["rejected", "accepted"]
    assert site.left() == {"a.xml.done"}


def test_a_connection_that_breaks_between_groups_is_made_anew(site: LoadingSite, database: str | None) -> None:
    if database is None:
        pytest.skip("a file has no connection that breaks")
    with closing(site.loader()) as loader:
        site.deliver("claim", f"{IDS[0]}.xml", made("claim", 0))
        assert len(list(loader.load())) == 1
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
        site.execute(others)
        site.deliver("claim", f"{IDS[1]}.xml", made("claim", 1))
        with pytest.raises(LoadDatabaseUnavailable):
            list(loader.load())
        loader.close()  # as the role does
        assert [line.verdict for line in loader.load()] == ["accepted"]
    assert len(site.answers()) == 2
    assert site.left() == set()


def test_a_database_that_is_away_defers_everything(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path, "postgresql:///benefits?host=/nowhere")
    site.deliver("claim", f"{IDS[0]}.xml", made("claim"))
    with pytest.raises(LoadDatabaseUnavailable, match="OperationalError"):
        site.load()
    assert site.answers() == {}
    assert site.left() == {f"{IDS[0]}.xml"}


# -- of SQLite alone, or of none


def test_names_without_an_id_are_told_apart_by_name_and_bytes(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path, template="{name}")
    site.deliver("claim", "a.xml", made("claim", 0))
    site.deliver("claim", "b.xml", made("claim", 0))
    # The id in a name that the sender chose says nothing.
    site.deliver("claim", f"{IDS[0]}.xml", made("claim", 1))
    assert [line.verdict for line in site.load()] == ["accepted"] * 3
    assert set(site.answers()) == {"a.xml.accepted", "b.xml.accepted", f"{IDS[0]}.xml.accepted"}
    assert site.rows("SELECT count(DISTINCT transfer) FROM load_documents WHERE transfer LIKE 'sha256:%'") == [(3,)]


def test_a_name_that_leaves_no_room_for_an_answer_is_not_loaded(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path, template="{name}")
    name = "a" * 247 + ".xml"
    site.deliver("claim", name, made("claim"))
    (line,) = site.load()
    assert line.verdict == "unanswerable"
    assert site.left() == {name}
    assert site.rows("SELECT count(*) FROM load_documents") == [(0,)]


def test_links_pipes_unfinished_files_and_what_lies_beside_are_passed_over(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path)
    path = site.deliver("claim", f"{IDS[0]}.xml", made("claim"))
    path.with_name(f"{IDS[1]}.xml").symlink_to("/etc/hostname")
    path.with_name(f"{IDS[2]}.xml.exceptions.csv").write_text("row,field,code,message\r\n")
    path.with_name(f".{IDS[3]}.xml").write_bytes(b"half")
    path.with_name(f"{IDS[4]}.xml.part").write_bytes(b"half")
    os.mkfifo(path.with_name(f"{IDS[5]}.xml"))
    path.with_name(f"{IDS[6]}.xml").mkdir()
    before = site.left() - {path.name}
    assert [line.transfer for line in site.load()] == [IDS[0]]
    assert site.left() == before


def test_nobody_else_may_read_the_database(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path)
    site.deliver("claim", f"{IDS[0]}.xml", made("claim"))
    with closing(site.loader()) as loader:
        list(loader.load())
        files = list((tmp_path / "loaded").iterdir())
        assert len(files) == 3
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "loaded").stat().st_mode) == 0o700


def test_a_look_changes_nothing(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path)
    site.deliver("claim", f"{IDS[0]}.xml", made("claim"))
    site.deliver("claim", f"{IDS[1]}.xml", made("claim", defect="date"))
    with closing(site.loader()) as loader:
        assert [line.verdict for line in loader.look()] == ["accepted", "rejected"]
    assert site.left() == {f"{IDS[0]}.xml", f"{IDS[1]}.xml"}
    assert site.answers() == {}
    assert not (tmp_path / "loaded").exists()


def test_a_schema_that_changed_under_its_version_is_told_and_not_mixed(tmp_path: Path) -> None:
    site = LoadingSite(tmp_path)
    site.deliver("claim", f"{IDS[0]}.xml", made("claim", 0))
    site.load()
    site.execute("UPDATE load_schemas SET shape = 'another' WHERE schema = 'claim/1.0'")
    site.deliver("claim", f"{IDS[1]}.xml", made("claim", 1))
    with pytest.raises(ConfigurationInvalid, match=r"claim/1\.0"):
        site.load()


def test_a_group_is_made_durable_before_any_of_it_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = LoadingSite(tmp_path)
    monkeypatch.setattr(loader_module, "BATCH", 2)
    for number in range(3):
        site.deliver("claim", f"{IDS[number]}.xml", made("claim", number))
    seen: list[tuple[int, int]] = []
    durable = Database.make_durable

    def counted(database: Database) -> None:
        durable(database)
        seen.append((len(site.answers()), site.rows("SELECT count(*) FROM load_documents")[0][0]))

    monkeypatch.setattr(Database, "make_durable", counted)
    site.load()
    assert seen == [(0, 2), (2, 3)]


@pytest.mark.parametrize(
    ("flow", "enabled", "refused"), [("claim", False, True), ("claim", True, False), ("laid", False, False)]
)
def test_a_flow_that_a_template_hands_to_a_document_system_is_loaded_by_no_timer(
    flow: str, tmp_path: Path, *, enabled: bool, refused: bool
) -> None:
    site = LoadingSite(tmp_path)
    site.home.index.mkdir(parents=True)
    text = example_text("csv").replace('flows = ["laid"]', f'flows = ["{flow}"]')
    (site.home.index / "documents.toml").write_text(text, encoding="utf-8")
    settings = replace(site.settings, load=LoadSettings(enabled=enabled))
    with pytest.raises(ConfigurationInvalid, match=f"hands {flow} to a document") if refused else nullcontext():
        require_unclaimed(settings)
