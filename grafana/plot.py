"""Drawing a dashboard's panels with their data, in the places and roughly in the looks that Grafana gives them.

matplotlib draws; nothing of Grafana is run. A panel is drawn from what its own queries returned, in its unit, with its
thresholds and value mappings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

_PAGE, _PANEL, _EDGE, _TEXT, _FAINT = "#111217", "#181b1f", "#2c3235", "#d5d6dc", "#8e8f98"
_COLOURS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "text": _TEXT}
_CYCLE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#fade2a", "#37872d", "#c15c17")
_COLUMN_INCHES, _UNIT_INCHES, _MARGIN_INCHES, _TITLE_INCHES = 0.72, 0.36, 0.12, 0.75
_PALE = 0.75
_SECONDS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))


@dataclass(slots=True)
class Series:
    """One line: its name, its points in time, its values."""

    name: str
    times: list[datetime]
    values: list[float]


@dataclass(slots=True)
class Answer:
    """What the queries of a panel returned: series over time, or rows with names of columns."""

    series: list[Series] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[Sequence[Any]] = field(default_factory=list)


def spoken(value: Any, unit: str) -> str:
    """Return a value as a person reads it in that unit."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    number = float(value)
    if unit == "percentunit":
        return f"{number * 100:.3g}%"
    scales = {"s": _SECONDS, "bytes": _BYTES}.get(unit, ())
    for size, name in scales:
        if abs(number) >= size * 0.9995:
            return f"{number / size:.3g} {name}"
    if unit == "s":
        return "0 s" if number == 0 else f"{number * 1000:.2g} ms"
    ending = {"cps": " c/s", "reqps": " req/s", "bytes": " B"}.get(unit, "")
    return f"{number:,.0f}{ending}" if number == int(number) else f"{number:,.3g}{ending}"


def draw(board: dict[str, Any], answers: dict[int, Answer]) -> Figure:
    """Draw a dashboard; `answers` by the number of the panel."""
    mpl.rcParams.update({"font.size": 8, "font.family": "DejaVu Sans", "axes.prop_cycle": cycler(color=_CYCLE)})
    units = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    width, height = 24 * _COLUMN_INCHES, units * _UNIT_INCHES + _TITLE_INCHES
    figure = Figure(figsize=(width, height), facecolor=_PAGE)
    figure.text(0.008, 1 - 0.22 / height, board["title"], color=_TEXT, size=15, weight="bold", va="top")
    figure.text(0.008, 1 - 0.50 / height, board["description"], color=_FAINT, size=9, va="top")
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, top = place["x"] / 24, 1 - (_TITLE_INCHES + place["y"] * _UNIT_INCHES) / height
        if panel["type"] == "row":
            figure.text(0.008, top - 0.24 / height, f"▾ {panel['title']}", color=_TEXT, size=11, weight="bold")
            continue
        wide, tall = place["w"] / 24, place["h"] * _UNIT_INCHES / height
        x, y = _MARGIN_INCHES / 2 / width, _MARGIN_INCHES / 2 / height
        _framed(figure, panel, answers[panel["id"]], (left + x, top - tall + y, wide - 2 * x, tall - 2 * y))
    return figure


Box = tuple[float, float, float, float]


def _framed(figure: Figure, panel: dict[str, Any], answer: Answer, box: Box) -> None:
    left, bottom, wide, tall = box
    figure.add_artist(
        FancyBboxPatch(
            (left, bottom), wide, tall, boxstyle="square,pad=0", facecolor=_PANEL, edgecolor=_EDGE, zorder=-1
        )
    )
    width, height = figure.get_size_inches()
    figure.text(left + 0.09 / width, bottom + tall - 0.07 / height, panel["title"], color=_TEXT, size=9, va="top")
    plain = panel["type"] in {"stat", "table"}
    inches = (
        (0.1, 0.06, 0.1, 0.28)
        if plain
        else (1.45, 0.28, 0.2, 0.3)
        if panel["type"] == "bargauge"
        else (
            0.62,
            0.55,
            0.15,
            0.34,
        )
    )
    west, south, east, north = inches
    axes = figure.add_axes(
        (
            left + west / width,
            bottom + south / height,
            wide - (west + east) / width,
            tall - (south + north) / height,
        ),
        facecolor=_PANEL,
    )
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if plain or not (answer.series or answer.rows):
        axes.axis("off")
    if not (answer.series or answer.rows):
        axes.text(0.5, 0.5, "no data", color=_FAINT, ha="center", va="center", transform=axes.transAxes)
        return
    _DRAWN_BY[panel["type"]](axes, panel, answer, unit)


def _dressed(axes: Axes, unit: str) -> None:
    axes.tick_params(colors=_FAINT, labelsize=7, length=0)
    axes.tick_params(axis="x", pad=6)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.grid(visible=True, color=_EDGE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: spoken(value, unit)))


def _days(times: Sequence[datetime]) -> Any:
    """As matplotlib counts time."""
    return mdates.date2num(times)


def _over_time(axes: Axes) -> None:
    first, last = (mdates.num2date(edge) for edge in axes.get_xlim())
    form = "%H:%M:%S" if last - first < timedelta(hours=1) else "%m-%d"
    axes.xaxis.set_major_locator(MaxNLocator(6) if form == "%m-%d" else mdates.AutoDateLocator(maxticks=6))
    axes.xaxis.set_major_formatter(mdates.DateFormatter(form, tz=UTC))
    axes.grid(visible=False, axis="x")


def _lines(axes: Axes, panel: dict[str, Any], answer: Answer, unit: str) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    if custom["drawStyle"] == "bars":
        _bars_over_time(axes, answer.series, stacked=stacked)
    elif stacked:
        times = sorted({time for one in answer.series for time in one.times})
        found = [dict(zip(one.times, one.values, strict=True)) for one in answer.series]
        axes.stackplot(
            _days(times),
            [[of.get(time, 0.0) for time in times] for of in found],
            labels=[one.name for one in answer.series],
            alpha=_PALE,
        )
    else:
        for one in answer.series:
            times, values = _with_gaps(one)
            axes.plot(_days(times), values, label=one.name, linewidth=1.2)
    low, high = axes.get_ylim()
    axes.set_ylim(0, max(high, 1e-9) if low < high else 1)
    if "max" in panel["fieldConfig"]["defaults"]:
        axes.set_ylim(0, panel["fieldConfig"]["defaults"]["max"])
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []):
        if step["color"] == "red" and step["value"] is not None and "thresholdsStyle" in custom:
            axes.axhline(step["value"], color=_COLOURS["red"], linestyle="--", linewidth=0.8)
    _dressed(axes, unit)
    _over_time(axes)
    _legend(axes)


def _with_gaps(one: Series) -> tuple[list[datetime], list[float]]:
    """Break the line where points are missing, as Grafana does."""
    steps = sorted(later - earlier for earlier, later in zip(one.times, one.times[1:], strict=False))
    usual = steps[len(steps) // 2] if steps else timedelta(0)
    times, values = list[datetime](), list[float]()
    for time, value in zip(one.times, one.values, strict=True):
        if times and time - times[-1] > 1.5 * usual:
            times.append(times[-1] + usual)
            values.append(float("nan"))
        times.append(time)
        values.append(value)
    return times, values


def _bars_over_time(axes: Axes, series: list[Series], *, stacked: bool) -> None:
    gaps = [later - earlier for one in series for earlier, later in zip(one.times, one.times[1:], strict=False)]
    slot = min(gaps, default=timedelta(days=1)) * 0.85
    below: dict[datetime, float] = {}
    for number, one in enumerate(series):
        width = slot if stacked else slot / len(series)
        times = one.times if stacked else [time + number * width for time in one.times]
        bottoms = [below.get(time, 0.0) for time in one.times] if stacked else None
        axes.bar(
            _days(times),
            one.values,
            width=width / timedelta(days=1),
            bottom=bottoms,
            label=one.name,
            alpha=0.85,
            align="edge",
        )
        for time, value in zip(one.times, one.values, strict=True):
            below[time] = below.get(time, 0.0) + value


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(label) for label in labels), default=0)
    room = max(1, int(axes.get_position().width * 24 * _COLUMN_INCHES / (0.32 + 0.056 * longest)))
    shown = min(len(labels), 2 * room)
    if shown < len(labels):
        labels[shown - 1] = f"… {len(labels) - shown + 1} more"
    axes.legend(
        handles[:shown],
        labels[: shown - 1]
        + ([f"… {len(labels) - shown + 1} more"] if shown < len(labels) else labels[shown - 1 : shown]),
        loc="upper left",
        bbox_to_anchor=(-0.04, -0.14),
        labelspacing=0.15,
        ncols=min(room, max(1, shown)),
        frameon=False,
        labelcolor=_FAINT,
        fontsize=6.5,
        handlelength=1,
        columnspacing=0.9,
        borderaxespad=0,
    )


def _figures(axes: Axes, panel: dict[str, Any], answer: Answer, unit: str) -> None:
    """Big figures side by side, as a stat panel has them."""
    named = [(one.name, one.values[-1]) for one in answer.series] or [
        (column, answer.rows[0][index]) for index, column in enumerate(answer.columns)
    ]
    defaults = panel["fieldConfig"]["defaults"]
    words = {key: each for mapping in defaults.get("mappings", []) for key, each in mapping["options"].items()}
    for number, (name, value) in enumerate(named):
        x = (number + 0.5) / len(named)
        word = words.get(f"{value:g}") if value is not None else None
        text = word["text"] if word else spoken(value, unit) or defaults["noValue"]
        colour = word["color"] if word else _reached(defaults["thresholds"]["steps"], value)
        axes.text(x, 0.42, text, color=_COLOURS[colour], size=19, weight="bold", ha="center", va="center")
        axes.text(x, 0.97, name, color=_FAINT, size=8, ha="center", va="top")


def _reached(steps: list[dict[str, Any]], value: Any) -> str:
    colour = "text"
    for step in steps:
        if step["value"] is None or (value is not None and float(value) >= step["value"]):
            colour = step["color"]
    return colour


def _heat(axes: Axes, _: dict[str, Any], answer: Answer, unit: str) -> None:
    """Cumulative buckets as Prometheus has them, drawn as what fell into each."""
    ordered = sorted(answer.series, key=lambda one: float(one.name.replace("+Inf", "inf")))
    times = sorted({time for one in ordered for time in one.times})
    cumulated = np.array(
        [[dict(zip(one.times, one.values, strict=True)).get(time, 0.0) for time in times] for one in ordered]
    )
    inside = np.diff(cumulated, axis=0, prepend=np.zeros((1, len(times))))
    used = [row for row in range(len(ordered)) if inside[row].max() > 0]
    rows = range(max(0, min(used, default=0) - 1), min(len(ordered), max(used, default=0) + 2))
    shown = np.ma.masked_less_equal(inside[rows.start : rows.stop], 0)
    axes.pcolormesh(_days(times), np.arange(len(rows)), shown, cmap="Oranges_r", shading="nearest", rasterized=True)
    _dressed(axes, unit)
    axes.grid(visible=False)
    axes.set_yticks(range(len(rows)), [_bucket(ordered[row].name, unit) for row in rows])
    axes.xaxis_date(tz=UTC)
    _over_time(axes)


def _bucket(edge: str, unit: str) -> str:
    return "more" if edge == "+Inf" else f"≤ {spoken(float(edge), unit)}"


def _columns(axes: Axes, panel: dict[str, Any], answer: Answer, unit: str) -> None:
    """A bar, or a stack, for each row."""
    names = [str(row[0]) for row in answer.rows]
    stacked = panel["options"]["stacking"] == "normal"
    colours = {
        override["matcher"]["options"]: _COLOURS[its["value"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]
        for its in override["properties"]
        if its["id"] == "color"
    }
    bottom = np.zeros(len(names))
    for index, column in enumerate(answer.columns[1:], start=1):
        values = np.array([float(row[index] or 0) for row in answer.rows])
        drawn = axes.bar(
            names,
            values,
            bottom=bottom if stacked else None,
            label=column,
            width=0.7,
            alpha=0.85,
            color=colours.get(column),
        )
        axes.bar_label(
            drawn,
            [spoken(value, unit) if value else "" for value in values],
            label_type="center",
            color="#111217",
            size=7,
        )
        bottom += values
    _dressed(axes, unit)
    axes.grid(visible=False, axis="x")
    if stacked:
        _legend(axes)


def _ranks(axes: Axes, _: dict[str, Any], answer: Answer, unit: str) -> None:
    """Horizontal bars, the longest on top."""
    names, values = [str(row[0]) for row in answer.rows], [float(row[1]) for row in answer.rows]
    drawn = axes.barh(names[::-1], values[::-1], color=_COLOURS["blue"], height=0.65, alpha=0.85)
    axes.bar_label(drawn, [spoken(value, unit) for value in values[::-1]], color=_TEXT, size=7, padding=3)
    _dressed(axes, unit)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda _, place: names[::-1][place] if place is not None else ""))
    axes.set_yticks(range(len(names)), names[::-1])
    axes.set_xlim(0, max(values) * 1.12)
    axes.grid(visible=False)
    axes.set_xticks([])


def _cells(axes: Axes, panel: dict[str, Any], answer: Answer, unit: str) -> None:
    units = {
        override["matcher"]["options"]: each["value"]
        for override in panel["fieldConfig"].get("overrides", [])
        for each in override["properties"]
        if each["id"] == "unit"
    }
    most = int((panel["gridPos"]["h"] * _UNIT_INCHES - 0.5) / 0.25)
    text = [
        [_short(spoken(cell, units.get(column, unit))) for column, cell in zip(answer.columns, row, strict=True)]
        for row in answer.rows[:most]
    ]
    lengths = [
        max(len(column), *(len(line[index]) for line in text)) + 2 for index, column in enumerate(answer.columns)
    ]
    table = axes.table(
        text,
        colLabels=answer.columns,
        colWidths=[length / sum(lengths) for length in lengths],
        cellLoc="left",
        colLoc="left",
        loc="upper left",
        bbox=Bbox.from_bounds(0, 1 - (len(text) + 1) / (most + 1), 1, (len(text) + 1) / (most + 1)),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for (row, _), cell in table.get_celld().items():
        cell.set(facecolor=_PANEL, edgecolor=_EDGE, linewidth=0.5)
        cell.visible_edges = "B"
        cell.get_text().set_color(_COLOURS["blue"] if row == 0 else _TEXT)


def _short(text: str) -> str:
    return text if len(text) <= 28 else text[:27] + "…"


_DRAWN_BY: dict[str, Callable[[Axes, dict[str, Any], Answer, str], None]] = {
    "timeseries": _lines,
    "stat": _figures,
    "heatmap": _heat,
    "barchart": _columns,
    "bargauge": _ranks,
    "table": _cells,
}
