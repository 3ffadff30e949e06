"""A request that is refused, as an exception."""

from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 -- an answer, not a fault of ours
    """A request that is answered with an error; `reason` is a fixed word for metrics, the message says what to do."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the answer will say."""
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.headers = dict(headers or {})
