"""The results as a picture: each measure's rounds against what must hold and what is aimed at."""

import textwrap
from pathlib import Path
from typing import Any

from tests.bench.report import number

_PICTURE = Path(__file__).parent / "results" / "results.png"
_GOOD, _FAIR, _BAD, _PLAIN = "#2a7f62", "#c98a1b", "#b3312c", "#5b6b7b"


def draw(results: dict[str, Any], path: Path = _PICTURE) -> None:
    """Draw every measure as a bar of how well it keeps its bound (1 is the bound), and the bad cases below."""
    import matplotlib as mpl  # noqa: PLC0415 -- takes a second, and each worker of a test session imports this module

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- as above

    bounded = {key: result for key, result in results["measures"].items() if result["must"]}
    others = {key: result for key, result in results["measures"].items() if not result["must"]}
    parts = [part for part in (bounded, others) if part]
    heights = [len(part) + 1 for part in parts]
    figure, panes = plt.subplots(
        len(parts), 1, figsize=(10, 0.8 + 0.36 * sum(heights)), height_ratios=heights, squeeze=False
    )
    for part, (pane,) in zip(parts, panes, strict=True):
        _bars(pane, part, relative=part is bounded)
    figure.tight_layout()
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def _bars(pane: Any, measures: dict[str, Any], *, relative: bool) -> None:
    for place, result in enumerate(measures.values()):
        values = [_scaled(result, value, relative=relative) for value in result["figure"]["values"]]
        middle = _scaled(result, result["figure"]["median"], relative=relative)
        colour = _PLAIN if not relative else _GOOD if result["reaches_aim"] else _FAIR if result["holds"] else _BAD
        pane.barh(place, middle, color=colour, height=0.6)
        pane.plot(values, [place] * len(values), "|", color="black", markersize=9, markeredgewidth=0.8)
        aim = [_scaled(result, result["aim"], relative=True)] if relative else []
        pane.plot(aim, [place] * len(aim), "D", color="black", markersize=4)
        shown = f"{number(result['figure']['median'])} {result['figure_unit']}"
        pane.text(max([middle, *values, *aim]), place, f"  {shown}", va="center", fontsize=8)
    labels = [textwrap.fill(f"{key}  {result['title']}", 60) for key, result in measures.items()]
    pane.set_yticks(range(len(measures)), labels, fontsize=7)
    pane.invert_yaxis()
    pane.margins(x=0.12)
    pane.axvline(1, color="black", linewidth=1)
    pane.tick_params(axis="x", labelsize=8)
    what = "how well the bound is kept: 1 is what must hold" if relative else "rate ÷ rate of measure 1"
    pane.set_title(f"{what} ({'◆ aim, ' if relative else ''}| rounds)", fontsize=9, loc="left")
    for side in ("top", "right"):
        pane.spines[side].set_visible(False)


def _scaled(result: dict[str, Any], value: float, *, relative: bool) -> float:
    if not relative:
        return value
    return value / result["must"] if result["more_is_better"] else result["must"] / value
