"""What a lane by e-mail does otherwise: files of strangers under a partner's names, mails that carry none, files too large for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from gateway.errors import MailTooLarge, MailUnreadable
from gateway.ledger.tables import CONSIGNMENTS
from gateway.ledger.units import Consignment
from gateway.settings.home import Home
from gateway.settings.mail import MailSettings
from gateway.settings.model import LandingQuota
from gateway.stages.lanes import Deferred, Ended, LaneWork, Result, Sent, SizeLane
from gateway.stages.outbound.pack import Pack
from gateway.stages.sessions import Sessions
from gateway.storage.payloads import OneMachine
from gateway.transport.contract import Parcel, Remote
from tests.fakes.two_ledgers import two_ledgers

LA = "E09000030"
PLENTY = LandingQuota(1 << 40, 1 << 20)
FIRST, SECOND = (f"019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4{digit}.pgp" for digit in "ef")


@dataclass
class Mailbox:
    """A session on a mailbox that everybody may write to; a content of None is a mail without a sealed file."""

    mails: list[tuple[str, bytes | None]] = field(default_factory=list)
    most: int = 100
    sent: list[str] = field(default_factory=list)
    trusts_names: bool = False
    alive: bool = True

    def connect(self) -> Mailbox:
        return self

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        for parcel in parcels:
            if parcel.size > self.most:
                raise MailTooLarge
            self.sent.append(parcel.name)
            yield parcel

    def waiting(self) -> list[Remote]:
        return [Remote(name, 10) for name, _ in self.mails]

    def fetch(self, remote: Remote, target: Path) -> None:
        content = next(content for name, content in self.mails if name == remote.name)
        if content is None:
            raise MailUnreadable
        target.write_bytes(content)

    def remove(self, remote: Remote) -> None:
        self.mails.remove(next(each for each in self.mails if each[0] == remote.name))

    def close(self) -> None:
        self.alive = False

    def __hash__(self) -> int:
        return id(self)


def run(
    tmp_path: Path, box: Mailbox, parcels: Iterable[Consignment] = (), quota: LandingQuota = PLENTY
) -> list[Result]:
    home, results = Home(tmp_path), list[Result]()
    home.landing_in(LA).mkdir(parents=True, exist_ok=True)
    work = LaneWork(home, OneMachine(), Sessions({LA: box}, lambda: 0.0), results.extend, lambda _partner: quota)
    work.run(SizeLane(LA, large=False), list(parcels), collect=True)
    return results


def consignment(number: int, size: int) -> Consignment:
    row = dict.fromkeys(Consignment._fields) | {
        "key": number,
        "id": f"c-{number}",
        "partner": LA,
        "sealed_size": size,
        "sealed_sha256": "0" * 64,
        "direction": "out",
    }
    return Consignment(**row)  # type: ignore[arg-type]  # the columns that a lane looks at


def test_files_are_packed_so_that_a_consignment_fits_into_one_mail(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        dwp = pair.dwp
        by_mail = dwp.settings.partners[LA].model_copy(update={"link": "mail", "mail_address": "gateway@la.example"})
        mail = MailSettings(max_message_bytes=64 * 1024)
        settings = replace(dwp.settings, partners={LA: by_mail}, mail=mail)
        for number in range(9):
            dwp.submit(f"{number}.xml", b"%d" % number * (mail.carries // 4))
        dwp.submit("large.xml", b"x" * mail.carries * 2)
        pair.stages_of(dwp)[0].step()
        assert Pack(replace(dwp.context, settings=settings)).step().done == 4
        with dwp.ledger.read() as connection:
            (packed,) = connection.execute(select(CONSIGNMENTS.c["items"], CONSIGNMENTS.c.bytes))
        assert packed == (4, mail.carries // 4 * 4)


def test_a_mail_under_a_name_that_has_landed_waits_and_is_not_removed_unread(tmp_path: Path) -> None:
    box = Mailbox([(FIRST, b"a stranger's"), (SECOND, b"sealed")])
    run(tmp_path, box)
    assert box.mails == []
    box.mails = [(FIRST, b"the partner's own")]
    run(tmp_path, box)
    assert box.mails == [(FIRST, b"the partner's own")], "the stranger's has landed, and was not taken yet"
    (Home(tmp_path).landing_in(LA) / FIRST).unlink()
    run(tmp_path, box)
    assert (Home(tmp_path).landing_in(LA) / FIRST).read_bytes() == b"the partner's own"


def test_a_mail_without_a_sealed_file_holds_up_none_behind_it(tmp_path: Path) -> None:
    box = Mailbox([(FIRST, None), (SECOND, b"sealed")])
    (ended,) = run(tmp_path, box)
    assert isinstance(ended, Ended)
    assert ended.well
    assert (Home(tmp_path).landing_in(LA) / SECOND).read_bytes() == b"sealed"
    assert [name for name, _ in box.mails] == [FIRST]


def test_a_file_that_no_mail_carries_waits_by_itself_and_what_lies_behind_it_goes(tmp_path: Path) -> None:
    box = Mailbox()
    large, small, ended = run(tmp_path, box, [consignment(1, 1000), consignment(2, 10)])
    assert isinstance(large, Deferred)
    assert large.error.code == "mail-too-large"
    assert isinstance(small, Sent)
    assert isinstance(ended, Ended)
    assert ended.well
    assert box.sent == ["c-2.pgp"]


def test_a_mailbox_cannot_fill_the_disk_beyond_the_quota_of_the_landing(tmp_path: Path) -> None:
    box = Mailbox([(FIRST, b"a stranger's"), (SECOND, b"sealed")])
    (ended,) = run(tmp_path, box, quota=LandingQuota(1, 1000))
    assert isinstance(ended, Ended)
    assert ended.well, "nothing is wrong with the link"
    assert [name for name, _ in box.mails] == [SECOND], "the rest waits in the mailbox"
    (Home(tmp_path).landing_in(LA) / FIRST).unlink()
    run(tmp_path, box, quota=LandingQuota(1, 1000))
    assert box.mails == []
