"""How a request ends, and how far it has come."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.request import RequestOutcome


class RequestEnd(Struct, frozen=True):
    """How a request ended. `write`: what is written in the transaction that ends it; it may say what came of it, and
    PermanentError from it is the end, too.
    """

    outcome: RequestOutcome
    detail: str
    write: Callable[[Connection], Awaitable[str | None]] | None = None


@dataclass(slots=True)
class RequestProgress:
    """How far a request has come; `total` None: not known."""

    done: int = 0
    total: int | None = None
