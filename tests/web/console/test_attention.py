"""What needs a person, above the list of problems: the gravest first, nothing where all is well, and where it leads."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.storage.console_source import SourceGlance, Waiting
from bridge.storage.database import Database
from bridge.web.console.attention import FRESH_SECONDS, AttentionLine, attention, trouble_of
from bridge.web.console.visit import Visit
from tests.link_tables import add_links, add_rule

QUIET = Waiting(led=True, dead_letters=0, conflicts=0, blocked=0)


def glance(
    name: str = "noc",
    mode: str = "push",
    failures: Mapping[str, int] | None = None,
    *,
    incomplete: bool = False,
    held_back: int = 0,
) -> SourceGlance:
    return SourceGlance(name, mode, failures or {}, incomplete, held_back)


def said(*sources: SourceGlance, waiting: Waiting = QUIET) -> list[str]:
    return [one.text for one in attention(sources, waiting)]


def test_where_all_is_well_nothing_is_said() -> None:
    assert said(glance(), glance("snow", "poll"), glance("old", "disabled"), glance(failures={"poll": 2})) == []


@pytest.mark.parametrize(
    ("source", "trouble"),
    [
        (glance(mode="fallback"), "is polled, because its notifications do not come"),
        (glance(mode="fallback", failures={"poll": 3}, incomplete=True, held_back=1), "cannot be read"),
        (glance(failures={"reconcile": 9}), "cannot be read"),
        (glance(incomplete=True, held_back=7), "is not read completely"),
        (glance(held_back=7), "lacks problems that are not recorded as deleted"),
        (glance(failures={"subscription": 3, "refetch": 4}), "fails at: refetch, subscription"),
    ],
)
def test_of_a_source_the_gravest_trouble_is_said(source: SourceGlance, trouble: str) -> None:
    assert trouble_of(source) == trouble


def test_what_waits_is_counted_and_many_sources_are_a_number() -> None:
    sources = [glance(f"s{number}", incomplete=True) for number in range(7)]
    found = list(attention(sources, Waiting(led=False, dead_letters=1, conflicts=2, blocked=1)))
    assert [one.text for one in found] == [
        "no bridge is running on this database: nothing is followed",
        *(f"s{number} is not read completely" for number in range(5)),
        "2 more sources in trouble",
        "1 write is blocked",
        "2 conflicts wait for a decision",
        "1 dead letter waits",
    ]
    assert (found[1].path, found[-1].path) == ("/sources#source-s0", "/dead-letters")


@pytest.mark.anyio
async def test_the_line_is_read_from_the_database(
    database: Database, source_id: int, dsn: str, open_console: Any
) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        await connection.execute("update bridge.source set mode = 'fallback' where id = $1", source_id)
        [number] = await add_links(connection, rule)
        await connection.execute(
            "insert into bridge.conflict (link_id, field, kind) values ($1, 'title', 'both_changed')", number
        )
    async with open_console(dsn) as browser:
        page = await browser.get_when_reached("/problems")
        assert page.links["sim is polled, because its notifications do not come"] == "/sources#source-sim"
        assert page.links["1 conflict waits for a decision"] == "/conflicts"
        assert page.links["no bridge is running on this database: nothing is followed"] == "/sources"


@pytest.mark.anyio
async def test_many_pages_ask_once(database: Database) -> None:
    asked = 0

    class Asked:
        def reading(self) -> Any:
            nonlocal asked
            asked += 1
            return database.connection()

    line, visit = AttentionLine(), Asked()
    for _ in range(5):
        await line.read(visit)  # type: ignore[arg-type] -- only `reading` is asked of it
    assert asked == 1
    assert FRESH_SECONDS > 0
    assert hasattr(Visit, "reading")
