"""A table of places says what a dictionary of sets would say, however often tickets change."""

import math
from datetime import UTC, datetime
from random import Random

import pytest

from bridge.links import place_table
from bridge.links.place_table import PlaceTable

AT = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("seed", range(5))
def test_tickets_come_change_and_go_and_are_found_where_they_stand(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_table, "_FEWEST", 16)
    dice, table, known = Random(seed), PlaceTable(), dict[str, set[str]]()
    for _ in range(3_000):
        ticket = f"t{dice.randrange(150)}"
        if dice.random() < 0.2:
            table.remove(f"left {ticket}")
            known.pop(ticket, None)
        else:
            known[ticket] = {f"p{dice.randrange(40)}" for _ in range(dice.randrange(1, 4))}
            table.put(f"left {ticket}", ticket, known[ticket], AT)
        place = f"p{dice.randrange(40)}"
        assert table.find(place).keys() == {one for one, places in known.items() if place in places}
    assert len(table) == len(known)
    assert len(table._tickets) < 2 * 150 + 3 * 16, "the numbers of dead tickets are given to others"


def test_a_ticket_is_found_with_the_time_at_which_it_was_made() -> None:
    table = PlaceTable()
    table.put("left 1", "1", ["here"], AT)
    table.put("left 2", "2", ["here"], None)
    found = table.find("here")
    assert found["1"] == AT.timestamp()
    assert math.isnan(found["2"])
    assert table.find("left 1").keys() == {"1"}
    assert table.find("elsewhere") == {}


def test_texts_of_any_characters_are_places() -> None:
    table = PlaceTable()
    table.put("left 1", "1", ["a\ud800b", ""], None)
    assert table.find("a\ud800b").keys() == table.find("").keys() == {"1"}
