"""The page of the configuration: review, reason, conflict, restore, secrets, and trying a connection."""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from bridge.simulator import Simulator
from bridge.storage import setting
from bridge.storage.database import Database
from bridge.web.console.same_origin import FIELD

pytestmark = pytest.mark.anyio

URL = "https://snow.example/v4"
CANARY = "c4nary-pass-word"


@pytest.fixture
async def page(dsn: str, open_console: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """A browser at a console that knows the source *noc*."""
    (tmp_path / "key").write_text(b64encode(bytes(32)).decode())
    source = {"url": URL, "username": "me", "password": CANARY, "poll_interval_seconds": 60}
    console = {"secret_key_file": str(tmp_path / "key"), "locked": ["sources.*.verify_tls"]}
    async with open_console(dsn, sources={"noc": source}, console=console) as browser:
        await token_of(browser)
        yield browser


async def token_of(page: Any) -> dict[str, str]:
    """The field that every form of this session has; waits until the console has reached Postgres."""
    with anyio.fail_after(30):
        while (shown := await page.get("/configuration")).status == 503:  # noqa: ASYNC110 -- over HTTP there is nothing else to wait for
            await anyio.sleep(0.02)
    return {FIELD: shown.hidden[FIELD]}


async def reviewed(page: Any, **fields: str) -> Any:
    """Send a form to the review; `__` stands for a colon."""
    named = {name.replace("__", ":"): text for name, text in fields.items()}
    return await page.post("/configuration/review", await token_of(page) | named)


async def saved(page: Any, shown: Any, reason: str = "test", **fields: str) -> Any:
    """Confirm what a review shows."""
    return await page.post("/configuration/save", shown.hidden | {"reason": reason} | fields)


async def overlay(database: Database) -> dict[str, Any]:
    async with database.connection() as connection:
        return {key: entry.value for key, entry in (await setting.current(connection)).entries.items()}


async def test_every_setting_has_its_value_and_origin(page: Any) -> None:
    shown = await page.get("/configuration")
    rows = shown.rows
    row = rows["sources.noc.poll_interval_seconds"]
    assert (row["value"], row["from"], row["effect"], row["change"]) == ("60", "file", "at once", "Change")
    assert rows["http.port"]["from"] == "default"
    assert (rows["sources.noc.password"]["value"], rows["sources.noc.token"]["value"]) == ("set", "not set")
    assert (rows["http.port"]["change"], rows["sources.noc.verify_tls"]["change"]) == ("", "")
    assert "locked by the file" in rows["sources.noc.verify_tls"]["from"]
    assert CANARY not in shown.text


async def test_a_change_is_reviewed_confirmed_with_a_reason_and_shown_as_here(page: Any, database: Any) -> None:
    review = await reviewed(page, source="noc", enabled="true", poll_interval_seconds="30", url=URL, username="me")
    assert (review.status, list(review.rows)) == (200, ["sources.noc.poll_interval_seconds"])
    assert await overlay(database) == {}
    assert (await saved(page, review, "")).status == 400
    answer = await saved(page, review, "the test server is slow")
    assert (answer.status, answer.headers["location"]) == (303, "/configuration?saved=1")
    assert await overlay(database) == {"sources.noc.poll_interval_seconds": 30}
    row = (await page.get("/configuration")).rows["sources.noc.poll_interval_seconds"]
    assert (row["value"], row["from"].split(" ")[0]) == ("30", "here")
    async with database.connection() as connection:
        [entry] = await connection.fetch("select * from bridge.audit where action = 'configuration.save'")
    assert (entry["outcome"], entry["reason"]) == ("done", "the test server is slow")
    assert orjson.loads(entry["after"]) == {"sources.noc.poll_interval_seconds": "30"}


async def test_nothing_that_is_the_same_is_saved(page: Any) -> None:
    review = await reviewed(page, source="noc", enabled="true", poll_interval_seconds="60", url=URL, username="me")
    assert "Nothing would change" in review.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"set__sources.noc.poll_interval_seconds": "0"}, "sources.noc.poll_interval_seconds = &#34;0&#34;"),
        ({"set__sources.noc.poll_interval_seconds": "5"}, "an interval below 10 s"),
        ({"set__sources.noc.page_size": "x", "set__log.level": "loud"}, "log.level"),
        ({"set__http.port": "1"}, "http.port cannot be set here"),
        ({"set__console.locked": "[]"}, "console.locked cannot be set here"),
        ({"set__sources.noc.verify_tls": "false"}, "locked by console.locked"),
        ({"set__sources.noc.nonsense": "1"}, "cannot be set here"),
        ({"secret__sources.noc.token": "t0ken"}, "more than one way to log in"),
        ({"source": "N O", "url": URL}, "is not a name for a source"),
        ({"set__sources.noc.url": "ftp://x"}, "should begin with http"),
    ],
)
async def test_what_cannot_be_set_says_why_and_saves_nothing(
    page: Any, database: Any, fields: dict[str, str], said: str
) -> None:
    for path in ("/configuration/review", "/configuration/save"):
        named = {name.replace("__", ":"): text for name, text in fields.items()}
        shown = await page.post(path, await token_of(page) | named | {"revision": "0", "reason": "test"})
        assert (shown.status, said in shown.text) == (400, True), shown.text
    assert await overlay(database) == {}


async def test_a_short_interval_takes_a_confirmation(page: Any, database: Any) -> None:
    review = await reviewed(page, short="yes", **{"set__sources.noc.poll_interval_seconds": "5"})
    assert (await saved(page, review)).status == 303
    assert await overlay(database) == {"sources.noc.poll_interval_seconds": 5}


async def test_another_address_takes_the_name_of_the_source(page: Any, database: Any) -> None:
    review = await reviewed(page, **{"set__sources.noc.url": "https://other.example/v4"})
    assert (await saved(page, review)).status == 400
    assert (await saved(page, review, typed_source="nco")).status == 400
    assert (await saved(page, review, typed_source="noc")).status == 303
    assert await overlay(database) == {"sources.noc.url": "https://other.example/v4"}


async def test_two_editors_one_is_told_what_the_other_did(page: Any, database: Any) -> None:
    mine = await reviewed(page, **{"set__log.level": "debug"})
    theirs = await reviewed(page, **{"set__log.level": "error"})
    assert (await saved(page, theirs, "too loud")).status == 303
    conflict = await saved(page, mine)
    assert (conflict.status, "too loud" in conflict.text) == (409, True)
    assert await overlay(database) == {"log.level": "error"}
    assert (await saved(page, conflict)).status == 303
    assert await overlay(database) == {"log.level": "debug"}


async def test_a_form_that_is_older_than_a_save_changes_only_what_its_sender_changed(page: Any, database: Any) -> None:
    whole = {"source": "noc", "url": URL, "username": "me", "revision": "0"}
    first = await reviewed(page, **whole, enabled="true", poll_interval_seconds="30")
    assert (await saved(page, first, "slow server")).status == 303
    second = await reviewed(page, **whole, enabled="false", poll_interval_seconds="60")
    assert (second.status, list(second.rows)) == (409, ["sources.noc.enabled"])
    assert "Somebody else has changed the configuration" in second.text
    assert "slow server" in second.text
    assert (await saved(page, second, "maintenance")).status == 303
    assert await overlay(database) == {"sources.noc.poll_interval_seconds": 30, "sources.noc.enabled": False}
    third = await reviewed(page, **whole, enabled="true", poll_interval_seconds="60")
    assert (third.status, third.rows) == (409, {})
    assert "Nothing would change" in third.text


async def test_a_secret_that_is_sent_as_a_value_is_encrypted_all_the_same(page: Any, database: Any) -> None:
    review = await reviewed(page, **{"set__sources.noc.password": "an0ther-pass"})
    assert "an0ther-pass" not in review.text
    assert (await saved(page, review)).status == 303
    async with database.connection() as connection:
        entry = (await setting.current(connection)).entries["sources.noc.password"]
    assert (entry.value, entry.sealed is None) == (None, False)


async def test_a_password_is_encrypted_before_it_is_saved_and_never_shown(page: Any, database: Any) -> None:
    secret = "n3w-c4nary-secret"
    review = await reviewed(page, source="noc", password=secret)
    assert secret not in review.text
    assert (await saved(page, review, "rotated")).status == 303
    shown = await page.get("/configuration")
    assert secret not in shown.text
    assert shown.rows["sources.noc.password"]["value"] == "set"
    async with database.connection() as connection:
        everything = await connection.fetchval(
            "select (select json_agg(r) from bridge.setting_revision as r)::text "
            "|| (select json_agg(a) from bridge.audit as a)::text"
        )
        sealed = (await setting.current(connection)).entries["sources.noc.password"].sealed
    assert secret not in everything
    assert sealed is not None


async def test_without_a_key_file_no_secret_is_set(dsn: str, open_console: Any, database: Any) -> None:
    async with open_console(dsn, sources={"noc": {"url": URL}}) as page:
        shown = await reviewed(page, source="noc", username="me", password="n3w")
    assert (shown.status, "console.secret_key_file" in shown.text, "n3w" in shown.text) == (400, True, False)


async def test_a_setting_is_taken_back_and_a_revision_restored(page: Any, database: Any) -> None:
    assert (await saved(page, await reviewed(page, **{"set__log.level": "debug"}))).status == 303
    second = {"set__log.level": "error", "set__retention.versions_days": "9"}
    assert (await saved(page, await reviewed(page, **second))).status == 303
    assert (await saved(page, await reviewed(page, **{"reset__log.level": "1"}))).status == 303
    assert await overlay(database) == {"retention.versions_days": 9}
    restore = await page.post("/configuration/restore", await token_of(page) | {"number": "1"})
    assert sorted(restore.rows) == ["log.level", "retention.versions_days"]
    assert (await saved(page, restore, "as before")).status == 303
    assert await overlay(database) == {"log.level": "debug"}
    history = (await page.get("/configuration")).rows
    assert [history[number]["why"] for number in ("4", "3", "2", "1")] == ["as before", "test", "test", "test"]


async def test_a_source_is_added_and_removed(page: Any, database: Any) -> None:
    review = await reviewed(page, source="new", url="https://new.example/v4")
    assert (await saved(page, review)).status == 303
    shown = await page.get("/configuration")
    assert shown.rows["sources.new.url"]["from"].startswith("here")
    assert "Remove this source" in shown.text
    assert (await saved(page, await reviewed(page, **{"reset__sources.new.url": "1"}))).status == 303
    assert "sources.new.url" not in (await page.get("/configuration")).rows


async def test_a_connection_is_tried_with_the_values_of_the_form_and_nothing_is_saved(
    dsn: str, open_console: Any, database: Any
) -> None:
    async with Simulator(population=3, seed=1) as sim, open_console(dsn, sources={"noc": {"url": URL}}) as page:

        async def tried(**fields: str) -> Any:
            return await page.post("/configuration/test", await token_of(page) | {"source": "noc"} | fields)

        works = await tried(url=sim.url, username="", password="")
        with_login = await tried(url=sim.url, username="me", password=CANARY)
        away = await tried(url="http://127.0.0.1:9")
        wrong = await tried(url="nonsense")
        unknown = await tried(source="gone")
    assert "3 of 3 problems" in works.text
    assert ("Works" in with_login.text, CANARY in with_login.text) == (True, False)
    assert ("Fails" in away.text, "cannot be reached" in away.text) == (True, True)
    assert (wrong.status, unknown.status) == (400, 400)
    assert await overlay(database) == {}


async def test_what_is_not_in_force_is_said_on_top(page: Any, database: Any) -> None:
    async with database.transaction() as connection:
        change = {"sources.gone.push": setting.SettingChange(None, False)}
        await setting.append(connection, 0, "anna", "", change, via="cli")
    shown = await page.get("/configuration")
    assert "not in force" in shown.text
    assert "sources.gone.url: is missing" in shown.text


async def test_who_may_only_read_changes_nothing(dsn: str, open_console: Any, tmp_path: Path) -> None:
    async with open_console(dsn, demo=False, sources={"noc": {"url": URL}}) as page:
        assert (await page.get("/configuration")).status == 303
        assert (await page.post("/configuration/review", {"set:log.level": "debug"})).status == 401
