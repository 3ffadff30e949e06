"""How many lists are exported at a time."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from bridge.storage.database import Database
from bridge.web.console.exports import MOST, ExportSlots
from bridge.web.refusal import Refusal
from tests import locks


def test_a_user_exports_one_list_at_a_time_and_few_users_do_at_once() -> None:
    slots = ExportSlots()
    with ExitStack() as stack:
        for number in range(MOST):
            stack.enter_context(slots.taken(f"user {number}"))
        for user, status in (("user 0", 429), ("another", 503)):
            with pytest.raises(Refusal) as refused, slots.taken(user):
                pass
            assert refused.value.status == status
    with slots.taken("another"):  # places are given back
        pass


@pytest.mark.anyio
async def test_an_export_ends_in_postgres_when_its_reader_gives_up(
    dsn: str, database: Database, open_console: Callable[..., Any]
) -> None:
    async with open_console(dsn) as browser, database.connection() as looker, database.transaction() as holder:
        await browser.get_when_reached("/problems")
        await holder.execute("lock table bridge.service_problem in access exclusive mode")
        async with anyio.create_task_group() as readers:
            readers.start_soon(browser.get, "/problems.csv?col=id&col=name")
            await locks.waiting(looker, 1)
            readers.cancel_scope.cancel()
        await locks.waiting(looker, 0)
