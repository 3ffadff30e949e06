"""Links, writes and conflicts for pages to show, and a console on them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.storage import link as link_table
from bridge.storage import outbox
from bridge.storage.database import Database
from bridge.telemetry.metrics import Metrics
from bridge.web.console.same_origin import FIELD
from tests.links.rule_rig import RULE, RuleRig, problem

HOSTILE = ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "{{ 7 * 7 }}", '" onfocus="alert(1)']
OWN: dict[str, Any] = {"match": {"by": ["externalId = id"]}, "on_conflict": "manual"}
CONFIGURATION: dict[str, Any] = {
    "sources": {side.value: {"url": f"https://{side.value}.example/v4", "write": True} for side in Side},
    "links": {"one": RULE | OWN},
}


BEHIND_A_PROXY: dict[str, Any] = {
    "demo": False,
    "http": {"trusted_proxies": ["127.0.0.1/32"]},
    "console": {
        "proxy_user_header": "X-User",
        "proxy_groups_header": "X-Groups",
        "roles": {"noc": "viewer", "ops": "operator"},
    },
}
"""A console to which a proxy says who is there."""


@dataclass
class LinkWorld:
    """Link 1 joins 1 and R1, which differ in the title; link 2 is of ticket 2, whose counterpart could not be made."""

    rig: RuleRig
    decider: Decider
    page: Any
    blocked: int

    async def get(self, path: str) -> Any:
        return await self.page.get(path)

    async def press(self, path: str, **fields: str) -> Any:
        """Post a form as a page of the console would."""
        token = (await self.page.get("/links")).hidden[FIELD]
        return await self.page.post(path, fields | {FIELD: token})

    async def work(self) -> None:
        """Do what was asked."""
        await worker_of(self.rig.database)()


def worker_of(database: Database) -> Callable[[], Awaitable[None]]:
    """The worker of a process that leads."""
    return RequestWorker(RequestHandlers({}, database, Metrics()), database, Metrics()).run_once


async def fill(database: Database, *, error: str = "HTTP 403: Data Policy Exception") -> tuple[RuleRig, Decider, int]:
    """Make the links; return the number of the blocked write, too."""
    rig = RuleRig(database, OWN)
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="same"), problem("R2", name="free"))
    await rig.say(Side.LEFT, problem(1, name="same", externalId="R1"), problem(2, name="alone"))
    await decider.run_once()
    await rig.say(Side.LEFT, problem(1, name="no light", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="no power"))
    await decider.run_once()
    [create] = [row for row in await rig.open_writes() if row.kind is outbox.WriteKind.CREATE]
    await block(database, create, error)
    return rig, decider, create.id


async def block(database: Database, write: outbox.OutboxRow, error: str) -> None:
    """The target refuses a create."""
    async with database.transaction() as connection:
        row = (await link_table.lock(connection, [write.link_id]))[write.link_id]
        await outbox.block(connection, write.id, error, status=403)
        await link_table.save(connection, [msgspec.structs.replace(row, state=LinkState.BLOCKED)])


@asynccontextmanager
async def link_world(
    database: Database, dsn: str, open_console: Callable[..., Any], headers: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[LinkWorld]:
    """Open a console on these links; `more`: settings, and `demo`. `headers`: what the browser sends."""
    rig, decider, blocked = await fill(database)
    async with open_console(dsn, **(CONFIGURATION | more)) as browser:
        browser.headers.update(headers or {})
        await browser.get_when_reached("/links")
        yield LinkWorld(rig, decider, browser, blocked)
