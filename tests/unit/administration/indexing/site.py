"""A site with delivered documents in spool/inbound, and a ledger that knows them; no gateway ran."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from gateway.administration.indexing.batches import Batch
from gateway.administration.indexing.indexer import Indexer, Left
from gateway.domain.identity import new_id
from gateway.domain.states import Direction, State
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.settings.index_templates import Template, TemplateFile
from gateway.settings.model import Settings
from gateway.storage.durable import DISK, Disk
from tests.fakes.two_ledgers import Bench

NOW: Final = 1_795_000_000.0
IDS: Final = [new_id(NOW + number, b"0123456789") for number in range(40)]
FIELDS: Final[Sequence[dict[str, str]]] = (
    {"name": "Transfer", "value": "transfer"},
    {"name": "Received", "value": "received"},
    {"name": "Office", "value": "partner"},
    {"name": "Type", "constant": "LAID"},
    {"name": "File", "value": "file"},
)


def template(name: str = "laid", **says: Any) -> Template:
    """A template without faults of its own, changed as the test wants it."""
    given = {"flows": ["laid"], "format": "csv", "fields": FIELDS} | says
    return Template(name, TemplateFile.model_validate(given))


def row(**values: Any) -> Transfer:
    """A delivered transfer, as the ledger has it."""
    given: dict[str, Any] = dict.fromkeys(Transfer._fields)
    given |= {"key": 1, "id": IDS[0], "direction": Direction.IN, "flow": "laid", "partner": "DWP", "name": "a.pdf"}
    given |= {"size": 1, "sha256": "00" * 32, "custody": False, "notify_pending": False, "state": State.DELIVERED}
    given |= {"claims": 0, "attempts": 0, "due": 0.0, "event": 1, "created": NOW, "updated": NOW, "salt": ""}
    return Transfer(**(given | values))


class IndexedSite:
    """Directories, settings and a ledger below a bench's root; `now` is the clock of whoever makes batches."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.home: Home = bench.home
        self.now = NOW
        flows = {
            name: flow.model_copy(update={"inbound_name": "{transfer}{ext}"}) for name, flow in DEFAULT_FLOWS.items()
        }
        self.settings: Settings = replace(bench.settings, flows=flows)
        self.keys = 0

    def use(self, *made: Template) -> None:
        """Write these templates into config/index."""
        self.home.index.mkdir(parents=True, exist_ok=True)
        for each in made:
            (self.home.index / f"{each.name}.toml").write_text(as_toml(each))

    def deliver(self, number: int, content: bytes | None = None, flow: str = "laid", **values: Any) -> str:
        """Put a document into spool/inbound, and its row into the ledger; its id."""
        said = f"%PDF-1.7 {number}".encode() if content is None else content
        identity = IDS[number]
        directory = self.home.inbound / flow / "DWP"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{identity}.pdf").write_bytes(said)
        self.keys += 1
        digest = hashlib.sha256(said).hexdigest()
        given = row(key=self.keys, id=identity, flow=flow, size=len(said), sha256=digest, **values)
        with self.bench.ledger.write() as transaction:
            transaction.connection.execute(insert(TRANSFERS).values(given._asdict()))
        return identity

    def indexer(self, disk: Disk = DISK, clock: Callable[[], float] | None = None) -> Indexer:
        return Indexer(self.settings, self.bench.ledger.read, clock or (lambda: self.now), disk)

    def work(self, *, all_of_it: bool = True) -> list[Batch | Left]:
        return list(self.indexer().work(all_of_it=all_of_it))

    def batches(self, name: str = "laid") -> dict[str, dict[str, bytes]]:
        """What the importer sees: the files of each folder that it may look at, by name."""
        folder = self.home.batches / name
        shown = [path for path in folder.glob("*") if not path.name.startswith(".")] if folder.is_dir() else []
        return {path.name: {file.name: file.read_bytes() for file in path.iterdir()} for path in sorted(shown)}

    def manifests(self, name: str = "laid") -> list[dict[str, Any]]:
        return [json.loads(files["manifest.json"]) for files in self.batches(name).values()]

    def left(self) -> set[str]:
        return {path.name for path in self.home.inbound.glob("*/*/*")}


def as_toml(made: Template) -> str:
    """The template as its file has it."""
    said = made.says.model_dump(mode="json", exclude_none=True)
    personal, fields = said.pop("personal", None), said.pop("fields")
    lines = [f"{key} = {json.dumps(value)}" for key, value in said.items()]
    for field in fields:
        lines += ["", "[[fields]]", *(f"{key} = {json.dumps(value)}" for key, value in field.items())]
    if personal:
        lines += ["", "[personal]", *(f"{key} = {json.dumps(value)}" for key, value in personal.items())]
    return "\n".join(lines) + "\n"


@contextmanager
def indexed_site(root: Path, **changes: Any) -> Iterator[IndexedSite]:
    """A site with one template, `laid`; `changes` are what it says otherwise."""
    with ExitStack() as stack:
        site = IndexedSite(Bench(root, "E09000030", "DWP", stack))
        site.use(template(**changes))
        yield site
