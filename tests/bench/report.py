"""From samples to results: medians, spread, ratios; as JSON, and as a table for terminal and docs/performance.md."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from tests.bench.measures.table import GOALS, SLICES, Goal, Round

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "results.json"
_BEGIN, _END = "<!-- bench: made by `python -m tests.bench --page` -->", "<!-- /bench -->"

Json = dict[str, Any]


def series(values: Sequence[float]) -> Json:
    """Median and spread of a series."""
    return {"median": median(values), "low": min(values), "high": max(values), "values": list(values)}


def judged(goal: Goal, rounds: Sequence[Round], *, long: bool) -> Json:
    """The result of one measure: its figure in each round that has all its slices, and these slices; empty when no
    round has.
    """
    rounds = [samples for samples in rounds if all(name in samples for name in goal.slices)]
    if not rounds:
        return {}
    if all(SLICES[name].once for name in goal.slices):
        rounds = rounds[:1]
    figure = series([goal.figure(samples) for samples in rounds])
    return {
        "title": goal.title,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "form": "long" if long else "short",
        "rounds": len(rounds),
        "must": goal.must,
        "aim": goal.aim,
        "more_is_better": goal.more_is_better,
        "figure": figure,
        "figure_unit": goal.figure_unit,
        "holds": goal.holds(figure["median"], goal.must),
        "reaches_aim": goal.holds(figure["median"], goal.aim),
        "slices": {
            name: {"unit": SLICES[name].unit} | _slice([samples[name] for samples in rounds]) for name in goal.slices
        },
    }


def _slice(samples: Sequence[Any]) -> Json:
    return {
        **series([sample.value for sample in samples]),
        "cpu_seconds_per_1000": {key: median([s.cpu[key] for s in samples]) for key in samples[0].cpu},
        "facts": {key: median([s.facts[key] for s in samples]) for key in samples[0].facts},
    }


def merged(old: Json, new: Json) -> Json:
    """New results, with those measures of an earlier run that were not run again; each has its own date."""
    measures = old.get("measures", {}) | new["measures"]
    return new | {"measures": {goal.key: measures[goal.key] for goal in GOALS if goal.key in measures}}


def read() -> Json:
    """The results as last written."""
    return orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}


def write(results: Json) -> None:
    """Write the results."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(rounded(results), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def rounded(value: Any) -> Any:
    """Four digits are more than the figures are worth, and make a diff readable."""
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) and math.isfinite(value) else value


def show(measures: Json, console: Console) -> None:
    """Print the table."""
    table = Table(title="Medians; spread is the lowest and the highest round", title_justify="left", show_lines=True)
    for name, justify in (("#", "right"), ("measure", "left"), ("figure", "right"), ("spread", "right")):
        table.add_column(name, justify=justify, min_width=4 if name != "measure" else 16)
    for name in ("must", "aim"):
        table.add_column(name, min_width=6)
    table.add_column("sides (CPU seconds per 1,000)", min_width=36)
    for key, result in measures.items():
        colour = "green" if result["reaches_aim"] else "yellow" if result["holds"] else "red"
        figure = f"[{colour}]{_figure(result)}[/]"
        sides = "\n".join(_side_and_cpu(name, side) for name, side in result["slices"].items())
        bounds = (_bound(result, "must"), _bound(result, "aim"))
        table.add_row(key, result["title"], figure, _spread(result), *bounds, sides)
    console.print(table)


def markdown(results: Json) -> str:
    """The table for docs/performance.md."""
    lines = ["| # | measure | median | spread | must | aim | sides (CPU seconds per 1,000) |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for key, result in results["measures"].items():
        shown = [(name, side) for name, side in result["slices"].items() if name != "bridge" or key.isdigit()]
        sides = "; ".join(_side_and_cpu(name, side) for name, side in shown)
        mark = "" if result["holds"] else " ✗"
        cells = [key, result["title"], f"**{_figure(result)}**{mark}", _spread(result)]
        lines.append(f"| {' | '.join([*cells, _bound(result, 'must'), _bound(result, 'aim'), sides])} |")
    machine, versions = results["machine"], results["versions"]
    dates = sorted({result["date"] for result in results["measures"].values()})
    forms = sorted({f"{each['form']} form, rounds: {each['rounds']}" for each in results["measures"].values()})
    lines += [
        "",
        "![How each measure stands to its bound](../tests/bench/results/results.png)",
        "",
        f"Measured {' and '.join(dates)} ({'; '.join(forms)}) on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gb']} GB, client and Postgres on the same machine. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
    ]
    return "\n".join(lines)


def into_page(page: str, table: str) -> str:
    """Return docs/performance.md with the table between its marks."""
    before, found, rest = page.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if not found or not closed:
        raise ValueError(f"docs/performance.md lacks {_BEGIN} … {_END}")
    return f"{before}{_BEGIN}\n\n{table}\n\n{_END}{after}"


def _figure(result: Json) -> str:
    return _with_unit(result["figure"]["median"], result["figure_unit"])


def _spread(result: Json) -> str:
    return f"{number(result['figure']['low'])} to {number(result['figure']['high'])}"


def _bound(result: Json, name: str) -> str:
    if result[name] is None:
        return ""
    return f"{'≥' if result['more_is_better'] else '≤'} {_with_unit(result[name], result['figure_unit'])}"


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def _side(name: str, side: Json) -> str:
    gap = "" if side["unit"].startswith("/") else " "
    return f"{name} {number(side['median'])}{gap}{side['unit']}"


def _side_and_cpu(name: str, side: Json) -> str:
    cpu = ", ".join(f"{who} {number(value)}" for who, value in side["cpu_seconds_per_1000"].items())
    return _side(name, side) + (f" ({cpu})" if cpu else "")


def number(value: float) -> str:
    """Three digits, thousands set apart."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
