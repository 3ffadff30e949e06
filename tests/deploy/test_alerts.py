"""Alert rules, as Prometheus itself evaluates them, and the runbook they point to."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.telemetry.metrics import Metrics
from tests.links.rule_rig import introduced

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "tmf656-bridge.rules.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
CASES = yaml.safe_load((PROMETHEUS / "tmf656-bridge.tests.yml").read_text())["tests"]
RUNBOOK = (ROOT / "deploy" / "runbook.md").read_text()
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not here"
)

WANTED = {
    "Down",
    "DataStale",
    "PushSilent",
    "FallbackTooLong",
    "MissRatioHigh",
    "DeadLetters",
    "JournalFilling",
    "DatabaseUnavailable",
    "SubscriptionLost",
    "PollFailing",
    "PassIncomplete",
    "DeletionsHeldBack",
    "JobFailing",
    "JournalUnwritable",
    "DriftFound",
    "Lagging",
    "LinkRuleHeld",
    "LinkOutboxStalled",
    "LinkTargetDown",
    "LinkWritesFailing",
    "LinksBlocked",
    "LinkConflictsWaiting",
    "LinkDuplicateFound",
    "LinkUnmappedValue",
    "LinkDriftFound",
    "LinkLagHigh",
    "LinkOscillating",
}


def promtool(*arguments: str | Path) -> str:
    """Run it where the rules are; its complaints are the failure."""
    done = subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_the_example_configuration_and_its_rules_are_valid() -> None:
    assert "SUCCESS: 1 rule files found" in promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_every_alert_fires_where_it_must_and_not_where_it_must_not() -> None:
    assert "SUCCESS" in promtool("test", "rules", "tmf656-bridge.tests.yml")


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_shown_firing_and_not_firing(name: str) -> None:
    expected = [one["exp_alerts"] for case in CASES for one in case["alert_rule_test"] if one["alertname"] == name]
    assert [] in expected
    assert any(expected)


def test_every_symptom_that_is_promised_has_an_alert() -> None:
    assert {f"Tmf656Bridge{name}" for name in WANTED} <= set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert re.fullmatch(r"Tmf656Bridge([A-Z][a-z]+)+", name)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert all(notes.values())
    assert notes["runbook_url"] == f"deploy/runbook.md#{name.lower()}"
    [section] = re.findall(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert "* Look" in section


def test_the_runbook_explains_nothing_that_does_not_exist() -> None:
    assert set(re.findall(r"^### (\w+)", RUNBOOK, re.MULTILINE)) == set(ALERTS)
    assert set(re.findall(r"`(Tmf656Bridge\w+)`", RUNBOOK)) <= set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_rests_on_metrics_and_labels_that_the_bridge_has(name: str) -> None:
    exposed: dict[str, set[str]] = {"up": {"job", "instance"}}
    metrics = introduced()
    for family in metrics.registry.collect():
        for sample in family.samples:
            exposed.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    used: list[tuple[str, str]] = re.findall(r"\b(up|tmf656_bridge_\w+)(?:\{([^}]*)\})?", ALERTS[name]["expr"])
    assert used
    for metric, matchers in used:
        assert metric in exposed
        assert set(re.findall(r"(\w+)\s*[!=]", matchers)) <= exposed[metric]
        assert_values_exist(metrics, metric, matchers)


def assert_values_exist(metrics: Metrics, metric: str, matchers: str) -> None:
    """A matcher that matches nothing makes an alert that never fires."""
    for label, sign, pattern in re.findall(r'(\w+)\s*(=~|!=|=)\s*"([^"]*)"', matchers):
        if metric == "up":
            continue
        values: set[Any] = {
            sample.labels.get(label)
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == metric
        }
        wanted = pattern.split("|") if sign == "=~" else [pattern]
        assert set(wanted) <= values, f"{metric} has no {label} {pattern}"
