"""What the sites lie on is told where the kernel tells it, and otherwise said not to be known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.bench.file_system import FileSystem, file_system


def kernel(root: Path, kind: str, lies: Path, *, options: str | None = None, journal: str = "") -> Path:
    """A made-up proc and sys for the device that `lies` is on."""
    device = lies.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(f"27 1 {number} / / rw,relatime shared:1 - {kind} /dev/vdx rw\n")
    (root / "sys/dev/block").mkdir(parents=True)
    (root / "sys/dev/block" / number).symlink_to("../../devices/virtual/block/vdx")
    if options is not None:
        (root / "proc/fs/ext4/vdx").mkdir(parents=True)
        (root / "proc/fs/ext4/vdx/options").write_text(options)
    if journal:
        (root / "proc/fs/jbd2" / journal).mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("kind", "options", "journal", "known"),
    [
        ("ext4", "rw\ncommit=5\n", "vdx-8", True),
        ("ext4", "rw\ndata=ordered\n", "vdy-8", True),
        ("ext4", "rw\ncommit=5\n", "vdy-8", False),
        ("ext4", None, "", None),
        ("xfs", None, "", True),
        ("tmpfs", None, "", False),
        ("overlay", None, "", None),
    ],
)
def test_journal_is_known_by_what_the_kernel_says(
    tmp_path: Path, kind: str, options: str | None, journal: str, *, known: bool | None
) -> None:
    root = kernel(tmp_path / "kernel", kind, tmp_path, options=options, journal=journal)
    assert file_system(tmp_path, root) == FileSystem(kind, known)


def test_nothing_is_claimed_without_proc(tmp_path: Path) -> None:
    found = file_system(tmp_path, tmp_path / "nowhere")
    assert found == FileSystem("", None)
    assert "not known" in str(found)
