"""Large work leaves the event loop free, small work does not pay for a thread."""

import threading

import pytest

from bridge.http.offload import LARGE_BYTES, run_by_size

pytestmark = pytest.mark.anyio


async def test_only_what_is_large_is_done_in_a_thread() -> None:
    here = threading.get_ident()
    assert await run_by_size(LARGE_BYTES, threading.get_ident) == here
    assert await run_by_size(LARGE_BYTES + 1, threading.get_ident) != here


async def test_what_fails_fails_the_same_in_both() -> None:
    for size_bytes in (0, LARGE_BYTES + 1):
        with pytest.raises(ZeroDivisionError):
            await run_by_size(size_bytes, lambda: 1 // 0)
