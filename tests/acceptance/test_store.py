"""A site whose files are kept in a bucket of S3 too: roles that otherwise have no network reach it, wait for it, and leave nothing in it that is done with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from gateway.storage.objects.s3 import Bucket, S3Store
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, claim, wait_until
from tests.fakes.s3 import s3_server


def states(site: Site) -> set[str]:
    return {each["state"] for each in site.json("transfers")}


def test_files_go_through_a_bucket_and_wait_while_it_is_away(tmp_path: Path) -> None:
    with s3_server() as server, copied_pair(tmp_path) as (dwp, la):
        server.make_bucket("gateway-files")
        dwp.edit_config("payloads", url="s3://gateway-files/dwp", endpoint=server.endpoint)
        access = dwp.home.payloads / "s3.secret"
        access.parent.mkdir(mode=0o700, exist_ok=True)
        access.write_text("AKIA\nhidden\n", encoding="ascii")
        access.chmod(0o600)
        assert "not in state" in dwp.gateway("doctor", check=False).stdout
        dwp.gateway("nodes", "store")
        assert dwp.gateway("nodes", "store").returncode == 0
        assert "answers, and opens with state/payload.key" in dwp.gateway("doctor", check=False).stdout
        dwp.start()
        la.start()
        confined = {line["role"]: str(line["measures"]) for line in dwp.events("role.confined")}
        assert all("network open" in confined[role] for role in ("inspect", "vault", "link")), confined
        name, content = claim(1)
        dwp.drop("claim", la.code, name, content)
        wait_until(lambda: states(dwp) == {"receipted"}, 60, "a receipt")
        assert list(la.inbound("claim", "DWP").values()) == [content]
        store = S3Store(Bucket("gateway-files", "dwp", "us-east-1", server.endpoint, "A", "s"), tmp_path)
        stays = {"evidence", "gateway-key-plain", "gateway-key-sealed", "gateway-payloads"}
        wait_until(lambda: {key.split("/")[0] for key in store.keys("")} == stays, 30, "a store without what is over")
        dwp.gateway("audit", "verify", "--deep")

        server.process.kill()
        server.process.wait()
        second, content = claim(2, seed=2)
        dwp.drop("claim", la.code, second, content)
        wait_until(partial(deferred, dwp), 60, "work that is put off")
        assert (dwp.home.outbound / "claim" / la.code / second).exists()


def deferred(site: Site) -> bool:
    return any(line.get("code") == "store-unreachable" for line in site.events("work.deferred"))
