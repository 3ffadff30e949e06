"""The audit as a page and as CSV: the same rows, filtered, in pages, and nothing of them is executed anywhere."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from bridge.storage import audit
from bridge.storage.audit import AuditEntry
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def page(database: Database, dsn: str, open_console: Any) -> AsyncIterator[Any]:
    entries = [
        AuditEntry("anna", "admin", "192.0.2.1", "configuration.save", "revision 1", before={"a": 1}, after={"a": 2}),
        AuditEntry("bert", None, "192.0.2.2", "login", outcome="refused", reason="wrong name, password or token"),
        AuditEntry("=1+1", "viewer", "192.0.2.3", "logout", "<script>alert(1)</script>"),
    ]
    async with database.transaction() as connection:
        for entry in entries:
            await audit.record(connection, entry)
    async with open_console(dsn) as browser:
        with anyio.fail_after(30):
            while (await browser.get("/audit")).status == 503:  # noqa: ASYNC110 -- over HTTP
                await anyio.sleep(0.02)
        yield browser


async def test_rows_are_filtered_and_shown_as_text(page: Any) -> None:
    shown = await page.get("/audit")
    assert list(shown.rows) == ["3", "2", "1"]
    assert "<script>alert" not in shown.text
    assert (shown.rows["1"]["before"], shown.rows["1"]["after"]) == ("a 1", "a 2")
    for query, keys in (("actor=anna", ["1"]), ("action=login", ["2"]), ("outcome=done", ["3", "1"]), ("actor=x", [])):
        assert list((await page.get(f"/audit?{query}")).rows) == keys


async def test_the_csv_has_the_rows_of_the_page_and_no_formula(page: Any) -> None:
    exported = await page.get("/audit.csv?outcome=done")
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [(row["id"], row["actor"]) for row in rows] == [("3", "'=1+1"), ("1", "anna")]
    assert (rows[1]["before"], rows[1]["after"]) == ('{"a": 1}', '{"a": 2}')
    assert exported.headers["content-disposition"].startswith("attachment")


async def test_rows_come_in_pages_and_none_twice(page: Any, database: Database) -> None:
    async with database.transaction() as connection:
        for number in range(110):
            await audit.record(connection, AuditEntry("carl", "admin", "", "logout", str(number)))
    first = await page.get("/audit?actor=carl")
    second = await page.get(first.links["Older"])
    numbers = [int(key) for shown in (first, second) for key in shown.rows]
    assert (len(numbers), len(set(numbers)), numbers) == (110, 110, sorted(numbers, reverse=True))


@pytest.mark.parametrize("query", ["x=1", "outcome=some", "before=x", "actor=%00", "before=99999999999999999999"])
async def test_what_cannot_be_read_is_refused(page: Any, query: str) -> None:
    assert (await page.get(f"/audit?{query}")).status == 400
