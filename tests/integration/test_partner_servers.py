"""Partners' servers of other makes and with habits of their own: what the protocol allows works, the rest has a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import (
    ExtensionUnserved,
    GreetingPrinted,
    LinkBroken,
    LinkTimeout,
    NameTaken,
    PartnerUnreachable,
    RemoteRefused,
    SizeUntold,
    UploadIncomplete,
    UploadVanished,
)
from gateway.transport.contract import Pace
from gateway.transport.sftp.client import SftpTransport
from gateway.transport.sftp.habits import Habit
from tests.fakes.asyncssh_partner import NEVER_A_SIZE, AsyncsshPartner, Quirk, asyncssh_partner
from tests.fakes.proxy import spoiling_proxy
from tests.fakes.sshd_site import HASTY, parcel, wait_until
from tests.fakes.sshd_stock import stock_sshd

ID = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
NAME = f"{ID}.pgp"


def _send(transport: SftpTransport, directory: Path, content: bytes = b"sealed" * 20_000, name: str = NAME) -> None:
    session = transport.connect()
    try:
        list(session.send([parcel(directory, name, content)]))
    finally:
        session.close()


def _arrives_whole(partner: AsyncsshPartner, directory: Path, *expected: Habit) -> None:
    """Two files, by two sessions: each is there under its name alone, and each habit was noted once."""
    noted: list[Habit] = []
    transport = partner.transport(note=noted.append)
    contents = {NAME: os.urandom(300_001), f"{ID}.receipt.pgp": b"r"}
    for name, content in contents.items():
        _send(transport, directory, content, name)
    assert {path.name: path.read_bytes() for path in partner.drop.iterdir()} == contents
    assert sorted(noted) == sorted(expected)


@pytest.mark.parametrize("quirk", [Quirk.FSYNC_UNSUPPORTED, Quirk.FSYNC_FAILS])
def test_fsync_that_is_offered_and_not_served_is_done_without(tmp_path: Path, quirk: Quirk) -> None:
    with asyncssh_partner(tmp_path / "partner", [quirk]) as partner:
        _arrives_whole(partner, tmp_path, Habit.FSYNC)


def test_fsync_that_is_not_served_is_asked_for_once_in_a_session(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.FSYNC_UNSUPPORTED]) as partner:
        session = partner.transport().connect()
        list(session.send([parcel(tmp_path, f"{number}.pgp", b"x") for number in range(5)]))
        session.close()
        assert partner.count("fsync") == 1


def test_server_that_hangs_up_over_an_extension_it_offers_is_asked_for_it_no_more(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.FSYNC_HANGS_UP]) as partner:
        transport = partner.transport()
        with pytest.raises(LinkBroken):
            _send(transport, tmp_path)  # once may be the line
        with pytest.raises(ExtensionUnserved):
            _send(transport, tmp_path)
        _send(transport, tmp_path)
        assert [path.name for path in partner.drop.iterdir()] == [NAME]
        assert partner.count("fsync") == 2


def test_server_that_falls_silent_over_an_extension_is_asked_for_it_no_more(tmp_path: Path) -> None:
    pace = Pace(connect_timeout=5, auth_timeout=15, answer_timeout=1, grace=1, least_bytes_per_second=1)
    with asyncssh_partner(tmp_path / "partner", [Quirk.FSYNC_SILENT]) as partner:
        transport = partner.transport(pace)
        with pytest.raises(LinkTimeout):
            _send(transport, tmp_path, b"x")
        with pytest.raises(ExtensionUnserved):
            _send(transport, tmp_path, b"x")
        _send(transport, tmp_path, b"x")
        assert [path.name for path in partner.drop.iterdir()] == [NAME]


def test_statvfs_that_is_not_served_hides_no_failure_of_a_write(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.STATVFS_UNSUPPORTED, Quirk.DISK_FULL_FAILS]) as partner:
        with pytest.raises(UploadIncomplete) as caught:
            _send(partner.transport(), tmp_path)
        assert "failed to write" in caught.value.reason
        partner.quirks.discard(Quirk.DISK_FULL_FAILS)
        _arrives_whole(partner, tmp_path)


_UNLISTED_STEP_BY_STEP = [
    [Quirk.NO_SIZE_IN_STAT],
    [Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT],
    [Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT, Quirk.NO_SIZE_IN_FSTAT],
    [Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT, Quirk.READ_DENIED],
]


@pytest.mark.parametrize("quirks", _UNLISTED_STEP_BY_STEP, ids=" ".join)
def test_size_that_stat_does_not_tell_is_learnt_in_another_way(tmp_path: Path, quirks: list[Quirk]) -> None:
    with asyncssh_partner(tmp_path / "partner", quirks) as partner:
        _arrives_whole(partner, tmp_path, Habit.SIZE)


@pytest.mark.parametrize("quirks", _UNLISTED_STEP_BY_STEP, ids=" ".join)
def test_file_of_another_size_is_found_in_whatever_way_the_size_is_learnt(tmp_path: Path, quirks: list[Quirk]) -> None:
    with asyncssh_partner(tmp_path / "partner", quirks) as partner:
        (partner.drop / NAME).write_bytes(b"sealed" * 20_000 + b"!")
        with pytest.raises(NameTaken) as caught:
            _send(partner.transport(), tmp_path)
        assert type(caught.value) is NameTaken
        (partner.drop / NAME).write_bytes(b"sealed" * 20_000)
        _send(partner.transport(), tmp_path)
        assert partner.count("write-open") == 0


def test_server_that_tells_no_size_at_all_gets_the_file_and_the_receipt_is_the_proof(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", NEVER_A_SIZE) as partner:
        _arrives_whole(partner, tmp_path, Habit.NO_SIZE)


def test_file_that_lies_there_with_no_size_told_is_not_taken_for_ours(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", NEVER_A_SIZE) as partner:
        (partner.drop / NAME).write_bytes(b"an earlier receipt of that name")
        session = partner.transport().connect()
        with pytest.raises(SizeUntold):
            list(session.send([parcel(tmp_path, NAME, b"ours")]))
        list(session.send([parcel(tmp_path, "b.pgp", b"behind it")]))  # the session goes on
        session.close()
        assert (partner.drop / NAME).read_bytes() == b"an earlier receipt of that name"


@pytest.mark.parametrize("quirk", [Quirk.MISSING_DENIED, Quirk.MISSING_FAILS])
def test_missing_name_that_is_answered_by_another_code_is_missing(tmp_path: Path, quirk: Quirk) -> None:
    with asyncssh_partner(tmp_path / "partner", [quirk]) as partner:
        _arrives_whole(partner, tmp_path, Habit.MISSING)


@pytest.mark.parametrize("quirk", [Quirk.MISSING_DENIED, Quirk.MISSING_FAILS])
def test_scanner_is_told_from_a_file_that_is_there_whatever_missing_is_called(tmp_path: Path, quirk: Quirk) -> None:
    with (
        asyncssh_partner(tmp_path / "partner", [quirk, Quirk.SCANNER_TAKES_PARTS]) as partner,
        pytest.raises(UploadVanished),
    ):
        _send(partner.transport(), tmp_path)


def test_server_that_lets_nobody_look_gets_the_file(tmp_path: Path) -> None:
    quirks = [Quirk.STAT_DENIED, Quirk.READ_DENIED, Quirk.LIST_DENIED, Quirk.REMOVE_DENIED]
    with asyncssh_partner(tmp_path / "partner", quirks) as partner:
        _arrives_whole(partner, tmp_path, Habit.UNLISTED, Habit.NO_SIZE)


def test_attributes_of_a_size_alone_are_enough(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.SIZE_ALONE]) as partner:
        _arrives_whole(partner, tmp_path)
        session = partner.transport().connect()
        assert session.look().found
        session.close()


def test_scanner_that_takes_parts_has_a_reason_of_its_own(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.SCANNER_TAKES_PARTS]) as partner:
        with pytest.raises(UploadVanished):
            _send(partner.transport(), tmp_path)
        assert len(partner.taken("scanned")) == 1
        assert partner.count("rename") == 0


def test_server_that_moves_files_away_after_the_rename_has_got_them(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.MOVER_TAKES_FILES]) as partner:
        _send(partner.transport(), tmp_path)
        assert partner.taken("processed") == [f"0-{NAME}"]


def test_file_that_is_gone_when_the_rename_is_answered_has_vanished(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.MOVER_IS_EARLY]) as partner, pytest.raises(UploadVanished):
        _send(partner.transport(), tmp_path)


def test_server_that_names_a_closed_file_by_itself_has_it(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.NAMES_BY_ITSELF]) as partner:
        _arrives_whole(partner, tmp_path, Habit.NAMED)


def test_refused_rename_leaves_no_part_behind(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.RENAME_DENIED]) as partner:
        with pytest.raises(RemoteRefused) as caught:
            _send(partner.transport(), tmp_path)
        assert "(rename)" in caught.value.reason
        assert list(partner.drop.iterdir()) == []


@pytest.mark.parametrize("quirks", [[], [Quirk.TAKEN_DENIED]], ids=["failure", "permission denied"])
def test_lost_answer_to_a_rename_is_looked_up(tmp_path: Path, quirks: list[Quirk]) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.RENAME_ANSWER_LOST, *quirks]) as partner:
        with pytest.raises(LinkBroken):
            _send(partner.transport(), tmp_path)
        partner.quirks.discard(Quirk.RENAME_ANSWER_LOST)
        _send(partner.transport(), tmp_path)
        assert partner.count("write-open") == 1
        assert [path.name for path in partner.drop.iterdir()] == [NAME]


@pytest.mark.parametrize("code", [[], [Quirk.TAKEN_DENIED]], ids=["failure", "permission denied"])
def test_name_that_is_taken_between_looking_and_renaming_is_not_overwritten(tmp_path: Path, code: list[Quirk]) -> None:
    with asyncssh_partner(tmp_path / "partner", code) as partner:
        session = partner.transport().connect()
        rename = session.channel.rename

        def meanwhile(old: str, new: str) -> None:
            (partner.drop / NAME).write_bytes(b"somebody was quicker")
            rename(old, new)

        session.channel.rename = meanwhile  # type: ignore[method-assign]  # between two requests of ours
        with pytest.raises(NameTaken):
            list(session.send([parcel(tmp_path, NAME, b"ours")]))
        session.close()
        assert (partner.drop / NAME).read_bytes() == b"somebody was quicker"


def test_banner_of_two_hundred_lines_at_login_is_read_past(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.LONG_BANNER]) as partner:
        _arrives_whole(partner, tmp_path)


@pytest.mark.parametrize(
    "preface",
    [b"a notice\r\n" * 200, b"\xfc\xdf not of UTF-8\n" * 3, b"\n", b"x" * 5000 + b"\r\n", b"SSH is what comes now\r\n"],
    ids=["200 lines", "another encoding", "an empty line", "a long line", "almost a version"],
)
def test_lines_before_the_version_are_read_past(tmp_path: Path, preface: bytes) -> None:
    with asyncssh_partner(tmp_path / "partner") as partner, spoiling_proxy(partner.port) as proxy:
        proxy.preface = preface
        _send(partner.transport(port=proxy.port), tmp_path)
        assert [path.name for path in partner.drop.iterdir()] == [NAME]


def test_lines_without_end_before_the_version_are_given_up(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner") as partner, spoiling_proxy(partner.port) as proxy:
        proxy.preface = b"a notice\r\n" * 60_000
        with pytest.raises(PartnerUnreachable):
            _send(partner.transport(port=proxy.port), tmp_path)


def test_session_whose_channel_the_server_closed_while_it_rested_is_not_alive(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner") as partner:
        session = partner.transport().connect()
        list(session.send([parcel(tmp_path, NAME, b"x")]))
        assert session.alive
        partner.close_channels()
        assert wait_until(lambda: not session.alive)
        assert session.connection.is_active()
        session.close()


def test_rekeying_in_mid_transfer_loses_nothing(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.REKEYS_OFTEN]) as partner:
        content = os.urandom(12 << 20)
        _send(partner.transport(), tmp_path, content)
        assert (partner.drop / NAME).read_bytes() == content
        (partner.login / "out" / NAME).write_bytes(content)
        session = partner.transport().connect()
        (waiting,) = session.waiting()
        session.fetch(waiting, tmp_path / "fetched")
        session.close()
        assert (tmp_path / "fetched").read_bytes() == content


def test_server_that_is_slow_with_every_answer_gets_the_file_within_the_grace_of_each(tmp_path: Path) -> None:
    """Nine answers of 0.5 s, each within a second of grace: together they would be beyond it."""
    pace = Pace(connect_timeout=5, auth_timeout=15, answer_timeout=4, grace=3, least_bytes_per_second=1_000_000)
    with asyncssh_partner(tmp_path / "partner", [Quirk.SLOW]) as partner:
        _send(partner.transport(pace), tmp_path)
        assert [path.name for path in partner.drop.iterdir()] == [NAME]


@pytest.mark.parametrize("kind", ["ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-ed25519"])
def test_host_keys_of_every_current_kind_are_accepted(tmp_path: Path, kind: str) -> None:
    with asyncssh_partner(tmp_path / "partner", host_key=kind) as partner:
        _send(partner.transport(), tmp_path)
        assert [path.name for path in partner.drop.iterdir()] == [NAME]


def test_read_only_directory_and_one_that_is_missing_are_refusals(tmp_path: Path) -> None:
    with asyncssh_partner(tmp_path / "partner", [Quirk.WRITE_DENIED]) as partner:
        with pytest.raises(RemoteRefused, match="not permit"):
            _send(partner.transport(), tmp_path)
        partner.quirks.clear()
        partner.drop.rmdir()
        with pytest.raises(RemoteRefused, match="no such file"):
            _send(partner.transport(), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "echo Welcome to the file service",
        "printf '\\n'",
        "printf '\\033[1mhello'",
        "echo This account is not available; exit",
    ],
)
def test_text_before_sftp_has_a_reason_of_its_own(tmp_path: Path, text: str) -> None:
    login = tmp_path / "partner" / "login"
    command = f"ForceCommand {text}; /usr/lib/openssh/sftp-server -d {login}"
    with stock_sshd(tmp_path / "partner", [command]) as partner, pytest.raises(GreetingPrinted):
        partner.transport(HASTY).connect()


def test_account_without_sftp_is_a_refusal(tmp_path: Path) -> None:
    with stock_sshd(tmp_path / "partner", ["ForceCommand true"]) as partner, pytest.raises(RemoteRefused):
        partner.transport(HASTY).connect()


# -- collecting


@pytest.mark.parametrize(
    "quirks",
    [
        [Quirk.NO_SIZE_IN_LISTS],
        [Quirk.NO_SIZE_IN_LISTS, Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT],
        [Quirk.NO_SIZE_IN_LISTS, Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT, Quirk.NO_SIZE_IN_FSTAT],
        [Quirk.SIZE_ALONE],
        [Quirk.MISSING_FAILS],
        [Quirk.MISSING_DENIED],
    ],
    ids=" ".join,
)
def test_waiting_files_are_fetched_whole_whatever_the_server_tells_of_them(tmp_path: Path, quirks: list[Quirk]) -> None:
    contents = {f"019aa6f2-7c1e-7b3a-9d55-{size:012x}.pgp": os.urandom(size) for size in (0, 1, 2, 3, 4096, 300_001)}
    with asyncssh_partner(tmp_path / "partner", quirks) as partner:
        for name, content in contents.items():
            (partner.login / "out" / name).write_bytes(content)
        session = partner.transport().connect()
        fetched = tmp_path / "fetched"
        fetched.mkdir()
        for remote in session.waiting():
            session.fetch(remote, fetched / remote.name)
            session.remove(remote)
            session.remove(remote)  # gone already: that counts
        session.close()
        assert {path.name: path.read_bytes() for path in fetched.iterdir()} == contents
        assert list((partner.login / "out").iterdir()) == []
