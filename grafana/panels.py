"""What all dashboards share: how a query names its series, and how a panel looks.

Built on grafana-foundation-sdk, Grafana's own typed builders: an option that does not exist is an error here and not a
panel that ignores it. Every panel has a unit and a description, and takes its data source from a variable.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from grafana_foundation_sdk.builders import barchart, bargauge, common, dashboard, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders import prometheus as promql
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

TAG = "tmf656-bridge"
PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="${prometheus_datasource}")
POSTGRES = model.DataSourceRef(type_val="grafana-postgresql-datasource", uid="${postgres_datasource}")
HEIGHT = 8

Target: TypeAlias = Builder[Dataquery]
Panel: TypeAlias = Builder[model.Panel]
Steps: TypeAlias = Sequence[tuple[float | None, str]]
Visual = timeseries.Panel | stat.Panel | table.Panel | barchart.Panel | bargauge.Panel | heatmap.Panel


def of_process(metric: str, **labels: str) -> str:
    """Select a metric of the chosen processes; a value with `|` is a pattern."""
    return _selected(metric, ['job=~"$job"', 'instance=~"$instance"'], labels)


def of_source(metric: str, **labels: str) -> str:
    """Select a metric of the chosen sources in the chosen processes."""
    return _selected(metric, ['job=~"$job"', 'instance=~"$instance"', 'source=~"$source"'], labels)


def _selected(metric: str, matchers: list[str], labels: Mapping[str, str]) -> str:
    name = metric if metric.startswith(("process_", "python_")) else f"tmf656_bridge_{metric}"
    more = [f'{label}{"=~" if "|" in value else "="}"{value}"' for label, value in labels.items()]
    return f"{name}{{{', '.join(matchers + more)}}}"


def per_second(selector: str) -> str:
    """Return the query for the rate of a counter."""
    return f"rate({selector}[$__rate_interval])"


def quantile(which: float, metric: str, by: str = "") -> str:
    """Estimate a quantile of a histogram, one series for each value of `by`."""
    bucket = of_source(f"{metric}_bucket") if by else of_process(f"{metric}_bucket")
    return f"histogram_quantile({which}, sum by ({by + ', ' if by else ''}le) ({per_second(bucket)}))"


def prom(expr: str, legend: str, *, instant: bool = False, heat: bool = False, exemplars: bool = False) -> Target:
    """One query to Prometheus; with `exemplars` also for those of its series."""
    query = promql.Dataquery().datasource(PROMETHEUS).expr(expr).legend_format(legend)
    query = query.exemplar(True) if exemplars else query
    query = query.instant() if instant else query.range()
    return query.format(PromQueryFormat.HEATMAP) if heat else query


class SqlQuery(Dataquery):
    """What Grafana's Postgres data source takes; the SDK has no type for it."""

    def __init__(self, sql: str, shape: str, ref_id: str) -> None:
        """`shape`: `table`, or `time_series` for rows with a column `time`."""
        self.sql, self.shape, self.ref_id = sql, shape, ref_id

    def to_json(self) -> dict[str, object]:
        """Return the JSON of the panel in a dashboard."""
        return {
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self.shape,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


class Sql(Builder[Dataquery]):
    """One query to Postgres."""

    def __init__(self, sql: str, *, shape: str = "table") -> None:
        """Take the statement and the shape of its rows."""
        self._query = SqlQuery(sql, shape, "A")

    def build(self) -> Dataquery:
        """Return the query."""
        return self._query


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours from values on; the first value is None."""
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def series(
    title: str,
    description: str,
    unit: str,
    *targets: Target,
    width: int = 8,
    stacked: bool = False,
    bars: bool = False,
    steps: Steps | None = None,
    most: float | None = None,
) -> Panel:
    """Lines over time; `stacked` areas where the parts make a whole, `bars` for one value a day."""
    panel = (
        timeseries.Panel()
        .unit(unit)
        .min(0)
        .line_width(1)
        .fill_opacity(80 if bars else 30 if stacked else 8)
        .draw_style(looks.GraphDrawStyle.BARS if bars else looks.GraphDrawStyle.LINE)
        .show_points(looks.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if steps is not None:
        panel = panel.thresholds(thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphTresholdsStyleMode.DASHED)
        )
    if most is not None:
        panel = panel.max(most)
    return finished(panel, title, description, targets, width)


def single(
    title: str,
    description: str,
    unit: str,
    *targets: Target,
    width: int = 4,
    steps: Steps = ((None, "text"),),
    words: Mapping[int, tuple[str, str]] | None = None,
    nothing: str = "none",
) -> Panel:
    """One figure a series, coloured by thresholds or named by `words` (value → text, colour)."""
    panel = (
        stat.Panel()
        .unit(unit)
        .no_value(nothing)
        .thresholds(thresholds(steps))
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if words is not None:
        named = {str(value): model.ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
        panel = panel.mappings([model.ValueMap(options=named)])
    return finished(panel, title, description, targets, width, height=4)


def heat(title: str, description: str, unit: str, target: Target, *, width: int = 8) -> Panel:
    """A heat map: the counts of the buckets of a histogram over time."""
    panel = (
        heatmap.Panel()
        .unit(unit)
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
    )
    return finished(panel, title, description, [target], width)


def bars(
    title: str,
    description: str,
    unit: str,
    target: Target,
    *,
    x: str,
    width: int = 8,
    colours: Mapping[str, str] | None = None,
) -> Panel:
    """A bar for each row; `x` is the column that names it. With `colours` by column a stack."""
    panel = (
        barchart.Panel()
        .unit(unit)
        .x_field(x)
        .show_value(looks.VisibilityMode.AUTO)
        .stacking(looks.StackingMode.NORMAL if colours else looks.StackingMode.NONE)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(bool(colours))
        )
    )
    for column, its in (colours or {}).items():
        fixed = model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": its})
        panel = panel.override_by_name(column, [fixed])
    return finished(panel, title, description, [target], width)


def ranking(title: str, description: str, unit: str, target: Target, *, width: int = 8) -> Panel:
    """Horizontal bars, one a row: the first column names, the second counts."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .min(0)
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().values(True).calcs(["lastNotNull"]))
        .thresholds(thresholds([(None, "blue")]))
    )
    return finished(panel, title, description, [target], width)


def rows(
    title: str,
    description: str,
    target: Target,
    *,
    width: int = 12,
    units: Mapping[str, str] | None = None,
    unit: str = "short",
    height: int = HEIGHT,
) -> Panel:
    """A table; `units` by column."""
    panel = table.Panel().unit(unit)
    for column, its in (units or {}).items():
        panel = panel.override_by_name(column, [model.DynamicConfigValue(id_val="unit", value=its)])
    return finished(panel, title, description, [target], width, height=height)


def finished(
    panel: Visual,
    title: str,
    description: str,
    targets: Sequence[Target],
    width: int,
    *,
    height: int = HEIGHT,
) -> Panel:
    """Set the properties that all panels have; the data source is that of the queries."""
    source = POSTGRES if isinstance(targets[0], Sql) else PROMETHEUS
    panel = panel.title(title).description(description).datasource(source).span(width).height(height)
    for target in targets:
        panel = panel.with_target(target)
    return panel


def board(uid: str, title: str, description: str, *, since: str, refresh: str = "30s") -> dashboard.Dashboard:
    """Begin a dashboard that links to its siblings. Read-only, because it is built here."""
    siblings = (
        dashboard.DashboardLink("Others")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .time(since, "now")
        .refresh(refresh)
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(siblings)
    )


def datasource(kind: str, label: str) -> dashboard.DatasourceVariable:
    """The variable with which a person chooses a data source."""
    name = "prometheus_datasource" if kind == "prometheus" else "postgres_datasource"
    return dashboard.DatasourceVariable(name).label(label).type(kind)


def chosen_by_label(name: str, label: str, metric: str) -> dashboard.QueryVariable:
    """A variable with the values of a label, all of them at first."""
    return _several(name, label).query(f"label_values({metric}, {name})").datasource(PROMETHEUS).all_value(".+")


def chosen_by_sql(name: str, label: str, sql: str) -> dashboard.QueryVariable:
    """A variable with the values of a column, all of them at first."""
    return _several(name, label).query(sql).datasource(POSTGRES)


def _several(name: str, label: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .multi(True)
        .include_all(True)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def with_processes(to: dashboard.Dashboard) -> dashboard.Dashboard:
    """Add the variables of a dashboard on Prometheus: data source, job, instance."""
    return (
        to.with_variable(datasource("prometheus", "Prometheus data source"))
        .with_variable(chosen_by_label("job", "Job", "tmf656_bridge_build_info"))
        .with_variable(chosen_by_label("instance", "Instance", 'tmf656_bridge_build_info{job=~"$job"}'))
    )
