"""What `partner test` and `doctor --links` try at a partner: the whole round, where it can be tried without leaving a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.transport.check import LinkReport, check_link
from gateway.transport.sftp import SftpTransport
from gateway.transport.trial import Outcome
from tests.fakes.asyncssh_partner import NEVER_A_SIZE, AsyncsshPartner, Quirk, asyncssh_partner
from tests.fakes.sshd_site import running_site
from tests.fakes.sshd_stock import stock_sshd

ROUND = ["missing name", "right to remove", "write", "fsync", "close", "look", "rename", "look again", "remove"]


def _try(transport: SftpTransport, *, collects: bool = False) -> LinkReport:
    return check_link(transport, "0123456789abcdef", collects=collects)


def _outcomes(report: LinkReport) -> dict[str, Outcome]:
    return {step.name: step.outcome for step in report.steps}


def _at(partner: AsyncsshPartner) -> list[str]:
    return sorted(str(path.relative_to(partner.login)) for path in partner.login.rglob("*") if path.is_file())


def test_whole_round_is_tried_at_a_server_that_lets_us_remove_and_nothing_stays(tmp_path: Path) -> None:
    with stock_sshd(tmp_path / "stock") as stock, asyncssh_partner(tmp_path / "other") as other:
        for login, transport in ((stock.login, stock.transport()), (other.login, other.transport())):
            report = _try(transport, collects=True)
            assert report.usable
            assert _outcomes(report) == dict.fromkeys([*ROUND, "list"], Outcome.WORKED)
            assert [path for path in login.rglob("*") if path.is_file()] == []


def test_nothing_is_written_at_a_gateway_and_the_steps_say_so(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        report = _try(site.transport())
        assert report.usable
        assert {step.name for step in report.untried} == set(ROUND[1:])
        assert {step.reason for step in report.untried} == {
            "our account may remove nothing there, and a trial leaves nothing behind"
        }
        assert list(site.drop().iterdir()) == []


_FAILING = {
    Quirk.WRITE_DENIED: ("write", "link-remote-refused"),
    Quirk.DISK_FULL_FAILS: ("write", "link-remote-refused"),
    Quirk.SCANNER_TAKES_PARTS: ("look", "link-upload-vanished"),
    Quirk.RENAME_DENIED: ("rename", "link-remote-refused"),
    Quirk.FSYNC_HANGS_UP: ("fsync", "link-broken"),
    Quirk.RENAME_ANSWER_LOST: ("rename", "link-broken"),
}


@pytest.mark.parametrize("quirk", _FAILING)
def test_step_that_fails_is_named_with_its_reason_and_what_was_written_is_removed(tmp_path: Path, quirk: Quirk) -> None:
    with asyncssh_partner(tmp_path / "partner", [quirk]) as partner:
        report = _try(partner.transport())
        assert not report.usable
        assert report.failed is not None
        assert (report.failed.name, report.failed.code) == _FAILING[quirk]
        assert report.failed.remedy
        later = ROUND[ROUND.index(report.failed.name) + 1 :]
        assert {_outcomes(report)[name] for name in later} == {Outcome.UNTRIED}
        assert [path for path in _at(partner) if not path.startswith("scanned/")] == []


_ADAPTED = {
    (Quirk.FSYNC_UNSUPPORTED,): {"fsync"},
    (Quirk.FSYNC_FAILS,): {"fsync"},
    (Quirk.NO_SIZE_IN_STAT,): {"look"},
    tuple(NEVER_A_SIZE): {"look"},
    (Quirk.MISSING_FAILS,): {"missing name"},
    (Quirk.MISSING_DENIED,): {"missing name"},
    (Quirk.MOVER_TAKES_FILES,): {"look again"},
    (Quirk.REALPATH_FAILS,): set(),
    (Quirk.STATVFS_UNSUPPORTED,): set(),
    (Quirk.ALL_FILES,): set(),
    (Quirk.LONG_BANNER, Quirk.SIZE_ALONE): set(),
}


@pytest.mark.parametrize("quirks", _ADAPTED, ids=lambda quirks: " ".join(sorted(quirks)))
def test_what_is_worked_round_is_said_and_fails_nothing(tmp_path: Path, quirks: tuple[Quirk, ...]) -> None:
    with asyncssh_partner(tmp_path / "partner", quirks) as partner:
        report = _try(partner.transport())
        assert report.usable
        adapted = {name for name, outcome in _outcomes(report).items() if outcome is Outcome.ADAPTED}
        assert adapted == _ADAPTED[quirks]
        assert [path for path in _at(partner) if not path.startswith("processed/")] == []


def test_what_cannot_be_removed_after_all_is_named(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.REMOVE_DENIED_OF_FILES]) as partner:
        report = _try(partner.transport())
        assert not report.usable
        (tidy,) = [step for step in report.steps if step.name == "tidy"]
        (left,) = partner.drop.iterdir()
        assert left.name.endswith(".part")
        assert left.name in tidy.reason


def test_directory_that_is_not_there_is_found_missing_and_nothing_is_written(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner") as partner:
        partner.drop.rmdir()
        report = _try(partner.transport())
        assert not report.directory_found
        assert not report.usable
        assert _at(partner) == []


def test_plain_file_in_the_place_of_the_directory_is_no_directory(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.ALL_FILES]) as partner:
        partner.drop.rmdir()
        partner.drop.write_bytes(b"")
        assert not _try(partner.transport()).directory_found
