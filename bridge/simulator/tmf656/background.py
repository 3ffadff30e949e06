"""Tasks that run beside a block and end with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def background() -> AsyncIterator[TaskGroup]:
    """Yield a task group that is cancelled when the block ends.

    An exception of the block comes out as it is, not in a group, so that a failed assertion in a test reads as one; an
    exception of a task cancels the block and comes out in a group.
    """
    failed: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except Exception as error:  # noqa: BLE001 -- raised again below, outside of the group
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
