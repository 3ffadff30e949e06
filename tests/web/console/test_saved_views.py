"""Saved views: who sees, shares and removes them; each change is in the audit."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from bridge.domain.access import Login, Role
from bridge.storage import console_session
from bridge.storage.console_session import ConsoleSession
from bridge.storage.database import Database
from bridge.web.console.same_origin import FIELD
from tests.web.console.conftest import Browser, Shown

pytestmark = pytest.mark.anyio


class Person:
    """Somebody with a session at the console."""

    def __init__(self, browser: Browser, token: str) -> None:
        self.browser = browser
        self.cookie = {"Cookie": f"bridge_session={token}"}

    async def get(self, path: str) -> Shown:
        return await self.browser.get(path, **self.cookie)

    async def post(self, path: str, **fields: str) -> Shown:
        token = (await self.get("/about")).hidden[FIELD]
        return await self.browser.post(path, {FIELD: token} | fields, **self.cookie)

    async def views(self) -> dict[str, dict[str, str]]:
        return (await self.get("/views")).rows

    async def number(self, name: str) -> str:
        """The number of a view, out of its form."""
        text = (await self.get("/views")).text.partition(f'data-key="{name}"')[2]
        return text.partition('name="view" value="')[2].partition('"')[0]


@pytest.fixture
async def people(
    dsn: str, database: Database, open_console: Callable[..., Any]
) -> AsyncIterator[Callable[[str, Role], Any]]:
    async with open_console(dsn, demo=False) as browser:
        await browser.reached()

        async def person(name: str, role: Role) -> Person:
            async with database.transaction() as connection:
                session = ConsoleSession(name, role, Login.PASSWORD)
                return Person(browser, await console_session.make(connection, session, "192.0.2.1"))

        yield person


async def audited(database: Database) -> list[tuple[str, str, str, Any, Any, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select * from bridge.audit order by id")
    read = [None if one is None else orjson.loads(one) for row in rows for one in (row["before"], row["after"])]
    pairs = zip(read[::2], read[1::2], strict=True)
    return [
        (row["actor"], row["action"], row["object"], before, after, row["outcome"])
        for row, (before, after) in zip(rows, pairs, strict=True)
    ]


async def test_a_list_is_saved_found_again_renamed_and_removed(people: Any, database: Database) -> None:
    anna = await people("anna", Role.VIEWER)
    saved = await anna.post("/views/save", name=" night ", parameters="limit=25&status=held&after=xyz&view=urgent")
    address = "/problems?status=held&priority=1&sort=urgency&limit=25"
    assert (saved.status, saved.headers["location"]) == (303, address)
    page = await anna.get(address)
    assert page.links["night"] == address
    assert 'aria-current="true">night' in page.text
    number = await anna.number("anna/night")
    assert (await anna.post("/views/rename", view=number, name="late")).status == 303
    assert list(await anna.views()) == ["anna/late"]
    assert (await anna.post("/views/remove", view=number)).status == 303
    assert await anna.views() == {}
    assert (await anna.post("/views/remove", view=number)).status == 404
    kept = {"name": "night", "parameters": address.partition("?")[2], "shared": False}
    assert await audited(database) == [
        ("anna", "view.save", "night", None, kept, "done"),
        ("anna", "view.rename", "night", "night", "late", "done"),
        ("anna", "view.remove", "late", kept | {"owner": "anna", "name": "late"}, None, "done"),
    ]


async def test_operators_share_theirs_and_remove_what_is_shared(people: Any, database: Database) -> None:
    anna, otto, olga = [
        await people(*who) for who in (("anna", Role.VIEWER), ("otto", Role.OPERATOR), ("olga", Role.OPERATOR))
    ]
    assert (await anna.post("/views/save", name="a", parameters="", shared="yes")).status == 403
    assert "for everybody" not in (await anna.get("/problems")).text
    await anna.post("/views/save", name="a", parameters="q=secret")
    assert (await otto.post("/views/save", name="o", parameters="status=held", shared="yes")).status == 303
    assert list(await otto.views()) == ["otto/o"], "what others keep for themselves is not seen"
    assert list(await anna.views()) == ["anna/a", "otto/o"]
    assert "o of otto" in " ".join((await anna.get("/problems")).text.replace('<span class="quiet">', "").split())
    hers, his = await anna.number("anna/a"), await otto.number("otto/o")
    for path in ("rename", "remove", "share"):
        assert (await otto.post(f"/views/{path}", view=hers, name="x", shared="yes")).status == 404
    assert (await anna.post("/views/rename", view=his, name="x")).status == 403
    assert (await anna.post("/views/remove", view=his)).status == 403
    assert (await anna.post("/views/share", view=hers, shared="yes")).status == 403
    assert (await otto.post("/views/share", view=his, shared="no")).status == 303
    assert list(await anna.views()) == ["anna/a"]
    await otto.post("/views/share", view=his, shared="yes")
    assert (await olga.post("/views/remove", view=his)).status == 303
    assert await otto.views() == {}
    done = [(row[0], row[1]) for row in await audited(database) if row[5] == "done"]
    assert done == [
        ("anna", "view.save"),
        ("otto", "view.save"),
        ("otto", "view.share"),
        ("otto", "view.share"),
        ("olga", "view.remove"),
    ]
    assert len([row for row in await audited(database) if row[5] == "refused"]) == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "parameters": ""}, "1 to 60"),
        ({"name": "x" * 61, "parameters": ""}, "1 to 60"),
        ({"name": "a\nb", "parameters": ""}, "control"),
        ({"name": "a", "parameters": "nothing=1"}, "is no parameter"),
        ({"name": "a", "parameters": "status=wrong"}, "is not known"),
        ({"name": "a", "parameters": "&".join(f"category={'c' * 190}{n}" for n in range(50))}, "8000 characters"),
    ],
)
async def test_what_is_no_view_is_refused(people: Any, fields: dict[str, str], said: str) -> None:
    anna = await people("anna", Role.VIEWER)
    answer = await anna.post("/views/save", **fields)
    assert (answer.status, said in answer.text) == (400, True), answer.text
    assert await anna.views() == {}


async def test_a_name_is_taken_once_and_there_is_a_limit(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.storage.saved_view.MOST", 2)
    anna = await people("anna", Role.VIEWER)
    for name in ("a", "b"):
        await anna.post("/views/save", name=name, parameters="")
    assert (await anna.post("/views/save", name="c", parameters="")).status == 409
    assert (await anna.post("/views/rename", view=await anna.number("anna/a"), name="b")).status == 409
    assert (await anna.post("/views/rename", view=await anna.number("anna/a"), name="a")).status == 303
    hostile = "<script>alert(1)</script>"
    await anna.post("/views/rename", view=await anna.number("anna/a"), name=hostile)
    for path in ("/views", "/problems"):
        assert hostile not in (await anna.get(path)).text
