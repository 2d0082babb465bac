"""The alert rules: promtool finds them right, each fires when it should, and each names the desk aid that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
ALERTS: Final = ROOT / "config" / "prometheus" / "alerts.yml"
CASES: Final = ROOT / "tests" / "architecture" / "alerts_test.yml"
CASES_OF_DAYS: Final = CASES.with_name("alerts_of_days_test.yml")

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="takes promtool (Debian: prometheus)")


def rules() -> list[str]:
    """The text of each rule."""
    return ALERTS.read_text("utf-8").split("- alert: ")[1:]


def promtool(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=300)


def test_each_alert_names_its_desk_aid_and_how_soon_somebody_is_wanted() -> None:
    for rule in rules():
        name = rule.partition("\n")[0]
        (page,) = re.findall(r"(?m)^ +desk_aid: (\S+)$", rule)
        assert page.startswith("docs/operators/"), name
        assert (ROOT / page).is_file(), name
        assert re.search(r"(?m)^ +severity: (critical|warning)$", rule), name
        assert re.search(r'(?m)^ +summary: "', rule), name
    night = (ROOT / "docs" / "operators" / "metrics.md").read_text("utf-8")
    here = {rule.partition("\n")[0] for rule in rules() if "docs/operators/metrics.md" in rule}
    assert {name for name in here if f"`{name}`" not in night} == set()


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = CASES.read_text("utf-8") + CASES_OF_DAYS.read_text("utf-8")
    fires = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", cases))
    quiet = set(re.findall(r"alertname: (\w+)\n +exp_alerts: \[\]", cases))
    names = {rule.partition("\n")[0] for rule in rules()}
    assert (fires, quiet) == (names, names)


@needs_promtool
def test_promtool_finds_the_rules_right_and_they_fire_when_they_should() -> None:
    checked = promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", CASES, CASES_OF_DAYS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
def test_a_rule_that_never_fires_would_be_noticed(tmp_path: Path) -> None:
    broken = ALERTS.read_text("utf-8").replace("gateway_quarantined > 0", "gateway_quarantined > 1")
    (tmp_path / "alerts.yml").write_text(broken, "utf-8")
    head, *cases = CASES.read_text("utf-8").split("\n  - interval:")
    about = [each for each in cases if "alertname: GatewayQuarantine\n" in each]
    cases_of_it = "\n  - interval:".join([re.sub(r"rule_files: .*", "rule_files: [alerts.yml]", head), *about])
    (tmp_path / "cases.yml").write_text(cases_of_it, "utf-8")
    done = promtool("test", "rules", "cases.yml", cwd=tmp_path)
    assert done.returncode != 0
    assert "GatewayQuarantine" in done.stdout + done.stderr
