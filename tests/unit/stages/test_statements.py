"""A signed statement a day: made once, sent to whoever takes it, verified before it is read, kept, and compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from sqlalchemy import select

from gateway.domain import statement as form
from gateway.domain.manifest import Manifest
from gateway.domain.states import Direction, State
from gateway.errors import CryptoFailed, TimestampFailed, UsageWrong
from gateway.ledger.audit.files import Area, Listing, check_files
from gateway.ledger.audit.heads import check_heads, heads_of
from gateway.ledger.queries import statements
from gateway.ledger.queries.keys import subject
from gateway.ledger.tables import EVENTS, TRANSFERS
from gateway.settings.model import KeySettings
from gateway.settings.upkeep import AuditSettings
from gateway.stages.context import Stage, Step
from gateway.stages.statements import keep_stamp, make, yesterday
from gateway.stages.timers.daily_statement import DailyStatement
from gateway.stages.timers.statement_dispatch import StatementDispatch
from gateway.stages.timers.statement_stamp import StatementStamp
from gateway.storage.digest import file_digest
from gateway.validation.sandbox.pool import Sandbox
from tests.fakes.two_ledgers import FINGERPRINTS, ActualReaders, Bench, Pair, PretendedPgp, change, two_ledgers

LA = "E09000030"
DAY = 86_400.0


@dataclass
class Round:
    """Two sites whose gateways make statements, with files that are good whatever they hold, but for statements."""

    pair: Pair
    daily: dict[str, tuple[Stage, Stage]]

    def midnight(self, days: int = 1) -> None:
        """Both clocks go on to shortly after midnight, and everything is done."""
        for bench in (self.pair.dwp, self.pair.la):
            bench.now = (bench.now // DAY + days) * DAY + 5.0
        self.work()

    def work(self) -> None:
        for bench in (self.pair.dwp, self.pair.la):
            for stage in self.daily[bench.code]:
                stage.step()
        self.pair.work()


class Readers:
    """Reads statements as they are, and takes everything else for good."""

    def __init__(self) -> None:
        self._actual = ActualReaders()

    def validate(self, jobs: Any) -> Iterator[Any]:
        from tests.fakes.two_ledgers import PRETENDED  # noqa: PLC0415 - beside the one use

        for job in jobs:
            yield from (self._actual if job.flow == form.FLOW else PRETENDED).validate([job])


@pytest.fixture
def round_(tmp_path: Path) -> Iterator[Round]:
    with rounds(tmp_path) as made:
        yield made


@contextmanager
def rounds(root: Path, *, stored: bool = False) -> Iterator[Round]:
    readers = cast("Sandbox", Readers())
    with two_ledgers(root, readers=readers, stored=stored) as pair, ExitStack() as stack:
        daily: dict[str, tuple[Stage, Stage]] = {}
        for bench in (pair.dwp, pair.la):
            made = DailyStatement(bench.context, PretendedPgp(bench.code)), StatementDispatch(bench.context, readers)
            daily[bench.code] = made
            for stage in made:
                stack.callback(stage.close)
        yield Round(pair, daily)


def events(bench: Bench, name: str) -> list[dict[str, Any]]:
    with bench.ledger.read() as connection:
        rows = connection.execute(select(EVENTS.c.detail).where(EVENTS.c.event == name).order_by(EVENTS.c.sequence))
        return [orjson.loads(text) for (text,) in rows]


def files(bench: Bench, site: str) -> list[Path]:
    return sorted((bench.home.statements / site).glob("*"))


def exchanged(round_: Round) -> None:
    """A file each way's worth of manifests, then two midnights: each site learns that the other takes statements."""
    round_.pair.dwp.submit("claims.xml", b"right")
    round_.pair.work()
    round_.midnight()
    round_.midnight()


def faults(bench: Bench) -> list[str]:
    with bench.ledger.read() as connection:
        return [f"{fault.subject}: {fault.message}" for fault in check_heads(connection)]


def odd_files(bench: Bench) -> list[str]:
    """What is wrong with the files of statements."""
    root = bench.home.statements
    there = {str(path.relative_to(root)): path.stat().st_size for path in root.glob("*/*")}

    def digest(area: Area, name: str) -> str | None:
        return file_digest(root / name) if area is Area.STATEMENTS else None

    with bench.ledger.read() as connection:
        found = check_files(connection, Listing({Area.STATEMENTS: there}, digest, bench.code)).faults
    return [fault.message for fault in found if fault.subject.startswith(("statement of ", "time stamp of "))]


def test_no_statement_is_made_before_the_first_midnight(round_: Round) -> None:
    round_.pair.dwp.submit("claims.xml", b"right")
    round_.work()
    assert events(round_.pair.dwp, "statement.made") == []
    assert not round_.pair.dwp.home.statements.exists()


def test_statement_says_where_the_chain_stood_and_what_became_of_transfers(round_: Round) -> None:
    pair = round_.pair
    pair.dwp.submit("claims.xml", b"right")
    pair.dwp.submit("wrong.xml", b"wrong")
    pair.work()
    with pair.dwp.ledger.read() as connection:
        head = statements.head_before(connection, "9999")
    round_.midnight()
    (path,) = files(pair.dwp, "DWP")
    said = form.read(path.read_bytes())
    assert (said.site, said.head.sequence, said.head.sha256) == ("DWP", head.sequence, head.sha256)
    assert (said.day, said.previous) == (datetime.fromtimestamp(pair.dwp.now - DAY, UTC).date().isoformat(), None)
    assert said.counts == {"claim": {"out": {"admitted": 2, "validated": 1, "rejected": 1, "receipted": 1}}}
    (event,) = events(pair.dwp, "statement.made")
    assert event["text"] == [path.read_text()]
    assert path.name == f"{said.day}.{event['sha256'][:16]}.asc"


def test_each_statement_follows_on_the_one_before_also_after_days_without_a_gateway(round_: Round) -> None:
    round_.pair.dwp.submit("claims.xml", b"right")
    round_.pair.work()
    round_.midnight()
    round_.midnight(days=4)
    first, second = (form.read(path.read_bytes()) for path in files(round_.pair.dwp, "DWP"))
    assert second.previous is not None
    assert (second.previous.day, second.previous.head) == (first.day, first.head)
    assert date.fromisoformat(second.day).toordinal() - date.fromisoformat(first.day).toordinal() == 4
    assert second.counts == {"statement": {"in": {"delivered": 1}}}, "the authority's, which came that morning"


def test_statement_reaches_a_partner_that_takes_it_and_is_kept_as_evidence(round_: Round) -> None:
    exchanged(round_)
    pair = round_.pair
    for here, there in ((pair.dwp, pair.la), (pair.la, pair.dwp)):
        kept = files(there, here.code)
        assert kept, f"{there.code} keeps none of {here.code}"
        assert {path.read_bytes() for path in kept} <= {path.read_bytes() for path in files(here, here.code)}
        stated = form.read(kept[0].read_bytes()).head
        with there.ledger.read() as connection:
            known = {(head.sequence, head.sha256): source for _, head, source in heads_of(connection, here.code)}
        assert known[stated.sequence, stated.sha256].startswith("statement of ")
        assert list((there.home.inbound / form.FLOW / here.code).iterdir()), "it is a file like any other, too"
        assert faults(there) == []
        assert odd_files(there) == []


def test_partner_whose_manifests_say_nothing_of_statements_gets_none(
    round_: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Manifest.to_bytes
    monkeypatch.setattr(Manifest, "to_bytes", lambda self: written(self.model_copy(update={"accepts": None})))
    exchanged(round_)
    for bench in (round_.pair.dwp, round_.pair.la):
        assert events(bench, "statement.agreed") == []
        with bench.ledger.read() as connection:
            assert connection.execute(select(TRANSFERS.c.id).where(TRANSFERS.c.flow == form.FLOW)).all() == []
    assert [each["count"] for each in events(round_.pair.dwp, "statement.dispatched")] == [0, 0]


def test_partner_that_says_it_takes_them_no_more_gets_none_from_then_on(
    round_: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged(round_)
    written = Manifest.to_bytes
    monkeypatch.setattr(Manifest, "to_bytes", lambda self: written(self.model_copy(update={"accepts": ("claim",)})))
    round_.midnight()
    assert len(events(round_.pair.la, "statement.declined")) == 1
    before = len(files(round_.pair.dwp, LA))
    round_.midnight()
    assert len(files(round_.pair.dwp, LA)) == before
    assert events(round_.pair.la, "statement.dispatched")[-1]["count"] == 0


def test_site_that_exchanges_none_has_no_way_for_them(round_: Round) -> None:
    settings = replace(round_.pair.dwp.settings, audit=AuditSettings(statements=False))
    from gateway.flows.routes import routes  # noqa: PLC0415 - beside the one use

    assert routes(settings).outgoing[form.FLOW] == routes(settings).incoming[form.FLOW] == frozenset()
    context = replace(round_.pair.dwp.context, settings=settings)
    stage = DailyStatement(context, PretendedPgp("DWP"))
    assert (stage.step().done, events(round_.pair.dwp, "statement.made")) == (0, [])


def test_statement_that_its_site_did_not_sign_is_rejected_and_not_kept(
    round_: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = PretendedPgp.sign
    monkeypatch.setattr(PretendedPgp, "sign", lambda self, text, _signer=None: sign(self, text, "C" * 40))
    exchanged(round_)
    pair = round_.pair
    assert files(pair.la, "DWP") == []
    with pair.la.ledger.read() as connection:
        query = select(TRANSFERS.c.state, TRANSFERS.c.code).where(
            TRANSFERS.c.flow == form.FLOW, TRANSFERS.c.direction == str(Direction.IN)
        )
        assert {tuple(row) for row in connection.execute(query)} == {(State.REJECTED, form.SIGNATURE)}
    with pair.dwp.ledger.read() as connection:
        query = select(TRANSFERS.c.state).where(
            TRANSFERS.c.flow == form.FLOW, TRANSFERS.c.direction == str(Direction.OUT)
        )
        assert set(connection.execute(query).scalars()) == {State.REJECTED}
    assert [path.name for path in (pair.la.home.inbound / form.FLOW / "DWP").iterdir()] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b'"site":"E09000030"', form.SITE),
        (b'"day":"2099-01-01"', form.SITE),
        (b'"format":2', form.FORM),
        (b'"counts":[]', form.FORM),
    ],
    ids=["another-site", "a-day-to-come", "another-version", "no-counts"],
)
def test_statement_that_says_what_it_may_not_is_rejected(
    round_: Round, monkeypatch: pytest.MonkeyPatch, words: bytes, code: str
) -> None:
    name = words.partition(b":")[0]
    sign = PretendedPgp.sign

    def altered(self: PretendedPgp, text: bytes, signer: str | None = None) -> bytes:
        document = orjson.loads(text) | orjson.loads(b"{" + words + b"}")
        assert name.strip(b'"').decode() in document
        return sign(self, orjson.dumps(document), signer)

    round_.pair.dwp.submit("claims.xml", b"right")
    round_.pair.work()
    round_.midnight()
    monkeypatch.setattr(PretendedPgp, "sign", altered)
    with round_.pair.dwp.ledger.write() as transaction:
        transaction.record("statement.agreed", "statement", f"statement/{LA}", LA)
    # A validator of its own would stop it here: the altered gateway of a partner has none.
    monkeypatch.setattr("gateway.stages.composition._validate", lambda *_: None)
    monkeypatch.setattr(
        ActualReaders, "validate", lambda _self, jobs: Readers().validate([replace(j, flow="x") for j in jobs])
    )
    round_.midnight()
    with round_.pair.la.ledger.read() as connection:
        query = select(TRANSFERS.c.code).where(
            TRANSFERS.c.flow == form.FLOW, TRANSFERS.c.direction == str(Direction.IN)
        )
        assert connection.execute(query).scalars().all() == [code]


def test_day_that_has_not_ended_cannot_be_stated(round_: Round) -> None:
    context = round_.pair.dwp.context
    with pytest.raises(UsageWrong):
        make(context, PretendedPgp("DWP"), datetime.fromtimestamp(context.clock(), UTC).date())


def test_key_that_does_not_sign_puts_the_statement_off_and_stops_nothing(
    round_: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: PretendedPgp, _text: bytes, _signer: str | None = None) -> bytes:
        raise CryptoFailed

    sign = PretendedPgp.sign
    monkeypatch.setattr(PretendedPgp, "sign", broken)
    round_.pair.dwp.submit("claims.xml", b"right")
    round_.pair.work()
    round_.midnight()
    assert events(round_.pair.dwp, "statement.made") == []
    monkeypatch.setattr(PretendedPgp, "sign", sign)
    round_.pair.dwp.now += 3601.0
    round_.work()
    assert len(events(round_.pair.dwp, "statement.made")) == 1


def test_chain_that_was_rewritten_after_a_statement_is_contradicted_by_it(round_: Round) -> None:
    exchanged(round_)
    dwp = round_.pair.dwp
    change(dwp.ledger, "UPDATE events SET sha256 = ? WHERE sequence <= 1000", "0" * 64)
    assert any("statement of " in fault for fault in faults(dwp))


def test_two_statements_of_one_day_and_a_gap_in_what_they_say_are_named(round_: Round) -> None:
    exchanged(round_)
    la = round_.pair.la
    with la.ledger.read() as connection:
        (kept, *_) = statements.kept(connection, "DWP")
    head = [kept.head.sequence, "1" * 64]
    with la.ledger.write() as transaction:
        for day, before in ((kept.day, None), ("2098-01-01", [kept.day, "2" * 64])):
            detail: dict[str, Any] = {"day": day, "sha256": "3" * 64, "head": head, "previous": before}
            transaction.record("statement.kept", "statement", "statement/DWP", "DWP", **detail)
    told = "\n".join(faults(la))
    assert "DWP has sent two different statements of that day" in told
    assert f"DWP names another statement of {kept.day} than it has sent" in told
    assert f"DWP has shown two different events {kept.head.sequence} of its chain" in told


def test_statement_that_was_swapped_or_removed_is_noticed(round_: Round) -> None:
    exchanged(round_)
    la = round_.pair.la
    own, theirs = files(la, LA)[0], files(la, "DWP")[0]
    content = theirs.read_bytes()
    theirs.write_bytes(content.replace(b"0", b"1", 1))
    shutil.move(own, own.with_name("elsewhere"))
    assert sorted(message.rpartition(" ")[2] for message in odd_files(la)) == ["recorded", "there"]


def test_statement_is_signed_with_the_key_before_while_a_partner_does_not_know_the_new_one(round_: Round) -> None:
    dwp = round_.pair.dwp
    dwp.submit("claims.xml", b"right")
    round_.pair.work()
    until = datetime.fromtimestamp(dwp.now + 40 * DAY, UTC)
    keys = KeySettings(old_openpgp="D" * 40, old_openpgp_until=until)
    context = replace(dwp.context, settings=replace(dwp.settings, keys=keys))
    dwp.now += DAY
    assert make(context, PretendedPgp("DWP"), yesterday(context))
    with dwp.ledger.write() as transaction:
        transaction.record("key.confirmed", "key", subject(LA, FINGERPRINTS["DWP"]), LA)
    dwp.now += DAY
    assert make(context, PretendedPgp("DWP"), yesterday(context))
    assert [each["fingerprint"] for each in events(dwp, "statement.made")] == ["D" * 40, FINGERPRINTS["DWP"]]


# -- time stamps


def stamping(bench: Bench, stamp: Any) -> StatementStamp:
    """The stage that has statements stamped, and an event that is set when an answer waits."""
    bench.rung.clear()
    return StatementStamp(bench.context, stamp, bench.rung.set)


def test_statement_is_stamped_once_and_the_vault_writes_the_stamp_beside_it(round_: Round) -> None:
    exchanged(round_)
    dwp = round_.pair.dwp
    asked: list[bytes] = []

    def stamp(content: bytes) -> bytes:
        asked.append(content)
        return b"stamp"

    stage = stamping(dwp, stamp)
    assert stage.step().done == 0
    assert dwp.rung.wait(10)
    assert (stage.step().done, stage.step().done) == (1, 0)
    newest = files(dwp, "DWP")[-1]
    assert asked == [newest.read_bytes()]
    keep_stamp(dwp.context)
    stamped = newest.with_suffix(".tsr")
    assert stamped.read_bytes() == b"stamp"
    assert odd_files(dwp) == []
    stamped.write_bytes(b"other")
    assert len(odd_files(dwp)) == 1


def test_every_node_finds_the_statements_of_both_sites_and_the_stamps(tmp_path: Path) -> None:
    with rounds(tmp_path, stored=True) as round_:
        exchanged(round_)
        dwp, la = round_.pair.dwp, round_.pair.la
        stage = stamping(dwp, lambda _content: b"stamp")
        stage.step()
        assert dwp.rung.wait(10)
        assert stage.step().done == 1
        keep_stamp(dwp.context)
        for bench, other in ((dwp, la), (la, dwp)):
            here = {path: file_digest(path) for site in (bench.code, other.code) for path in files(bench, site)}
            assert {path.parent.name for path in here} == {"DWP", LA}
            assert dict(bench.context.payloads.names(bench.home.statements)) == here
        assert [path.suffix for path in files(dwp, "DWP")].count(".tsr") == 1


def test_authority_that_fails_holds_nothing_up_and_is_asked_again_in_an_hour(round_: Round) -> None:
    exchanged(round_)
    dwp = round_.pair.dwp
    asked: list[float] = []

    def away(_content: bytes) -> bytes:
        asked.append(dwp.now)
        raise TimestampFailed

    stage = stamping(dwp, away)
    stage.step()
    assert dwp.rung.wait(10)
    assert stage.step().due is not None
    stage.step()
    assert len(asked) == 1
    dwp.now += 3700.0
    dwp.rung.clear()
    stage.step()
    assert dwp.rung.wait(10)
    assert len(asked) == 2
    assert events(dwp, "statement.stamped") == []
    assert len(events(dwp, "statement.dispatched")) == 2, "it went out without a stamp"


def test_site_without_an_authority_asks_nobody(round_: Round) -> None:
    exchanged(round_)
    assert stamping(round_.pair.dwp, None).step() == Step()
