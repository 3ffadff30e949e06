"""Values come back from Postgres as they were sent."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.storage.database import ARRAYS, opened
from bridge.storage.errors import RefusedError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "at",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
        datetime(2026, 11, 23, 10, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=-11, minutes=30))),
        datetime.max.replace(tzinfo=UTC),
    ],
    ids=str,
)
async def test_an_instant_comes_back_as_it_was_and_postgres_takes_it_for_the_same(dsn: str, at: datetime) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database, database.session() as connection:
        one, many, none, text = await connection.fetchrow(
            "select $1::timestamptz, $2::timestamptz[], $3::timestamptz, to_char($1, 'YYYY-MM-DD HH24:MI:SS.US')",
            at,
            [at, None],
            None,
        )
    assert (one, many, none) == (at, [at, None], None)
    assert text == at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")


async def test_infinity_is_the_end_of_the_calendar(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database, database.session() as connection:
        first, last = await connection.fetchrow("select '-infinity'::timestamptz, 'infinity'::timestamptz")
    assert (first, last) == (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


async def test_a_time_without_a_zone_is_refused(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        with pytest.raises(RefusedError):
            async with database.session() as connection:
                await connection.fetchval("select $1::timestamptz", datetime(2026, 11, 23))  # noqa: DTZ001 -- meant


async def test_what_the_driver_is_told_of_arrays_is_what_postgres_says(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database, database.connection() as connection:
        rows = await connection.fetch(
            "select typname, oid::int8, typarray::int8 from pg_type where typname = any($1) and typtype = 'b'",
            list(ARRAYS),
        )
        assert {row["typname"]: (row["oid"], row["typarray"]) for row in rows} == ARRAYS


async def test_arrays_come_back_as_they_were_sent(dsn: str) -> None:
    sent = {
        "bool": [True, False, None],
        "bytea": [b"", b"\x00\xff", None],
        "float8": [0.5, -1e300, None],
        "int2": [-(2**15), None],
        "int4": [2**31 - 1, None],
        "int8": [-(2**63), None],
        "jsonb": [b'{"a": ["x,y", "\\""]}', b"null", None],
        "timestamptz": [datetime(2026, 6, 5, 12, tzinfo=UTC), None],
    }
    assert sent.keys() == ARRAYS.keys()
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database, database.connection() as connection:
        for name, values in sent.items():
            assert await connection.fetchval(f"select $1::{name}[]", values) == values
