"""The callback: where it may be posted to, what it answers, and what it never tells."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.abc
import asyncpg
import pytest

from bridge.app import RunningBridge
from bridge.web.listener.callback import Callback
from bridge.web.listener.endpoint import source_for
from bridge.web.refusal import Refusal
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]

SECRET = "listener-C4nary-0123456789"
WRONG = "listener-Wr0ng--0123456789"
QUIET = {"poll_interval_seconds": 86_400, "reconcile_interval_seconds": 604_800, "callback_secret": SECRET}
SOURCES = ("v2", "v3", "v4", "v5", "auto")


def settings(dsn: str, url: str, **http: Any) -> dict[str, Any]:
    sources = {name: {"url": f"{url}/{name}", "version": name.removeprefix("v")} | QUIET for name in SOURCES}
    sources["off"] = {"url": f"{url}/off", "enabled": False} | QUIET
    return {"database": {"dsn": dsn}, "http": {"port": 0} | http, "sources": sources}


@pytest.fixture(scope="module")
async def bridge(shared_dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    async with open_bridge(settings(shared_dsn, upstream.url, max_body_bytes=4096, body_timeout_seconds=0.3)) as it:
        yield it


@pytest.fixture
def callback(bridge: RunningBridge) -> Callable[..., str]:
    """The address of a source's callback."""

    def address(source: str = "v4", secret: str = SECRET, suffix: str = "") -> str:
        return f"{bridge.url}/listener/{source}/{secret}{suffix}"

    return address


@pytest.fixture
def query(bridge: RunningBridge) -> Callable[..., Any]:
    """Rows of the bridge's database."""

    async def rows(statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async with bridge.postgres.database.connection() as connection:
            return await connection.fetch(statement, *arguments)

    return rows


def event(problem_id: str, *, kind: str = "ServiceProblemCreateEvent", **envelope: Any) -> dict[str, Any]:
    problem = {
        "id": problem_id,
        "category": "supplier.originated",
        "description": "no light",
        "priority": 2,
        "reason": "fibre cut",
        "status": "acknowledged",
        "lastUpdate": "2026-06-01T12:00:00Z",
    }
    return {
        "eventId": f"e-{problem_id}",
        "eventTime": "2026-06-01T12:00:01Z",
        "eventType": kind,
        "event": {"serviceProblem": problem},
        **envelope,
    }


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


# Where -----------------------------------------------------------------------------------------------------------


SUFFIXES = {
    "bare": "",
    "trailing slash": "/",
    "listener path": "/listener/serviceProblemCreateEvent",
    "doubled slash": "//listener/serviceProblemCreateEvent",
    "both": "//listener//serviceProblemCreateEvent/",
}


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("source", SOURCES)
async def test_the_callback_and_everything_below_it_is_served_and_answered_in_the_sources_version(
    source: str, form: str, callback: Callable[..., str], post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    problem_id = f"where-{form}"
    answer = await post(callback(source, suffix=SUFFIXES[form]), event(problem_id))
    if source == "v5":
        assert (answer.status, answer.body) == (204, b"")
    else:
        assert (answer.status, answer.body) == (201, b"{}")
        assert answer.headers["content-type"].startswith("application/json")
    found = await query("select status from report.service_problem where source = $1 and id = $2", source, problem_id)
    assert [row["status"] for row in found] == ["acknowledged"], "stored before the answer"


async def test_a_secret_opens_its_own_source_only(rig_for: RigFor) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    sources = {"sim": rig.source}
    (secret,) = rig.source.secrets
    assert source_for(Callback("sim", secret), sources) is rig.source
    for name, wrong in (("sim", secret[:-1]), ("sim", ""), ("other", secret), ("other", ""), ("sim", "\udcff")):
        with pytest.raises(Refusal) as refused:
            source_for(Callback(name, wrong), sources)
        assert refused.value.status == 404


async def test_a_disabled_source_has_no_callback(rig_for: RigFor) -> None:
    rig = await rig_for("http://127.0.0.1:9", enabled=False)
    for secret in (rig.source.secrets[0], ""):
        with pytest.raises(Refusal):
            source_for(Callback("sim", secret), {"sim": rig.source})


async def test_a_source_of_unknown_version_is_answered_in_the_version_that_its_problems_show(
    dsn: str, open_upstream: Callable[..., Any], open_bridge: Callable[..., Any], post: Callable[..., Any]
) -> None:
    async with open_upstream() as server:
        server.problems["p"] = {"id": "p", "@type": "ServiceProblem", "note": [{"@type": "Note", "text": "x"}]}
        async with open_bridge(settings(dsn, server.url)) as bridge:
            with anyio.fail_after(30):
                await bridge.sources["auto"].first_pass.wait()
            assert (await post(f"{bridge.url}/listener/auto/{SECRET}", event("q"))).status == 204


NAMES = {
    "ServiceProblemCreateEvent": ("ServiceProblemCreateNotification", "ServiceProblemCreationNotification"),
    "ServiceProblemStateChangeEvent": (
        "ServiceProblemStateChangeNotification",
        "ServiceProblemStatusChangeNotification",
        "serviceProblemStateChangeEvent",
    ),
    "ServiceProblemAttributeValueChangeEvent": (
        "ServiceProblemAttributeValueChangeNotification",
        "ServiceProblemChangeNotification",
    ),
    "ServiceProblemInformationRequiredEvent": ("ServiceProblemInformationRequiredNotification",),
    "ServiceProblemDeleteEvent": ("ServiceProblemRemoveNotification", "ServiceProblemDeleteNotification"),
} | {
    f"Problem{task}{verb}Event": ()
    for task in ("Acknowledgement", "Unacknowledgement", "Group", "Ungroup")
    for verb in ("Create", "StateChange", "Delete")
}
SPELLED = [(name, spelling) for name, spellings in NAMES.items() for spelling in (name, *spellings)]


@pytest.mark.parametrize(("name", "spelling"), SPELLED)
@pytest.mark.parametrize("told_by", ["eventType", "path"])
async def test_every_event_of_every_version_is_known_by_its_type_or_by_its_path(
    name: str,
    spelling: str,
    told_by: str,
    callback: Callable[..., str],
    post: Callable[..., Any],
    query: Callable[..., Any],
) -> None:
    event_id = f"{told_by}-{spelling}"
    body = event(f"named-{event_id}", kind=spelling, eventId=event_id)
    if name.startswith("Problem"):
        body["event"] = {"problemAcknowledgement": {"problem": [{"id": "a"}]}}
    suffix = f"/listener/{spelling[0].lower()}{spelling[1:]}" if told_by == "path" else ""
    answer = await post(callback("v4", suffix=suffix), without(body, "eventType") if suffix else body)
    assert answer.status == 201
    found = await query("select event_type, outcome from report.notification where event_id = $1", event_id)
    assert [row["event_type"] for row in found] == [name]
    assert found[0]["outcome"] in ("applied", "unchanged")


@pytest.mark.parametrize("missing", [("eventId",), ("eventTime",), ("eventId", "eventTime"), ("eventType",)])
async def test_no_field_of_the_envelope_is_needed(
    missing: tuple[str, ...], callback: Callable[..., str], post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    problem_id = f"lacks-{'-'.join(missing)}"
    assert (await post(callback(), without(event(problem_id), *missing))).status == 201
    assert await query("select 1 from report.service_problem where id = $1", problem_id)
    (row,) = await query("select event_id, event_time from report.notification where problem_id = $1", problem_id)
    assert (row["event_id"] is None, row["event_time"] is None) == ("eventId" in missing, "eventTime" in missing)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "rubbish", ""])
async def test_the_content_type_does_not_matter(
    content_type: str | None,
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    query: Callable[..., Any],
) -> None:
    problem_id = f"typed-{content_type}"
    headers = [] if content_type is None else [f"Content-Type: {content_type}"]
    async with open_wire(bridge.url) as wire:
        answer = await wire.post(urlsplit(callback()).path, json.dumps(event(problem_id)).encode(), *headers)
    assert answer.status == 201
    assert await query("select 1 from report.service_problem where id = $1", problem_id)


@pytest.mark.parametrize("source", ["v4", "v5"])
async def test_the_answer_is_the_same_on_a_connection_that_stays_and_on_one_that_does_not(
    source: str,
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
) -> None:
    body = json.dumps(event(f"answered-{source}")).encode()
    path = urlsplit(callback(source)).path
    staying = request_head(path, f"Content-Length: {len(body)}") + body
    ending = request_head(path, f"Content-Length: {len(body)}", "Connection: close") + body
    old = staying.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    began = datetime.now(UTC).replace(microsecond=0)
    answers = []
    for last in (ending, old):
        async with open_wire(bridge.url) as wire:
            await wire.send(staying + staying + last)
            answers += [await wire.answer() for _ in range(3)]
            assert await wire.ended()
    said = [{name: value for name, value in answer.headers.items() if name != "date"} for answer in answers]
    assert said[2].pop("connection") == "close"
    common = {"server": "tmf656-bridge", "x-content-type-options": "nosniff"}
    content = {"content-type": "application/json", "content-length": "2"}
    assert said == [common | content if source == "v4" else common] * 6
    assert {(answer.status, answer.body) for answer in answers} == {(201, b"{}") if source == "v4" else (204, b"")}
    for answer in answers:
        assert began <= parsedate_to_datetime(answer.headers["date"]) <= datetime.now(UTC)


# What is refused -----------------------------------------------------------------------------------------------------


async def test_unknown_sources_wrong_secrets_and_disabled_sources_get_the_same_answer(
    callback: Callable[..., str], post: Callable[..., Any]
) -> None:
    answers = [
        await post(address, event("refused"))
        for address in (
            callback("nobody"),
            callback("nobody", WRONG),
            callback("v4", WRONG),
            callback("v5", WRONG, "/listener/serviceProblemCreateEvent"),
            callback("v4", SECRET[:-1]),
            callback("v4", SECRET + "x"),
            callback("v4", "%FF%00"),
            callback("off"),
            callback("off", WRONG),
        )
    ]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_only_post_is_allowed(
    method: str,
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
) -> None:
    for secret in (SECRET, WRONG):
        async with open_wire(bridge.url) as wire:
            await wire.send(request_head(urlsplit(callback(secret=secret)).path, method=method))
            answer = await wire.answer()
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


MALFORMED = {
    "nothing": b"",
    "blanks": b"  \n",
    "half": b'{"eventType": "ServiceProblemCreateEvent", "event": {"serviceP',
    "no JSON": b"eventType=ServiceProblemCreateEvent",
    "an object and a half": b'{}{"eventType": ',
    "an array of texts": b'["ServiceProblemCreateEvent"]',
    "a text": b'"problem"',
    "a number": b"42",
    "null": b"null",
    "Latin-1": '{"eventType": "é"}'.encode("latin-1"),
    "half of UTF-16": '{"eventType": "x"}'.encode("utf-16")[:-1],
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_is_no_json_object_is_answered_400_and_kept(
    what: str, callback: Callable[..., str], post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    answer = await post(callback("v3"), MALFORMED[what])
    assert (answer.status, answer.json()["code"], answer.json()["reason"]) == (400, "400", "malformed")
    (letter,) = await query(
        """select d.reason, d.times, d.via from bridge.dead_letter as d join bridge.source as s on s.id = d.source_id
        where s.name = 'v3' and d.raw = $1""",
        MALFORMED[what],
    )
    assert letter["reason"] in ("not_json", "not_object", "not_utf8")
    assert (letter["times"], letter["via"]) == (1, "push")


async def test_a_body_that_says_it_is_too_large_is_refused_unread(
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
) -> None:
    async with open_wire(bridge.url) as wire:
        await wire.send(request_head(urlsplit(callback()).path, "Content-Length: 4097"))
        answer = await wire.answer()
        assert (answer.status, answer.json()["reason"]) == (413, "too_large")
        assert await wire.ended()


async def test_a_body_of_unsaid_length_is_refused_where_it_becomes_too_large(
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
    query: Callable[..., Any],
) -> None:
    fits = json.dumps(event("chunked")).encode().ljust(4096)
    chunked = request_head(urlsplit(callback()).path, "Transfer-Encoding: chunked")
    async with open_wire(bridge.url) as wire:
        await wire.send(chunked + b"1000\r\n" + fits + b"\r\n")
        await wire.send(b"0\r\n\r\n")
        assert (await wire.answer()).status == 201
        await wire.send(chunked + b"1000\r\n" + fits + b"\r\n")
        await wire.send(b"1\r\n \r\n")
        assert (await wire.answer()).status == 413
        assert await wire.ended()
    assert len(await query("select 1 from report.notification where problem_id = 'chunked'")) == 1


async def test_a_body_that_drips_is_answered_408(
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
) -> None:
    async with open_wire(bridge.url) as wire:
        await wire.send(request_head(urlsplit(callback()).path, "Content-Length: 100") + b'{"event')
        answer = await wire.answer()
        assert (answer.status, answer.json()["reason"]) == (408, "slow_body")
        assert await wire.ended()


@pytest.mark.parametrize(
    "broken", [b"zz\r\n", b"4\r\n{}\r\n", b"FFFFFFFFFFFFFFFFFF\r\n"], ids=["no size", "short", "huge"]
)
async def test_a_body_with_broken_chunks_is_no_fault_of_ours(
    broken: bytes,
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
) -> None:
    async with open_wire(bridge.url) as wire:
        await wire.send(request_head(urlsplit(callback()).path, "Transfer-Encoding: chunked"))
        await wire.send(broken)
        answer = await wire.answer()
    assert answer.status in (400, 408)


async def test_a_sender_that_hangs_up_in_mid_body_leaves_no_error_behind(
    bridge: RunningBridge,
    callback: Callable[..., str],
    open_wire: Callable[..., Any],
    request_head: Callable[..., bytes],
    eventually: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def cut_off() -> float:
        return (
            bridge.metrics.registry.get_sample_value("tmf656_bridge_listener_refusals_total", {"reason": "cut_off"})
            or 0.0
        )

    before = cut_off()
    with caplog.at_level(logging.INFO):
        async with open_wire(bridge.url) as wire:
            await wire.send(request_head(urlsplit(callback()).path, "Content-Length: 100") + b'{"event')
        await eventually(lambda: cut_off() == before + 1)
        async with open_wire(bridge.url) as wire:
            await wire.send(b"\x16\x03\x01\x00\xa5 what is this \r\n\r\n")
            assert (await wire.answer()).status == 400
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_connection_goes_on_after_a_refusal(
    bridge: RunningBridge, callback: Callable[..., str], open_wire: Callable[..., Any], query: Callable[..., Any]
) -> None:
    path, wrong = urlsplit(callback()).path, urlsplit(callback(secret=WRONG)).path
    async with open_wire(bridge.url) as wire:
        statuses = [
            (await wire.post(where, body)).status
            for where, body in (
                (path, b"{"),
                (wrong, b"x" * 3000),
                (path, json.dumps(event("kept-alive")).encode()),
                (path, b"[]"),
                ("/listener/nobody", b"{}"),
                (path, json.dumps(event("kept-alive-2")).encode()),
            )
        ]
    assert statuses == [400, 404, 201, 400, 404, 201]
    assert len(await query("select 1 from report.service_problem where id like 'kept-alive%'")) == 2


# Postgres away -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def gate_to(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Yield a shut gate and the DSN that leads through it."""
    parts = urlsplit(dsn)
    where = {name: values[0] for name, values in parse_qs(parts.query).items()}
    gate = Proxy(f"{where['host']}/.s.PGSQL.{where['port']}")
    await gate.open()
    await gate.shut()
    try:
        yield gate, f"postgresql://postgres@127.0.0.1:{gate.port}{parts.path}?sslmode=disable"
    finally:
        await gate.shut()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_while_postgres_is_away_senders_are_told_to_come_again_and_after_that_served(
    dsn: str,
    upstream: Any,
    open_bridge: Callable[..., Any],
    post: Callable[..., Any],
    get: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    address = f"{url}/listener/v4/{SECRET}"

    async def ready() -> bool:
        try:
            return bool((await get(f"{url}/readyz")).status == 200)
        except OSError:
            return False

    async def refused_for_now() -> None:
        answer = await post(address, event("away"))
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1

    async with gate_to(dsn) as (gate, through):

        async def alone() -> None:
            async with open_bridge(settings(through, upstream.url, port=port)):
                await finished.wait()

        finished = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(alone)

            async def listens() -> bool:
                try:
                    return bool((await get(f"{url}/livez")).status == 200)
                except OSError:
                    return False

            await eventually(listens)
            await refused_for_now()
            unready = await get(f"{url}/readyz")
            assert (unready.status, unready.json()["missing"]) == (503, ["waiting for Postgres"])
            assert (await get(f"{url}/metrics")).status == 200
            await gate.open()
            await eventually(ready)
            assert (await post(address, event("there"))).status == 201
            await gate.shut()
            assert (await get(f"{url}/readyz")).status == 503
            assert (await get(f"{url}/livez")).status == 200
            await refused_for_now()
            await gate.open()
            await eventually(ready)
            assert (await post(address, event("there-again"))).status == 201
            finished.set()


# Secrets -------------------------------------------------------------------------------------------------------------


async def test_the_secret_is_in_no_log_and_on_no_page(
    dsn: str, upstream: Any, tmp_path: Path, post: Callable[..., Any], get: Callable[..., Any]
) -> None:
    """The real process, at its most talkative."""
    config = tmp_path / "bridge.toml"
    config.write_text(
        f"""
        [database]
        dsn = "{dsn}"
        [http]
        port = 0
        [log]
        level = "debug"
        format = "json"
        [sources.v4]
        url = "{upstream.url}"
        callback_secret = "{SECRET}"
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "run", "--config", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        text=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    try:
        url = ""
        with anyio.fail_after(30):
            while not lines or json.loads(lines[-1]).get("event") != "ready":
                lines.append(await anyio.to_thread.run_sync(process.stderr.readline))
                assert lines[-1], "".join(lines)
                url = json.loads(lines[-1]).get("url") or url
        reading = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
        reading.start()
        pages = [
            (await post(f"{url}/listener/v4/{SECRET}{suffix}", body)).body.decode()
            for suffix in ("", "/listener/serviceProblemCreateEvent", "x")
            for body in (json.dumps(event("s")).encode(), b"{", b'{"eventType": "Odd"}', b"[" * 10_000)
        ]
        pages += [(await get(url + path)).body.decode() for path in ("/", "/livez", "/readyz", "/metrics")]
        pages.append((await get(f"{url}/listener/v4/{SECRET}")).body.decode())
        assert (await post(f"{url}/listener/v4/{SECRET}/{'y' * 9000}", b"{}")).status == 400
    finally:
        process.send_signal(signal.SIGTERM)
        await anyio.to_thread.run_sync(process.wait)
    await anyio.to_thread.run_sync(reading.join)
    process.stderr.close()
    assert process.returncode == 0
    assert any("dead letter" in line for line in lines), "logs are looked at"
    assert not [line for line in lines if SECRET in line]
    assert not [page for page in pages if SECRET in page]
