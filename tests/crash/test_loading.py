"""kill -9 of the reference back office, before every statement of its database and before and after every file operation.

A point is a child that is killed there. What holds after it: a document is in the database whole or not at all, and whatever is
answered is there. What holds after the next run: each document was loaded once, and each is answered as it is without the kill.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway.linux import file_calls
from gateway.loading import loader as loader_module
from tests.conftest import Tally
from tests.crash.children import forked
from tests.crash.image import Disk, Impossible, disk, let_go
from tests.crash.points import Points, killed
from tests.unit.loading.site import IDS, LoadingSite, made, readers

Ends = dict[str, Any]


def delivered(root: Path) -> LoadingSite:
    """A site with two good documents, one that is rejected, and one with a record that is set aside."""
    site = LoadingSite(root, flows=("referral", "scan"))
    listed = b"row,field,code,message\r\n1,Nino,nino,odd\r\n"
    site.deliver("referral", f"{IDS[0]}.xml", made("referral", 0))
    site.deliver("referral", f"{IDS[1]}.xml", made("referral", 1, defect="nino-letter"))
    site.deliver("referral", f"{IDS[2]}.xml", made("referral", 2), exceptions_csv=listed)
    site.deliver("scan", f"{IDS[3]}.xml", made("scan", 0))
    return site


def ends(site: LoadingSite) -> Ends:
    """What there is at last: answers, files, documents, and how many rows of each document each table has."""
    rows: Counter[str] = Counter()
    for (table,) in site.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%!_1!_0!_%' ESCAPE '!'"
    ):
        statement = f"SELECT transfer, count(*) FROM {table} JOIN load_documents USING (document) GROUP BY 1"  # noqa: S608
        rows.update({f"{transfer} {table}": count for transfer, count in site.rows(statement)})
        orphans = f"SELECT count(*) FROM {table} WHERE document NOT IN (SELECT document FROM load_documents)"  # noqa: S608
        assert site.rows(orphans) == [(0,)]
    told = "SELECT transfer, verdict, records, set_aside FROM load_documents ORDER BY transfer"
    return {"answers": site.answers(), "left": sorted(site.left()), "documents": site.rows(told), "rows": dict(rows)}


def run(site: LoadingSite, points: Points) -> str:
    """Load, with every statement counted too; what was met."""
    statement = points._counted("statement", lambda: None)

    @event.listens_for(Engine, "connect")
    def _trace(connection: Any, _record: Any) -> None:
        connection.set_trace_callback(lambda _text: statement())

    loader_module.BATCH = 2  # type: ignore[misc]  # so that a group comes after another
    points.install()
    site.load()
    points.counting = False
    return json.dumps(points.met)


def hold_now(site: LoadingSite, expected: Ends) -> None:
    """What holds at the moment of the kill, before anybody has looked at the site again."""
    if not (site.home.root / "loaded" / "documents.sqlite3").exists():
        assert site.answers() == {}
        return
    if site.rows("SELECT count(*) FROM sqlite_master WHERE name = 'load_documents'") == [(0,)]:
        assert site.answers() == {}
        return
    found = ends(site)
    known = {document[0] for document in found["documents"]}
    whole = {key: count for key, count in expected["rows"].items() if key.partition(" ")[0] in known}
    assert found["rows"] == whole
    assert set(found["documents"]) <= set(expected["documents"])
    # Hidden names are of answers that are not there yet.
    answers = {name: said for name, said in found["answers"].items() if not name.startswith(".")}
    assert {name.partition(".")[0] for name in answers} <= known
    assert answers.items() <= expected["answers"].items()
    gone = {f"{identity}.xml" for identity in IDS[:4]} - set(found["left"])
    assert {name.partition(".")[0] for name in gone} <= {name.partition(".")[0] for name in answers}


def _points(operations: list[str]) -> list[int]:
    """Before and after each operation; a statement is told of once, before it is carried out."""
    return [at for at in range(2 * len(operations)) if at % 2 == 0 or operations[at // 2] != "statement"]


def swept(root: Path, part: int, parts: int) -> tuple[int, list[str]]:
    """Kill at one point in so many, from number `part` on; how many were tried, and what was lost."""
    readers()
    gc.freeze()
    whole = delivered(root / "whole")
    status, said = forked(partial(run, whole, Points()))
    assert status == 0, said
    operations, expected = json.loads(said), ends(whole)
    assert {"statement", "commit", "rename", "unlink", "fsync"} <= set(operations)
    tried, lost = 0, []
    for at in _points(operations)[part::parts]:
        operation = operations[at // 2]
        site = delivered(root / "killed")
        status, said = forked(partial(run, site, Points(at)))
        where = f"the loader, {'after' if at % 2 else 'before'} {operation} {at // 2}"
        tried += 1
        try:
            assert status == -signal.SIGKILL, said
            hold_now(site, expected)
            status, said = forked(lambda site=site: str(len(site.load())))  # type: ignore[misc]
            assert status == 0, said
            assert ends(site) == expected
        except AssertionError as error:
            lost.append(f"{where}: {str(error)[:600]}")
        shutil.rmtree(root / "killed")
    return tried, lost


def test_a_loader_killed_at_some_points_loads_each_document_once_and_answers(tmp_path: Path, tally: Tally) -> None:
    tried, lost = swept(tmp_path, 7, 19)
    tally("crash points, reference back office", tried=tried, lost=len(lost))
    assert lost == []
    assert tried > 5


@pytest.mark.torture
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("part", range(2))
def test_a_loader_killed_anywhere_loads_each_document_once_and_answers(tmp_path: Path, part: int, tally: Tally) -> None:
    tried, lost = swept(tmp_path, part, 2)
    tally("crash points, reference back office", tried=tried, lost=len(lost))
    assert lost == []


def cut(root: Path, part: int, parts: int) -> tuple[int, list[str]]:
    """Cut the power at one point in so many, with and without the journal's last commit; how many were tried, what was lost."""
    readers()
    whole = delivered(root / "whole")
    status, said = forked(partial(run, whole, Points()))
    assert status == 0, said
    operations, expected = json.loads(said), ends(whole)
    tried, lost = 0, []
    (root / "disk").mkdir()
    with disk(root / "image", root / "disk") as device:
        for number, at in enumerate(_points(operations)[part::parts]):
            device.format()
            device.mount()
            site = delivered(root / "disk" / "site")
            _synced(root / "disk")
            status, said = forked(partial(_cut_off, device, site, at, journal=number % 2 == 0))
            device.restore_power()
            tried += 1
            try:
                hold_now(site, expected)
                status, said = forked(lambda site=site: str(len(site.load())))  # type: ignore[misc]
                assert status == 0, said
                assert ends(site) == expected
            except AssertionError as error:
                lost.append(f"the loader, {operations[at // 2]} {at}: {str(error)[:600]}")
            device.unmount()
            device.detach()
    return tried, lost


def _cut_off(device: Disk, site: LoadingSite, at: int, *, journal: bool) -> str:
    """Load until the power goes; the descriptor that it goes by is this child's alone."""
    now = device.cut(journal=journal)

    def die(name: str) -> None:
        now()
        killed(name)

    return run(site, Points(at, die))


def _synced(directory: Path) -> None:
    """What the gateway delivered is on the disk before anybody sees it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    file_calls.sync_file_system(descriptor)
    os.close(descriptor)


def test_a_power_cut_takes_back_nothing_that_was_answered(tmp_path: Path, tally: Tally) -> None:
    try:
        tried, lost = cut(tmp_path, 11, 41)
    except Impossible as error:
        pytest.skip(str(error))
    finally:
        let_go(tmp_path)
    tally("power cuts, reference back office", tried=tried, lost=len(lost))
    assert lost == []


@pytest.mark.torture
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("part", range(2))
def test_no_power_cut_takes_back_anything_that_was_answered(tmp_path: Path, part: int, tally: Tally) -> None:
    try:
        tried, lost = cut(tmp_path, part, 4)
    except Impossible as error:
        pytest.skip(str(error))
    finally:
        let_go(tmp_path)
    tally("power cuts, reference back office", tried=tried, lost=len(lost))
    assert lost == []
