"""Differences as lines: elements by what people call them, bounded in number and length."""

from typing import Any

from bridge.domain.exact_json import read_exact
from bridge.domain.version_difference import difference
from bridge.web.console.difference_rows import MOST_ROWS, rows_of


def lines(before: Any, after: Any) -> list[tuple[str, str, str]]:
    rows, more = rows_of(difference(before, after))
    assert more == 0
    return [(row.label, row.kind, "|".join(f"{part.kind[0]}:{part.text}" for part in row.parts)) for row in rows]


def test_an_attribute_has_what_went_and_what_came() -> None:
    assert lines({"status": "held"}, {"status": "closed", "priority": read_exact("1")}) == [
        ("priority", "added", "a:1"),
        ("status", "changed", "r:held|a:closed"),
    ]


def test_objects_and_elements_are_followed_to_what_differs_inside() -> None:
    before = {"place": {"name": "A"}, "note": [{"id": "7", "text": "one two"}, {"text": "x"}]}
    after = {"place": {"name": "B"}, "note": [{"id": "7", "text": "one three"}]}
    assert lines(before, after) == [
        ("note x", "removed", "r:x"),
        ("note 7.text", "changed", "s:one |r:two|a:three"),
        ("place.name", "changed", "r:A|a:B"),
    ]


def test_an_element_that_came_is_written_as_words() -> None:
    note = read_exact(
        '{"id": "7", "date": "2026-11-30", "text": "splice opened", "author": "anna", "order": 1.10, "@type": "Note"}'
    )
    party = {"id": "P1", "name": "Rail", "role": "Customer", "contact": None}
    nested = {"id": "N1", "place": {"name": "A"}}
    assert lines({"note": [], "party": [], "node": []}, {"note": [note], "party": [party], "node": [nested]}) == [
        ("node N1", "added", 'a:{"id": "N1", "place": {"name": "A"}}'),
        ("note 7", "added", "a:splice opened · date 2026-11-30 · author anna · order 1.10"),
        ("party P1", "added", "a:Rail · role Customer"),
    ]


def test_what_only_stands_elsewhere_names_both_places() -> None:
    found = lines({"tag": ["a", "b"]}, {"tag": ["b", "a"]})
    assert [(label, kind) for label, kind, _ in found] == [("tag 1", "moved")]
    assert found[0][2] == "s:from place 2 to 1"


def test_long_values_are_cut_and_many_are_counted() -> None:
    [row] = rows_of(difference({}, {"text": "x" * 5000}))[0]
    assert (len(row.parts[0].text), row.parts[0].text[-1]) == (2000, "…")
    rows, more = rows_of(difference({}, {f"a{number}": "" for number in range(MOST_ROWS + 7)}))
    assert (len(rows), more, rows[0].parts[0].text) == (MOST_ROWS, 7, "(empty)")
