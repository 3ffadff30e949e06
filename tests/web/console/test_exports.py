"""How many lists are exported at a time."""

from contextlib import ExitStack

import pytest

from bridge.web.console.exports import MOST, ExportSlots
from bridge.web.refusal import Refusal


def test_a_user_exports_one_list_at_a_time_and_few_users_do_at_once() -> None:
    slots = ExportSlots()
    with ExitStack() as stack:
        for number in range(MOST):
            stack.enter_context(slots.taken(f"user {number}"))
        for user, status in (("user 0", 429), ("another", 503)):
            with pytest.raises(Refusal) as refused, slots.taken(user):
                pass
            assert refused.value.status == status
    with slots.taken("another"):  # places are given back
        pass
