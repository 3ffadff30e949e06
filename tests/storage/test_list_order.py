"""A place in a list goes round through text, and only through that of the same list."""

from datetime import UTC, datetime

import pytest

from bridge.domain.problem_query import Sort
from bridge.storage.list_order import ORDERS, CursorError

NOON = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("sort", Sort)
def test_a_place_is_read_as_it_was_written(sort: Sort) -> None:
    order = ORDERS[sort]
    keys = [7, NOON] if sort is Sort.URGENCY else [NOON]
    row = {f"key_{n}": key for n, key in enumerate(keys)} | {"source_id": 3, "id": "a/b 'ü"}
    assert order.cursor(order.place(row)) == [*keys, 3, "a/b 'ü"]
    assert order.cursor("") is None
    for other in set(Sort) - {sort}:
        with pytest.raises(CursorError):
            ORDERS[other].cursor(order.place(row))


@pytest.mark.parametrize("sort", [Sort.UPDATED, Sort.RAISED_ASC])
def test_rows_without_a_time_are_a_step_of_their_own(sort: Sort) -> None:
    order = ORDERS[sort]
    row = {"key_0": None, "source_id": 3, "id": "x"}
    first, within = order.steps(None), order.steps(order.cursor(order.place(row)))
    assert [" is null" in step.template for step in first] == [order.descending, not order.descending]
    assert [" is null" in step.template for step in within] == ([True, False] if order.descending else [True])
    assert within[0].condition(13).endswith("($14::smallint, $15::text)")


@pytest.mark.parametrize("text", ["x", "WyJ1cGRhdGVkIl0", "WzFd", "bnVsbA", "W10", "é", "WyJ1cGRhdGVkIiwgMSwgMSwgMV0"])
def test_a_place_that_nobody_wrote_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        ORDERS[Sort.UPDATED].cursor(text)
