"""A callback secret that changes: the new one and the one before are accepted, an older one is gone."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

OLD, BEFORE, NEW = ("a" * 32, "b" * 32, "c" * 32)


async def test_two_are_accepted_and_an_older_one_is_answered_410(bridge: Callable[..., Any], sender: Any) -> None:
    answers = {}
    for secret in (OLD, BEFORE, NEW):
        source = {"url": "http://127.0.0.1:9/v4", "push": False, "callback_secret": secret}
        async with bridge(sources={"snow": source}) as running:
            for given in (OLD, BEFORE, NEW, "d" * 32):
                body = b'{"eventType":"ServiceProblemCreateEvent","event":{"serviceProblem":{"id":"1"}}}'
                async with sender.session.post(f"{running.url}/listener/snow/{given}", data=body) as answer:
                    answers[secret, given] = answer.status
    assert [answers[OLD, given] for given in (OLD, BEFORE, NEW)] == [201, 404, 404]
    assert [answers[BEFORE, given] for given in (OLD, BEFORE, NEW)] == [201, 201, 404]
    assert [answers[NEW, given] for given in (OLD, BEFORE, NEW, "d" * 32)] == [410, 201, 201, 404]
