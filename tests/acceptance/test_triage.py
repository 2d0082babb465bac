"""docs/operators/triage.md by its own commands: notices in other bytes between two sites, with real gpg and a real link."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from stat import S_IMODE

from gateway.sample.catalog import samplers
from gateway.settings.directories import SHARED
from tests.acceptance.sites import Site, two_sites, wait_until
from tests.acceptance.test_continuity import commands


def notices(seed: int) -> bytes:
    """A document of notices, valid today."""
    made = samplers()["etd"].make(
        sender="DWP", recipient="E09000030", index=seed, random=Random(seed), today=datetime.now(UTC).date()
    )
    return made.content


def again(content: bytes, number: int) -> bytes:
    """The same notices, by other numbers and in other bytes."""
    text = re.sub(r"<MessageId>[^<]*", f"<MessageId>ETD-DWP-AGAIN-{number}", content.decode())
    text = re.sub(r"<NoticeId>(\w)\d{6}", rf"<NoticeId>\g<1>99999{number}", text)
    return text.replace("\n", "\n  ").encode()


def test_the_desk_aid_does_what_it_says(tmp_path: Path) -> None:
    report, case, reload, as_csv = commands("triage.md")
    first = notices(3)
    reference = re.findall(rb"<HbReference>([^<]+)", first)[0].decode()
    with two_sites(tmp_path) as (dwp, la):

        def run(site: Site, words: list[str]) -> str:
            said = site.gateway(*[reference if word == "HB/1234567" else word for word in words])
            return said.stdout + said.stderr

        dwp.start()
        la.start()
        for name, content in (("one.xml", first), ("two.xml", again(first, 1))):
            dwp.drop("etd", la.code, name, content)
            dwp.wait_for(name, "receipted")
        came = la.wait_for("two.xml", "delivered", direction="in")
        records = first.count(b"<NoticeId>")

        directory = la.home.inbound / "etd" / "DWP"
        told = json.loads((directory / "two.xml.triage.json").read_bytes())
        assert (told["records"], told["repeats"], told["transfer"]) == (records, records, came["id"])
        assert told["marked"][0]["earlier"] == [la.transfers(name="one.xml", direction="in")[0]["id"]]
        assert not (directory / "one.xml.triage.json").exists()
        for site in (dwp, la):
            assert re.search(rf"etd +\w+ +2 +{2 * records} +{records} +0", run(site, report))
        (line,) = list(csv.DictReader(io.StringIO(dwp.gateway(*as_csv).stdout)))
        assert (int(line["repeats"]), int(line["told_repeats"])) == (records, records)
        (warning,) = dwp.events("transfer.repeated")
        assert warning["repeats"] == records
        found = run(la, case)
        assert "one.xml" in found
        assert "two.xml" in found

        with la.home.gateway_toml.open("a", encoding="utf-8") as config:
            config.write('\n[flows.etd]\ntriage = "set-aside"\n')
        run(la, reload)
        dwp.drop("etd", la.code, "three.xml", again(first, 2))
        dwp.drop("etd", la.code, "four.xml", notices(4))
        dwp.wait_for("three.xml", "receipted")
        dwp.wait_for("four.xml", "receipted")
        assert (directory / "repeats" / "three.xml").is_file()
        assert S_IMODE((directory / "repeats").stat().st_mode) == SHARED
        assert (directory / "repeats" / "three.xml.triage.json").is_file()
        assert (directory / "four.xml").is_file()
        aside = la.wait_for("three.xml", "delivered", direction="in")
        (la.home.outcomes / "etd" / "DWP" / f"{aside['id']}.accepted").touch()
        dwp.wait_for("three.xml", "ingested")

        # No word of any person, and no key, is in the ledger, the logs, or beside the files.
        nino = re.findall(rb"<Nino>([^<]+)", first)[0]
        ledger = la.home.ledger
        kept = [ledger.read_bytes(), ledger.with_name(f"{ledger.name}-wal").read_bytes()]
        kept += [path.read_bytes() for path in directory.rglob("*.triage.json")]
        assert not any(nino in content or reference.encode() in content for content in kept)
        assert nino.decode() not in la.log_text()
        assert wait_until(lambda: la.gateway("audit", "verify").returncode == 0)
