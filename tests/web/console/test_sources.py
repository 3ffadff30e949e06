"""The page of the sources: how each is, and that a button asks once and shows what came of it."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.settings.kinds import KINDS
from bridge.simulator import Simulator
from bridge.storage import lease
from bridge.storage import request as requests
from bridge.storage.database import Database
from bridge.web.console.same_origin import FIELD
from bridge.web.console.sources import SYSTEMS
from tests.link_tables import add_rule

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rig(rig_for: Any) -> AsyncIterator[Any]:
    """The source *sim*, which leads, and has polled and registered."""
    async with Simulator(population=4, seed=1) as sim:
        rig = await rig_for(sim)
        async with rig.database.connection() as connection:
            rig.source.fence.token = await lease.take(connection, "jobs", rig.database.identity, seconds=600)
        await rig.poller.run_once()
        await rig.subscriber.run_once("start")
        await rig.reporter().run_once()
        yield rig


@pytest.fixture
async def page(rig: Any, dsn: str, open_console: Any) -> AsyncIterator[Any]:
    url = rig.source.settings.url
    async with open_console(dsn, sources={"sim": {"url": url}, "new": {"url": url}}) as browser:
        with anyio.fail_after(30):
            while (await browser.get("/sources")).status == 503:  # noqa: ASYNC110 -- over HTTP
                await anyio.sleep(0.02)
        yield browser


def worker_of(rig: Any) -> RequestWorker:
    handlers = RequestHandlers({"sim": rig.source}, rig.database, rig.metrics)
    return RequestWorker(handlers, rig.database, rig.metrics, rig.source.fence)


async def press(page: Any, path: str, **fields: str) -> Any:
    token = (await page.get("/sources")).hidden[FIELD]
    return await page.post(path, fields | {FIELD: token})


async def test_each_source_has_its_state_and_no_secret(page: Any, rig: Any) -> None:
    shown = await page.get("/sources")
    row = shown.rows["sim"]
    living = await rig.value("select count(*) from report.open_problem")
    assert (row["source"], row["open"], row["dead_letters"]) == ("sim", str(living), "0")
    assert "ago" in row["last_poll"]
    assert "ago" in row["registered"]
    assert "/listener/sim/••••" in shown.text
    assert [secret for secret in rig.source.secrets if secret in shown.text] == []
    assert "new is configured, and the bridge has not started it yet" in shown.text
    assert "changes within 24 h" in shown.text


async def test_a_button_asks_once_and_the_page_shows_what_came_of_it(page: Any, rig: Any, database: Any) -> None:
    for _ in range(2):
        answer = await press(page, "/sources/sim/ask", kind="reconcile")
        assert (answer.status, answer.headers["location"]) == (303, "/sources")
    asked = await page.get("/sources")
    assert "waiting for the process that leads" in asked.text
    assert asked.headers["refresh"] == "2"
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.request") == 1
        assert await connection.fetchval("select count(*) from bridge.audit where action = 'request.reconcile'") == 1
    await worker_of(rig).run_once()
    done = await page.get("/sources")
    assert ("<strong>done</strong>" in done.text, "4 rows on" in done.text) == (True, True)
    assert "refresh" not in done.headers


async def test_registering_again_and_rotating_the_secret_are_asked_for(page: Any, rig: Any) -> None:
    assert (await press(page, "/sources/sim/ask", kind="register")).status == 303
    assert (await press(page, "/sources/sim/rotate")).status == 303
    await worker_of(rig).run_once()
    shown = await page.get("/sources")
    assert "registered at its hub" in shown.text
    assert "sources.sim.callback_secret" in shown.text  # the rig's is configured, so it is not rotated


async def test_without_a_leader_a_request_says_so(page: Any, rig: Any) -> None:
    await press(page, "/sources/sim/ask", kind="poll")
    await rig.execute("update bridge.request set asked_at = now() - interval '2 minutes'")
    assert "no leader" in (await page.get("/sources")).text
    await rig.execute("update bridge.lease set expires_at = '-infinity'")
    stopped = await page.get("/sources")
    assert ("No bridge is running" in stopped.text, stopped.rows["sim"]["mode"]) == (True, "stopped")


async def test_progress_is_shown(page: Any, rig: Any, database: Any) -> None:
    await press(page, "/sources/sim/ask", kind="poll")
    async with database.transaction() as connection:
        [taken] = await requests.take(connection, [])
        await requests.write_progress(connection, taken.id, 1200, 5000)
    assert "1,200 of 5,000" in (await page.get("/sources")).text


async def test_trouble_is_said_with_its_remedy(page: Any, rig: Any) -> None:
    await rig.execute(
        "update bridge.source set mode = 'fallback', fallback_reason = 'it must be able to reach us', "
        "last_error = '<b>refused</b>', last_error_at = now()"
    )
    shown = await page.get("/sources")
    assert "it must be able to reach us; it is polled instead" in shown.text
    assert "&lt;b&gt;refused&lt;/b&gt;" in shown.text


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/sources/gone/ask", {"kind": "poll"}, 404),
        ("/sources/sim/ask", {"kind": "discard"}, 400),
        ("/sources/sim/ask", {}, 400),
    ],
)
async def test_what_cannot_be_asked_is_refused(page: Any, path: str, fields: dict[str, str], status: int) -> None:
    assert (await press(page, path, **fields)).status == status


async def test_unknown_parameters_are_named(page: Any) -> None:
    assert (await page.get("/sources?x=1")).status == 400


async def test_a_card_of_another_kind_says_so_and_offers_no_registration(
    dsn: str, database: Database, open_console: Any
) -> None:
    await add_rule(database, "noc-snow")
    sources = {
        "left": {"url": "https://noc.example/v4"},
        "right": {"kind": "servicenow", "url": "https://acme.example", "username": "b", "password": "b", "write": True},
    }
    async with open_console(dsn, sources=sources) as browser:
        shown = await browser.get_when_reached("/sources")
    cards = {text.partition('"')[0]: text for text in shown.text.split('<section aria-labelledby="source-')[1:]}
    snow, noc = cards["right"], cards["left"]
    assert "ServiceNow: it has no hub, so it is polled." in snow
    assert ("Register again" in snow, "Register again" in noc) == (False, True)
    assert ("Registration" in snow, "Registration" in noc) == (False, True)
    assert ("it is written to" in snow, "it is only read (write = false)" in noc) == (True, True)
    assert (shown.rows["right"]["registered"], shown.rows["left"]["registered"]) == ("no hub", "no")
    assert shown.links["noc-snow"] == "/links?rule=noc-snow"


def test_every_kind_of_source_has_a_name() -> None:
    assert SYSTEMS.keys() == KINDS.keys()
