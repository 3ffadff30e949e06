"""Rolling back: the program before runs on the schema after. `first_release` holds the statements of the first one."""

import re
from pathlib import Path

import pytest

from bridge.storage import migrations
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio

FIRST = Path(__file__).parent / "first_release"
LAST_OF_FIRST = 4
TAKES_AWAY = re.compile(
    r"\bdrop (table|column|view|function|schema|type)\b|\brename (to|column)\b"
    r"|\balter column \w+ (type|set not null)\b",
    re.IGNORECASE,
)


def statements() -> list[tuple[str, str]]:
    found = []
    for path in sorted(FIRST.glob("*.sql")):
        parts = re.split(r"^-- name: (\w+)\s*$", path.read_text(), flags=re.MULTILINE)
        found += [
            (f"{path.stem}.{name}", sql.strip().rstrip(";")) for name, sql in zip(parts[1::2], parts[2::2], strict=True)
        ]
    return found


@pytest.mark.parametrize(("name", "sql"), statements(), ids=[name for name, _ in statements()])
async def test_a_statement_of_the_first_release_runs_on_the_schema_of_today(
    database: Database, name: str, sql: str
) -> None:
    async with database.connection() as connection:
        await connection.prepare(sql)


async def test_what_the_first_release_writes_is_still_taken(database: Database) -> None:
    """No column it does not know of has to be given."""
    given = _given(statements())
    written = {table for table, _ in given}
    assert {"service_problem", "service_problem_version", "status_change", "dead_letter"} <= written
    async with database.connection() as connection:
        wanted = {(row["table"], row["column"]) for row in await connection.fetch(_MUST_BE_GIVEN)}
    assert {one for one in wanted if one[0] in written} - given == set()


_MUST_BE_GIVEN = """
    select c.relname as table, a.attname as column
    from pg_attribute as a
    inner join pg_class as c on a.attrelid = c.oid
    where
        c.relnamespace = 'bridge'::regnamespace and c.relkind = 'r' and not c.relispartition
        and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef and a.attidentity = ''
"""


def _given(sent: list[tuple[str, str]]) -> set[tuple[str, str]]:
    given = set()
    for _, sql in sent:
        for table, columns in re.findall(r"insert into bridge\.(\w+)(?: as \w+)? \(([^)]*)\)", sql):
            given |= {(table, column.strip()) for column in columns.split(",")}
    return given


def test_a_migration_that_takes_something_away_says_so() -> None:
    for migration in migrations.available():
        if migration.version > LAST_OF_FIRST and not migration.breaking:
            code = re.sub(r"\$(\w*)\$.*?\$\1\$", "", re.sub(r"--.*", "", migration.sql), flags=re.DOTALL)
            assert not TAKES_AWAY.search(code), f"{migration.title} is no addition: head it `-- breaking: …`"
