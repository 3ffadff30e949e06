"""Errors say what their reader must do, and hold on to nothing."""

import gc
import weakref
from contextlib import suppress

import pytest

from bridge.errors import BridgeError, ConfigurationError, PermanentError, TransientError, UnreadableError, raise_first


def test_every_error_of_ours_is_permanent_or_transient_and_never_both() -> None:
    kinds = [PermanentError, TransientError]
    found = list(BridgeError.__subclasses__())
    for kind in found:
        found += kind.__subclasses__()
    assert {kind for kind in found if sum(issubclass(kind, each) for each in kinds) != 1} == set()


def test_the_faults_of_a_configuration_are_listed_one_a_line() -> None:
    error = ConfigurationError(["http.port = 0: …", "sources.a.url: …"])
    assert (str(error).splitlines(), error.faults) == (error.faults, ["http.port = 0: …", "sources.a.url: …"])


def test_what_cannot_be_read_keeps_its_reason_and_the_problem_it_names() -> None:
    error = UnreadableError("not_json", "cut off", hint="see the bytes", problem_id="SP-1", malformed=True)
    assert (error.reason, str(error), error.hint, error.problem_id, error.malformed) == (
        "not_json",
        "cut off",
        "see the bytes",
        "SP-1",
        True,
    )


def test_the_first_failure_is_raised_and_nothing_holds_the_frame_it_was_raised_in() -> None:
    class Held:
        """Something large in the frame of the caller."""

    def fail() -> "weakref.ref[Held]":
        held = Held()
        failures: list[BridgeError] = [TransientError("first", retry_after_seconds=3), TransientError("second")]
        with suppress(TransientError):
            raise_first(failures)
        assert failures == []
        return weakref.ref(held)

    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()


def test_a_message_alone_is_enough() -> None:
    with pytest.raises(TransientError, match="away") as raised:
        raise TransientError("away")
    assert raised.value.retry_after_seconds is None
