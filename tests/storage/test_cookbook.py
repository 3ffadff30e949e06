"""The ready-made queries: what their files say of them, and their answers."""

import pytest

from bridge.storage.cookbook import CookbookQuery, _read, answer, cookbook, rows_of
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio


def test_every_file_says_what_it_answers_and_declares_what_it_reads() -> None:
    assert len(cookbook()) > 3
    for name, query in cookbook().items():
        assert query.name == name
        assert query.title
        assert query.question
        for parameter in query.parameters:
            assert f"'{parameter.name}'" in query.sql, f"{name} does not read {parameter.name}"


def test_the_head_of_a_file_is_read_line_by_line() -> None:
    text = (
        "-- A title\n-- Which ones?\n-- days = 7: how far back\n-- source = : all of them\nselect 1\n-- x = 1: no\n;\n"
    )
    query = _read("x", text)
    assert (query.title, query.question) == ("A title", "Which ones?")
    assert [(each.name, each.default, each.meaning) for each in query.parameters] == [
        ("days", "7", "how far back"),
        ("source", "", "all of them"),
    ]
    assert not query.sql.endswith(";")


async def test_an_answer_is_csv_with_a_head_and_takes_values_for_itself_only(database: Database) -> None:
    sql = "select report.parameter('days', '30') as days, 'a,\"b\"' as odd"
    query = CookbookQuery("x", "", "", (), sql)
    async with database.connection() as connection:
        assert rows_of(await answer(connection, query, {"days": "7'; --"})) == [["days", "odd"], ["7'; --", 'a,"b"']]
        assert rows_of(await answer(connection, query, {})) == [["days", "odd"], ["30", 'a,"b"']]


async def test_a_query_can_change_nothing(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(Exception, match="read-only"):
            await answer(connection, CookbookQuery("x", "", "", (), "delete from bridge.source returning 1"), {})
