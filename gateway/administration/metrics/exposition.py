"""A site's metrics as Prometheus reads them, and its health: read at most once in `keep_seconds`, however many ask.

Nothing is raised for a ledger that cannot be read: the figures of the machine stay, and readiness says what is the matter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from gateway.administration.metrics import catalogue
from gateway.administration.metrics.catalogue import METRICS, Kind, Metric, Sample
from gateway.administration.metrics.following import Following
from gateway.administration.metrics.reading import LedgerFigures, machine_samples
from gateway.daemon.lock import holder
from gateway.daemon.pulse import Distribution, StillPulse
from gateway.errors import GatewayError
from gateway.ledger.store import Ledger
from gateway.ledger.suspended import suspended_partners
from gateway.settings.model import Settings
from gateway.settings.read import load
from gateway.stages.itinerary import Role
from gateway.stages.key_ends import noted_key_ends

_CONFIGURATION_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Check:
    """One thing that has to hold; `why` says what is the matter, None where it holds."""

    name: str
    why: str | None = None


class Exposition(Collector):
    """The site's metrics and health. `monotonic` gives seconds that never go back; threads may ask side by side."""

    def __init__(self, settings: Settings, ledger: Ledger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._ledger = ledger
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._figures = LedgerFigures(settings)
        self._following = Following()
        self._still = {str(role): StillPulse(settings.home.run, role) for role in Role}
        self._info = Sample(catalogue.INFO, (settings.site.code, version("gateway")), 1)
        self._registry = CollectorRegistry(auto_describe=False)
        self._samples: list[Sample] = []
        self._checks: list[Check] = []
        self._configuration: tuple[float, Check] | None = None
        self._read_at: float | None = None
        self._texts: dict[str, bytes] = {}
        self.look()  # counting begins here
        self._registry.register(self)

    def look(self) -> None:
        """Count what is new in the ledger, and look at the roles: often enough, whether anybody asks or not."""
        with self._lock:
            try:
                with self._ledger.read() as connection:
                    self._following.look(connection)
            except GatewayError:
                return  # readiness says so
            finally:
                self._look_at_roles()

    def text(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the form that an `Accept` header asks for, and its media type."""
        encode, media_type = choose_encoder(accept)
        with self._lock:
            self._refresh()
            if media_type not in self._texts:
                self._texts[media_type] = encode(self._registry)
            return self._texts[media_type], media_type

    def collect(self) -> Iterator[Family]:
        """The families, for the library's encoders; within `text` alone."""
        return families(self._samples)

    def alive(self) -> list[Check]:
        """Whether the roles that are there make steps."""
        with self._lock:
            self._look_at_roles()
            return list(self._stuck())

    def ready(self) -> list[Check]:
        """Whether the site can do its work: configured, keys there, ledger open, all roles there and none stuck."""
        with self._lock:
            self._refresh()
            return [self._configured(), *self._checks]

    def _refresh(self) -> None:
        now = self._monotonic()
        if self._read_at is not None and now - self._read_at < self._settings.metrics.keep_seconds:
            return
        self._look_at_roles()
        samples = [self._info, *machine_samples(self._with_suspended())]
        why = None
        try:
            with self._ledger.read() as connection:  # one view for all of it
                self._following.look(connection)
                samples += self._figures.read(connection, self._ledger.clock())
        except GatewayError as error:
            why = error.reason
        samples += self._following.samples()
        samples += (Sample(catalogue.ROLE_STUCK, (check.name,), int(check.why is not None)) for check in self._stuck())
        samples.append(Sample(catalogue.LEDGER_READABLE, (), int(why is None)))
        samples.append(Sample(catalogue.READ_SECONDS, (), self._monotonic() - now))
        self._samples, self._texts, self._read_at = samples, {}, self._monotonic()
        self._checks = [self._keys(), Check("ledger", why), *self._roles()]

    def _with_suspended(self) -> Settings:
        """The settings with whom the ledger suspends now; as they were read, where it cannot be asked, which readiness says."""
        try:
            return self._settings.with_suspended(suspended_partners(self._settings.ledger_place))
        except GatewayError:
            return self._settings

    def _configured(self) -> Check:
        """Whether the files of the configuration are free of faults, by a look that is good for half a minute."""
        now = self._monotonic()
        if self._configuration is None or now - self._configuration[0] >= _CONFIGURATION_SECONDS:
            try:
                load(self._settings.home)
            except GatewayError:
                self._configuration = now, Check("configuration", "has a fault: `gateway config check` says which")
            else:
                self._configuration = now, Check("configuration")
        return self._configuration[1]

    def _keys(self) -> Check:
        """By what the vault noted of them: this role cannot look at a key."""
        ends = noted_key_ends(self._settings.home.run)
        if ends is None or catalogue.OWN not in ends:
            return Check("keys", "the vault has not found this site's key yet")
        end = ends[catalogue.OWN]
        return Check("keys", "this site's key has ended" if end is not None and end <= self._ledger.clock() else None)

    def _roles(self) -> Iterator[Check]:
        for stuck in self._stuck():
            running = holder(self._settings.home.run, stuck.name) is not None
            yield stuck if running else Check(stuck.name, "does not run")

    def _look_at_roles(self) -> None:
        now = self._monotonic()
        for still in self._still.values():
            # The role looks every ten seconds: what passed in between counts.
            still.look(now, longest=60.0)

    def _stuck(self) -> Iterator[Check]:
        for role, still in self._still.items():
            seconds = still.seconds
            there = holder(self._settings.home.run, role) is not None
            stuck = there and seconds > self._settings.daemon.still_seconds
            yield Check(role, f"makes no steps: none for {seconds:.0f} seconds" if stuck else None)


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """Every metric of the catalogue with its samples, in the catalogue's order; those without any too."""
    found: dict[Metric, list[Sample]] = {metric: [] for metric in METRICS}
    for sample in samples:
        found[sample.metric].append(sample)
    for metric, values in found.items():
        yield _family(metric, values)


def _family(metric: Metric, samples: list[Sample]) -> Family:
    labels = [str(label) for label in metric.labels]
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=labels)
        for sample in samples:
            if isinstance(sample.value, Distribution):
                histogram.add_metric(sample.labels, sample.value.buckets(), sample.value.total)
        return histogram
    numbers = [(sample.labels, sample.value) for sample in samples if not isinstance(sample.value, Distribution)]
    family = (CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily)(
        metric.name, metric.help, labels=labels
    )
    for values, number in numbers:
        family.add_metric(values, number)
    return family
