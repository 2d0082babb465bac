"""What is nobody's submission is left where it lies, at every level and in every tree, and told when it lies for long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.back_office_answer import BackOfficeAnswer
from gateway.settings.debris import PASSED_OVER
from gateway.spool.back_office_answers import AnswerFile, BackOfficeAnswers
from gateway.spool.drops import Drop, Refusal, Rule
from gateway.spool.intake import Intake
from gateway.spool.passed_over import PassedOver, forgotten
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Stability

NAMES = ("Thumbs.db", "desktop.ini", "~$letter.docx", ".DS_Store", "._x", "x.partial", "x.crdownload", "x.download")
DIRECTORIES = ("@eaDir", "$RECYCLE.BIN", ".TemporaryItems", ".Trash-1000", "lost+found")
PARTNER = "E09000030"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """FLOW/PARTNER with debris at every level, and one file that somebody dropped."""
    monkeypatch.setattr("gateway.spool.intake.STRAY_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("gateway.spool.back_office_answers.STRAY_SETTLE_SECONDS", 0.0)
    directory = tmp_path / "tree" / "claim" / PARTNER
    directory.mkdir(parents=True)
    for level in (directory, directory.parent, directory.parent.parent):
        for name in NAMES:
            (level / name).write_bytes(b"x")
        for name in DIRECTORIES:
            (level / name).mkdir()
            (level / name / "inside.xml").write_bytes(b"x")
    return tmp_path / "tree"


def look(tree: Path) -> list[Drop | Refusal]:
    stability, aside = Stability(time.monotonic), SetAside(tree, {}, 60.0, time.monotonic)
    passed_over, rules = PassedOver(PASSED_OVER), {"claim": Rule(0.0, 1000, {PARTNER})}
    with Intake(tree, rules, {PARTNER}, stability, aside, passed_over=passed_over) as intake:
        return list(intake.scan())


def read_answers(tree: Path) -> list[AnswerFile | Refusal]:
    stability = Stability(time.monotonic)
    outcomes = BackOfficeAnswers(tree, {}, stability, passed_over=PassedOver(PASSED_OVER))
    try:
        return list(outcomes.scan())
    finally:
        outcomes.close()


@pytest.mark.parametrize("read", [look, read_answers])
def test_debris_is_passed_over_at_every_level_of_the_spool(read: Callable[[Path], list[object]], tree: Path) -> None:
    assert read(tree) == []
    (tree / "claim" / PARTNER / "a.xml").write_bytes(b"<claim/>")
    (found,) = read(tree)
    assert isinstance(found, Drop | Refusal)
    assert found.name == "a.xml"


def test_an_answer_about_a_file_of_such_a_name_is_read(tree: Path) -> None:
    (tree / "claim" / PARTNER / "~$letter.docx.accepted").touch()
    (answer_file,) = read_answers(tree)
    assert isinstance(answer_file, AnswerFile)
    assert (answer_file.subject, answer_file.answer) == ("~$letter.docx", BackOfficeAnswer.ACCEPTED)


def test_what_is_not_finished_for_a_day_is_told_by_its_directory(tree: Path) -> None:
    directory = tree / "claim" / PARTNER
    (directory / "NAME.ready").touch()
    os.utime(directory / "x.partial", (0, 0))  # a copy that keeps its source's time came here just now all the same
    now = time.time()
    assert forgotten([tree], PASSED_OVER, now + 60) == {}
    # The lock file of an office program, three unfinished downloads and a marker; no desktop's own files, no directories.
    assert forgotten([tree], PASSED_OVER, now + 90_000) == {directory: 5}
    assert forgotten([tree / "absent"], PASSED_OVER, now + 90_000) == {}
