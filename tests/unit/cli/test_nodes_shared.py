"""`gateway nodes share`: the directories that people use move to the shared place once, whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.shared_place import shared_directories
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.cli.conftest import Run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "shared"
    made.mkdir()
    return made


def own_again(bench: Bench) -> None:
    """Directories of this machine, as `restore` makes them."""
    for path in shared_directories(bench.home):
        path.unlink()
        path.mkdir()


def test_what_was_put_back_from_a_copy_goes_into_the_place_that_survived(pair: Pair, run: Run, place: Path) -> None:
    assert run(pair.dwp, "nodes", "share", place).status == 0
    (place / "inbound/delivered").write_bytes(b"x")
    own_again(pair.dwp)
    assert run(pair.dwp, "nodes", "share", place).status == 0
    assert (pair.dwp.home.inbound / "delivered").read_bytes() == b"x"


@pytest.mark.parametrize("where", ["nonsense", "127.0.0.1", "north-2:0", "north-2:65536", "2222:", ":2222"])
def test_a_node_does_not_join_at_what_is_no_address(run: Run, tmp_path: Path, where: str) -> None:
    package = tmp_path / "node.pgp"
    package.write_bytes(b"no package")
    said = run(None, "--home", tmp_path / "new", "nodes", "join", package, "--node", "north-2", "--sftp", where)
    assert (said.status, "--sftp takes HOST:PORT" in said.err, (tmp_path / "new").exists()) == (64, True, False)


def test_a_directory_that_holds_something_and_is_there_already_is_named_and_nothing_is_moved(
    pair: Pair, run: Run, place: Path
) -> None:
    home = pair.dwp.home
    assert run(pair.dwp, "nodes", "share", place).status == 0
    own_again(pair.dwp)
    (home.receipts / "one.json").write_bytes(b"1")
    (home.receipts / "two.json").write_bytes(b"2")
    refused = run(pair.dwp, "nodes", "share", place)
    assert refused.status == 69
    assert f"{home.receipts} holds 'one.json' and 1 more, and {place / 'receipts'} is there as well" in refused.err
    assert "Move what lies in this machine's directory" in refused.err
    assert not any(path.is_symlink() for path in shared_directories(home)), "none of them was moved"
    for path in list(home.receipts.iterdir()):
        path.rename(place / "receipts" / path.name)
    assert run(pair.dwp, "nodes", "share", place).status == 0
    assert (home.receipts / "two.json").read_bytes() == b"2"
