"""A request that changes something, sent once, and what its failure says about whether it was done.

Three answers matter to the sender of a write: it was not done (try again later), it will never be done as it is
(refused, with the words of the server), and it is not known (`OutcomeUnknownError`: read the target, not earlier than
it may still be working on the request).
"""

from collections.abc import Collection
from typing import Final

from bridge.domain.ticket_system import OutcomeUnknownError, WriteRefusedError
from bridge.errors import PermanentError, TransientError
from bridge.http.client import HttpClient
from bridge.http.errors import MalformedAnswerError, NotSentError, TooLargeError, UnauthorisedError
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse

_NOT_DONE: Final = frozenset({401, 407, 425, 429})
"""Answered before anything was carried out."""
_GONE: Final = frozenset({404, 410})


async def send_write(http: HttpClient, request: HttpRequest, *, returned: Collection[int] = ()) -> HttpResponse:
    """Send a request that changes something and return its answer with a status of 200 to 299, counted as `ok`, or one
    of `returned`, not counted: refusals that the caller reads.

    Raises TransientError where nothing was done (no connection, 401, 407, 425, 429 with its pause, a gateway's 403),
    OutcomeUnknownError where it may have been (time-out, disconnect, an answer that breaks off, 408, 5xx),
    NotFoundError for 404 and 410, and WriteRefusedError for every other refusal.
    """
    try:
        response = await http.send(request)
    except (NotSentError, UnauthorisedError):
        raise
    except (TransientError, TooLargeError) as error:
        raise _unknown(str(error)) from error
    if response.ok:
        http.count(request.operation, "ok")
        return response
    if response.status in returned:
        return response
    refusal = http.refusal(request, response)
    if response.status in _NOT_DONE or _is_gateway_403(response):
        raise refusal if isinstance(refusal, TransientError) else NotSentError(str(refusal))
    if response.status in _GONE:
        raise refusal
    if response.status == 408 or (response.status >= 500 and response.status != 501):
        raise _unknown(str(refusal), refusal)
    raise WriteRefusedError(str(refusal), response.status)


def unreadable_answer(http: HttpClient, request: HttpRequest, response: HttpResponse, what: str) -> OutcomeUnknownError:
    """Return the error for a granted write whose answer does not show what came of it."""
    error: MalformedAnswerError = http.malformed(request, f"{response.status} and {what}")
    return _unknown(str(error))


def _is_gateway_403(response: HttpResponse) -> bool:
    """A ticket system explains itself in JSON; the page of a gateway says nothing about this ticket."""
    return response.status == 403 and not isinstance(response.small_document(), dict)


def _unknown(text: str, error: PermanentError | TransientError | None = None) -> OutcomeUnknownError:
    pause = error.retry_after_seconds if isinstance(error, TransientError) else None
    return OutcomeUnknownError(f"{text} (it may have been done all the same)", retry_after_seconds=pause)
