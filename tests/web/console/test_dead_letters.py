"""The pages of the dead letters: by reason, with their bytes, and what is done with one or all of a filter."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import orjson
import pytest

from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.schedule import now
from bridge.storage import dead_letter
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.telemetry.metrics import Metrics
from bridge.web.console.same_origin import FIELD

pytestmark = pytest.mark.anyio

KNOWN = orjson.dumps({"event": {"serviceProblem": {"id": "SP-1", "status": "held"}}})
HOSTILE = b'<script>alert(1)</script>\xff\x00"'


@pytest.fixture
async def page(database: Database, source_id: int, dsn: str, open_console: Any) -> AsyncIterator[Any]:
    """Five letters: 1 and 5 can be understood by now."""
    letters = [
        ("not_json", KNOWN),
        ("not_json", HOSTILE),
        ("no_problem", b"{}"),
        ("not_json", b"{"),
        ("no_problem", KNOWN + b" "),
    ]
    async with database.transaction() as connection:
        for reason, raw in letters:
            letter = DeadLetter(source_id, now(), raw, reason, "<i>found</i>", "look at it", event_hint="x")
            await dead_letter.keep(connection, [letter])
    async with open_console(dsn) as browser:
        with anyio.fail_after(30):
            while (await browser.get("/dead-letters")).status == 503:  # noqa: ASYNC110 -- over HTTP
                await anyio.sleep(0.02)
        yield browser


@pytest.fixture
def work(database: Database) -> Any:
    """Do what was asked."""
    return RequestWorker(RequestHandlers({}, database, Metrics()), database, Metrics()).run_once


async def press(page: Any, path: str, **fields: str) -> Any:
    token = (await page.get("/dead-letters")).hidden[FIELD]
    return await page.post(path, fields | {FIELD: token})


async def test_letters_are_counted_by_reason_and_filtered(page: Any) -> None:
    shown = await page.get("/dead-letters")
    assert (shown.rows["not_json"]["waiting"], shown.rows["no_problem"]["waiting"]) == ("3", "2")
    assert [key for key in shown.rows if key.isdigit()] == ["5", "4", "3", "2", "1"]
    some = await page.get("/dead-letters?reason=no_problem&source=sim")
    assert [key for key in some.rows if key.isdigit()] == ["5", "3"]
    assert "Replay all 2 of this filter" in some.text
    assert [key for key in (await page.get("/dead-letters?source=none")).rows if key.isdigit()] == []
    assert "<i>found</i>" not in shown.text


async def test_a_letter_shows_its_bytes_as_text_and_gives_them_as_a_file(page: Any) -> None:
    shown = await page.get("/dead-letters/2")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\xff" in shown.text
    assert "<script>alert" not in shown.text
    assert "look at it" in shown.text
    assert HOSTILE[:4].hex(" ") in shown.text
    raw = await page.get("/dead-letters/1/raw")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.text.encode() == KNOWN
    assert raw.headers["content-type"] == "application/octet-stream"


async def test_all_of_a_filter_are_replayed_after_the_number_was_confirmed(page: Any, work: Any, database: Any) -> None:
    confirm = await press(page, "/dead-letters/confirm", action="replay", reason="not_json", source="")
    assert ("Replay 3 dead letters?" in confirm.text, confirm.hidden["up_to"]) == (True, "4")
    async with database.transaction() as connection:
        late = DeadLetter(1, now(), KNOWN + b"  ", "not_json", "late")
        await dead_letter.keep(connection, [late])
    answer = await page.post("/dead-letters/ask", confirm.hidden | {"action": "replay"})
    assert (answer.status, answer.headers["location"]) == (303, "/dead-letters?reason=not_json")
    assert (await page.get("/dead-letters")).headers["refresh"] == "2"
    await work()
    shown = await page.get("/dead-letters?settled=yes")
    assert "1 of 3 replayed" in shown.text
    states = {key: row["state"] for key, row in shown.rows.items() if key.isdigit()}
    assert states == {"6": "waiting", "5": "waiting", "4": "waiting", "3": "waiting", "2": "waiting", "1": "replayed"}


async def test_one_letter_is_discarded(page: Any, work: Any) -> None:
    assert (await press(page, "/dead-letters/ask", action="discard", number="3")).status == 303
    other = await press(page, "/dead-letters/ask", action="discard", number="4")
    assert (other.status, "Another request to discard" in other.text) == (409, True)
    await work()
    assert "3" not in (await page.get("/dead-letters")).rows


async def test_letters_come_in_pages_and_none_twice(page: Any, database: Any) -> None:
    async with database.transaction() as connection:
        await dead_letter.keep(connection, [DeadLetter(1, now(), b"%d" % n, "not_json", "") for n in range(60)])
    first = await page.get("/dead-letters")
    second = await page.get(first.links["Older"])
    numbers = [int(key) for shown in (first, second) for key in shown.rows if key.isdigit()]
    assert len(numbers) == len(set(numbers)) == 65
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dead-letters/99", 404),
        ("/dead-letters/x", 400),
        ("/dead-letters/99999999999999999999", 400),
        ("/dead-letters?before=x", 400),
        ("/dead-letters?nonsense=1", 400),
        ("/dead-letters?source=%00", 400),
    ],
)
async def test_what_cannot_be_shown_says_why(page: Any, path: str, status: int) -> None:
    assert (await page.get(path)).status == status


async def test_an_unknown_action_is_refused(page: Any) -> None:
    assert (await press(page, "/dead-letters/confirm", action="poll")).status == 400
    assert (await press(page, "/dead-letters/ask", action="replay", reason="x")).status == 400
