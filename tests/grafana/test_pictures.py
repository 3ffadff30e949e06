"""The pictures in the README: one of each dashboard, drawn from what the panels' own queries return."""

import io
import re
from pathlib import Path

import asyncpg
import pytest

from grafana import asking
from grafana.plot import draw, spoken
from grafana.render import from_postgres

from .conftest import DAYS, UNTIL

ROOT = Path(__file__).parents[2]
BOARDS = asking.dashboards()


@pytest.mark.anyio
async def test_a_dashboard_is_drawn_with_all_its_panels(seeded: str) -> None:
    board = BOARDS["service-problems"]
    window = asking.Window(UNTIL.timestamp() - DAYS * 86_400, UNTIL.timestamp() + 3600, 3600)
    reader = await asyncpg.connect(seeded)
    answers = {panel["id"]: await from_postgres(reader, panel, window) for panel in asking.panels(board)}
    await reader.close()
    assert all(answer.rows or answer.series for answer in answers.values())
    figure = draw(board, answers)
    written = io.BytesIO()
    figure.savefig(written, dpi=40)
    assert written.getvalue().startswith(b"\x89PNG")
    titles = [text.get_text() for text in figure.texts]
    assert [panel["title"] for panel in asking.panels(board)] == [title for title in titles if title[0] != "▾"][2:]
    drawn = {text.get_text() for axes in figure.axes for text in axes.texts}
    [open_now] = [answers[panel["id"]].rows[0][0] for panel in asking.panels(board) if panel["title"] == "Open"]
    assert str(open_now) in drawn
    assert "no data" not in drawn


def test_every_dashboard_has_its_picture_in_the_docs() -> None:
    page = (ROOT / "docs/monitoring.md").read_text()
    shown = re.findall(r"!\[[^\]]+\]\(\.\./grafana/pictures/([\w-]+)\.png\)", page)
    assert sorted(shown) == sorted(BOARDS)
    assert all((ROOT / "grafana" / "pictures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG" for name in shown)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", ""),
        (0, "s", "0 s"),
        (0.0004, "s", "0.4 ms"),
        (0.25, "s", "250 ms"),
        (90, "s", "1.5 min"),
        (172_800, "s", "2 d"),
        (0.0584, "percentunit", "5.84%"),
        (3 * 2**20, "bytes", "3 MiB"),
        (1234567, "short", "1,234,567"),
        ("held", "short", "held"),
    ],
)
def test_values_are_spoken_in_their_unit(value: float | str | None, unit: str, text: str) -> None:
    assert spoken(value, unit) == text
