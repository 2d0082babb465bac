"""A whole receiving site whose stages run in the test's process: the real engine, ledger, readers and directories.

For what is tried a thousand times over. A test that asks whether the processes work together starts them instead.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import logs
from gateway.assembly import reading, roles
from gateway.cli import main
from gateway.settings.read import load
from gateway.stages.context import Stage, StageContext
from gateway.stages.inbound.collect import Collect
from gateway.stages.inbound.deliver import Deliver
from gateway.validation.sandbox.pool import Sandbox
from tests.acceptance.reading import files_below, rows
from tests.acceptance.sites import Site, make_site, wait_until
from tests.acceptance.strangers import leave, meet
from tests.fakes.forger import Forger, Parcel


@dataclass(frozen=True)
class Receiver:
    """The site, what runs it, and everything that it logged."""

    site: Site
    context: StageContext
    stages: Sequence[Stage]
    log: io.BytesIO
    readers: Sandbox | None

    def work(self) -> None:
        """Run every stage until nothing moves any more."""
        while sum(stage.step().done for stage in self.stages):
            pass

    def receive(self, forger: Forger, parcels: Sequence[Parcel]) -> list[dict[str, Any]]:
        """Let the site receive what the forger left; what its ledger says of each: `state` and `code`."""
        for parcel in parcels:
            leave(self.site, forger, parcel)
        query = "SELECT state, code, reason FROM consignments WHERE direction = 'in' AND partner = ? AND id = ?"

        def told() -> list[dict[str, Any]]:
            self.work()
            found = [row for parcel in parcels for row in rows(self.site, query, forger.code, parcel.id)]
            judged = [row for row in found if row["state"] != "landed"]
            return judged if len(judged) == len(parcels) else []

        try:
            # What a busy machine makes the engine put off is due again in a second or two.
            return list(wait_until(told, 90, "a verdict on each"))
        except AssertionError as error:
            raise AssertionError(f"{error}; the log ends\n{self.log.getvalue()[-3000:].decode()}") from None

    def delivered(self, flow: str, partner: str) -> dict[str, bytes]:
        return self.site.inbound(flow, partner)

    def receipt(self, forger: Forger, consignment: str) -> dict[str, Any]:
        """The answer that lies sealed for the forger."""
        path = self.site.home.sealed_out / forger.code / f"{consignment}.receipt.pgp"
        return forger.read_receipt(path.read_bytes())

    def plaintext(self) -> list[Path]:
        """What lies in the vault, apart from custody: nothing, whenever the site is at rest."""
        return list(files_below(self.site.home.opened))

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the log, each of which has to be JSON."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def assert_audit(self) -> None:
        assert main(["--home", str(self.site.home.root), "audit", "verify"]) == 0


@contextmanager
def receiver(root: Path, code: str, forgers: Sequence[Forger], *, deliver: bool = True) -> Iterator[Receiver]:
    """A site that has met the forgers. Without `deliver` nothing goes further than the vault."""
    site = make_site(root, code)
    for forger in forgers:
        meet(site, forger)
    settings = load(site.home)
    log = io.BytesIO()
    with ExitStack() as stack:
        context = roles.stage_context(settings, "test", logs.configure(code, "test", stream=log, strict=True), _never)
        stack.callback(context.ledger.close)
        stages: list[Stage] = [Collect(context), *roles.vault_stages(context, lambda: None)]
        readers = stack.enter_context(reading.sandbox(settings, 1)) if deliver else None
        if readers is not None:
            stages.append(Deliver(context, readers))
        for stage in stages:
            stack.callback(stage.close)
        yield Receiver(site, context, stages, log, readers)


def _never() -> bool:
    return False
