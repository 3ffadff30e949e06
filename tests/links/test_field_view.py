"""What people see of the fields of a link is what is decided about them."""

from typing import Any

from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.field_view import FieldView, field_views
from bridge.links.rules import rule_of
from bridge.schedule import now
from bridge.settings import Settings
from tests.links.rule_rig import RULE


def ticket(side: Side, ticket_id: str, **record: Any) -> SideTicket:
    return SideTicket(
        id=ticket_id,
        source=side.value,
        record={"id": ticket_id, **record},
        status=record["status"],
        revision=1,
        deleted=False,
        url=None,
        via="poll",
        created_at=None,
        updated_at=None,
        status_changed_at=None,
        observed_at=now(),
        keys=frozenset(),
    )


def views(left: dict[str, Any] | None, right: dict[str, Any] | None, **base: tuple[str, str]) -> dict[str, FieldView]:
    sources = {side.value: {"url": f"https://{side.value}.example/v4", "write": True} for side in Side}
    rule = RULE | {"on_conflict": "manual"}
    settings = Settings.model_validate({"sources": sources, "links": {"one": rule}})
    given = {Side.LEFT: left, Side.RIGHT: right}
    tickets = {side: ticket(side, side.value, **record) for side, record in given.items() if record is not None}
    return {view.field: view for view in field_views(rule_of("one", settings.links["one"]), "k", tickets, base)}


def test_each_field_says_what_follows() -> None:
    found = views(
        {"name": "new", "status": "pending", "externalId": ""},
        {"name": "old", "status": "held"},
        title=("old", "old"),
        status=("pending", "held"),
    )
    assert found["title"] == FieldView("title", "new", "old", "old", "old", "to be written to the right")
    assert found["status"] == FieldView("status", "pending", "held", "pending", "held", "same")
    assert (found["number"].left_base, found["number"].verdict) == (None, "to be written to the left")


def test_what_both_changed_is_a_conflict_and_an_accepted_difference_is_none() -> None:
    left, right = {"name": "l", "status": "held"}, {"name": "r", "status": "held"}
    assert views(left, right, title=("old", "old"))["title"].verdict == "conflict: both_changed"
    assert views(left, right, title=("l", "r"))["title"].verdict == "differs, as agreed"


def test_with_one_ticket_nothing_follows() -> None:
    found = views({"name": "l", "status": "held"}, None)
    assert found["title"] == FieldView("title", "l", None, None, None, "")
