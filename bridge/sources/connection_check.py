"""Trying to reach a source with settings that are not saved yet, for a person who is about to save them.

One page is requested by the client that polls use, with its rules. What is returned are our words only: nothing of what
the other side answered is repeated, so the try cannot be used to read what only the bridge can reach.
"""

from contextlib import AbstractAsyncContextManager
from time import perf_counter

import anyio
from msgspec import Struct

from bridge.domain.completeness import Gap
from bridge.errors import BridgeError, PermanentError
from bridge.http.errors import MalformedAnswerError, NotFoundError, NotSentError, TooLargeError, UnauthorisedError
from bridge.sources.client import SourceClient

_LIMIT_SECONDS = 20.0
_NOT_ANSWERED = "it did not answer in time, or with an error: is it overloaded?"


class ConnectionFinding(Struct, frozen=True):
    """What came of the try."""

    works: bool
    words: str


async def check_connection(opening: AbstractAsyncContextManager[SourceClient]) -> ConnectionFinding:
    """Request the first page of the list."""
    started = perf_counter()
    try:
        with anyio.fail_after(_LIMIT_SECONDS):
            async with opening as client:
                return await _first_page(client, started)
    except TimeoutError:
        return ConnectionFinding(False, f"no answer within {_LIMIT_SECONDS:g} s")
    except BridgeError as error:
        return ConnectionFinding(False, _words(error))


async def _first_page(client: SourceClient, started: float) -> ConnectionFinding:
    pages = client.pages()
    async for page in pages:
        if not page.items:
            continue
        milliseconds = 1000 * (perf_counter() - started)
        total = "" if page.total is None else f" of {page.total:,}"
        found = f"answers in {milliseconds:.0f} ms: {len(page.items):,}{total} problems on the first page"
        return ConnectionFinding(True, found)
    if pages.completeness.gap is Gap.NOT_FOUND:
        return ConnectionFinding(False, "the server answers that it has no such list: look at the API base path")
    return ConnectionFinding(True, "answers: the list is empty")


def _words(error: BridgeError) -> str:
    match error:
        case NotSentError():
            return "it cannot be reached: look at the host and port of the API base path, TLS and the proxy"
        case UnauthorisedError():
            return "it refuses the login: look at username and password, or the token"
        case NotFoundError():
            return "the server answers that it has no such list: look at the API base path"
        case MalformedAnswerError() | TooLargeError():
            return "it answers with something that is no list of problems: look at the API base path"
        case PermanentError():
            return "it refuses the request: look at the API base path"
        case _:
            return _NOT_ANSWERED
