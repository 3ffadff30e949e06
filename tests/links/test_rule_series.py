"""Every series of a rule exists at 0 from the start, and work adds none; each figure is that of a real run."""

import anyio
import pytest

from bridge.domain.link.word_map import Side
from bridge.links.rule_jobs import OSCILLATES_FROM, RuleJobs
from bridge.links.rule_series import introduce_rule, show_nothing
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings, Settings
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics
from tests.links.pair import LEFT, RIGHT, Pair
from tests.links.rule_rig import RULE
from tests.links.test_send import linked, settle_down

pytestmark = pytest.mark.anyio


def series(metrics: Metrics) -> dict[str, float]:
    """Series of rules and their targets, the parts of a histogram left out."""
    return {
        f"{sample.name.removeprefix('tmf656_bridge_')} {' '.join(sample.labels.values())}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if {"rule", "target"} & {*sample.labels} and "le" not in sample.labels
    }


def test_a_rule_that_never_wrote_has_every_series_of_its_own() -> None:
    metrics = Metrics()
    rule = rule_of("one", LinkSettings.model_validate(RULE))
    introduce_rule(metrics, rule, {Side.LEFT: 30, Side.RIGHT: 60})
    show_nothing(metrics, "one", ("left", "right"))
    shown = series(metrics)
    assert shown.pop("link_poll_interval_seconds one left") == 60
    assert shown.pop("link_poll_interval_seconds one right") == 30
    assert {*shown.values()} == {0}
    assert {
        *("links one blocked", "link_rule_state one held", "outbox_waiting right note", "outbox_blocked one update"),
        *("outbox_oldest_timestamp_seconds left", "conflicts_total one duplicate", "conflicts_waiting one"),
        *("echoes_total one", "link_drift_total one", "duplicates_total one", "decide_lag_seconds one"),
        *("unmapped_link_values_total one status", "notes_total one left done", "sync_age_seconds_count one right"),
    } <= shown.keys()
    assert "unmapped_link_values_total one title" not in shown


async def report(pair: Pair) -> dict[str, float]:
    """Series as a scrape sees them now."""
    jobs = RuleJobs(pair.database, pair.metrics, LeaderFence(), Settings)
    await jobs.report_once()
    await jobs.watch_once()
    return series(pair.metrics)


async def test_work_adds_no_series_and_moves_the_figures(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        before = await report(pair)
        await pair.sims[LEFT].patch(left, status="held", note=[{"author": "Eve", "text": "no light"}])
        await pair.pull()
        assert (await report(pair))["decide_lag_seconds pair"] > 0
        await settle_down(pair)
        await settle_down(pair, rounds=3)
        after = await report(pair)
        assert after.keys() == before.keys()
        moved = {name for name, value in after.items() if value > before[name] and "seconds" not in name}
        assert moved == {
            *("writes_total right update done", "writes_total right note done", "notes_total pair right done"),
            "echoes_total pair",
        }
        assert after["notes_total pair right done"] == 1
        assert after["sync_age_seconds_count pair right"] == 1
        assert after["decide_lag_seconds pair"] == after["conflicts_waiting pair"] == 0
        await pair.sims[RIGHT].patch(right, description="dark")
        await pair.pull()
        await pair.decide()
        assert (await report(pair))["echoes_total pair"] == after["echoes_total pair"], "a change by a person"


async def test_a_field_that_is_written_to_and_fro_is_called_oscillating(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        for turn in range(OSCILLATES_FROM):
            assert (await report(pair))["links_oscillating pair"] == 0
            side, ticket = ((LEFT, left), (RIGHT, right))[turn % 2]
            await pair.sims[side].patch(ticket, priority=1 + turn % 2)
            await settle_down(pair)
        assert (await report(pair))["links_oscillating pair"] == 1
        await pair.execute("update bridge.outbox set side = 'left', source_id = 1")
        assert (await report(pair))["links_oscillating pair"] == 0, "one way only, however often, is no oscillation"


async def test_a_write_of_a_rule_that_is_paused_does_not_wait_for_the_target(database: Database) -> None:
    async with linked(database) as (pair, left, _):
        await pair.sims[LEFT].patch(left, status="held")
        await pair.pull()
        await pair.decide()
        shown = await report(pair)
        assert shown["outbox_waiting right update"] == 1
        assert shown["outbox_oldest_timestamp_seconds right"] > 0
        await pair.execute("update bridge.link_rule set state = 'paused'")
        shown = await report(pair)
        assert shown["outbox_waiting right update"] == 1
        assert shown["outbox_oldest_timestamp_seconds right"] == shown["decide_lag_seconds pair"] == 0


async def test_who_leads_no_more_shows_nothing_that_grows_old(database: Database) -> None:
    async with linked(database) as (pair, _, _):
        assert "links pair linked" in await report(pair)
        jobs = RuleJobs(pair.database, pair.metrics, LeaderFence(), Settings)
        async with anyio.create_task_group() as group:
            group.start_soon(jobs.run)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        shown = series(pair.metrics)
        assert not [name for name in shown if name.startswith(("links ", "conflicts_waiting", "outbox_", "links_osc"))]
        assert "writes_total right update done" in shown


async def test_a_rule_that_is_gone_with_its_source_is_shown_no_longer(database: Database) -> None:
    async with linked(database) as (pair, _, _):
        assert (await report(pair))["links pair linked"] == 1
        await pair.execute("delete from bridge.link_rule")
        assert "links pair linked" not in await report(pair)
