"""`gateway traces`: send OpenTelemetry traces of transfers to a collector, or print them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

import click
import orjson

from gateway.administration.access import opened
from gateway.administration.traces.following import follow, start_of
from gateway.administration.traces.sending import Collector
from gateway.administration.traces.spans import Trace
from gateway.cli import output
from gateway.cli.since import earliest
from gateway.cli.site import settings_of
from gateway.errors import TracesUnsent, UsageWrong

_EVERY: Final = 5.0
"""Seconds between two looks at the chain, and between two tries."""


@click.command()
@click.option("--to", "url", metavar="URL", help="Address of a collector that takes OTLP over HTTP.")
@click.option(
    "--since", metavar="TIME", default="1h", show_default=True, help="Begin there: 2026-11-21T10:00:00Z, 90m, 7d."
)
@click.option("--follow", "follows", is_flag=True, help="Go on with what ends from now on, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one span a line, and send nothing.")
@click.pass_context
def traces(ctx: click.Context, url: str | None, since: str, *, follows: bool, as_json: bool) -> None:
    """Send traces of the transfers that ended, made of the audit chain's events, to an OpenTelemetry collector.

    The id of a trace is that of the transfer, without hyphens, at both sites. A span has codes, numbers, flows and states, and never a name. Sending
    takes the extra `traces`; plain http:// goes to this machine alone.

    \b
    Example:
      gateway --home /srv/gateway traces --to http://127.0.0.1:4318
      gateway --home /srv/gateway traces --to https://collector.example.org --since 7d
      gateway --home /srv/gateway traces --to http://127.0.0.1:4318 --follow
      gateway --home /srv/gateway traces --json
    """
    settings = settings_of(ctx)
    moment, site = earliest(since, time.time()), settings.site.code
    take: Callable[[tuple[Trace, ...]], int] = _print
    collector = None
    if as_json:
        if url is not None:
            raise UsageWrong("Give --to or --json, not both.")
    elif url is None:
        raise UsageWrong("Give --to URL, or --json to print the spans.")
    else:
        collector = Collector(url, site)
        take = _again(collector.send) if follows else collector.send

    def pause() -> bool:
        sys.stdout.flush()
        if follows:
            time.sleep(_EVERY)
        return follows

    transfers = spans = 0
    try:
        with opened(settings) as ledger:
            with ledger.read() as connection:
                start = start_of(connection, moment)
            for some in follow(ledger.read, site, start, pause):
                spans += take(some)
                transfers += len(some)
    except KeyboardInterrupt:
        pass
    finally:
        if collector is not None:
            collector.close()
    if not as_json:
        output.say(f"{output.counted(transfers, 'transfer')} sent, {output.counted(spans, 'span')}.")


def _print(some: tuple[Trace, ...]) -> int:
    spans = [span for trace in some for span in trace.spans]
    for span in spans:
        sys.stdout.write(orjson.dumps(asdict(span)).decode() + "\n")
    return len(spans)


def _again(send: Callable[[tuple[Trace, ...]], int]) -> Callable[[tuple[Trace, ...]], int]:
    """As `send`, again and again until the collector takes them; what goes wrong is said when it changes."""

    def sent(some: tuple[Trace, ...]) -> int:
        said = ""
        while True:
            try:
                return send(some)
            except TracesUnsent as error:
                if str(error) != said:
                    said = str(error)
                    output.say(f"Not sent, and tried again every {_EVERY:g} seconds: {said}")
                time.sleep(_EVERY)

    return sent
