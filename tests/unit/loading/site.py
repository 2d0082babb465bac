"""A site as a back office sees it: its directories, delivered files in them, and settings that name a database."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import create_engine, text

from gateway.domain.identity import new_id
from gateway.loading.loader import Line, Loader
from gateway.sample.catalog import samplers, versions
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.settings.load import LOADABLE, LoadSettings
from gateway.settings.model import Settings, Validation
from gateway.settings.node import NodeSettings
from gateway.settings.resources import resource
from gateway.storage.durable import DISK, Disk
from gateway.validation.xml.rows import DocumentReader

TODAY: Final = date(2026, 11, 21)
NOW: Final = 1_795_000_000.0
IDS: Final = [new_id(NOW + number, b"0123456789") for number in range(20)]


@cache
def readers() -> Mapping[str, DocumentReader]:
    """Compiled once: that takes longer than any test here."""
    return {flow: DocumentReader(resource("schemas"), flow, allow_test_numbers=True) for flow in LOADABLE}


@dataclass(frozen=True)
class _Settings:
    """What the loader asks of a site's settings."""

    home: Home
    load: LoadSettings
    flows: Mapping[str, Any]
    validation: Validation = field(default_factory=Validation)
    node: NodeSettings = field(default_factory=NodeSettings)


class LoadingSite:
    """Directories below `root`, and a database: a file of SQLite unless another is named."""

    def __init__(
        self,
        root: Path,
        database: str | None = None,
        template: str = "{transfer}.xml",
        flows: tuple[str, ...] = LOADABLE,
    ) -> None:
        self.flows = flows
        self.home = Home(root)
        for directory in (self.home.inbound, self.home.outcomes):
            directory.mkdir(parents=True, exist_ok=True)
        load = LoadSettings() if database is None else LoadSettings(database=database)
        settings = {name: flow.model_copy(update={"inbound_name": template}) for name, flow in DEFAULT_FLOWS.items()}
        self.settings = cast("Settings", _Settings(self.home, load, settings))

    def deliver(self, flow: str, name: str, content: bytes, **beside: bytes) -> Path:
        """Put a file into spool/inbound as the gateway does: a list of exceptions, if any, before it."""
        directory = self.home.inbound / flow / "DWP"
        directory.mkdir(parents=True, exist_ok=True)
        for ending, text_beside in beside.items():
            (directory / f"{name}.{ending.replace('_', '.')}").write_bytes(text_beside)
        hidden = directory / f".{name}"
        hidden.write_bytes(content)
        hidden.rename(directory / name)
        return directory / name

    def loader(self, disk: Disk = DISK, clock: Callable[[], float] = lambda: NOW) -> Loader:
        return Loader(self.settings, {flow: readers()[flow] for flow in self.flows}, clock, disk)

    def load(self) -> list[Line]:
        with closing(self.loader()) as loader:
            return list(loader.load())

    def answers(self) -> dict[str, str]:
        """What lies in spool/outcomes, by name."""
        return {path.name: path.read_text() for path in self.home.outcomes.glob("*/*/*")}

    def left(self) -> set[str]:
        return {path.name for path in self.home.inbound.glob("*/*/*")}

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        file = self.settings.load.file(self.home.root)
        if file is not None:
            with closing(sqlite3.connect(file)) as connection:
                return connection.execute(statement).fetchall()
        engine = create_engine(self.settings.load.database.replace("postgresql:", "postgresql+psycopg:", 1))
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(statement))]
        finally:
            engine.dispose()

    def execute(self, *statements: str) -> None:
        """What the database's owner does to it."""
        file = self.settings.load.file(self.home.root)
        url = (
            f"sqlite:///{file}"
            if file
            else self.settings.load.database.replace("postgresql:", "postgresql+psycopg:", 1)
        )
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.execute(text(statement))
        finally:
            engine.dispose()


@cache
def made(flow: str, number: int = 0, version: str | None = None, defect: str | None = None) -> bytes:
    """A document of the flow, in a version of its schema; or one with a defect."""
    sampler = samplers()[flow] if version is None else versions()[flow][version]
    drawn = random.Random(f"{flow}/{number}")
    sample = sampler.make(sender="DWP", recipient="E09000030", index=number, random=drawn, today=TODAY, defect=defect)
    return sample.content
