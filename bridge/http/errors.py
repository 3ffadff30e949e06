"""What asking a remote system can come to, split by what the caller must do (`bridge.errors`)."""

from bridge.errors import PermanentError, TransientError


class UnauthorisedError(TransientError):
    """The server does not accept us (401, 403). Retrying in haste locks accounts: the circuit breaker waits."""


class NotSentError(TransientError):
    """Nothing of the request left us: no connection was made, or the token endpoint gave no token."""


class NotFoundError(PermanentError):
    """The server answered 404 or 410: it has nothing at this address."""


class TooLargeError(PermanentError):
    """An answer is larger than `max_response_bytes`, or holds more rows or members than can be read."""


class MalformedAnswerError(TransientError):
    """The server answered with something that is not what was asked for: a gateway's page, half an answer."""
