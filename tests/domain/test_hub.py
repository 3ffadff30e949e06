"""Whose callback one is, however a server spells it."""

import pytest

from bridge.domain.hub import Registration, find_callback, same_callback

CALLBACK = "https://bridge.example/listener/snow/secret"


@pytest.mark.parametrize(
    "listed",
    [
        CALLBACK,
        CALLBACK + "/",
        "https://bridge.example:443/listener/snow/secret",
        "HTTPS://Bridge.Example/listener/snow/secret",
        "https://bridge.example/listener/snow/%73ecret",
        "https://bridge.example//listener/snow/secret",
        " https://bridge.example./listener/snow/secret ",
        "https://bridge.example/listener/snow/******",
        "https://bridge.example/listener/snow/sec***",
        "https://bridge.example/listener/snow/se…",
        "https://bridge.example/listener/snow/[REDACTED]",
        "https://bridge.example/listener/snow/xxxxxx",
    ],
)
def test_b5_our_callback_is_recognised_in_other_spellings(listed: str) -> None:
    assert same_callback(CALLBACK, listed)
    assert find_callback([Registration("1", "http://them/x"), Registration("2", listed)], CALLBACK)[0].hub_id == "2"


@pytest.mark.parametrize(
    "listed",
    [
        "https://bridge.example/listener/snow/secrets",
        "https://bridge.example/listener/snow/Secret",
        "http://bridge.example/listener/snow/secret",
        "https://bridge.example:8443/listener/snow/secret",
        "https://other.example/listener/snow/******",
        "https://bridge.example/listener/maat/******",
        "https://bridge.example/listener/***/***",
        "https://bridge.example/******",
        "******",
        "https://bridge.example/listener/snow/x***",
        "http://h:abc/",
        "",
    ],
)
def test_b5_what_may_be_another_callback_is_not_ours(listed: str) -> None:
    assert not same_callback(CALLBACK, listed)
