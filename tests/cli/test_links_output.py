"""A plan and a link as people read them: nothing of a ticket reaches the terminal raw."""

import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from bridge.cli.links_output import print_link, print_plan, table_of_conflicts, table_of_links
from bridge.links.plan import PlanStep, RulePlan

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
UNNAMED = dict.fromkeys(("left_number", "left_name", "right_number", "right_name"))
HOSTILE = "\x1b[31mred\u202e"


def test_a_plan_names_each_kind_of_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    plan = RulePlan("one", linked=2, unlinked=1)
    plan.steps = [
        PlanStep("write", "L", "R", "right", "title", "a", HOSTILE, "left says 'b'"),
        PlanStep("match", "L2", "R2", why="by key"),
        PlanStep("create", "L3", None, "right", text="title 'x'"),
        PlanStep("conflict", "L4", "R4", field="status", before="a", text="b", why="unmapped"),
        PlanStep("ambiguous", "L5", "R5, R6", why="several"),
    ]
    plan.unmapped["status", "left", "odd"] = 3
    plan.lumped = [("status", "left", ["held", "pending"])]
    print_plan(plan)
    shown = capsys.readouterr().out
    head = "rule one: 2 linked, 1 to match, 1 to create, 1 to write, 1 ambiguous, 1 conflict, 1 left alone"
    assert shown.startswith(head)
    assert shown.index("would be matched") < shown.index("would be created") < shown.index("would be written")
    assert "status, left 'odd': 3 tickets" in shown
    assert "status, left: held, pending" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_link_is_shown_with_its_fields_writes_and_conflicts(capsys: pytest.CaptureFixture[str]) -> None:
    print_link(
        {"link_id": 7, "rule": "one", "state": "linked", "key": "tb-1", "last_error": "409"}
        | {"left_id": "L", "left_status": "held", "left_source": "a"}
        | {"right_id": None, "right_status": None, "right_source": "b"}
        | UNNAMED
        | {"right_number": "INC1"}
        | {"fields": [{"field": "title", "left": HOSTILE, "right": None, "left_base": None, "right_base": None}]}
        | {
            "writes": [
                {"fields": {"title": {"to": "x"}}, "kind": "update", "outcome": None, "state": "blocked"}
                | {"error": "no", "ended_at": None, "created_at": NOON, "target": "b"}
            ],
            "conflicts": [
                {"left_value": "l", "right_value": "r", "kind": "overruled", "outcome": "left", "field": "title"}
                | {"opened_at": NOON}
            ],
        }
    )
    shown = capsys.readouterr().out
    assert " right: b - INC1\n" in shown
    assert "06-01 12:00:00 b: update, blocked, title → 'x', no" in shown
    assert "06-01 12:00:00 title: overruled, left, 'l' / 'r'" in shown
    assert "\x1b[31m" not in shown


def test_the_tables_fit_into_80_columns() -> None:
    console = Console(width=80, record=True, file=None)
    row = {
        "link_id": 7,
        "state": "linked",
        "left_id": "L" * 12,
        "left_status": "held",
        "right_id": "R",
        "right_status": None,
        **UNNAMED,
    }
    waits = {"open_writes": 1, "waiting_conflicts": 2, "behind_since": NOON, "last_error": "x" * 200}
    with console.capture() as captured:
        console.print(table_of_links([row | waits]))
        console.print(
            table_of_conflicts(
                [
                    {
                        "link_id": 7,
                        "field": "title",
                        "kind": "unmapped",
                        "outcome": "waiting",
                        "left_value": "l",
                        "right_value": None,
                    }
                ]
            )
        )
    assert all(len(line) <= 80 for line in captured.get().splitlines())


def test_long_ids_leave_room_for_the_number_of_the_link_and_its_state() -> None:
    row = {"link_id": 1234, "state": "unlinked", "open_writes": 1, "waiting_conflicts": 0, "behind_since": None}
    row |= {
        "last_error": None,
        "left_id": "g" * 36,
        "left_status": "held",
        "right_id": "s" * 32,
        "right_status": "inProgress",
    }
    screen = Console(width=80, record=True, file=StringIO())
    screen.print(table_of_links([row | UNNAMED]))
    shown = screen.export_text()
    assert "1234" in shown
    assert "unlinked" in shown
    assert re.search(r" g+… held  s+… inProgress  1 write\b", shown)


def test_a_ticket_is_called_by_its_number_and_its_title_is_shown_where_there_is_room() -> None:
    row = {"link_id": 1, "state": "linked", "open_writes": 0, "waiting_conflicts": 0, "behind_since": None}
    row |= {
        "last_error": None,
        "left_id": "g" * 36,
        "left_status": "held",
        "right_id": "s" * 32,
        "right_status": "held",
    }
    row |= {"left_number": None, "right_number": "INC0010002", "left_name": "Link down in Oslo", "right_name": HOSTILE}
    for width, title in ((80, ""), (120, "Link down in Oslo")):
        screen = Console(width=width, record=True, file=StringIO())
        screen.print(table_of_links([row], width))
        shown = screen.export_text()
        assert "INC0010002 held" in shown
        assert ("Link down" in shown) == bool(title)
        assert title in shown
