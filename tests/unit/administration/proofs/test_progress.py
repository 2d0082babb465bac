"""How far a verification is, as the console reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.administration.proofs.progress import Progress, moved, note, noted


def test_what_is_written_down_is_read_and_moves_pages(tmp_path: Path) -> None:
    assert (noted(tmp_path), moved(tmp_path)) == (None, 0)
    note(tmp_path, Progress("r", "events", 5, 10))
    first = moved(tmp_path)
    assert noted(tmp_path) == Progress("r", "events", 5, 10)
    note(tmp_path, Progress("r", "events", 6, 10))
    assert moved(tmp_path) > first > 0


@pytest.mark.parametrize("odd", [b"", b"{}", b"[1]", b'["r","w","x",1]', b"\xff", b"[" * 5000])
def test_what_nobody_wrote_is_nothing(tmp_path: Path, odd: bytes) -> None:
    (tmp_path / "verification").write_bytes(odd)
    assert noted(tmp_path) is None
