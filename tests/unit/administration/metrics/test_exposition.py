"""What a site tells of itself: figures of its ledger and machine, whether it is ready, and nobody's name or id."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.administration.metrics.catalogue import WAKE_UPS
from gateway.administration.metrics.exposition import Exposition
from gateway.administration.metrics.reading import clock_skew, machine_samples
from gateway.administration.metrics.serving import MetricsServer
from gateway.administration.site.audit_record import AuditRecord, keep
from gateway.daemon.lock import held
from gateway.daemon.pulse import Pulse
from gateway.errors import AddressTaken
from gateway.ledger.queries.figures import LastReceipt
from gateway.settings.model import Daemon, Settings
from gateway.settings.upkeep import MetricsSettings
from gateway.stages.itinerary import Role
from gateway.stages.key_ends import note_key_ends
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"
NAME = "Claim QQ 12 34 56 C.xml"


class Clock:
    """Seconds that never go back, as the test says."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def values(text: str) -> dict[str, float]:
    """The series of an exposition: `name{label="value",...}` to a number."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def text(exposition: Exposition, accept: str = "") -> str:
    return exposition.text(accept)[0].decode()


def settings_of(bench: Bench, seconds: float = 5.0) -> Settings:
    return replace(bench.settings, metrics=MetricsSettings(keep_seconds=seconds), daemon=Daemon(stuck_seconds=20.0))


def test_figures_of_the_ledger_are_those_of_its_rows_and_are_kept_for_a_while(pair: Pair) -> None:
    clock = Clock()
    exposition = Exposition(settings_of(pair.dwp), pair.dwp.ledger, clock)
    pair.dwp.submit(NAME, b"x" * 100)
    pair.work()
    waiting = pair.dwp.submit("second.xml", b"y" * 40)
    pair.dwp.now += 60
    said = values(text(exposition))
    way = f'direction="out",flow="claim",partner="{LA}"'
    assert said[f'gateway_transfers{{{way},state="receipted"}}'] == 1
    assert said[f'gateway_transfers{{{way},state="admitted"}}'] == 1
    assert said[f"gateway_waiting_bytes{{{way}}}"] == 40
    assert 60 <= said[f"gateway_oldest_waiting_seconds{{{way}}}"] < 61
    assert said[f"gateway_transferred_bytes_total{{{way}}}"] == 100
    assert said['gateway_transfer_seconds_count{direction="out",flow="claim"}'] == 1
    assert said['gateway_events_total{event="consignment.sealed"}'] == 1
    assert said[f'gateway_quarantined{{partner="{LA}"}}'] == 0
    assert said[f'gateway_partner_clock_skew_seconds{{partner="{LA}"}}'] == pytest.approx(0, abs=1)
    assert said["gateway_ledger_readable"] == 1
    pair.dwp.submit("third.xml", b"z")
    clock.now += 4.9
    assert values(text(exposition)) == said
    clock.now += 0.2
    assert values(text(exposition))[f'gateway_transfers{{{way},state="admitted"}}'] == 2
    assert waiting not in text(exposition)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="takes promtool (Debian: prometheus)")
def test_promtool_finds_no_fault_with_the_exposition(pair: Pair) -> None:
    exposition = Exposition(settings_of(pair.dwp), pair.dwp.ledger, Clock())
    pair.dwp.submit(NAME, b"x")
    pair.work()
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text(exposition),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_no_id_no_name_and_no_reason_is_in_either_form(pair: Pair, accept: str) -> None:
    exposition = Exposition(settings_of(pair.la), pair.la.ledger, Clock())
    pair.dwp.submit(NAME, b"wrong")
    held_one = pair.dwp.submit("held.xml", b"claim")
    pair.work_alone(pair.dwp)
    pair.work()
    for each in (exposition, Exposition(settings_of(pair.dwp), pair.dwp.ledger, Clock())):
        content = text(each, accept)
        assert content.endswith("# EOF\n") is bool(accept)
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|[0-9A-Fa-f]{40}|\.xml|QQ|not right", content)
        assert held_one not in content


def test_overdue_receipts_failing_lanes_and_what_is_locked_away_are_told_by_partner(pair: Pair) -> None:
    pair.dwp.submit("1.xml", b"claim")
    pair.work_alone(pair.dwp)
    pair.dwp.sql("UPDATE consignments SET due = 1")
    with pair.dwp.ledger.write() as transaction:
        transaction.set_lane(LA, failures=7, held=True)
    pair.dwp.sql("INSERT INTO quarantine VALUES ('q', 'consignment', 'c', ?, 'replay', 'r', 1, 1, 'x', NULL, '')", LA)
    pair.dwp.sql("UPDATE transfers SET state = 'held'")
    said = values(text(Exposition(settings_of(pair.dwp), pair.dwp.ledger, Clock())))
    for name, number in (("receipts_overdue", 1), ("lane_failures", 7), ("lane_held", 1), ("quarantined", 1)):
        assert said[f'gateway_{name}{{partner="{LA}"}}'] == number, name
    assert said[f'gateway_held{{kind="transfer",partner="{LA}"}}'] == 1


def test_extracts_are_told_at_dwp_by_how_they_stand(pair: Pair) -> None:
    said = values(text(Exposition(settings_of(pair.dwp), pair.dwp.ledger, Clock())))
    months = {series: number for series, number in said.items() if series.startswith("gateway_extracts")}
    assert sum(months.values()) >= 1
    assert all(f'partner="{LA}"' in series for series in months)
    assert not any(
        s.startswith("gateway_extracts{")
        for s in values(text(Exposition(settings_of(pair.la), pair.la.ledger, Clock())))
    )


@pytest.mark.parametrize(
    ("sent", "issued", "landed", "skew"),
    [(100, 105, 110, 0), (100, 170, 110, 60), (100, 20, 110, -80), (100, 100, 100, 0)],
)
def test_a_partner_s_clock_is_off_by_what_its_receipt_cannot_explain(
    sent: float, issued: float, landed: float, skew: float
) -> None:
    assert clock_skew(LastReceipt(sent, issued, landed)) == skew


def test_keys_disk_and_audit_are_told(pair: Pair) -> None:
    home, settings = pair.dwp.home, settings_of(pair.dwp)
    assert not {"gateway_audit_faults", "gateway_key_end_timestamp_seconds"} & {
        s.metric.name for s in machine_samples(settings)
    }
    note_key_ends(home.run, {"own": 2e9, LA: None})
    keep(home, AuditRecord(verified="2026-11-21T10:00:00Z", since=0, events=3, head="0" * 64, faults=2))
    said = {(s.metric.name, s.labels): s.value for s in machine_samples(settings)}
    assert said["gateway_key_end_timestamp_seconds", ("own", "openpgp")] == 2e9
    assert ("gateway_key_end_timestamp_seconds", (LA, "openpgp")) not in said
    assert said["gateway_audit_faults", ()] == 2
    assert said["gateway_audit_verified_timestamp_seconds", ()] == 1795255200.0
    home.audit.write_text("damaged")
    assert {s.metric.name: s.value for s in machine_samples(settings)}["gateway_audit_faults"] == 1


def test_a_site_is_ready_where_it_is_configured_has_its_key_reads_its_ledger_and_all_roles_make_steps(
    pair: Pair,
) -> None:
    def why() -> dict[str, str | None]:
        clock.now += 6
        return {check.name: check.why for check in exposition.ready()}

    home, clock = pair.dwp.home, Clock()
    exposition = Exposition(settings_of(pair.dwp), pair.dwp.ledger, clock)
    missing = why()
    assert missing["configuration"] == "has a fault: `gateway config check` says which"
    assert {missing[role] for role in Role} == {"does not run"}
    assert "key" in str(missing["keys"])
    pair.dwp.configure()
    note_key_ends(home.run, {"own": pair.dwp.now + 100})
    clock.now += 60
    with ExitStack() as stack:
        pulses = {}
        for role in Role:
            stack.enter_context(held(home.run, role))
            pulses[role] = stack.enter_context(Pulse(home.run, role, monotonic=clock))
        assert set(why().values()) == {None}
        for _ in range(8):
            clock.now += 1
            pulses[Role.LINK].beat()
            pulses[Role.INSPECT].beat()
            exposition.look()
        clock.now += 28
        pulses[Role.LINK].beat()
        pulses[Role.INSPECT].beat()
        stuck = why()
        assert [name for name, reason in stuck.items() if reason] == ["vault"]
        assert "makes no steps" in str(stuck["vault"])
        assert [check.name for check in exposition.alive() if check.why] == ["vault"]
        assert values(text(exposition))['gateway_role_stuck{role="vault"}'] == 1
        pulses[Role.VAULT].beat()
        assert set(why().values()) == {None}
        pair.dwp.now += 200
        assert why()["keys"] == "this site's key has ended"


def test_a_ledger_that_cannot_be_read_leaves_the_figures_of_the_machine(pair: Pair) -> None:
    clock = Clock()
    exposition = Exposition(settings_of(pair.dwp), pair.dwp.ledger, clock)
    with closing(sqlite3.connect(pair.dwp.home.ledger)) as connection:
        connection.execute("ALTER TABLE transfers RENAME TO gone")
    exposition.look()
    said = values(text(exposition))
    assert said["gateway_ledger_readable"] == 0
    assert "gateway_disk_free_bytes" in said
    assert {check.name: check.why for check in exposition.ready()}["ledger"]


# -- over HTTP


@contextmanager
def served(pair: Pair, listen: str) -> Iterator[MetricsServer]:
    with MetricsServer(listen) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        server.exposition = Exposition(settings_of(pair.dwp), pair.dwp.ledger)
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_it_answers_three_paths_and_no_others(pair: Pair) -> None:
    with served(pair, f"127.0.0.1:{free_port()}") as server:

        def ask(method: str, path: str) -> tuple[int, str, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
            with closing(connection):
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, answer.headers["Content-Type"], answer.read()

        status, media_type, content = ask("GET", "/metrics")
        assert (status, media_type.partition(";")[0]) == (200, "text/plain")
        assert b'gateway_info{site="DWP"' in content
        assert ask("GET", "/healthz")[0] == 200
        assert ask("GET", "/readyz?verbose")[0] == 503
        assert ask("GET", "/../etc/passwd")[0] == 404
        assert ask("POST", "/metrics")[0] == 501
        assert server.failed is None


def test_a_defect_in_an_answer_is_kept_for_the_role_to_end_with_and_a_client_that_went_away_is_none(pair: Pair) -> None:
    with served(pair, f"127.0.0.1:{free_port()}") as server, pytest.MonkeyPatch.context() as patch:
        port = server.server_address[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /met")
        patch.setattr(Exposition, "alive", lambda _self: 1 / 0)
        assert server.failed is None
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert client.recv(100) == b""
        assert isinstance(server.failed, ZeroDivisionError)


def test_clients_that_say_nothing_do_not_keep_others_out(pair: Pair) -> None:
    with served(pair, f"127.0.0.1:{free_port()}") as server, ExitStack() as stack:
        for _ in range(40):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10))
        # Those beyond the sixteenth were turned away at once, and did not take a thread each.
        assert silent.recv(1) == b""
        assert threading.active_count() < 40


def test_it_listens_at_a_socket_and_takes_the_place_of_one_that_was_left_but_of_nothing_else(
    pair: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.sock"
    for _ in range(2):
        with served(pair, str(path)), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.0 200")
    path.unlink()
    path.write_bytes(b"a file of somebody's")
    with pytest.raises(AddressTaken):
        MetricsServer(str(path))
    assert path.read_bytes() == b"a file of somebody's"


def test_an_address_that_somebody_has_is_told(pair: Pair) -> None:
    with served(pair, f"127.0.0.1:{free_port()}") as server, pytest.raises(AddressTaken):
        MetricsServer(f"127.0.0.1:{server.server_address[1]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_wake_ups_are_told_by_role_and_by_what_became_of_them(pair: Pair) -> None:
    home = pair.dwp.home
    with Pulse(home.run, Role.VAULT) as pulse:
        for what, number in (("given", 2), ("heard", 5)):
            pulse.count("wake-ups", what, number)
        pulse.count("another stage", "given", 7)
        pulse._last -= 1
        pulse.beat()
        said = {
            sample.labels: sample.value for sample in machine_samples(pair.dwp.settings) if sample.metric is WAKE_UPS
        }
    assert said == {("vault", "given"): 2, ("vault", "heard"): 5}
