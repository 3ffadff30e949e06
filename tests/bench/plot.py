"""The results as a picture: each measure's rounds against what must hold and what is aimed at."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

_PICTURE = Path(__file__).parent / "results" / "results.png"
_GOOD, _FAIR, _BAD = "#2a7f62", "#c98a1b", "#b3312c"


def draw(results: dict[str, Any], path: Path = _PICTURE) -> None:
    """Draw every measure as a bar of how far it is from what must hold, on a scale of its own: 1 is the bound."""
    bounded = {key: result for key, result in results["measures"].items() if result["must"]}
    others = {key: result for key, result in results["measures"].items() if not result["must"]}
    heights = [max(1, len(bounded)), max(1, len(others))] if others else [max(1, len(bounded))]
    size = (10, 1.2 + 0.36 * sum(heights))
    figure, panes = plt.subplots(len(heights), 1, figsize=size, height_ratios=heights, squeeze=False)
    _bars(panes[0][0], bounded, relative=True)
    panes[0][0].set_title("1 is what must hold, to its right is better; ◆ what is aimed at, | the rounds", fontsize=9)
    if others:
        _bars(panes[1][0], others, relative=False)
        panes[1][0].set_title("Bad cases: rate ÷ rate of measure 1", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _bars(pane: Any, measures: dict[str, Any], *, relative: bool) -> None:
    for place, result in enumerate(measures.values()):
        values = [_scaled(result, value, relative=relative) for value in result["figure"]["values"]]
        middle = _scaled(result, result["figure"]["median"], relative=relative)
        colour = _GOOD if result["reaches_aim"] else _FAIR if result["holds"] else _BAD
        pane.barh(place, middle, color=colour, height=0.62)
        pane.plot(values, [place] * len(values), "|", color="black", markersize=9, markeredgewidth=0.8)
        if relative and result["aim"]:
            pane.plot(_scaled(result, result["aim"], relative=True), place, "D", color="black", markersize=4)
        pane.text(
            0.02, place, f" {result['figure']['median']:.3g}", va="center", color="white", fontsize=8, weight="bold"
        )
    pane.set_yticks(range(len(measures)), [f"{key}  {result['title']}" for key, result in measures.items()], fontsize=8)
    pane.invert_yaxis()
    pane.axvline(1, color="black", linewidth=1)
    pane.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        pane.spines[side].set_visible(False)


def _scaled(result: dict[str, Any], value: float, *, relative: bool) -> float:
    if not relative:
        return value
    return value / result["must"] if result["more_is_better"] else result["must"] / value
