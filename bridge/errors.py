"""Errors, split by what the caller must do about them.

*Permanent*: the same input will fail again: keep it as evidence, count it, go on. *Transient*: back off and try again,
honouring `retry_after_seconds`. Any other exception is a defect: the process ends with status 1 and the supervisor
restarts it.
"""

from typing import NoReturn, TypeVar


class BridgeError(Exception):
    """Anything this program raises on purpose; the text is meant for an operator and names the remedy."""


ErrorT = TypeVar("ErrorT", bound=BridgeError)


def raise_first(failures: list[BridgeError]) -> NoReturn:
    """Raise the first of the failures that several tasks left, and drop the others.

    The traceback refers to the caller's frame. If that frame still referred to the failure, both would form a cycle and
    keep every local variable alive until the garbage collector runs.
    """
    first = failures[0]
    failures.clear()
    try:
        raise first
    finally:
        del first


def without_frames(error: ErrorT) -> ErrorT:
    """Return an error that is to be kept as a value, after removing its traceback and those of its causes.

    A traceback holds the frames that the error passed through. Where one of them holds, by its variables, what keeps
    the error, they hold each other, and the body that was refused, until the collector comes.
    """
    chain: list[BaseException] = [error]
    for each in chain:
        each.__traceback__ = None
        chain += [cause for cause in (each.__cause__, each.__context__) if cause is not None and cause not in chain]
    return error


class PermanentError(BridgeError):
    """The same call with the same input will fail again."""


class TransientError(BridgeError):
    """Worth another try later."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Say what failed; `retry_after_seconds` is the pause that the other side asked for, if any."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OverdueError(TransientError):
    """The work was not done in time; it may still complete later."""


class UnreadableError(PermanentError):
    """Bytes or a value from a source that cannot be understood; it becomes a dead letter.

    `reason` is a short fixed word for metrics and lists (`not_json`, `no_problem`, …), `hint` says what an operator can
    do, and `problem_id` names the service problem when its id could be read, so that it can be fetched instead.
    `malformed` is true when the body is not a JSON object (answered 400).
    """

    def __init__(
        self, reason: str, detail: str, *, hint: str = "", problem_id: str | None = None, malformed: bool = False
    ) -> None:
        """Keep what the dead letter will say."""
        super().__init__(detail)
        self.reason = reason
        self.hint = hint
        self.problem_id = problem_id
        self.malformed = malformed


class RetiredError(PermanentError):
    """A callback that was replaced long ago: a sender that still uses it should stop."""


class ConfigurationError(PermanentError):
    """The configuration is wrong; `faults` lists every fault at once, each naming its key and the remedy."""

    def __init__(self, faults: list[str]) -> None:
        """Join the faults, one a line."""
        super().__init__("\n".join(faults))
        self.faults = faults


class DatabaseUnavailableError(TransientError):
    """Postgres cannot be reached or refuses work for now."""


class SchemaError(PermanentError):
    """The schema is missing, out of date or newer than this program; the text names the command to run."""
