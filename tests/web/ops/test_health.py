"""What the bridge says of itself: probes, and metrics under the names that dashboards and alerts rest on."""

import inspect
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from bridge import __version__
from bridge.app import Bridge, RunningBridge
from bridge.domain.observation import Via
from bridge.domain.status import Status
from bridge.errors import BridgeError
from bridge.settings import Settings
from bridge.sources.state import Mode
from bridge.telemetry import metrics
from bridge.telemetry.metrics import Metrics, event_type_label
from bridge.tmf656.wire import event
from bridge.web.listener import admission, body_budget, endpoint, posted_body, signature

pytestmark = pytest.mark.anyio

SECRET = "health-secret-0123456789ab"

CONTRACT: dict[str, tuple[str, set[str]]] = {
    "notifications": ("counter", {"source", "event_type", "outcome"}),
    "changes": ("counter", {"source", "via"}),
    "mode": ("gauge", {"source", "mode"}),
    "last_push_timestamp_seconds": ("gauge", {"source"}),
    "last_poll_success_timestamp_seconds": ("gauge", {"source", "kind"}),
    "polls": ("counter", {"source", "kind", "outcome"}),
    "subscription_registrations": ("counter", {"source", "reason", "outcome"}),
    "subscription_registered": ("gauge", {"source"}),
    "acknowledge_seconds": ("histogram", set()),
    "event_age_seconds": ("histogram", {"source"}),
    "commit_rows": ("histogram", set()),
    "dead_letters": ("gauge", {"source"}),
    "journal_waiting": ("gauge", set()),
    "service_problems": ("gauge", {"source", "status"}),
    "drift": ("counter", {"source", "kind"}),
    "database_connections": ("gauge", {"state"}),
    "upstream_requests": ("counter", {"source", "operation", "outcome"}),
    "build_info": ("gauge", {"version", "python"}),
}
"""Name without the prefix (and without `_total`) → type, labels: the public contract, word for word."""

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def bridge(dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    source = {
        "url": upstream.url,
        "callback_secret": SECRET,
        "poll_interval_seconds": 86_400,
        "reconcile_interval_seconds": 604_800,
    }
    configuration = {"database": {"dsn": dsn}, "http": {"port": 0, "max_body_bytes": 4096}, "sources": {"snow": source}}
    async with open_bridge(configuration) as running:
        yield running


@pytest.fixture
def scrape(bridge: RunningBridge, get: Callable[..., Any]) -> Callable[[], Any]:
    """Read /metrics as Prometheus does: families by name."""

    async def families() -> dict[str, Metric]:
        answer = await get(f"{bridge.url}/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        read = list(text_string_to_metric_families(answer.body.decode()))
        assert len({family.name for family in read}) == len(read)
        return {family.name: family for family in read}

    return families


def series(families: dict[str, Metric]) -> Series:
    """Ours, by name and labels."""
    return {
        (sample.name.removeprefix("tmf656_bridge_"), frozenset(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name.startswith("tmf656_bridge_")
    }


def value(found: Series, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def created_event(
    problem_id: str, *, kind: str = "ServiceProblemCreateEvent", at: int = 0, **more: Any
) -> dict[str, Any]:
    problem = {
        "id": problem_id,
        "category": "supplier.originated",
        "description": "no light",
        "priority": 2,
        "reason": "fibre cut",
        "status": "acknowledged",
        "lastUpdate": f"2026-06-01T12:{at:02}:00Z",
    }
    return {"eventType": kind, "eventTime": f"2026-06-01T12:{at:02}:01Z", "event": {"serviceProblem": problem}} | more


# Probes --------------------------------------------------------------------------------------------------------------


async def test_a_running_bridge_is_alive_and_ready(bridge: RunningBridge, get: Callable[..., Any]) -> None:
    alive, ready = await get(f"{bridge.url}/livez"), await get(f"{bridge.url}/readyz")
    assert (alive.status, alive.json()) == (200, {"live": True})
    assert (ready.status, ready.json()) == (200, {"ready": True, "state": "ready", "missing": []})


async def test_the_root_says_what_this_is_and_where_to_look(bridge: RunningBridge, get: Callable[..., Any]) -> None:
    answer = await get(bridge.url)
    assert (answer.status, answer.json()["program"], answer.json()["version"]) == (200, "tmf656-bridge", __version__)
    for path in answer.json()["paths"]:
        assert (await get(bridge.url + path.replace("{", "").replace("}", ""))).status in (200, 405)


async def test_what_is_nowhere_is_404(bridge: RunningBridge, get: Callable[..., Any]) -> None:
    assert (await get(f"{bridge.url}/listener")).status == 404
    assert (await get(f"{bridge.url}/metrics/x")).status == 404


# Metrics -------------------------------------------------------------------------------------------------------------


async def test_every_name_of_the_contract_is_there_with_its_labels_from_the_start(scrape: Callable[[], Any]) -> None:
    families = await scrape()
    for name, (kind, labels) in CONTRACT.items():
        family = families[f"tmf656_bridge_{name}"]
        assert (family.type, bool(family.documentation)) == (kind, True), name
        assert family.samples, name
        assert {label for sample in family.samples for label in sample.labels} - {"le"} == labels, name


async def test_counters_start_at_0_with_every_value_of_their_labels(scrape: Callable[[], Any]) -> None:
    found = series(await scrape())
    for event_type in (*metrics.KNOWN_EVENT_TYPES, "other"):
        for outcome in ("applied", "unchanged", "duplicate", "stale", "dead_letter"):
            assert value(found, "notifications_total", source="snow", event_type=event_type, outcome=outcome) == 0, (
                event_type
            )
    for via in Via:
        assert value(found, "changes_total", source="snow", via=via.value) == 0
    for status in Status:
        assert value(found, "service_problems", source="snow", status=status.value) == 0
    for reason in ("start", "silent", "lost"):
        assert value(found, "subscription_registrations_total", source="snow", reason=reason, outcome="failed") == 0
    assert value(found, "last_push_timestamp_seconds", source="snow") == 0
    assert value(found, "journal_waiting") == 0
    assert value(found, "dead_letters", source="snow") == 0
    assert value(found, "acknowledge_seconds_count") == 0


async def test_known_traffic_gives_known_counts(
    bridge: RunningBridge, scrape: Callable[[], Any], post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    with anyio.fail_after(90):
        await bridge.sources["snow"].first_pass.wait()
    callback = f"{bridge.url}/listener/snow/{SECRET}"
    for body in (
        created_event("p", at=5),
        created_event("p", at=5),
        created_event("p", at=1, kind="serviceProblemStatusChangeNotification"),
        created_event("p", at=5, eventId="again"),
        created_event("q"),
        b"{",
        b'{"eventType": "Odd"}',
        b"x" * 4097,
    ):
        await post(callback, body)
    await post(f"{bridge.url}/listener/snow/wrong", created_event("p"))

    async def counted() -> bool:
        return value(series(await scrape()), "dead_letters", source="snow") == 2

    await eventually(counted)
    found = series(await scrape())
    notifications = {
        (labels_of["event_type"], labels_of["outcome"]): number
        for (name, labels), number in found.items()
        if name == "notifications_total" and number and (labels_of := dict(labels))
    }
    assert notifications == {
        ("ServiceProblemCreateEvent", "applied"): 2,
        ("ServiceProblemCreateEvent", "duplicate"): 1,
        ("ServiceProblemCreateEvent", "unchanged"): 1,
        ("ServiceProblemStateChangeEvent", "stale"): 1,
        ("other", "dead_letter"): 2,
    }
    refusals = {
        dict(labels)["reason"]: number for (name, labels), number in found.items() if name == "listener_refusals_total"
    }
    assert {reason: number for reason, number in refusals.items() if number} == {
        "malformed": 1,
        "too_large": 1,
        "unknown_callback": 1,
    }
    assert value(found, "acknowledge_seconds_count") == 9
    assert value(found, "commit_rows_sum") == 7
    assert value(found, "event_age_seconds_count", source="snow") == 5
    assert value(found, "service_problems", source="snow", status="acknowledged") == 2
    assert value(found, "last_push_timestamp_seconds", source="snow") > 1.7e9
    assert value(found, "last_poll_success_timestamp_seconds", source="snow", kind="poll") > 1.7e9
    assert value(found, "polls_total", source="snow", kind="poll", outcome="ok") >= 1
    assert value(found, "changes_total", source="snow", via="push") == 2
    modes = {mode: value(found, "mode", source="snow", mode=mode) for mode in ("push", "fallback", "poll", "disabled")}
    assert modes == {"push": 0, "fallback": 0, "poll": 1, "disabled": 0}, "this server has no hub"
    assert value(found, "subscription_registrations_total", source="snow", reason="start", outcome="absent") == 1


async def test_no_series_appears_later_and_nothing_that_is_sent_becomes_a_label(
    bridge: RunningBridge,
    upstream: Any,
    scrape: Callable[[], Any],
    post: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    callback = f"{bridge.url}/listener/snow/{SECRET}"
    names = set(series(await scrape()))
    for number in range(30):
        kind = ("Odd{}", "ServiceProblemCreateEvent{}", "problemGroupStateChangeEvent", "x" * 500 + "{}")[number % 4]
        body = created_event(f"canary-{number}", kind=kind.format(number), eventId=f"canary-{number}")
        assert (await post(f"{callback}/listener/canary{number}", body)).status == 201
    for body in (b"", b"{}", b"[]", b'{"eventType": "canary"}', b"x" * 9000):
        await post(callback, body)
    for path in ("/canary", "/listener/canary/canary", "/listener/snow/canary"):
        await post(bridge.url + path, b"{}")
    source = bridge.sources["snow"]
    for upstream.status in (401, 404, 418, 429, 500):
        with pytest.raises(BridgeError):
            await source.client.get("canary")
    source.poll_wake.call("test")

    async def failed() -> bool:
        return value(series(await scrape()), "polls_total", source="snow", kind="poll", outcome="failed") > 0

    await eventually(failed)
    upstream.status = 200
    found = series(await scrape())
    assert set(found) == names
    assert not [labels for _, labels in names if "canary" in str(labels) or SECRET in str(labels)]


def test_the_label_event_type_is_bounded() -> None:
    assert {event_type_label(name) for name in ("", "Odd", "x" * 10_000, "\0")} == {"other"}
    known = set(event._SPELLINGS.values())
    assert {event_type_label(name) for name in known} == known
    assert len(known) == 17


def test_the_labels_speak_the_words_of_the_domain() -> None:
    """The metrics are a leaf and know no enumeration; these have to be kept equal."""
    assert set(metrics.STATUSES) == {status.value for status in Status}
    assert set(metrics.MODES) == {mode.value for mode in Mode}
    assert set(metrics.VIAS) == {via.value for via in Via}
    source = "".join(inspect.getsource(module) for module in (endpoint, admission, body_budget, posted_body, signature))
    assert set(metrics.REFUSALS) == {"connections", *re.findall(r'Refusal\(\s*\d+,\s*"(\w+)"', source)}


def test_two_bridges_in_one_process_do_not_share_metrics() -> None:
    one, other = Metrics(), Metrics()
    one.introduce("snow")
    assert b'source="snow"' in one.page()[0]
    assert b'source="snow"' not in other.page()[0]


async def test_every_series_is_there_while_postgres_is_still_waited_for(
    upstream: Any, eventually: Callable[..., Any]
) -> None:
    """A first scrape that finds nothing makes the first increase invisible to every rate."""
    source = {"url": upstream.url, "poll_interval_seconds": 7, "reconcile_interval_seconds": 70}
    bridge = Bridge(
        Settings.model_validate(
            {
                "database": {"dsn": "postgresql://nobody@127.0.0.1:9/nothing", "pool_max_size": 3},
                "http": {"port": 0},
                "journal": {"max_bytes": 4096},
                "sources": {"snow": source, "off": source | {"enabled": False}},
            }
        )
    )
    async with anyio.create_task_group() as group:
        group.start_soon(bridge.run)
        await eventually(lambda: bridge.metrics.registry.get_sample_value("tmf656_bridge_database_connections_max"))
        bridge.stop()
    body, _ = bridge.metrics.page()
    found = series({one.name: one for one in text_string_to_metric_families(body.decode())})
    assert value(found, "notifications_total", source="snow", event_type="other", outcome="applied") == 0
    assert value(found, "poll_interval_seconds", source="snow", kind="poll") == 7
    assert value(found, "poll_interval_seconds", source="snow", kind="reconcile") == 70
    assert value(found, "mode", source="off", mode="disabled") == 1
    assert value(found, "journal_max_bytes") == 4096
    assert value(found, "database_connections_max") == 3
    assert value(found, "database_up") == 0
    assert value(found, "leads") == 0


async def test_what_is_in_use_is_read_when_it_is_scraped(
    bridge: RunningBridge,
    scrape: Callable[[], Any],
    eventually: Callable[..., Any],
    open_wire: Callable[[str], Any],
    request_head: Callable[..., bytes],
) -> None:
    async def is_(name: str, number: float, **labels: str) -> None:
        async def holds() -> bool:
            return value(series(await scrape()), name, **labels) == number

        await eventually(holds)

    await is_("leads", 1)
    await is_("database_up", 1)
    async with open_wire(bridge.url) as wire:
        await wire.send(request_head(f"/listener/snow/{SECRET}", "Content-Length: 2"))
        await is_("listener_requests_in_progress", 1)
        await wire.send(b"{}")
        await wire.answer()
    await is_("listener_requests_in_progress", 0)
    async with AsyncExitStack() as borrowed:
        for _ in range(5):
            await borrowed.enter_async_context(bridge.postgres.database.connection())
        assert value(series(await scrape()), "database_connections", state="used") >= 5
    await is_("writer_waiting", 0)
    assert value(series(await scrape()), "last_commit_timestamp_seconds") > 1.7e9

    async def sampled() -> bool:
        return value(series(await scrape()), "event_loop_lag_seconds_count") > 0

    await eventually(sampled)


async def test_openmetrics_is_answered_to_who_asks_for_it(bridge: RunningBridge, get: Callable[..., Any]) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    open_, plain = await get(f"{bridge.url}/metrics", Accept=accept), await get(f"{bridge.url}/metrics")
    assert open_.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain")
    told_open = {one.name for one in openmetrics_families(open_.body.decode())}
    told_plain = {one.name for one in text_string_to_metric_families(plain.body.decode())}
    assert told_open == told_plain


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain;version=x",
        "application/openmetrics-text;version=x",
        "application/openmetrics-text;version=1.0.0\xff",
        "text/\xff\xfe",
        ";=,,;version",
    ],
)
async def test_an_accept_header_that_is_not_understood_gets_the_plain_page(
    bridge: RunningBridge, open_wire: Callable[..., Any], request_head: Callable[..., bytes], accept: str
) -> None:
    async with open_wire(bridge.url) as wire:
        await wire.send(request_head("/metrics", f"Accept: {accept}", method="GET"))
        answer = await wire.answer()
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"tmf656_bridge_build_info" in answer.body


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not here")
async def test_prometheus_finds_no_fault_in_the_names(bridge: RunningBridge, get: Callable[..., Any]) -> None:
    page = (await get(f"{bridge.url}/metrics")).body
    checked = await anyio.run_process(["promtool", "check", "metrics"], input=page, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
