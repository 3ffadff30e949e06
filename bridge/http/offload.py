"""Work on a large answer, done in a thread so that the event loop goes on."""

from collections.abc import Callable
from typing import Final, TypeVar

import anyio

LARGE_BYTES: Final = 1 << 20
"""What follows from a larger answer is done in a thread."""

ResultT = TypeVar("ResultT")


async def run_by_size(size_bytes: int, work: Callable[[], ResultT]) -> ResultT:
    """Do the work here, or in a thread where the answer that it is about is large."""
    return await anyio.to_thread.run_sync(work) if size_bytes > LARGE_BYTES else work()
