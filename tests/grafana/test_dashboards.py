"""Dashboards without a Grafana: built as committed, by the rules of Grafana's dashboard-linter, asking what exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.telemetry.metrics import Metrics
from grafana import asking
from grafana.build import BUILDERS, built
from tests.links.rule_rig import introduced

BOARDS = asking.dashboards()
ROOT = Path(__file__).parents[2]
KNOWN_UNITS = {"s", "short", "cps", "reqps", "percentunit", "bytes"}
METRIC = re.compile(r"\b(?:tmf656_bridge|process|python)_\w+")
ON_PROMETHEUS = [name for name in BOARDS if name != "service-problems"]
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")


def panels_of(*names: str) -> list[Any]:
    return [
        pytest.param(panel, id=f"{name}: {panel['title']}") for name in names for panel in asking.panels(BOARDS[name])
    ]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query to Prometheus, with where it stands."""
    for name in ON_PROMETHEUS:
        for panel in asking.panels(BOARDS[name]):
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"]


@cache
def exposed() -> dict[str, set[str]]:
    """Series of a bridge and the labels that Prometheus has of them."""
    metrics = introduced()
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    return found


@pytest.mark.parametrize("name", BUILDERS)
def test_what_is_committed_is_what_is_built(name: str) -> None:
    assert built(name) == (asking.DASHBOARDS / f"{name}.json").read_text(), "run make dashboards"


def test_nothing_is_committed_that_is_not_built() -> None:
    assert set(BOARDS) == set(BUILDERS)


# Rules of dashboard-linter -------------------------------------------------------------------------------------------


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in board["templating"]["list"]}


@pytest.mark.parametrize("name", BOARDS)
def test_the_data_source_is_a_variable(name: str) -> None:
    found = [one for one in BOARDS[name]["templating"]["list"] if one["type"] == "datasource"]
    assert [(one["name"], one["label"]) for one in found] == [
        ("postgres_datasource", "PostgreSQL data source")
        if name == "service-problems"
        else ("prometheus_datasource", "Prometheus data source")
    ]


@pytest.mark.parametrize("name", ON_PROMETHEUS)
@pytest.mark.parametrize("label", ["job", "instance"])
def test_job_and_instance_are_variables(name: str, label: str) -> None:
    found = variables(BOARDS[name])[label]
    assert found["label"] == label.capitalize()
    assert (found["multi"], found["includeAll"], found["allValue"]) == (True, True, ".+")
    assert found["datasource"]["uid"] == "${prometheus_datasource}"


@pytest.mark.parametrize("name", BOARDS)
def test_variables_follow_the_time_range_and_ask_for_what_exists(name: str) -> None:
    for one in BOARDS[name]["templating"]["list"]:
        if one["type"] == "query":
            assert one["refresh"] == 2, "on time range change"
        if one.get("query", "").startswith("label_values"):
            [metric] = METRIC.findall(one["query"])
            label = re.fullmatch(r"label_values\(.*, (\w+)\)", one["query"])
            assert label is not None
            assert label[1] in exposed()[metric]


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_read_only_has_a_fixed_uid_and_links_to_the_others(name: str) -> None:
    board = BOARDS[name]
    assert board["editable"] is False
    assert board["uid"] == f"tmf656-{name}"
    assert board["description"]
    assert board["tags"] == ["tmf656-bridge"]
    [link] = board["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
        "dashboards",
        ["tmf656-bridge"],
        True,
        True,
    )


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap_and_have_numbers_of_their_own(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in BOARDS[name]["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("panel", panels_of(*BOARDS))
def test_a_panel_says_what_it_shows_in_which_unit_and_from_where(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in KNOWN_UNITS
    assert panel["datasource"]["uid"] in {"${prometheus_datasource}", "${postgres_datasource}"}
    assert panel["targets"]
    assert {target["datasource"]["uid"] for target in panel["targets"]} == {panel["datasource"]["uid"]}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("panel", panels_of(*ON_PROMETHEUS))
def test_a_query_matches_job_and_instance_and_rates_what_is_a_counter(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expr = target["expr"]
        selectors = re.findall(r"\b((?:tmf656_bridge|process|python)_\w+)\{([^}]*)\}", expr)
        assert len(selectors) == len(METRIC.findall(expr)), "a metric without a selector"
        for metric, matchers in selectors:
            assert 'job=~"$job"' in matchers
            assert 'instance=~"$instance"' in matchers
            assert ('source=~"$source"' in matchers) == ("source" in exposed()[metric])
            rated = re.escape(metric) + r"\{[^}]*\}\[(\$__rate_interval|1h)\]"
            is_counter = metric.endswith(("_total", "_count", "_sum", "_bucket"))
            assert bool(re.search(rated, expr)) == is_counter, metric
        for window in re.findall(r"\[([^\]]+)\]", expr):
            assert window in {"$__rate_interval", "1h"}, "a window that is too short at a coarse resolution"
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        grouped = set(re.findall(r"\w+", ",".join(re.findall(r"\bby \(([^)]*)\)", expr))))
        assert legend <= grouped, "the legend names a label that the query drops"


# Metrics -------------------------------------------------------------------------------------------------------------


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": asking.promql(expr, rate_interval="5m")}
        for number, (_, expr) in enumerate(expressions())
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_every_metric_in_a_query_exists() -> None:
    for where, expr in expressions():
        assert set(METRIC.findall(expr)) <= set(exposed()), where


def test_every_value_that_a_query_picks_exists() -> None:
    metrics = introduced()
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    for where, expr in expressions():
        for metric, matchers in re.findall(r"\b(tmf656_bridge_\w+)\{([^}]*)\}", expr):
            for label, value in re.findall(r'(\w+)="([^"$]+)"', matchers):
                assert any(one.name == metric and one.labels.get(label) == value for one in samples), where


def test_every_metric_of_the_bridge_is_on_some_panel() -> None:
    shown = {name for _, expr in expressions() for name in METRIC.findall(expr)}
    families = Metrics().registry.collect()
    ours = {family.name: {sample.name for sample in family.samples} for family in families}
    metrics = introduced()
    for family in metrics.registry.collect():
        ours.setdefault(family.name, set()).update(sample.name for sample in family.samples)
    orphans = [name for name, samples in ours.items() if name.startswith("tmf656_bridge_") and not samples & shown]
    assert orphans == [], "put it on a panel in grafana/*.py, then make dashboards"


# Provisioning --------------------------------------------------------------------------------------------------------


def provisioned(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / "grafana" / "provisioning" / kind / "tmf656-bridge.yaml").read_text()
    )
    return found


def test_the_data_sources_are_those_that_the_dashboards_ask_for() -> None:
    sources = provisioned("datasources")["datasources"]
    kinds = {
        one["query"] for board in BOARDS.values() for one in board["templating"]["list"] if one["type"] == "datasource"
    }
    assert {one["type"] for one in sources} == kinds
    assert [one["uid"] for one in sources] == ["tmf656-prometheus", "tmf656-postgres"]
    assert not any(one["editable"] for one in sources)
    assert "password" not in json.dumps([one.get("jsonData") for one in sources])
    postgres = sources[1]
    assert postgres["secureJsonData"]["password"].startswith("$")


def test_dashboards_are_not_changed_in_the_browser() -> None:
    [provider] = provisioned("dashboards")["providers"]
    assert (provider["type"], provider["allowUiUpdates"], provider["disableDeletion"]) == ("file", False, True)
    assert provider["options"]["path"]
