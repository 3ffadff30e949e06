"""A callback is known by its path, and its parts are unescaped once."""

import pytest

from bridge.web.listener.callback import Callback, callback_of


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/listener/snow/s3cr3t", Callback("snow", "s3cr3t")),
        ("/listener/snow/s3cr3t/", Callback("snow", "s3cr3t")),
        ("/listener/snow/s3cr3t/listener/createEvent", Callback("snow", "s3cr3t", "listener/createEvent")),
        ("/listener/a%2Fb/c%252F", Callback("a/b", "c%2F")),
    ],
)
def test_the_parts_of_a_callback(path: str, parts: Callback) -> None:
    assert callback_of(path) == parts


@pytest.mark.parametrize(
    "path", ["", "/", "/listener", "/listener/", "/listener/snow", "/listener//s", "/Listener/a/b"]
)
def test_what_lacks_a_part_is_no_callback(path: str) -> None:
    assert callback_of(path) is None
