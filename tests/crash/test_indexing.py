"""kill -9 of whoever makes batches for a document system, before and after every file operation.

What holds after it: every document lies in spool/inbound, in a batch that is not shown yet, or in one that is, and in no two of them;
every batch that is shown is whole. What holds after the next run: the batches are those that there are without the kill.
"""

from __future__ import annotations

import gc
import json
import re
import shutil
import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Tally
from tests.crash.children import forked
from tests.crash.points import Points
from tests.unit.administration.indexing.site import IDS, IndexedSite, indexed_site
from tests.unit.administration.indexing.test_batches import true_to

DOCUMENTS = 5


def delivered(root: Path, stack: ExitStack) -> IndexedSite:
    """A site with two batches of documents to make, one document with what lies beside it, one that is not what was delivered."""
    root.mkdir()
    site = stack.enter_context(indexed_site(root, documents=3))
    for number in range(DOCUMENTS):
        site.deliver(number)
    directory = site.home.inbound / "laid" / "DWP"
    (directory / f"{IDS[0]}.pdf.exceptions.csv").write_bytes(b"row,field,code,message\r\n")
    (directory / f"{IDS[4]}.pdf").write_bytes(b"altered")
    return site


def run(site: IndexedSite, points: Points) -> str:
    points.install()
    site.work()
    points.counting = False
    return json.dumps(points.met)


def again(site: IndexedSite, killed: bool) -> str:  # noqa: FBT001
    """Run until nothing is made any more; the importer takes what it sees after the kill, half of it its marker first."""
    if killed:
        for folder in [path for path in (site.home.batches / "laid").glob("laid-*") if (path / "done").exists()]:
            taken = site.home.root / "taken"
            taken.mkdir(exist_ok=True)
            folder.rename(taken / folder.name)
    site.work()
    return ""


def ends(site: IndexedSite) -> dict[str, Any]:
    """What there is: the files of each batch, taken away or not, and what lies in spool/inbound."""
    shown = site.batches()
    for path in sorted((site.home.root / "taken").glob("*")):
        assert path.name not in shown, "a batch that was taken is not shown again"
        shown[path.name] = {file.name: file.read_bytes() for file in path.iterdir()}
    return {"batches": shown, "left": sorted(site.left())}


def hold_now(site: IndexedSite) -> None:
    """What holds at the moment of the kill."""
    shown = site.batches()
    for files in shown.values():
        true_to(files)
    places = [name for files in shown.values() for name in files]
    places += [path.name for path in (site.home.open_batches / "laid").glob("laid-*/*")]
    places += site.left()
    documents = sorted(name for name in places if re.fullmatch(r"[0-9a-f-]{36}\.pdf", name))
    assert documents == sorted(f"{identity}.pdf" for identity in IDS[:DOCUMENTS])
    assert places.count(f"{IDS[0]}.pdf.exceptions.csv") == 1


def swept(root: Path, part: int, parts: int) -> tuple[int, list[str]]:
    """Kill at one point in so many, from number `part` on; how many were tried, and what was lost."""
    gc.freeze()
    with ExitStack() as stack:
        whole = delivered(root / "whole", stack)
        status, said = forked(partial(run, whole, Points()))
        assert status == 0, said
        operations, expected = json.loads(said), ends(whole)
    assert {"renameat2", "rename", "fsync", "mkdir"} <= set(operations)
    assert [name.rpartition("-")[2] for name in expected["batches"]] == ["000001", "000002"]
    tried, lost = 0, []
    for at in range(2 * len(operations))[part::parts]:
        with ExitStack() as stack:
            site = delivered(root / "killed", stack)
            status, said = forked(partial(run, site, Points(at)))
            where = f"{'after' if at % 2 else 'before'} {operations[at // 2]} {at // 2}"
            tried += 1
            try:
                assert status == -signal.SIGKILL, said
                hold_now(site)
                for killed in (True, False):
                    status, said = forked(partial(again, site, killed))
                    assert status == 0, said
                assert ends(site) == expected
            except AssertionError as error:
                lost.append(f"{where}: {str(error)[:600]}")
        shutil.rmtree(root / "killed")
    return tried, lost


def test_whoever_makes_batches_and_is_killed_leaves_each_document_in_one(tmp_path: Path, tally: Tally) -> None:
    tried, lost = swept(tmp_path, 3, 11)
    tally("crash points, batches for a document system", tried=tried, lost=len(lost))
    assert lost == []
    assert tried > 5


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_wherever_they_are_killed_each_document_is_in_one_batch(tmp_path: Path, tally: Tally) -> None:
    tried, lost = swept(tmp_path, 0, 1)
    tally("crash points, batches for a document system", tried=tried, lost=len(lost))
    assert lost == []
