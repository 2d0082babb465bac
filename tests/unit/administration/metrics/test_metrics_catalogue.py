"""The list of metrics keeps Prometheus's conventions and the gateway's promise: no id, no name, no words of a person."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from gateway.administration.metrics.catalogue import METRICS, SAYS, Kind, Label, Metric

ROOT: Final = Path(__file__).resolve().parents[4]
FEW: Final = {
    "channel",
    "direction",
    "event",
    "flow",
    "kind",
    "node",
    "outcome",
    "partner",
    "role",
    "site",
    "stage",
    "standing",
    "state",
    "use",
    "version",
}
"""Everything that may tell series apart: codes and words of the program. Whoever adds one has thought about what it can hold."""


def test_no_label_can_hold_an_id_a_name_or_anything_that_a_person_wrote() -> None:
    assert {str(label) for label in Label} == FEW
    assert {label for metric in METRICS for label in metric.labels} <= set(Label)
    assert set(SAYS) == set(Label)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric.name))
def test_a_metric_is_named_as_prometheus_s_conventions_have_it(metric: Metric) -> None:
    name, kind = metric.name, metric.kind
    assert re.fullmatch(r"gateway(_[a-z]+)+", name)
    assert name.endswith("_total") is (kind is Kind.COUNTER)
    if kind is Kind.HISTOGRAM:
        assert name.endswith("_seconds")
    for unit in ("milliseconds", "minutes", "hours", "days", "kilobytes", "percent"):
        assert unit not in name


def test_names_are_told_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def used(text: str) -> set[str]:
    """The metrics that expressions name, without what a histogram's series are called."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bgateway_[a-z_]+", text)}


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    names = {metric.name for metric in METRICS}
    alerts = (ROOT / "config" / "prometheus" / "alerts.yml").read_text("utf-8")
    dashboard = json.loads((ROOT / "config" / "grafana" / "gateway.json").read_text("utf-8"))
    shown = used("\n".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]))
    assert used("\n".join(re.findall(r"(?m)^ +expr: (.*)$", alerts))) <= names
    assert shown <= names
    assert names - shown == set(), "every metric is on the dashboard"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
