"""Names of files in custody, and what a crash left there."""

from pathlib import Path

import pytest

from gateway.domain.identity import new_id
from gateway.spool.custody import custody_file, orphans

ONE = new_id(1_800_000_000, b"0123456789")
TWO = new_id(1_800_000_001, b"0123456789")


@pytest.mark.parametrize("transfer", ["", "..", "../../etc/passwd", ONE.upper(), f"{ONE}\n"])
def test_only_an_id_becomes_a_path(transfer: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the id"):
        custody_file(tmp_path, transfer)


def test_bytes_without_a_row_are_orphans(tmp_path: Path) -> None:
    for transfer in (ONE, TWO):
        custody_file(tmp_path, transfer).write_bytes(b"bytes")
    assert orphans(tmp_path, {ONE}) == [tmp_path / TWO]
    assert orphans(tmp_path / "absent", set()) == []
