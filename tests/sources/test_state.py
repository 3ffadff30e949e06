"""The mode of a source follows from what is known of it, and nothing sets it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.simulator import Simulator
from bridge.sources.state import Mode, SourceState

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RigFor = Callable[..., Awaitable[Any]]


@pytest.fixture
async def source(rig_for: RigFor) -> SourceState:
    """A source of a process that leads and has not tried to register yet."""
    async with Simulator() as sim:
        state: SourceState = (await rig_for(sim)).source
    return state


async def test_until_registering_was_tried_the_mode_before_holds(source: SourceState) -> None:
    assert source.mode is Mode.POLL
    source.written_mode = Mode.PUSH
    assert source.mode is Mode.PUSH
    source.set_registered(NOON, registered=False)
    assert source.mode is Mode.FALLBACK
    assert source.reason == "not registered at its hub"


async def test_where_there_is_no_hub_it_is_polled(source: SourceState) -> None:
    source.set_registered(NOON, registered=False, offered=False)
    assert (source.mode, source.reason, source.expected_since) == (Mode.POLL, None, None)


async def test_a_missed_change_ends_the_trust_in_push_and_asks_for_a_new_registration(source: SourceState) -> None:
    source.set_registered(NOON, registered=True)
    assert source.mode is Mode.PUSH
    source.missed(NOON + timedelta(minutes=1))
    assert source.mode is Mode.FALLBACK
    assert source.public_url in (source.reason or "")
    assert await source.subscribe_wake.wait(0) == "silent"


async def test_only_a_change_that_was_pushed_after_the_missed_one_restores_it(source: SourceState) -> None:
    source.set_registered(NOON, registered=True)
    source.missed(NOON)
    source.change_pushed(NOON)
    assert source.trust.proven_at is None
    source.change_pushed(NOON + timedelta(seconds=1))
    assert source.mode is Mode.PUSH or source.trust.proven_at is not None


async def test_who_is_not_registered_misses_nothing(source: SourceState) -> None:
    source.missed(NOON)
    assert source.missed_at is None


async def test_a_registration_made_again_keeps_what_was_expected_before(source: SourceState) -> None:
    later = NOON + timedelta(hours=1)
    source.set_registered(NOON, registered=True)
    source.set_registered(later, registered=True, renewed=True)
    assert (source.registered_at, source.expected_since) == (later, NOON)


async def test_a_clock_that_is_set_back_leaves_nothing_ahead_of_it(source: SourceState) -> None:
    source.set_registered(NOON, registered=True)
    source.notification_stored(NOON - timedelta(hours=2))
    source.set_back(NOON - timedelta(hours=1))
    assert source.registered_at == source.expected_since == NOON - timedelta(hours=1)
    assert source.last_push_at == NOON - timedelta(hours=2)
    assert source.missed_at is None


async def test_who_follows_has_the_mode_that_the_leader_wrote(source: SourceState) -> None:
    source.set_registered(NOON, registered=True)
    source.follow()
    assert source.mode is Mode.PUSH
    source.follow(Mode.FALLBACK)
    assert source.mode is Mode.FALLBACK
    source.lead()
    assert source.expected_since is None


async def test_update_times_are_trusted_again_after_three_passes_and_distrusted_at_once(source: SourceState) -> None:
    assert source.note_update_times(changed=5, unmoved=1)
    assert source.update_times_move is False
    assert [source.note_update_times(changed=1, unmoved=0) for _ in range(3)] == [False, False, True]
    assert source.update_times_move is True
    assert not source.note_update_times(changed=0, unmoved=0)
