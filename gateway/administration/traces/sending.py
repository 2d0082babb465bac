"""Sending spans to a collector by OTLP over HTTP, with OpenTelemetry's own library.

The library comes with the extra `traces`, so it is imported when it is needed. Raises UsageWrong for an address that nothing is sent
to, or without the extra; TracesUnsent where the collector does not take them.
Why it is safe: what is sent holds codes, numbers and states (`spans`), goes to this machine or by TLS, through no proxy and no
redirection, and of the answer its status alone is told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gateway.administration.traces.spans import Span, Trace
from gateway.domain.identity import from_text
from gateway.errors import TracesUnsent, UsageWrong

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

ANSWER_SECONDS: Final = 10.0
"""How long a collector may take, tries of the library's own among it."""
MOST_SPANS: Final = 512
"""Spans of one request, as OpenTelemetry's own batches have."""
_PATH: Final = "/v1/traces"


def endpoint(url: str) -> str:
    """Where spans are posted to for `--to URL`: with OTLP's own path where the address has none."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageWrong(f"--to takes an address such as http://127.0.0.1:4318: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not url.isprintable():
        raise UsageWrong("--to takes an address such as http://127.0.0.1:4318, without name or password in it.")
    if parts.scheme == "http" and not _is_here(host):
        raise UsageWrong("--to takes http:// on this machine alone: another one is spoken to by https://.")
    return parts._replace(path=_PATH).geturl() if parts.path in ("", "/") else url


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class Collector:
    """Posts spans of one site to one address."""

    def __init__(self, url: str, site: str) -> None:
        address = endpoint(url)
        try:
            import requests  # noqa: PLC0415 - see above
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
        except ImportError as error:
            missing = "Sending traces takes the extra `traces` of this program: pip install 'gateway[traces]'"
            raise UsageWrong(f"{missing}. --json prints them without it.") from error
        # What it says goes nowhere: it quotes the collector, and what matters of it is told here.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        self._answers: list[int] = []
        session = requests.Session()
        session.trust_env = False
        session.hooks["response"].append(self._answered)
        self._exporter = OTLPSpanExporter(address, timeout=ANSWER_SECONDS, session=session)
        self._resource = Resource({"service.name": "gateway", "service.instance.id": site})

    def _answered(self, response: Any, **_how: Any) -> None:
        self._answers.append(response.status_code)

    def send(self, traces: Iterable[Trace]) -> int:
        """Post all spans of these traces; how many. TracesUnsent where some were not taken: all may be sent again."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - see above

        spans = (_readable(span, self._resource) for trace in traces for span in trace.spans)
        sent = 0
        while some := list(islice(spans, MOST_SPANS)):
            self._answers.clear()
            taken = self._exporter.export(some) is SpanExportResult.SUCCESS
            last = self._answers[-1] if self._answers else None
            # The library takes a redirection, which it does not follow, for success.
            if not taken or last is None or not 200 <= last < 300:
                why = "it does not answer, or does not prove its name" if last is None else f"HTTP {last}"
                raise TracesUnsent(f"the collector does not take them: {why}")
            sent += len(some)
        return sent

    def close(self) -> None:
        """End the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry's


def _readable(span: Span, resource: Any) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - see above
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags  # noqa: PLC0415 - see above

    def context(identity: str) -> SpanContext:
        return SpanContext(int(span.trace_id, 16), int(identity, 16), False, TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=None if span.parent_id is None else context(span.parent_id),
        resource=resource,
        attributes=span.attributes,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
    )


def _nanoseconds(at: str) -> int:
    """Since 1970, exact to the chain's millisecond."""
    return round(from_text(at) * 1000) * 1_000_000
