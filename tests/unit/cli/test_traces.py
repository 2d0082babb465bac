"""`gateway traces`: spans of both sites in one trace, as printed and as a collector gets them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.administration.traces import following, sending
from gateway.administration.traces.following import follow
from gateway.administration.traces.sending import endpoint
from gateway.errors import UsageWrong
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.cli.conftest import Run

NINO = "QQ123456C"
LONG_AGO = "99999w"


def spans(run: Run, bench: Bench, *arguments: str) -> list[dict[str, Any]]:
    said = run(bench, "traces", "--json", "--since", LONG_AGO, *arguments)
    assert said.status == 0, said.err
    return [json.loads(line) for line in said.out.splitlines()]


def root(found: list[dict[str, Any]]) -> dict[str, Any]:
    (only,) = [span for span in found if span["parent_id"] is None]
    return only


def test_one_trace_has_the_stages_of_both_sites(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit(f"{NINO}.xml", b"claim a")
    pair.dwp.sql("UPDATE transfers SET reference = 'REF-7'")
    assert spans(run, pair.dwp) == [], "it has not ended"
    pair.work()
    sender, receiver = spans(run, pair.dwp), spans(run, pair.la)
    assert {span["trace_id"] for span in sender + receiver} == {identity.replace("-", "")}
    assert len({span["span_id"] for span in sender + receiver}) == len(sender + receiver)
    assert [span["name"] for span in sender] == [
        *("claim out", "transfer.validated", "consignment.packed", "consignment.sealed", "consignment.sent"),
        *("receipt.landed", "receipt.accepted", "transfer.receipted"),
    ]
    assert [span["name"] for span in receiver] == [
        *("claim in", "consignment.opened", "transfer.delivered", "consignment.delivered"),
        *("receipt.issued", "receipt.sealed", "receipt.sent"),
    ]
    assert [root(sender)["attributes"], root(receiver)["attributes"]] == [
        {
            "gateway.site": site,
            "gateway.partner": partner,
            "gateway.direction": way,
            "gateway.flow": "claim",
            "gateway.bytes": 7,
            "gateway.state": state,
        }
        for site, partner, way, state in (
            ("DWP", "E09000030", "out", "receipted"),
            ("E09000030", "DWP", "in", "delivered"),
        )
    ]
    for found in (sender, receiver):
        first, *stages = found
        assert {span["parent_id"] for span in stages} == {first["span_id"]}
        ends = [span["end"] for span in stages]
        assert [span["start"] for span in stages] == [first["start"], *ends[:-1]]
        assert first["start"] < first["end"] == ends[-1] == max(ends)
        assert not any(span["failed"] for span in found)
        assert spans(run, pair.dwp if found is sender else pair.la) == found, "the same once more"
    said = json.dumps(sender + receiver)
    assert NINO not in said
    assert "REF-7" not in said


def test_what_was_refused_has_an_error_and_its_code_and_no_reason(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"wrong")
    pair.work()
    found = spans(run, pair.dwp)
    assert [(span["name"], span["failed"]) for span in found] == [("claim out", True), ("transfer.rejected", True)]
    assert root(found)["attributes"]["gateway.state"] == "rejected"
    assert {span["attributes"]["error.type"] for span in found} == {"nino"}
    assert "not right" not in json.dumps(found)


def test_each_transfer_is_told_once_in_bounded_batches(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_TRANSFERS", 2)
    wanted = {pair.dwp.submit(f"{number}.xml", b"claim %d" % number).replace("-", "") for number in range(5)}
    pair.work()
    for bench in (pair.dwp, pair.la):
        batches = list(follow(bench.ledger.read, bench.code, 0, lambda: False))
        told = [trace.spans[0].trace_id for some in batches for trace in some]
        assert sorted(told) == sorted(wanted)
        assert all(len(some) <= 2 for some in batches if bench is pair.dwp)
    more = iter([b"claim 6", None])

    def pause() -> bool:
        content = next(more)
        if content is None:
            return False
        wanted.add(pair.dwp.submit("6.xml", content).replace("-", ""))
        pair.work()
        return True

    told = [trace.spans[0].trace_id for some in follow(pair.dwp.ledger.read, "DWP", 0, pause) for trace in some]
    assert sorted(told) == sorted(wanted), "what ended meanwhile is told, and nothing twice"


@contextmanager
def collector(*answers: int) -> Iterator[tuple[str, list[tuple[str, ExportTraceServiceRequest]]]]:
    """A collector on this machine that answers so, then with 200; its address, and what it took: path and request."""
    left, taken = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status = left.pop(0) if left else 200
            if status == 200:
                assert self.headers["Content-Type"] == "application/x-protobuf"
                taken.append((self.path, ExportTraceServiceRequest.FromString(content)))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


def values(attributes: Any) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def test_a_collector_gets_the_spans_that_are_printed(pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_SPANS", 3)
    pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("b.xml", b"wrong")
    pair.work()
    printed = spans(run, pair.dwp)
    with collector() as (url, taken):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        said = run(pair.dwp, "traces", "--to", url, "--since", LONG_AGO)
    assert (said.status, said.out, said.err) == (0, "", f"2 transfers sent, {len(printed)} spans.\n")
    assert {path for path, _ in taken} == {"/v1/traces"}
    assert len(taken) == -(-len(printed) // 3)
    got = []
    for _, request in taken:
        (of_site,) = request.resource_spans
        assert values(of_site.resource.attributes) == {"service.name": "gateway", "service.instance.id": "DWP"}
        got += [span for scope in of_site.scope_spans for span in scope.spans]
    assert [
        {
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_id": span.parent_span_id.hex() or None,
            "name": span.name,
            "failed": span.status.code == span.status.STATUS_CODE_ERROR,
            "attributes": values(span.attributes),
        }
        for span in got
    ] == [{key: span[key] for key in span if key not in ("start", "end")} for span in printed]
    for sent, span in zip(got, printed, strict=True):
        for nanoseconds, text in ((sent.start_time_unix_nano, span["start"]), (sent.end_time_unix_nano, span["end"])):
            assert nanoseconds % 1_000_000_000 == int(text[-4:-1]) * 1_000_000
            assert nanoseconds // 1_000_000_000 // 60 % 60 == int(text[14:16])


@pytest.mark.parametrize("status", [400, 302])
def test_a_collector_that_does_not_take_them_is_told_of(
    pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(sending, "ANSWER_SECONDS", 0.5)
    pair.dwp.submit("a.xml", b"wrong")
    pair.work()
    with collector(status) as (url, taken):
        said = run(pair.dwp, "traces", "--to", url, "--since", LONG_AGO)
    assert said.status == 75
    assert f"HTTP {status}" in said.err
    assert taken == []
    said = run(pair.dwp, "traces", "--to", url, "--since", LONG_AGO)
    assert said.status == 75
    assert "does not answer" in said.err
    assert "Traceback" not in said.err


def test_following_goes_on_when_the_collector_is_back(pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.dwp.submit("a.xml", b"wrong")
    pair.work()
    waits = iter([None, None])

    def sleep(_seconds: float) -> None:
        if next(waits, "end") == "end":
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    with collector(400, 400) as (url, taken):
        said = run(pair.dwp, "traces", "--to", url, "--since", LONG_AGO, "--follow")
    assert said.status == 0
    assert said.err.count("Not sent, and tried again") == 1
    assert said.err.endswith("1 transfer sent, 2 spans.\n")
    assert len(taken) == 1


def test_without_the_extra_the_command_names_it(pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.dwp.submit("a.xml", b"wrong")
    pair.work()
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    said = run(pair.dwp, "traces", "--to", "http://127.0.0.1:4318")
    assert said.status == 64
    assert "gateway[traces]" in said.err
    assert len(spans(run, pair.dwp)) == 2


def test_only_this_machine_is_spoken_to_in_the_clear() -> None:
    assert endpoint("http://localhost:4318/") == "http://localhost:4318/v1/traces"
    assert endpoint("http://[::1]:4318") == "http://[::1]:4318/v1/traces"
    assert endpoint("https://collector.example.org/otlp/v1/traces") == "https://collector.example.org/otlp/v1/traces"
    for url in (
        *(
            "http://collector.example.org",
            "http://127.0.0.1.example.org",
            "http://192.0.2.1:4318",
            "file:///etc/passwd",
        ),
        *("127.0.0.1:4318", "https://", "https://user:secret@example.org", "http://127.0.0.1:port", "http://[::1"),
    ):
        with pytest.raises(UsageWrong):
            endpoint(url)


def test_to_or_json_has_to_be_given(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "traces").status == 64
    assert run(pair.dwp, "traces", "--json", "--to", "http://127.0.0.1:4318").status == 64
