"""A merge patch as operations that say what they expect."""

import pytest

from bridge.simulator.tmf656.patch import PatchError, apply_json_patch, merge
from bridge.tmf656.wire.json_patch import json_patch

BODY = {"@type": "ServiceProblem", "status": "held", "note": [{"text": "x"}], "a/b~c": 1}
HELD = {"id": "1", "lastUpdate": "2026-11-30T08:00:00Z", "status": "pending"}


def test_it_writes_what_the_merge_patch_writes() -> None:
    patch = json_patch(BODY, HELD["lastUpdate"])
    assert patch is not None
    without_type = {name: value for name, value in BODY.items() if name != "@type"}
    assert apply_json_patch(HELD, patch) == merge(HELD, without_type)


def test_it_writes_nothing_once_somebody_has_written() -> None:
    patch = json_patch(BODY, "2026-11-30T07:00:00Z")
    assert patch is not None
    with pytest.raises(PatchError):
        apply_json_patch(HELD, patch)


@pytest.mark.parametrize(
    "body", [{}, {"@type": "ServiceProblem"}, {"status": None}, {"originatorParty": {"name": "x"}}]
)
def test_what_only_a_merge_patch_can_say_is_none(body: dict[str, object]) -> None:
    assert json_patch(body, "v") is None
