"""The page of one problem: every version with what changed, whatever ids and bodies hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    '" onmouseover="alert(1)',
]

HARD_IDS = [
    "a/b", "a b?c=d&e#f;g\\h", ".", "..", "...", "a/../b", "../", "%2F", "%2e%2e", ".%2E", "é\u202e", "<i>", "'\"",
    "+", "a b", "a" * 300, "é" * 200, "json", "body.json", "\u2025", "//evil.example/", "[::1]", "{id}", "\U0001f525",
]  # fmt: skip
"""As browsers and proxies would rather not have them in a path."""


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


@pytest.fixture
def hear(database: Database, source_id: int) -> Callable[..., Any]:
    """Store a version of a problem of the source *sim*, as if a notification had brought it."""

    async def store(problem_id: str, minutes: float, via: Via = Via.PUSH, **attributes: Any) -> None:
        problem = {"id": problem_id, "lastUpdate": at(minutes), "status": "held", **attributes}
        received_at = START + timedelta(minutes=minutes, seconds=2)
        if via is not Via.PUSH:
            seen = wire.read_problem(problem, asked_at=received_at, via=via)
            await store_items(database, [Entry(source_id, seen)])
            return
        event = {"eventId": f"{problem_id}-{minutes}", "eventTime": at(minutes), "event": {"serviceProblem": problem}}
        event["eventType"] = "ServiceProblemAttributeValueChangeEvent"
        read = wire.read_notification(orjson.dumps(event), received_at=received_at)
        await store_items(database, [Entry(source_id, read.observation, read)])

    return store


async def test_each_version_shows_what_changed_and_how_it_was_learned(browser: Any, hear: Any) -> None:
    note = {"id": "1", "text": "seen"}
    await hear("SP-1", 0, status="acknowledged", description="no light on <b>S1</b>", note=[note])
    await hear("SP-1", 10, description="no power on <b>S1</b>", note=[{"id": "2", "text": "waiting"}, note])
    await hear("SP-1", 20, via=Via.POLL, description="no power on <b>S1</b>", note=[note], priority=1)
    shown = await browser.get("/problems/sim/SP-1")
    assert shown.status == 200
    entries = shown.text.split('<li data-at="')[1:]
    assert [entry[:25] for entry in entries] == [at(20), at(10), at(0)]
    assert ('data-attribute="priority"' in entries[0], "poll" in entries[0]) == (True, True)
    assert 'data-attribute="note 2"' in entries[0]
    assert '<del class="removed">light</del>' in entries[1]
    assert '<ins class="added">power</ins>' in entries[1]
    assert "known here 2 s later" in entries[1]
    assert "&lt;b&gt;S1&lt;/b&gt;" in entries[1]
    assert "First known version" in entries[2]
    assert shown.text.count('<rect class="bar-') == 2
    assert shown.text.count('data-col="outcome">applied<') == 2


async def test_a_late_event_finds_its_place(browser: Any, hear: Any) -> None:
    await hear("SP-1", 0, description="a")
    await hear("SP-1", 20, description="c")
    before = await browser.get("/problems/sim/SP-1")
    await hear("SP-1", 10, description="b")
    after = await browser.get("/problems/sim/SP-1")
    assert (before.text.count("<li data-at="), after.text.count("<li data-at=")) == (2, 3)
    assert [text[:25] for text in after.text.split('<li data-at="')[1:]] == [at(20), at(10), at(0)]


@pytest.mark.parametrize("problem_id", HARD_IDS)
async def test_an_id_may_hold_anything(browser: Any, hear: Any, problem_id: str) -> None:
    """By the links of the pages, as a browser follows them: it takes steps out of a path first."""
    await hear(problem_id, 0, name="found")
    listed = await browser.get("/problems")
    [path] = {link for link in listed.links.values() if link.startswith("/problems/sim")}
    shown = await browser.get(path)
    assert (shown.status, "<h1>found</h1>" in shown.text) == (200, True)
    for link in ("notes", "version 5"):
        assert "<h1>found</h1>" in (await browser.get(shown.links[link].partition("#")[0])).text
    body = await browser.get(shown.links["JSON"])
    assert (body.status, orjson.loads(body.text)["id"]) == (200, problem_id)


async def test_an_address_without_an_id_is_of_no_problem(browser: Any, hear: Any) -> None:
    await hear("SP-1", 0)
    for path, status in (("/problems/sim", 404), ("/problems/sim?id=SP-1", 200), ("/problems/sim?id=SP-2", 404)):
        assert (await browser.get(path)).status == status
    assert (await browser.get("/problems/sim?id=SP-1&part=bodyjson")).status == 400


async def test_hostile_bodies_show_as_text(browser: Any, hear: Any) -> None:
    for number, text in enumerate(HOSTILE):
        attributes: Any = {"name": text, "description": text, "note": [{"id": text, "text": text, text: text}, text]}
        attributes |= {"relatedParty": {"name": text}, "href": text, "trackingRecord": [[text]], "status": text}
        await hear(f"SP-{number}", 0, category="x")
        await hear(f"SP-{number}", 1, **attributes, category="x")
        shown = await browser.get(f"/problems/sim/SP-{number}")
        assert shown.status == 200
        assert "<script>alert" not in shown.text
        assert "<img src=x" not in shown.text
        assert ' onmouseover="' not in shown.text
        assert 'id="at-source"' not in shown.text
        assert "49" not in shown.text.partition("<h1>")[2].partition("</h1>")[0]


async def test_numbers_are_shown_with_the_digits_they_were_sent_with(browser: Any, database: Any, hear: Any) -> None:
    await hear("SP-1", 0, sequence=1)
    async with database.connection() as connection:
        exact = b'{"sequence": 12345678901234567890, "amount": 1.10}'
        await connection.execute("update bridge.service_problem set body = $1", exact)
    shown = await browser.get("/problems/sim/SP-1")
    assert '"sequence": 12345678901234567890' in shown.text.replace("&#34;", '"')
    assert '"amount": 1.10' in shown.text.replace("&#34;", '"')


async def test_the_body_is_shown_in_the_names_of_other_versions(browser: Any, hear: Any) -> None:
    await hear("SP-1", 0, creationDate=at(-5), priority=2)
    for version, name in (("2", "timeRaised"), ("3", "timeRaised"), ("4", "creationDate"), ("5", "creationDate")):
        shown = await browser.get(f"/problems/sim/SP-1?as={version}")
        raw = shown.text.partition('aria-label="Raw body">')[2].partition("</pre>")[0]
        assert name in raw


async def test_a_problem_of_the_same_source_is_a_link_when_it_is_known(browser: Any, hear: Any) -> None:
    await hear("SP-2", 0)
    await hear("SP-1", 0, parentProblem=[{"id": "SP-2"}], underlyingProblem=[{"id": "SP-9"}])
    shown = await browser.get("/problems/sim/SP-1")
    assert shown.links["SP-2"] == "/problems/sim/SP-2"
    assert "SP-9" not in shown.links


async def test_many_versions_come_in_pages_and_none_twice(browser: Any, hear: Any) -> None:
    for number in range(103):
        await hear("SP-1", number, description=f"text {number}")
    first = await browser.get("/problems/sim/SP-1")
    second = await browser.get(first.links["Older versions"])
    seen = [text[:25] for page in (first, second) for text in page.text.split('<li data-at="')[1:]]
    assert seen == [at(number) for number in reversed(range(103))]
    assert "Older versions" not in second.links


async def test_the_timeline_shows_only_what_is_chosen(browser: Any, hear: Any) -> None:
    await hear("SP-1", 0, status="acknowledged")
    await hear("SP-1", 1, status="held")
    await hear("SP-1", 2, status="held", note=[{"id": "1", "text": "x"}])
    for chosen, minutes in (("status", [1, 0]), ("notes", [2, 0]), ("priority", [0]), ("all", [2, 1, 0])):
        shown = await browser.get(f"/problems/sim/SP-1?show={chosen}")
        assert [text[:25] for text in shown.text.split('<li data-at="')[1:]] == [at(minute) for minute in minutes]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/problems/sim/none", 404, "There is no problem"),
        ("/problems/none/SP-1", 404, "There is no problem"),
        ("/problems/sim/a%00b", 404, "There is no problem"),
        ("/problems/sim/SP-1?shown=all", 400, "no parameter"),
        ("/problems/sim/SP-1?show=some", 400, "show is one of"),
        ("/problems/sim/SP-1?as=1", 400, "as is one of"),
        ("/problems/sim/SP-1?before=yesterday", 400, "before is an instant"),
        ("/problems/sim/SP-1/body.json?before=2026-01-01", 200, ""),
    ],
)
async def test_what_cannot_be_shown_says_why(browser: Any, hear: Any, path: str, status: int, said: str) -> None:
    await hear("SP-1", 0)
    shown = await browser.get(path)
    assert (shown.status, said in shown.text) == (status, True)


async def test_a_log_that_is_too_large_is_said_to_be(browser: Any, hear: Any, dsn: str, database: Any) -> None:
    """Something holds the log: the search is cancelled, and the page is shown without it."""
    await hear("SP-1", 0)
    async with database.transaction() as connection:
        await connection.execute("lock table bridge.notification in access exclusive mode")
        with anyio.fail_after(20):
            shown = await browser.get("/problems/sim/SP-1")
    assert (shown.status, "too many notifications" in shown.text) == (200, True)


async def test_linked_tickets_are_shown_from_either_side(browser: Any, hear: Any, database: Database) -> None:
    await hear("SP-1", 0)
    async with database.transaction() as connection:
        await connection.execute(
            """
            with other as (insert into bridge.source (name) values ('oss') returning id),
            rule as (
                insert into bridge.link_rule (left_source_id, right_source_id, state, name, settings_hash, settings)
                select s.id, o.id, 'on', 'sim_oss', '', '{}' from bridge.source as s, other as o where s.name = 'sim'
                returning id
            )
            insert into bridge.link (rule_id, origin, state, key, left_id, right_id, state_reason)
            select id, 'match', 'linked', 'k1', 'SP-1', 'INC/7', '<b>slow</b>' from rule
            """
        )
    shown = await browser.get("/problems/sim/SP-1")
    assert shown.links["INC/7"] == "/problems/oss/INC%2F7"
    assert "&lt;b&gt;slow&lt;/b&gt;" in shown.text
    assert shown.links["link 1"] == "/links/1"
    assert "(<strong>" not in shown.text, "the rule is on, which goes without saying"
    async with database.transaction() as connection:
        await connection.execute("update bridge.link_rule set state = 'paused'")
        await connection.execute("update bridge.link set state = 'unlinked'")
    separated = await browser.get("/problems/sim/SP-1")
    assert "(<strong>paused</strong>): unlinked" in separated.text
    async with database.transaction() as connection:
        await connection.execute("update bridge.link set right_id = null, state = 'wanted'")
    assert "not made yet" in (await browser.get("/problems/sim/SP-1")).text
    async with database.transaction() as connection:
        await connection.execute("update bridge.link set left_id = null, right_id = 'SP-1'")
        await connection.execute(
            "update bridge.link_rule set left_source_id = right_source_id, right_source_id = left_source_id"
        )
    assert 'data-link="sim_oss"' in (await browser.get("/problems/sim/SP-1")).text


async def test_the_number_and_the_address_of_the_other_ticket_are_shown(
    browser: Any, hear: Any, database: Database
) -> None:
    """As the view of the connector has it: the incident by its number, and a way to it."""
    await hear("SP-1", 0)
    number = {"characteristic": [{"name": "number", "value": "INC0000042"}]}
    await hear("INC-7", 0, via=Via.POLL, name="no power", href="https://snow.example/incident/7", **number)
    async with database.transaction() as connection:
        await connection.execute(
            """
            with rule as (
                insert into bridge.link_rule (left_source_id, right_source_id, state, name, settings_hash, settings)
                select s.id, s.id, 'on', 'own', '', '{}' from bridge.source as s where s.name = 'sim' returning id
            )
            insert into bridge.link (rule_id, origin, state, key, left_id, right_id)
            select id, 'match', 'linked', 'k1', 'SP-1', 'INC-7' from rule
            """
        )
    shown = await browser.get("/problems/sim/SP-1")
    item = shown.text.partition('data-link="own"')[2].partition("</li>")[0]
    assert ("INC0000042" in item, "no power" in item) == (True, True)
    assert shown.links["Open at snow.example"] == "https://snow.example/incident/7"
