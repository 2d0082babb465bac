"""Sealed files carried by hand: out to a medium and in from it, lost media, hostile media, kills; without a link."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.administration.carriage import exporting, importing, repeating
from gateway.administration.carriage.exporting import Exported
from gateway.administration.carriage.importing import Fate, Imported
from gateway.domain.decision import Decision
from gateway.domain.waybill import FILE
from gateway.errors import GatewayError, LaneLost, LedgerBusy, NotFound, StoreFileLost, UsageWrong, WaybillRefused
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import events
from gateway.logs import configure
from gateway.settings.model import EndpointSettings, Settings
from tests.conftest import Tally
from tests.crash.points import Points
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, two_ledgers
from tests.unit.stages.test_kept_files import vanish
from tests.unit.stages.test_lost_files import Harm, objects

WHO = Decision("nobody", "the line is cut")
DAY = 86_400.0
LOG = configure("DWP", "command", stream=Path(os.devnull).open("wb"), format="json", level="error")  # noqa: SIM115


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.assembly.stores.open_pgp", lambda settings: PretendedPgp(settings.site.code))


@contextmanager
def made(root: Path) -> Iterator[Pair]:
    with two_ledgers(root) as pair:
        for bench in (pair.dwp, pair.la):
            bench.now = time.time()
        yield pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with made(tmp_path / "sites") as pair:
        yield pair


def linked(bench: Bench) -> Settings:
    """The site's settings, with a server of the partner's that is not there."""
    endpoint = EndpointSettings(host="127.0.0.1", port=9, user="gateway", path="in", host_key="ssh-ed25519 AAAA")
    partner = bench.settings.partners[bench.other].model_copy(update={"link": "push", "endpoint": endpoint})
    return replace(bench.settings, partners={bench.other: partner})


def work(pair: Pair, *benches: Bench) -> None:
    """Every stage but those that use the link, until nothing moves."""
    while sum(stage.step().done for bench in benches for stage in pair.stages_of(bench) if stage.name != "send"):
        pass


def export(bench: Bench, directory: Path) -> Exported:
    return exporting.export(linked(bench), LOG, bench.other, directory, WHO)


def bring(bench: Bench, directory: Path) -> Imported:
    return importing.bring(linked(bench), LOG, directory, WHO)


def states(bench: Bench) -> dict[str, str]:
    with bench.ledger.read() as connection:
        return dict(connection.exec_driver_sql("SELECT name, state FROM transfers ORDER BY key").fetchall())


def said(bench: Bench, name: str) -> list[str]:
    with bench.ledger.read() as connection:
        return [entry.subject for entry in events.chain(connection) if entry.event == name]


def delivered(pair: Pair) -> list[str]:
    return sorted(path.name for path in (pair.la.home.inbound / "claim" / "DWP").iterdir())


def whole(pair: Pair) -> None:
    for bench in (pair.dwp, pair.la):
        with bench.ledger.read() as connection:
            assert list(check_rows(connection)) == []


def sealed(pair: Pair, count: int = 2) -> None:
    for number in range(count):
        pair.dwp.submit(f"{number}.xml", b"claim %d" % number)
        work(pair, pair.dwp)


def test_what_is_carried_there_is_receipted_by_what_is_carried_back_and_the_link_sends_none_of_it_again(
    pair: Pair, tmp_path: Path
) -> None:
    sealed(pair)
    planned = exporting.plan(linked(pair.dwp), pair.dwp.other)
    done = export(pair.dwp, tmp_path / "out")
    assert (
        (planned.consignments, planned.files, planned.bytes)
        == (done.consignments, done.files, done.bytes)
        == (
            2,
            2,
            done.bytes,
        )
    )
    assert planned.waybill is None
    assert set(states(pair.dwp).values()) == {"sent"}
    text = (tmp_path / "out" / FILE).read_text("ascii")
    assert "Consignments: 2\nFiles inside: 2\nReceipts:     0\n" in text
    assert "0.xml" not in text
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".pgp", ".asc"}
    # The link is back before the receipt is, and days go by: none of it is uploaded.
    pair.dwp.now += 2 * DAY
    work(pair, pair.dwp)
    pair.work_alone(pair.dwp)
    assert list(pair.la.home.landing_in("DWP").iterdir()) == []
    pair.dwp.now -= 2 * DAY

    brought = bring(pair.la, tmp_path / "out")
    assert [each.fate for each in brought.files] == [Fate.TAKEN, Fate.TAKEN]
    work(pair, pair.la)
    assert delivered(pair) == ["0.xml", "1.xml"]
    back = export(pair.la, tmp_path / "back")
    assert (back.consignments, back.receipts, back.arrive_by) == (0, 2, None)
    assert not list((pair.la.home.sealed_out / "DWP").iterdir()), "a receipt that was sent is not kept"
    bring(pair.dwp, tmp_path / "back")
    work(pair, pair.dwp)
    assert set(states(pair.dwp).values()) == {"receipted"}
    pair.work()
    assert said(pair.la, "consignment.repeated") == []
    assert said(pair.dwp, "consignment.sent") == []
    assert delivered(pair) == ["0.xml", "1.xml"]
    assert export(pair.dwp, tmp_path / "none").waybill is None
    assert not (tmp_path / "none").exists()
    whole(pair)


def test_a_lost_medium_goes_by_the_link_and_is_a_duplicate_where_it_is_found_again(pair: Pair, tmp_path: Path) -> None:
    sealed(pair)
    done = export(pair.dwp, tmp_path / "lost")
    assert done.waybill is not None
    with pytest.raises(NotFound):
        repeating.again(linked(pair.dwp), LOG, pair.dwp.other, "0000", WHO)
    repeated = repeating.again(linked(pair.dwp), LOG, pair.dwp.other, done.waybill[:13], WHO)
    assert len(repeated.consignments) == 2
    pair.work()
    assert set(states(pair.dwp).values()) == {"receipted"}
    bring(pair.la, tmp_path / "lost")
    pair.work()
    assert len(said(pair.la, "consignment.repeated")) == 2
    assert delivered(pair) == ["0.xml", "1.xml"]
    with pytest.raises(UsageWrong, match="is answered"):
        repeating.again(linked(pair.dwp), LOG, pair.dwp.other, done.waybill, WHO)
    whole(pair)


def test_lost_receipts_are_sealed_once_more(pair: Pair, tmp_path: Path) -> None:
    sealed(pair)
    bring(pair.la, Path(export(pair.dwp, tmp_path / "out").directory or ""))
    work(pair, pair.la)
    back = export(pair.la, tmp_path / "lost")
    repeated = repeating.again(linked(pair.la), LOG, "DWP", str(back.waybill), WHO)
    assert len(repeated.receipts) == 2
    work(pair, pair.la)
    bring(pair.dwp, Path(export(pair.la, tmp_path / "more").directory or ""))
    bring(pair.dwp, tmp_path / "lost")  # found again
    work(pair, pair.dwp)
    assert set(states(pair.dwp).values()) == {"receipted"}
    whole(pair)


def test_what_was_carried_and_never_answered_expires_as_everything_does(pair: Pair, tmp_path: Path) -> None:
    sealed(pair, 1)
    export(pair.dwp, tmp_path / "out")
    pair.dwp.now += 9 * DAY
    work(pair, pair.dwp)
    assert states(pair.dwp) == {"0.xml": "expired"}
    assert [path.name for path in (pair.dwp.home.returned / "claim" / pair.la.code).iterdir()]
    # It comes too late, and is not delivered.
    pair.la.now += 9 * DAY
    bring(pair.la, tmp_path / "out")
    work(pair, pair.la)
    assert not list((pair.la.home.inbound / "claim" / "DWP").iterdir())


def test_a_directory_that_is_there_and_a_partner_without_a_server_are_refused(pair: Pair, tmp_path: Path) -> None:
    sealed(pair, 1)
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageWrong):
        export(pair.dwp, tmp_path / "out")
    with pytest.raises(UsageWrong, match="landing/E09000030/out"):
        exporting.export(pair.dwp.settings, LOG, pair.dwp.other, tmp_path / "other", WHO)
    assert states(pair.dwp) == {"0.xml": "sealed"}


def test_whoever_carries_a_medium_may_read_it_and_a_place_that_cannot_be_written_is_named_as_such(
    pair: Pair, tmp_path: Path
) -> None:
    sealed(pair, 1)
    for place in (tmp_path / "none" / "out", tmp_path / ("x" * 252)):
        with pytest.raises(UsageWrong, match="medium"):
            export(pair.dwp, place)
    assert states(pair.dwp) == {"0.xml": "sealed"}
    before = os.umask(0o077)
    try:
        out = Path(export(pair.dwp, tmp_path / "out").directory or "")
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o644}


def test_what_went_by_the_link_while_it_was_copied_is_not_exported(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(pair)
    sign = exporting._signed

    def meanwhile(*arguments: Any) -> bytes:
        pair.work_alone(pair.dwp)
        return sign(*arguments)

    monkeypatch.setattr(exporting, "_signed", meanwhile)
    done = export(pair.dwp, tmp_path / "out")
    assert (done.waybill, done.consignments) == (None, 0)
    assert not (tmp_path / "out").exists()
    assert len(said(pair.dwp, "consignment.sent")) == 2
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("fault", [LedgerBusy, LaneLost])
def test_directory_of_what_was_not_recorded_loses_its_name(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[GatewayError]
) -> None:
    sealed(pair)

    def refuse(*_arguments: Any) -> None:
        assert (tmp_path / "out" / FILE).exists()
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_record", refuse)
        with pytest.raises(fault):
            export(pair.dwp, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))
    assert export(pair.dwp, tmp_path / "out").consignments == 2


def test_two_exports_into_one_directory_do_not_meet(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(pair)
    sign, refused = exporting._signed, []

    def meanwhile(*arguments: Any) -> bytes:
        with pytest.raises(UsageWrong, match="Another export") as second:
            export(pair.dwp, tmp_path / "out")
        refused.append(second.value)
        return sign(*arguments)

    monkeypatch.setattr(exporting, "_signed", meanwhile)
    assert export(pair.dwp, tmp_path / "out").consignments == 2
    assert len(refused) == 1
    assert len(list((tmp_path / "out").glob("*.pgp"))) == 2


# -- hostile and damaged media


@dataclass(frozen=True)
class Medium:
    path: Path

    @property
    def signed(self) -> bytes:
        return (self.path / FILE).read_bytes()

    def edit(self, old: bytes, new: bytes) -> None:
        assert old in self.signed
        (self.path / FILE).write_bytes(self.signed.replace(old, new))

    @property
    def consignments(self) -> list[Path]:
        return sorted(self.path.glob("*.pgp"))


def number_of(medium: Medium) -> bytes:
    return medium.signed.split(b"Number:       ")[1][:36]


def linked_elsewhere(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


REFUSED: dict[str, Callable[[Medium], object]] = {
    "no waybill": lambda medium: (medium.path / FILE).unlink(),
    "a waybill behind a link": lambda medium: linked_elsewhere(medium.path / FILE),
    "a pipe for a waybill": lambda medium: a_pipe(medium.path / FILE),
    "text before it": lambda medium: (medium.path / FILE).write_bytes(b"Hello\n" + medium.signed),
    "text after it": lambda medium: (medium.path / FILE).write_bytes(medium.signed + b"\n"),
    "another signer": lambda medium: medium.edit(b"QUFB", b"QkJC"),
    "a stranger's": lambda medium: medium.edit(b"From:         DWP", b"From:         X99"),
    "for another site": lambda medium: medium.edit(b"To:           E09000030", b"To:           E08000004"),
    "a name that is a path": lambda medium: medium.edit(b"  " + medium.consignments[0].name.encode(), b"  ../../x.pgp"),
    "a name twice": lambda medium: medium.edit(
        medium.consignments[0].name.encode(), medium.consignments[1].name.encode()
    ),
    "a size with a sign": lambda medium: medium.edit(b"      1  ", b"     +1  "),
    "a number that is none": lambda medium: medium.edit(number_of(medium), b"0" * 36),
    "wrong counts": lambda medium: medium.edit(b"Files inside: 2", b"Files inside: 3"),
    "too long": lambda medium: (medium.path / FILE).write_bytes(medium.signed + b"x" * (1 << 20)),
    "a moment that is none": lambda medium: medium.edit(b"Made:         2", b"Made:         x"),
    "other armour": lambda medium: medium.edit(b"Hash: SHA256", b"Hash: MD5"),
    "a control character": lambda medium: medium.edit(b"by hand", b"by\rhand"),
}


def test_a_waybill_that_does_not_hold_is_refused_whole(pair: Pair, tmp_path: Path) -> None:
    sealed(pair)
    export(pair.dwp, tmp_path / "out")
    for how, hurt in REFUSED.items():
        medium = Medium(Path(shutil.copytree(tmp_path / "out", tmp_path / how)))
        hurt(medium)
        with pytest.raises(WaybillRefused):
            pytest.fail(f"{how}: {bring(pair.la, medium.path)}")
        assert list(pair.la.home.landing_in("DWP").iterdir()) == [], how


HURT: dict[str, tuple[Callable[[Path], object], Fate]] = {
    "missing": (Path.unlink, Fate.MISSING),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), Fate.DAMAGED),
    "shorter": (lambda path: path.write_bytes(path.read_bytes()[:-1]), Fate.DAMAGED),
    "another byte": (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), Fate.DAMAGED),
    "a link": (linked_elsewhere, Fate.MISSING),
    "a pipe": (a_pipe, Fate.MISSING),
    "a directory": (a_directory, Fate.MISSING),
}


@pytest.mark.parametrize("how", HURT)
def test_a_file_that_is_not_whole_is_told_and_the_others_are_taken(how: str, pair: Pair, tmp_path: Path) -> None:
    sealed(pair)
    medium = Medium(Path(export(pair.dwp, tmp_path / "out").directory or ""))
    hurt, fate = HURT[how]
    hurt(medium.consignments[0])
    (medium.path / "autorun.inf").write_text("besides")
    looked = importing.bring(linked(pair.la), LOG, medium.path, WHO, dry_run=True)
    assert list(pair.la.home.landing_in("DWP").iterdir()) == []
    brought = bring(pair.la, medium.path)
    assert [each.fate for each in brought.files] == [each.fate for each in looked.files] == [fate, Fate.TAKEN]
    assert brought.besides == 1 + (how == "a link")
    assert [path.name for path in pair.la.home.landing_in("DWP").iterdir()] == [medium.consignments[-1].name]
    assert [each.fate for each in bring(pair.la, medium.path).files] == [fate, Fate.WAITS], "as it lies there still"
    work(pair, pair.la)
    assert len(delivered(pair)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_what_root_brings_belongs_to_whom_the_landing_belongs(pair: Pair, tmp_path: Path) -> None:
    sealed(pair, 1)
    export(pair.dwp, tmp_path / "out")
    landing = pair.la.home.landing_in("DWP")
    os.chown(landing, 65534, 65534)
    bring(pair.la, tmp_path / "out")
    (landed,) = landing.iterdir()
    assert (landed.stat().st_uid, landed.stat().st_gid) == (65534, 65534)


# -- kill -9


def killed(act: Callable[[], object], at: int | None) -> int:
    """Do it in a child that is killed there; how many sides of operations it met, 0 where it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        points = Points(at)
        points.install()
        act()
        os.write(write, str(2 * len(points.met)).encode())
        os._exit(0)
    os.close(write)
    met = os.read(read, 20)
    os.close(read)
    status = os.waitpid(child, 0)[1]
    assert met or os.WTERMSIG(status) == signal.SIGKILL
    return int(met or 0)


def everything_ends(pair: Pair, root: Path) -> None:
    """What the killed one left is brought, what waits is exported once more, and the link comes back."""
    for at, bench in enumerate((pair.dwp, pair.la)):
        export(bench, root / f"more-{at}")
        for medium in sorted(root.iterdir()):
            if (medium / FILE).exists() and not medium.name.startswith("."):
                with_partner = pair.la if bench is pair.dwp else pair.dwp
                if f"To:           {with_partner.code}" in (medium / FILE).read_text("ascii"):
                    bring(with_partner, medium)
        work(pair, pair.la, pair.dwp)
    pair.work()
    assert states(pair.dwp) == {"0.xml": "receipted", "1.xml": "receipted"}
    assert delivered(pair) == ["0.xml", "1.xml"]
    assert list(pair.la.home.landing_in("DWP").glob("[!.]*")) == []
    whole(pair)


def swept(tmp_path: Path, which: str, drawn: Callable[[int], list[int]]) -> int:
    """Kill an export, or an import, at these sides of its operations; how many kills there were."""
    total, kills = 0, 0
    points: list[int | None] = [None]
    while points:
        at = points.pop(0)
        root = tmp_path / f"{which}-{at}"
        with made(root / "sites") as pair:
            media = root / "media"
            media.mkdir()
            sealed(pair)
            if which == "export":
                met = killed(lambda pair=pair, media=media: export(pair.dwp, media / "out"), at)  # type: ignore[misc]
            else:
                export(pair.dwp, media / "out")
                met = killed(lambda pair=pair, media=media: bring(pair.la, media / "out"), at)  # type: ignore[misc]
            if at is None:
                total = met
                points += cast("list[int | None]", drawn(total))
            elif met == 0:
                kills += 1
            everything_ends(pair, media)
        shutil.rmtree(root)
    return kills


@pytest.mark.parametrize("which", ["export", "import"])
def test_one_that_is_killed_loses_and_doubles_nothing(which: str, tmp_path: Path, tally: Tally) -> None:
    kills = swept(tmp_path, which, lambda total: random.Random(total).sample(range(0, total, 2), 4))
    tally(f"crash points, {which}", tried=kills, lost=0)
    assert kills == 4


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", ["export", "import"])
def test_one_that_is_killed_anywhere_loses_and_doubles_nothing(which: str, tmp_path: Path, tally: Tally) -> None:
    kills = swept(tmp_path, which, lambda total: list(range(total)))
    tally(f"crash points, {which}", tried=kills, lost=0)
    assert kills > 15


@pytest.mark.parametrize("harm", [Harm.flip, Harm.remove], ids=["altered", "missing"])
def test_what_the_sites_store_has_lost_is_left_with_an_alarm_and_all_else_is_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Harm], None]
) -> None:
    with two_ledgers(tmp_path / "sites", stored=True) as pair:
        for bench in (pair.dwp, pair.la):
            bench.now = time.time()
        monkeypatch.setattr(exporting, "stage_context", lambda _settings, _log: nullcontext(pair.dwp.context))
        sealed(pair, 3)
        vanish(pair.dwp)
        first = Harm(objects(pair.dwp, "sealed")[0])
        harm(first)
        done = export(pair.dwp, tmp_path / "out")
        ((kind, identity),) = [(each.kind, each.id) for each in done.left]
        assert (kind, done.consignments, done.files) == ("consignment", 2, 2)
        assert identity in first.place.name
        assert f"{identity}.pgp" not in {path.name for path in (tmp_path / "out").iterdir()}
        with pytest.raises(StoreFileLost, match=f"not on the medium: consignment {identity}: "):
            exporting.require_whole(done)
        assert said(pair.dwp, "lane.stuck") == [f"{pair.dwp.other}/store"]
        bring(pair.la, tmp_path / "out")
        work(pair, pair.la)
        assert len(delivered(pair)) == 2
        whole(pair)

        with pytest.raises(StoreFileLost):
            export(pair.dwp, tmp_path / "none")
        assert not (tmp_path / "none").exists()
        first.put_back()
        exporting.require_whole(export(pair.dwp, tmp_path / "later"))
        bring(pair.la, tmp_path / "later")
        work(pair, pair.la)
        assert len(delivered(pair)) == 3
        whole(pair)
