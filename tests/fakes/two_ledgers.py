"""Two sites in one process: the real stages, ledgers and directories; a stand-in for OpenPGP, and for the readers.

Nobody works with a site's files while its ledger is written: `file_work` fails whoever does.

What a test of the ledger needs, in tenths of a second. The stand-in seals nothing; it keeps the engine's promises only.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from gateway.assembly import roles
from gateway.crypto.contract import Certificate, Opened, Sealed
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.errors import SignatureBad
from gateway.flows.catalog import FLOWS
from gateway.flows.routes import routes
from gateway.ledger.head_file import HeadFile
from gateway.ledger.place import Place
from gateway.ledger.store import Ledger
from gateway.settings.directories import make, partner_directories, site_directories
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.settings.home import Home
from gateway.settings.ledger import LedgerSettings
from gateway.settings.model import (
    Antivirus,
    Calendar,
    Daemon,
    Limits,
    LinkSettings,
    LogSettings,
    OpenPgpSettings,
    Partner,
    Settings,
    SftpServer,
    Site,
    Validation,
)
from gateway.settings.resources import resource
from gateway.settings.write import render_gateway_toml, write_partner, write_text
from gateway.spool.back_office_answers import BackOfficeAnswers
from gateway.spool.stability import Stability
from gateway.stages.admission import record_admitted
from gateway.stages.context import Stage, StageContext
from gateway.stages.inbound.acknowledge import Acknowledge
from gateway.stages.inbound.answer import Answer
from gateway.stages.inbound.collect import Collect
from gateway.stages.inbound.deliver import Deliver
from gateway.stages.inbound.open import Open
from gateway.stages.landing import UNFINISHED, LandingUploads
from gateway.stages.outbound.accept import Accept
from gateway.stages.outbound.conclude import Conclude
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.seal import Seal
from gateway.stages.outbound.send import Send
from gateway.stages.outbound.validate import Validate
from gateway.stages.scanning import Scanner
from gateway.stages.timers.overdue_receipts import OverdueReceipts
from gateway.storage.byte_reader import ByteReader
from gateway.storage.payloads import OneMachine, Payloads
from gateway.transport.contract import Transport
from gateway.transport.folder import FolderTransport
from gateway.validation.contract import Finding, RecordException, Report, Validator
from gateway.validation.factory import build
from gateway.validation.sandbox.pool import Job, Sandbox
from tests.fakes.file_work import watched
from tests.fakes.keybox import write_keybox
from tests.fakes.ledgers import Ledgers, kind, usual
from tests.fakes.stores import VARIABLE, SiteStore

_TRIAGE_KEY = bytes(32)
_LIMITS = Limits()
Envelope = Literal["gateway", "plain"]

FINGERPRINTS = {"DWP": "A" * 40, "E09000030": "B" * 40}


class Renamed(LandingUploads):
    """What the watcher tells of partners that keep to the wire format: each name came from NAME.part."""

    def is_finished(self, path: Path) -> bool:
        return not os.path.lexists(path.with_name(path.name + UNFINISHED))


class PretendedPgp:
    """Keeps what the engine promises about files and verdicts, for partners that pretend as well.

    `knows` is the key of ours that the partner seals to: it may be the one before the current one.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self.knows = FINGERPRINTS[own]

    def own_certificate(self) -> Certificate:
        raise NotImplementedError

    def old_own_certificate(self) -> Certificate | None:
        raise NotImplementedError

    def partner_certificate(self, partner: str) -> Certificate:
        raise NotImplementedError

    def seal(self, plaintext: ByteReader, partner: str, output: Path, signer: str | None = None) -> Sealed:
        content = io.BytesIO()
        while piece := plaintext.read(65536):
            content.write(piece)
        words = {"from": self._own, "to": partner, "signer": signer or FINGERPRINTS[self._own]}
        line = json.dumps(words).encode() + b"\n"
        output.write_bytes(line + content.getvalue())
        return Sealed(output.stat().st_size, hashlib.sha256(output.read_bytes()).hexdigest())

    def open(self, sealed: Path, partner: str, output: Path, max_bytes: int) -> Opened:
        line, _, content = sealed.read_bytes().partition(b"\n")
        words = json.loads(line) if line.startswith(b"{") else {}
        if (words.get("from"), words.get("to")) != (partner, self._own):
            raise SignatureBad
        assert len(content) <= max_bytes
        output.write_bytes(content)
        digest = hashlib.sha256(sealed.read_bytes()).hexdigest()
        return Opened(words["signer"], self.knows, 0.0, digest, len(content))

    def sign(self, text: bytes, signer: str | None = None) -> bytes:
        armour = base64.b64encode((signer or FINGERPRINTS[self._own]).encode())
        head = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
        tail = b"\n-----BEGIN PGP SIGNATURE-----\n\n" + armour + b"\n-----END PGP SIGNATURE-----\n"
        return head + text + tail

    def verify(self, signed: bytes, partner: str) -> str:
        signer = base64.b64decode(signed.splitlines()[-2]).decode()
        if signer != FINGERPRINTS[partner]:
            raise SignatureBad
        return signer

    def unwrap(self, sealed: Path, max_bytes: int) -> bytes:
        content = sealed.read_bytes().partition(b"\n")[2]
        assert len(content) <= max_bytes
        return content

    def signed_content(self, signed: bytes, _partner: str, max_bytes: int) -> bytes:
        assert len(signed) <= max_bytes
        return signed

    def close(self) -> None:
        pass


class PretendedReaders:
    """Finds a file wrong that begins with `wrong`; one that begins with `facts ` tells the JSON on its first line.

    One that begins with `odd ` has an exception in each of the `rows`, and the `facts`, of the JSON on its first line.
    """

    def validate(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Report]]:
        for job in jobs:
            content = job.path.read_bytes()
            wrong = content.startswith(b"wrong")
            first = content.partition(b"\n")[0]
            facts = json.loads(first.removeprefix(b"facts ")) if first.startswith(b"facts ") else {}
            if first.startswith(b"odd "):
                yield job, odd_report(**json.loads(first.removeprefix(b"odd ")))
                continue
            yield (
                job,
                Report("claim/1.0", (Finding("nino", "line 1", "not right"),) if wrong else (), int(wrong), facts),
            )


def odd_report(rows: Sequence[int], facts: Mapping[str, str]) -> Report:
    """What a reader says of a file with a wrong date in each of these rows."""
    found = tuple(RecordException(row, "8", "extract-date", "Not a date.") for row in rows)
    findings = tuple(Finding(each.code, f"row {each.row}, field 8", each.message) for each in found)
    return Report("extract/1.0", findings[:50], len(found), facts, found)


def odd(rows: Sequence[int], records: int, more: str = "") -> bytes:
    """A file of which `PretendedReaders` find these rows odd."""
    said = {"rows": list(rows), "facts": {"records": str(records)}}
    return b"odd " + json.dumps(said).encode() + b"\n" + more.encode()


PRETENDED = cast("Sandbox", PretendedReaders())


class ActualReaders:
    """The validators that a site's plans describe, in this process: for files that come from nobody else."""

    def __init__(self) -> None:
        self._known: dict[str, Validator] = {}

    def validate(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Report]]:
        for job in jobs:
            if job.flow not in self._known:
                self._known[job.flow] = build(FLOWS[job.flow].plan(resource("schemas"), True))
            yield job, self._known[job.flow].validate(job.path)


class Bench:
    """One site with all its stages. `now` is its clock."""

    def __init__(
        self,
        root: Path,
        code: str,
        other: str,
        stack: ExitStack,
        flows_set: Mapping[str, FlowSettings] = DEFAULT_FLOWS,
        limits: Limits = _LIMITS,
        envelope: Envelope = "gateway",
        ledgers: Ledgers | None = None,
        *,
        stored: bool = False,
    ) -> None:
        self.code, self.other = code, other
        self.now = 1_795_000_000.0
        self.home = Home(root / code)
        self.home.root.mkdir(parents=True)
        make(site_directories(self.home))
        self.ledgers = ledgers or usual()
        place = self.ledgers.new(self.home.ledger)
        made = _settings(self.home, code, other, flows_set, limits, envelope)
        self.settings = replace(made, ledger=LedgerSettings(url=place if isinstance(place, str) else ""))
        flows = routes(self.settings)
        out = [flow for flow, partners in flows.outgoing.items() if partners]
        into = [flow for flow, partners in flows.incoming.items() if partners]
        make(partner_directories(self.home, other, out, into))
        head_file = HeadFile(self.home.ledger_head)
        salts = itertools.count(1)
        self.ledger = Ledger(
            place,
            clock=self._clock,
            role="test",
            head_file=head_file,
            random_bytes=lambda count: hashlib.sha256(f"salt {code}{next(salts)}".encode()).digest()[:count],
        )
        stack.callback(self.ledger.close)
        stack.enter_context(watched(self.ledger, root))
        counter = itertools.count(1)
        payloads: Payloads = OneMachine()
        if stored or os.environ.get(VARIABLE):
            payloads = SiteStore(self.home.state, root / f"{code}.store", code)
        self.context = StageContext(
            settings=self.settings,
            routes=flows,
            ledger=self.ledger,
            log=lambda _event, **_keys: None,
            clock=self._clock,
            random_float=lambda: 0.5,
            entropy=lambda count: hashlib.sha256(f"{code}{next(counter)}".encode()).digest()[:count],
            stopping=lambda: False,
            payloads=payloads,
        )
        self.rung = threading.Event()

    def configure(self) -> None:
        """Write the site's configuration, so that commands find it; its keys are no keys."""
        text = render_gateway_toml(
            code=self.code,
            name=self.code,
            fingerprint=FINGERPRINTS[self.code],
            host="127.0.0.1",
            port=2222,
            user="gateway",
            ledger=self.settings.ledger.url,
        )
        write_text(self.home.gateway_toml, text)
        write_partner(self.home, self.settings.partners[self.other])
        for path in (self.home.client_key, self.home.host_key):
            write_text(path, "", mode=0o600)
        write_keybox(Keyrings(self.home.keyrings).partner_ring(self.other), FINGERPRINTS[self.other])

    def _clock(self) -> float:
        self.now += 0.001
        return self.now

    def stages(
        self, stack: ExitStack, transport: Transport, scanner: Scanner | None = None, readers: Sandbox = PRETENDED
    ) -> list[Stage]:
        context, engine = self.context, PretendedPgp(self.code)
        send = Send(context, {self.other: transport}, self.rung.set)
        self.send = send
        stages: list[Stage] = [
            Validate(context, readers, scanner, _TRIAGE_KEY),
            Pack(context),
            Seal(context, engine, partial(roles._archive, context)),
            send,
            Collect(context, Renamed()),
            Open(context, engine, partial(roles._unpack, 10**9)),
            Deliver(context, readers, scanner, _TRIAGE_KEY),
            Acknowledge(context, engine),
            Accept(context, engine),
            Answer(context, BackOfficeAnswers(self.home.outcomes, {}, Stability(lambda: self.now))),
            Conclude(context),
            OverdueReceipts(context),
        ]
        for stage in stages:
            stack.callback(stage.close)
        return stages

    def submit(self, name: str, content: bytes, flow: str = "claim", identity: str = "") -> str:
        """Admit a file, as `gateway submit` does; or the console, with the id that its upload had."""
        identity = identity or self.context.new_id()
        custody, digest = self.home.custody / identity, hashlib.sha256(content).hexdigest()
        custody.write_bytes(content)
        self.context.payloads.keep({custody: digest})
        row: Mapping[str, Any] = {
            "id": identity,
            "flow": flow,
            "partner": self.other,
            "name": name,
            "size": len(content),
            "sha256": digest,
            "spool_file": None,
            "reference": None,
        }
        with self.ledger.write() as transaction:
            record_admitted(self.context, transaction, [row])
        return identity

    def let_send_end(self) -> int:
        """Wait for what is under way to the partner; how much came of it."""
        done = 0
        while self.send.busy:
            self.rung.wait(5)
            self.rung.clear()
            done += self.send.step().done
        return done

    def sql(self, statement: str, *values: object) -> int:
        """Change the ledger behind the program's back; how many rows that touched."""
        return change(self.ledger, statement, *values)

    def snapshot(self, target: Path) -> Place:
        """The ledger as it is now, as a backup would have it; where the copy lies."""
        if isinstance(self.settings.ledger_place, str):
            self.ledger.close()  # PostgreSQL copies what nobody has open; it opens again by itself
        return self.ledgers.copy(self.settings.ledger_place, target)


def change(ledger: Ledger, statement: str, *values: object) -> int:
    """Change a ledger behind the program's back; how many rows that touched."""
    place = ledger._place
    return kind("postgresql" if isinstance(place, str) else "sqlite").change(place, statement, *values)


class Pair:
    """DWP and an authority, and the road between them."""

    def __init__(self, dwp: Bench, la: Bench, stages: Sequence[tuple[Bench, Stage]]) -> None:
        self.dwp, self.la = dwp, la
        self._stages = stages

    def stages_of(self, bench: Bench) -> list[Stage]:
        return [stage for owner, stage in self._stages if owner is bench]

    def work(self) -> None:
        """Run every stage of both sites until nothing moves any more."""
        self._work((self.dwp, self.la))

    def work_alone(self, bench: Bench) -> None:
        """Run every stage of one site until nothing moves there any more."""
        self._work((bench,))

    def seal_alone(self, bench: Bench) -> None:
        """As `work_alone`, and nothing is sent."""
        stages = [stage for owner, stage in self._stages if owner is bench and stage is not bench.send]
        while sum(stage.step().done for stage in stages):
            pass

    def _work(self, benches: Sequence[Bench]) -> None:
        quiet = 0
        while quiet < 1:
            done = sum(stage.step().done for owner, stage in self._stages if owner in benches)
            for bench in benches:
                done += bench.let_send_end()
            quiet = 0 if done else quiet + 1


@contextmanager
def two_ledgers(
    root: Path,
    flows: Mapping[str, FlowSettings] = DEFAULT_FLOWS,
    scanners: tuple[Scanner | None, Scanner | None] = (None, None),
    line: Transport | None = None,
    limits: Limits = _LIMITS,
    readers: Sandbox = PRETENDED,
    envelope: Envelope = "gateway",
    ledgers: Ledgers | None = None,
    *,
    stored: bool = False,
) -> Iterator[Pair]:
    """Two sites that know each other, with nothing in their ledgers; `scanners` are DWP's and the authority's, and `line`
    is DWP's way to the authority, where it is not straight into its landing; `readers` read the files at both. `envelope` is what
    DWP has in the authority's file. Where they are `stored`, each site's files are in a store beside its HOME as well.
    """
    with ExitStack() as stack:
        dwp = Bench(root, "DWP", "E09000030", stack, flows, limits, envelope, ledgers, stored=stored)
        la = Bench(root, "E09000030", "DWP", stack, flows, limits, ledgers=ledgers, stored=stored)
        la.now += 0.5
        there = line or FolderTransport(la.home.landing_in(dwp.code))
        stages = [(dwp, stage) for stage in dwp.stages(stack, there, scanners[0], readers)]
        back = FolderTransport(dwp.home.landing_in(la.code))
        stages += [(la, stage) for stage in la.stages(stack, back, scanners[1], readers)]
        yield Pair(dwp, la, stages)


def _settings(
    home: Home, code: str, other: str, flows: Mapping[str, FlowSettings], limits: Limits, envelope: Envelope
) -> Settings:
    partner = Partner(code=other, name=other, fingerprint=FINGERPRINTS[other], link="none", envelope=envelope)
    return Settings(
        home=home,
        site=Site(code=code, name=code),
        openpgp=OpenPgpSettings(fingerprint=FINGERPRINTS[code]),
        sftp_server=SftpServer(),
        limits=limits,
        link=LinkSettings(),
        daemon=Daemon(),
        logs=LogSettings(),
        validation=Validation(),
        calendar=Calendar(),
        antivirus=Antivirus(),
        flows=flows,
        partners={other: partner},
    )
