"""What `partner test` and `doctor --links` try at a partner: the whole round, where it can be tried without leaving a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.transport.contract import Pace
from gateway.transport.sftp.check import LinkReport, check_link
from gateway.transport.sftp.client import SftpTransport
from gateway.transport.sftp.trial import Step, StepOutcome
from tests.fakes.asyncssh_partner import NEVER_A_SIZE, AsyncsshPartner, Quirk, asyncssh_partner
from tests.fakes.sshd_site import parcel, running_site
from tests.fakes.sshd_stock import stock_sshd

ROUND = ["missing name", "right to remove", "write", "fsync", "close", "look", "rename", "look again", "remove"]


def _try(transport: SftpTransport, *, collects: bool = False) -> LinkReport:
    return check_link(transport, "0123456789abcdef", collects=collects)


def _outcomes(report: LinkReport) -> dict[str, StepOutcome]:
    return {step.name: step.outcome for step in report.steps}


def _at(partner: AsyncsshPartner) -> list[str]:
    return sorted(str(path.relative_to(partner.login)) for path in partner.login.rglob("*") if path.is_file())


def test_whole_round_is_tried_at_a_server_that_lets_us_remove_and_nothing_stays(tmp_path: Path) -> None:
    with stock_sshd(tmp_path / "stock") as stock, asyncssh_partner(tmp_path / "other") as other:
        for login, transport in ((stock.login, stock.transport()), (other.login, other.transport())):
            report = _try(transport, collects=True)
            assert report.usable
            assert _outcomes(report) == dict.fromkeys([*ROUND, "list"], StepOutcome.WORKED)
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
    Quirk.DISK_FULL_FAILS: ("write", "link-size-mismatch"),
    Quirk.CLOSE_FAILS: ("close", "link-size-mismatch"),
    Quirk.SCANNER_TAKES_PARTS: ("look", "link-upload-vanished"),
    Quirk.RENAME_DENIED: ("rename", "link-remote-refused"),
    Quirk.RENAME_UNSUPPORTED: ("rename", "link-unsupported"),
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
        assert {_outcomes(report)[name] for name in later} == {StepOutcome.UNTRIED}
        assert [path for path in _at(partner) if not path.startswith("scanned/")] == []


_ADAPTED = {
    (Quirk.FSYNC_UNSUPPORTED,): {"fsync"},
    (Quirk.FSYNC_FAILS,): {"fsync"},
    (Quirk.FSYNC_HANGS_UP,): {"fsync"},
    (Quirk.RENAME_DONE_FAILS,): {"rename"},
    (Quirk.RENAME_ANSWER_LOST,): {"rename"},
    (Quirk.NAMES_BY_ITSELF,): {"look", "rename"},
    (Quirk.STATVFS_ZEROS,): set(),
    (Quirk.STATVFS_FULL,): set(),
    (Quirk.STATVFS_HANGS_UP,): set(),
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
        adapted = {name for name, outcome in _outcomes(report).items() if outcome is StepOutcome.ADAPTED}
        assert adapted == _ADAPTED[quirks]
        assert [path for path in _at(partner) if not path.startswith("processed/")] == []


def _lane(transport: SftpTransport, directory: Path) -> GatewayError | None:
    """What a lane makes of the same server: it tries three times over the same connections, as often as it learns from."""
    for number in range(3):
        session = None
        try:
            session = transport.connect()
            list(session.send([parcel(directory, f"{number}.pgp", b"sealed")]))
        except GatewayError as error:
            last: GatewayError | None = error
        else:
            last = None
        finally:
            if session is not None:
                session.close()
    return last


def _fault(transport: SftpTransport) -> GatewayError | Step | None:
    """Why an upload would fail, by a trial; or why there is no connection."""
    try:
        return _try(transport).failed
    except GatewayError as error:
        return error


def _words(fault: GatewayError | Step | None) -> tuple[str | None, str, str | None] | None:
    return None if fault is None else (fault.code, fault.reason, fault.remedy)


_ALIKE = sorted(set(Quirk) - {Quirk.FSYNC_SILENT, Quirk.RENAME_ANSWER_LOST, Quirk.LARGE_FAILS, Quirk.REMOVE_DENIED})


@pytest.mark.parametrize("quirk", _ALIKE)
def test_trial_says_of_a_server_what_a_lane_would_find(tmp_path: Path, quirk: Quirk) -> None:
    """Left out: what takes minutes, what a lane finds at its next try alone, and where no file as small as a trial's fails."""
    with asyncssh_partner(tmp_path / "partner", [quirk]) as partner:
        by_lane, by_trial = _lane(partner.transport(), tmp_path), _fault(partner.transport())
        assert _words(by_trial) == _words(by_lane)


@pytest.mark.parametrize("quirk", [Quirk.DISK_FULL_FAILS, Quirk.CLOSE_FAILS])
def test_full_disk_that_is_a_failure_like_any_other_is_said_to_be_perhaps_full(tmp_path: Path, quirk: Quirk) -> None:
    with asyncssh_partner(tmp_path / "partner", [quirk]) as partner:
        verdict = _try(partner.transport()).verdict
        assert verdict is not None
        assert "its disk, or our share of it, may be full" in verdict


def test_statvfs_of_zeros_is_room_that_is_not_told(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.STATVFS_ZEROS, Quirk.REMOVE_DENIED]) as partner:
        report = _try(partner.transport())
        assert report.free_bytes is None
        assert report.usable


def test_disk_that_is_told_to_be_full_is_a_reason_where_nothing_could_be_written(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.STATVFS_FULL, Quirk.REMOVE_DENIED]) as partner:
        report = _try(partner.transport())
        assert report.free_bytes == 0
        assert report.failed is not None
        assert (report.failed.name, report.failed.code) == ("free", "link-remote-full")
        assert report.failed.remedy
        assert report.verdict == "an upload would fail: free: The partner's disk is full"  # and no full stop


def test_server_that_does_not_rename_is_said_to_need_it(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.RENAME_UNSUPPORTED]) as partner:
        failed = _try(partner.transport()).failed
        assert failed is not None
        assert "(rename)" in failed.reason
        assert failed.remedy is not None
        assert "rename" in failed.remedy
        assert "`path`" not in failed.remedy


def test_connection_that_ends_over_fsync_is_tried_again_without_it_as_a_lane_would(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.FSYNC_HANGS_UP]) as partner:
        report = _try(partner.transport())
        assert report.verdict is None
        (fsync,) = [step for step in report.steps if step.name == "fsync"]
        assert (fsync.outcome, "receipt alone" in fsync.reason) == ("worked round", True)
        assert partner.count("fsync") == 2
        assert _at(partner) == []


def test_server_that_falls_silent_over_fsync_is_tried_again_without_it(tmp_path: Path) -> None:
    pace = Pace(connect_timeout=5, auth_timeout=30, answer_timeout=3, grace=3, least_bytes_per_second=1)
    with asyncssh_partner(tmp_path / "partner", [Quirk.FSYNC_SILENT]) as partner:
        report = _try(partner.transport(pace))
        assert report.usable
        assert _outcomes(report)["fsync"] is StepOutcome.ADAPTED
        assert _at(partner) == []


def test_collecting_that_fails_is_not_called_an_upload(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.LIST_DENIED]) as partner:
        verdict = _try(partner.transport(), collects=True).verdict
        assert verdict is not None
        assert verdict.startswith("collecting would fail: list:")


def test_what_cannot_be_removed_after_all_is_named_and_fails_no_upload(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.REMOVE_DENIED_OF_FILES]) as partner:
        report = _try(partner.transport())
        assert report.usable
        tidy = report.left_behind
        assert tidy is not None
        assert tidy.remedy
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
