"""Makes a problem whose id is the key of its link, so that the server itself makes no second one: version 5 lets a
client name the id of a new problem.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog

from bridge.domain.ticket_system import WriteRefusedError
from bridge.http.client import HttpClient
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.http.write import send_write

log = structlog.get_logger(__name__)

PROPOSING: Final = "5"
"""The version in which it can be named."""
_CONFLICT: Final = 409
_REFUSED: Final = frozenset({400, 403, _CONFLICT, 422})

MakeRequest = Callable[[str, str, str | None, Any], HttpRequest]
"""Operation, method, id and body → a request for the list of problems, or one of them."""


async def post_proposed(
    http: HttpClient, request: MakeRequest, body: dict[str, Any], key: str
) -> tuple[HttpRequest, HttpResponse]:
    """Make a problem with the key as its id; where there is one, return that. Where the server refuses such an id, it
    chooses one.
    """
    named = request("create", "POST", None, body | {"id": key})
    try:
        return named, await send_write(http, named)
    except WriteRefusedError as error:
        if error.status not in _REFUSED:
            raise
        refusal = error
    if refusal.status == _CONFLICT:
        asked = request("get", "GET", key, None)
        found = await http.send(asked)
        if found.ok:
            http.count(asked.operation, "ok")
            return asked, found
    log.info("a problem cannot be given its id", source=http.name, why=str(refusal))
    plain = request("create", "POST", None, body)
    return plain, await send_write(http, plain)
