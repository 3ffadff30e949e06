"""Input of every badness: it is answered, never with a 5xx; what is not understood is kept with its bytes; and good
events beside it are applied.
"""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import cli
from bridge.app import RunningBridge
from bridge.ingest.receiver import read

pytestmark = pytest.mark.anyio

SECRET = "bad-input-secret-0123456789"
MIB = 1024**2


@pytest.fixture(scope="module")
async def bridge(shared_dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    async with open_bridge(configuration(shared_dsn, upstream.url)) as running:
        yield running


def configuration(dsn: str, url: str) -> dict[str, Any]:
    source = {
        "url": url,
        "callback_secret": SECRET,
        "poll_interval_seconds": 86_400,
        "reconcile_interval_seconds": 604_800,
    }
    return {
        "database": {"dsn": dsn},
        "http": {"port": 0, "max_body_bytes": 2 * MIB, "answer_timeout_seconds": 60},
        "journal": {"max_bytes": 0},  # what is answered is in Postgres, however slow that is
        "sources": {"snow": source},
    }


@pytest.fixture
def callback(bridge: RunningBridge) -> str:
    return f"{bridge.url}/listener/snow/{SECRET}"


@pytest.fixture
def query(bridge: RunningBridge) -> Callable[..., Any]:
    async def rows(statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async with bridge.postgres.database.connection() as connection:
            return await connection.fetch(statement, *arguments)

    return rows


def problem(problem_id: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": problem_id,
        "category": "supplier.originated",
        "description": "no light",
        "priority": 2,
        "reason": "fibre cut",
        "status": "acknowledged",
        "lastUpdate": "2026-06-01T12:00:00Z",
        **more,
    }


def event(payload: Any, **envelope: Any) -> bytes:
    """A create event about `payload`; bytes as json writes them, so NaN and lone surrogates are possible."""
    whole = {"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": payload}, **envelope}
    return json.dumps(whole).encode()


def raw(problem_id: str, **attributes: str) -> bytes:
    """The same with attributes given as JSON text."""
    more = "".join(f', "{name}": {value}' for name, value in attributes.items())
    return (
        f'{{"eventType": "ServiceProblemCreateEvent", "event": {{"serviceProblem": {{"id": "{problem_id}"{more}}}}}}}'
    ).encode()


def nested(problem_id: str, depth: int) -> bytes:
    return raw(problem_id, vendor="[" * depth + "]" * depth)


ODD_ID = "ключ/a b?c=d#e%2F\\'\"; drop table x--\U0001f600"
"""An id that is legal, and that no path, quoting or encoding may bend."""

KEPT = {
    "NUL as an escape": (event(problem("k-nul", description="a\0b")), "nul", "k-nul"),
    "NUL in a key": (event(problem("k-nul-key") | {"a\0": 1}), "nul", "k-nul-key"),
    "NUL in the id": (event(problem("k\0nul")), "nul", None),
    "NaN": (event(problem("k-nan", priority=float("nan"))), "unrepresentable", "k-nan"),
    "Infinity": (event(problem("k-inf", priority=float("-inf"))), "unrepresentable", "k-inf"),
    "1e400": (raw("k-1e400", priority="1e400"), "unrepresentable", "k-1e400"),
    "a lone surrogate": (raw("k-half", description='"\\ud800"'), "unrepresentable", "k-half"),
    "a lone surrogate in the id": (raw("\\udfff"), "unrepresentable", None),
    "nesting of 100": (nested("k-deep", 100), "too_deep", "k-deep"),
    "nesting of 10,000": (nested("k-deeper", 10_000), "too_deep", None),
    "nothing but nesting": (b"[" * 10_000, "too_deep", None),
    "an unknown event": (
        b'{"eventType": "AlarmCreateNotification", "event": {"alarm": {"id": "1"}}}',
        "no_problem",
        None,
    ),
    "an empty object": (b"{}", "no_problem", None),
    "a list of events": (b'{"event": [1, 2], "eventType": ["a"]}', "no_problem", None),
}


@pytest.mark.parametrize("what", KEPT)
async def test_json_that_cannot_be_kept_as_a_problem_is_accepted_as_a_dead_letter(
    what: str, callback: str, post: Callable[..., Any], query: Callable[..., Any], bridge: RunningBridge
) -> None:
    body, reason, problem_id = KEPT[what]
    answer = await post(callback + "/listener/serviceProblemOddEvent", body)
    if what == "nothing but nesting":
        assert answer.status in (201, 400)
    else:
        assert (answer.status, answer.body) == (201, b"{}")
    (letter,) = await query("select * from bridge.dead_letter where raw = $1", body)
    assert (letter["reason"], letter["problem_id"], letter["state"]) == (reason, problem_id, "waiting")
    assert letter["event_hint"] == "serviceProblemOddEvent"
    assert letter["detail"]
    assert letter["hint"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\0", "not_json"),
        (event(problem("x")).replace(b"no light", b"no\0light"), "not_json"),
        (event(problem("x")).replace(b"no light", b"no\xfflight"), "not_utf8"),
        (event(problem("x"))[:-1], "not_json"),
        (b"\xed\xa0\x80", "not_utf8"),
    ],
    ids=["NUL", "NUL in a text", "Latin-1 in a text", "cut off", "a surrogate"],
)
async def test_bytes_that_are_no_json_are_answered_400_and_kept(
    body: bytes, reason: str, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    assert (await post(callback, body)).status == 400
    (letter,) = await query("select reason from bridge.dead_letter where raw = $1", body)
    assert letter["reason"] == reason


APPLIED = {
    "a huge whole number": (raw("a-huge", priority="1" + "0" * 30), {"priority": None}),
    "a number beyond 64 bits": (raw("a-64", affectedNumberOfServices=str(2**64)), {"affected_services": None}),
    "a long fraction": (raw("a-fraction", priority="2." + "0" * 5000), {"priority": 2}),
    "the largest double": (raw("a-double", priority="1e308", vendor="-5e-324"), {"priority": None}),
    "a number as text": (event(problem("a-text", priority="3")), {"priority": 3}),
    "status as an object": (
        event(problem("a-object", status={"value": "held"})),
        {"status": "held", "status_raw": '{"value":"held"}'},
    ),
    "status as a list": (event(problem("a-list", status=["held"])), {"status": "held"}),
    "status as a number": (event(problem("a-number", status=7)), {"status": "unknown", "status_raw": "7"}),
    "a status of 10 kB": (event(problem("a-status", status="x" * 10_000)), {"status": "unknown"}),
    "wrong types everywhere": (
        event(
            problem(
                "a-types",
                category={"a": 1},
                description=[1],
                priority=[2],
                reason=7,
                name=False,
                href={"x": 1},
                lastUpdate={"at": 1},
                creationDate=[],
                statusChangeDate=True,
                resolutionDate="soon",
                originatorParty="somebody",
                responsibleParty=[1, 2],
                relatedParty="x",
                note=7,
                comment={"comment": {"deep": [1]}},
                externalIdentifier="x",
                affectedService={"id": 1},
                affectedLocation=[[1], None],
                trackingRecord=[None, "x"],
                impactPattern="y",
                firstAlert=5,
                characteristic=[[[]]],
            ),
            eventId={"a": 1},
            eventTime=[1],
            correlationId=5,
        ),
        {"priority": None, "updated_at": None, "description": "[1]", "originator": "somebody"},
    ),
    "the year 0": (event(problem("a-year-0", lastUpdate="0000-01-01T00:00:00Z"), eventTime="0"), {"updated_at": None}),
    "the first instant with an offset": (
        event(problem("a-year-1", lastUpdate="0001-01-01T00:00:00+14:00")),
        {"updated_at": None},
    ),
    "the last instant with an offset": (
        event(problem("a-9999", lastUpdate="9999-12-31T23:59:59.999999-12:00")),
        {"updated_at": None},
    ),
    "a time as a huge number": (event(problem("a-epoch", lastUpdate=10**300)), {"updated_at": None}),
    "an odd id": (event(problem(ODD_ID)), {"id": ODD_ID}),
    "an id of 512 wide characters": (event(problem("\U0001f600" * 512)), {"id": "\U0001f600" * 512}),
    "an id of digits": (event(problem(17)), {"id": "17"}),
    "an empty key": (raw("a-key").replace(b'"id"', b'"": {"": ""}, "id"'), {}),
    "a key of 10 kB": (event(problem("a-long-key") | {"k" * 10_000: 1}), {}),
    "keys named as ours": (event(problem("a-proto") | {"__proto__": 1, "constructor": 2, "source_id": 3}), {}),
    "a NUL that is none": (raw("a-backslash", description='"\\\\u0000"'), {"description": "\\u0000"}),
    "a pair of surrogates": (raw("a-pair", description='"\\ud83d\\ude00"'), {"description": "\U0001f600"}),
    "a byte order mark": (b"\xef\xbb\xbf" + event(problem("a-bom")), {}),
    "megabytes that fit": (event(problem("a-large", note=[{"text": "x" * MIB}])), {}),
}


@pytest.mark.parametrize("what", APPLIED)
async def test_odd_values_cost_no_problem(
    what: str, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    body, expected = APPLIED[what]
    assert (await post(callback, body)).status == 201
    stated = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))["event"]["serviceProblem"]["id"]
    (row,) = await query("select * from report.service_problem where id = $1", str(stated))
    assert {name: row[name] for name in expected} == expected


async def test_midnight_written_as_24_00_is_the_next_day(
    callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    assert (await post(callback, event(problem("midnight", lastUpdate="2026-06-01T24:00:00Z")))).status == 201
    (row,) = await query("select updated_at from report.service_problem where id = 'midnight'")
    assert row["updated_at"].isoformat() == "2026-06-02T00:00:00+00:00"


async def test_of_equal_keys_the_last_one_counts(
    callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    body = raw("first", priority="1").replace(b'"priority": 1', b'"priority": 1, "priority": 2, "id": "last"')
    assert (await post(callback, body)).status == 201
    found = await query("select id, priority from report.service_problem where id in ('first', 'last')")
    assert [tuple(row) for row in found] == [("last", 2)]


UNATTRIBUTABLE = {
    "no id": problem(None),
    "an empty id": problem("  "),
    "an id of 10 kB": problem("x" * 10_000),
    "an id that is an object": problem({"id": "x"}),
    "an id that is a flag": problem(True),
    "an id that is a fraction": problem(1.5),
    "an id beyond 64 bits": problem(10**30),
    "no problem": None,
    "a problem that is a text": "SP-1",
}


@pytest.mark.parametrize("what", UNATTRIBUTABLE)
async def test_an_event_that_names_no_problem_makes_the_source_be_polled(
    what: str,
    callback: str,
    post: Callable[..., Any],
    query: Callable[..., Any],
    upstream: Any,
    eventually: Callable[..., Any],
) -> None:
    before = upstream.lists.total()
    assert (await post(callback, event(UNATTRIBUTABLE[what], eventId=what))).status == 201
    (row,) = await query("select problem_id, outcome from report.notification where event_id = $1", what)
    assert tuple(row) == (None, "unchanged")
    await eventually(lambda: upstream.lists.total() > before)


# Content-Encoding ----------------------------------------------------------------------------------------------------


def packed_gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def deflated(body: bytes, *, bare: bool = False) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS if bare else zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", packed_gzip(event(problem("p-gzip")))),
        ("GZIP", packed_gzip(event(problem("p-GZIP")))),
        ("x-gzip", packed_gzip(event(problem("p-x-gzip")))),
        ("deflate", deflated(event(problem("p-deflate")))),
        ("deflate", deflated(event(problem("p-deflate-bare")), bare=True)),
        ("gzip", event(problem("p-lying"))),
        ("deflate", event(problem("p-lying-too"))),
        ("br", event(problem("p-br-lying"))),
        ("identity", event(problem("p-identity"))),
        ("rubbish", event(problem("p-rubbish"))),
    ],
    ids=[
        "gzip",
        "upper case",
        "x-gzip",
        "deflate",
        "bare deflate",
        "false gzip",
        "false deflate",
        "br",
        "identity",
        "?",
    ],
)
async def test_a_packed_body_is_unpacked_and_a_false_claim_is_overlooked(
    coding: str, packed: bytes, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    before = len(await query("select 1 from report.service_problem where id like 'p-%'"))
    assert (await post(callback, packed, **{"Content-Encoding": coding})).status == 201
    assert len(await query("select 1 from report.service_problem where id like 'p-%'")) == before + 1


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_packed_body_is_refused_where_it_becomes_too_large(
    coding: str, callback: str, post: Callable[..., Any]
) -> None:
    bomb = event(problem("bomb", description="0" * (200 * MIB)))
    packed = packed_gzip(bomb) if coding == "gzip" else deflated(bomb)
    assert len(packed) < 2 * MIB
    assert (await post(callback, packed, **{"Content-Encoding": coding})).status == 413


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", packed_gzip(event(problem("cut")))[:-9]),
        ("gzip", packed_gzip(event(problem("more"))) + b"more"),
        ("gzip", packed_gzip(event(problem("broken"))).replace(b"\x08", b"\x09", 1)),
        ("br", b"\x1b\x10\x00\xf8\xff"),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x00"),
        ("gzip, br", packed_gzip(event(problem("with br")))),
        ("gzip, gzip, gzip, gzip", packed_gzip(event(problem("too often")))),
    ],
    ids=["cut off", "more than it", "broken", "br", "zstd", "with br", "too often"],
)
async def test_what_cannot_be_unpacked_is_kept_as_it_was_sent(
    coding: str, body: bytes, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    assert (await post(callback, body, **{"Content-Encoding": coding})).status == 400
    assert await query("select 1 from bridge.dead_letter where raw = $1 and reason = 'not_utf8'", body)


async def test_what_is_wrapped_in_a_form_or_in_headers_is_stored(
    callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    """`bridge.web.listener.posted_body` has the other ways."""
    form = b"payload=" + quote(event(problem("w-form"))).encode()
    assert (await post(callback, form, **{"Content-Type": "application/x-www-form-urlencoded"})).status == 201
    binary = {"ce-id": "w-1", "ce-type": "ServiceProblemCreateEvent", "ce-time": "2026-06-01T12:00:00Z"}
    assert (await post(callback, orjson.dumps(problem("w-binary")), **binary)).status == 201
    rows = await query("select id from report.service_problem where id like 'w-%' order by id")
    assert [row["id"] for row in rows] == ["w-binary", "w-form"]
    told = await query("select event_id, event_type from report.notification where problem_id = 'w-binary'")
    assert [tuple(row) for row in told] == [("w-1", "ServiceProblemCreateEvent")]


@pytest.mark.parametrize("size", [2 * MIB + 1, 10 * MIB])
async def test_bodies_of_megabytes_are_refused(
    size: int, bridge: RunningBridge, open_wire: Callable[..., Any], request_head: Callable[..., bytes], callback: str
) -> None:
    """Over the wire, because a client library may not read an answer before it has sent everything."""
    path = f"/listener/snow/{SECRET}"
    async with open_wire(bridge.url) as wire:
        await wire.send(request_head(path, f"Content-Length: {size}"))
        assert (await wire.answer()).status == 413
    async with open_wire(bridge.url) as wire, anyio.create_task_group() as group:

        async def pour() -> None:
            try:
                for _ in range(size // 65536 + 1):
                    await wire.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

        await wire.send(request_head(path, "Transfer-Encoding: chunked"))
        group.start_soon(pour)
        assert (await wire.answer()).status == 413
        group.cancel_scope.cancel()


# Neighbours ----------------------------------------------------------------------------------------------------------


async def test_no_bad_event_costs_a_good_one_in_the_same_batch(
    callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    bad = [body for body, *_ in KEPT.values()] + [b"", b"{", b"[]", event(problem(None)), event(problem("x" * 9000))]
    good = [event(problem(f"good-{number}")) for number in range(120)]
    mixed = [body for pair in zip(good, cycle(bad), strict=False) for body in pair]
    statuses: dict[bytes, int] = {}

    async def send(body: bytes) -> None:
        statuses[body] = (await post(callback, body)).status

    async with anyio.create_task_group() as group:
        for body in mixed:
            group.start_soon(send, body)
    assert all(statuses[body] == 201 for body in good)
    assert {statuses[body] for body in bad} <= {201, 400}
    applied = await query("select 1 from report.notification where problem_id like 'good-%' and outcome = 'applied'")
    assert len(applied) == len(good)
    assert len(await query("select 1 from report.service_problem where id like 'good-%'")) == len(good)


# Anything ------------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.sampled_from(["2026-06-01T12:00:00Z", "9999-12-31T23:59:59-23:59", "held", "1e400", "\0", "\ud800", ""])
)
KEYS = st.sampled_from(
    ["id", "href", "status", "priority", "lastUpdate", "statusChangeDate", "note", "relatedParty", "problem", "@type"]
) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "eventType": st.sampled_from(["ServiceProblemCreateEvent", "serviceProblemRemoveNotification", "Odd"])
        | SCALARS,
        "eventId": SCALARS,
        "eventTime": SCALARS,
        "event": st.dictionaries(
            st.sampled_from(["serviceProblem", "problemGroup", "problemAcknowledgement"]), VALUES, max_size=2
        )
        | VALUES,
        "serviceProblem": VALUES,
    },
)
BODIES = (
    st.binary(max_size=200)
    | st.text(st.sampled_from('{}[]",:\\u0eE-+.tfn \0\ud800é'), max_size=60).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
    | EVENTS.map(lambda document: json.dumps(document).encode())
    | EVENTS.map(lambda document: json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))
)
HINTS = st.sampled_from(["", "/", "/listener/serviceProblemDeleteEvent", "/%00%FF", "//x"])
CODINGS = st.sampled_from([None, None, "gzip", "deflate", "br"])


@given(bodies=st.lists(st.tuples(BODIES, HINTS, CODINGS), min_size=1, max_size=4))
@settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
async def test_whatever_is_posted_is_answered_and_leaves_a_trace(
    bodies: list[tuple[bytes, str, str | None]],
    bridge: RunningBridge,
    open_wire: Callable[..., Any],
    query: Callable[..., Any],
) -> None:
    """Each event in them leaves one row, and a good event among them is always applied."""
    number = len(await query("select 1 from report.service_problem where id like 'fuzz-%'"))
    (logged,) = await query("select count(*) as rows from bridge.notification")
    statuses = []

    async def send(body: bytes, suffix: str, coding: str | None) -> None:
        headers = [] if coding is None else [f"Content-Encoding: {coding}"]
        async with open_wire(bridge.url) as wire:
            statuses.append((await wire.post(f"/listener/snow/{SECRET}{suffix}", body, *headers)).status)

    async with anyio.create_task_group() as group:
        for body, suffix, coding in bodies:
            group.start_soon(send, body, suffix, coding)
        group.start_soon(send, event(problem(f"fuzz-{number}")), "", None)
    assert set(statuses) <= {201, 400}
    (now,) = await query("select count(*) as rows from bridge.notification")
    events = sum(len(read(1, body, None, datetime.now(UTC))) for body, _, _ in bodies)
    assert events >= len(bodies)
    assert now["rows"] == logged["rows"] + events + 1
    assert len(await query("select 1 from report.service_problem where id like 'fuzz-%'")) == number + 1


# Dead letters on the command line ------------------------------------------------------------------------------------


@pytest.fixture
def command(
    dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    keep_logging: None,
) -> Callable[..., Any]:
    """Run a `tmf656-bridge` command on the test's database, on a wide screen; return (exit status, output)."""
    monkeypatch.setenv("COLUMNS", "200")
    config = tmp_path / "bridge.toml"
    config.write_text(f'[database]\ndsn = "{dsn}"\n')

    async def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = await anyio.to_thread.run_sync(cli.main, [*arguments, "--config", str(config)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


async def test_dead_letters_are_listed_shown_replayed_and_discarded(
    dsn: str,
    tmp_path: Path,
    upstream: Any,
    open_bridge: Callable[..., Any],
    post: Callable[..., Any],
    command: Callable[..., Any],
) -> None:
    assert await command("dead-letters", "list") == (0, "no dead letters\n")
    half = event(problem("half"))[:-5]
    async with open_bridge(configuration(dsn, upstream.url)) as bridge:
        url = f"{bridge.url}/listener/snow/{SECRET}"
        for body in (half, half, b'{"eventType": "Odd"}', event(problem("nul", description="\0"))):
            await post(url, body)

        async def listed(*options: str) -> list[dict[str, Any]]:
            status, output = await command("dead-letters", "list", "--json", *options)
            assert status == 0
            return list(orjson.loads(output))

        letters = {letter["reason"]: letter for letter in await listed()}
        assert {reason: letter["times"] for reason, letter in letters.items()} == {
            "not_json": 2,
            "no_problem": 1,
            "nul": 1,
        }
        assert letters["nul"]["problem_id"] == "nul"
        assert letters["not_json"]["raw_bytes"] == len(half)
        status, table = await command("dead-letters", "list", "--source", "snow")
        assert (status, "not_json" in table) == (0, True)
        assert await listed("--source", "other") == []

        first = str(letters["not_json"]["id"])
        status, shown = await command("dead-letters", "show", first)
        assert status == 0
        assert all(text in shown for text in ("not_json", "cut off", half.decode()))
        file = tmp_path / "letter"
        assert (await command("dead-letters", "show", first, "--raw", str(file)))[0] == 0
        assert file.read_bytes() == half

        status, said = await command("dead-letters", "replay", "--all")
        assert (status, said.count("still not understood")) == (1, 3)
        async with bridge.postgres.database.transaction() as connection:
            await connection.execute(
                "update bridge.dead_letter set raw = $1 where id = $2", event(problem("half")), int(first)
            )
        status, said = await command("dead-letters", "replay", first)
        assert (status, said) == (0, f"{first}: replayed\n")
        async with bridge.postgres.database.connection() as connection:
            assert await connection.fetchval("select 1 from report.service_problem where id = 'half'") == 1
        assert (await command("dead-letters", "replay", first))[0] == 1, "settled before"

        status, _ = await command("dead-letters", "discard", str(letters["nul"]["id"]))
        assert status == 0
        assert [letter["reason"] for letter in await listed()] == ["no_problem"]
        assert {letter["state"] for letter in await listed("--settled")} == {"replayed", "discarded", "waiting"}
        await post(url, half)
        assert {letter["reason"]: letter["times"] for letter in await listed()} == {"no_problem": 1, "not_json": 1}
        assert (await command("dead-letters", "discard", "--all"))[0] == 0
        assert await listed() == []
    for wrong in (("show", "999999"), ("replay", "999999")):
        status, said = await command("dead-letters", *wrong)
        assert (status, "there is no dead letter 999999" in said) == (1, True)
    assert (await command("dead-letters", "replay"))[0] == 2


@pytest.mark.parametrize(
    "more",
    [
        {"description": "x" * (MIB + 1)},
        {"vendor": {f"a{number}": 0 for number in range(60_000)}},
        {"affectedService": [{"id": f"s{number}", "href": f"http://h/{number}"} for number in range(13_000)]},
    ],
    ids=["a text of a million", "60,000 attributes", "13,000 affected services"],
)
async def test_c9_what_is_within_the_limit_of_bytes_is_stored(
    more: dict[str, Any], callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    problem_id = f"c9-{next(iter(more))}"
    assert (await post(callback, event(problem(problem_id, **more)))).status == 201
    assert len(await query("select id from report.service_problem where id = $1", problem_id)) == 1


CHARSETS = ["ISO-8859-1", "iso-8859-15", "Windows-1252", "UTF-16", "utf-16le", "utf-16-be", "utf-32", '"latin1"']


def spoken(payload: Any, encoding: str) -> bytes:
    whole = {"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": payload}}
    return json.dumps(whole, ensure_ascii=False).encode(encoding)


@pytest.mark.parametrize("charset", CHARSETS)
async def test_c6_a_declared_charset_is_heeded_each_time(
    charset: str, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    for number in range(3):  # the head of a request is known after the first
        at, description = f"2026-06-01T12:0{number}:00Z", f"Störung in Köln {number}"
        raw = spoken(problem(f"C6-{charset}", description=description, lastUpdate=at), charset.strip('"'))
        answer = await post(callback, raw, **{"Content-Type": f"application/json; charset={charset}"})
        assert answer.status == 201
        (row,) = await query("select description from report.service_problem where id = $1", f"C6-{charset}")
        assert row["description"] == description


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
async def test_c6_a_body_in_wide_characters_is_known_by_its_first_bytes(
    encoding: str, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    raw = spoken(problem(f"C6-wide-{encoding}", description="Störung"), encoding)
    assert (await post(callback, raw)).status == 201
    (row,) = await query("select description from report.service_problem where id = $1", f"C6-wide-{encoding}")
    assert row["description"] == "Störung"


async def test_c6_what_is_not_understood_is_kept_so_that_it_can_be_read_again(
    callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    raw = '{"eventType":"WetterEvent","event":{"stürmisch":true}}'.encode("iso-8859-1")
    answer = await post(callback, raw, **{"Content-Type": "application/json;charset=ISO-8859-1"})
    assert answer.status == 201
    (row,) = await query("select raw from bridge.dead_letter where position('WetterEvent'::bytea in raw) > 0")
    assert json.loads(row["raw"])["event"] == {"stürmisch": True}


@pytest.mark.parametrize("charset", ["punycode", "idna", "rot13", "base64", "unicode_escape", "no-such", "x" * 5000])
async def test_a4_a_charset_that_is_none_of_text_is_not_decoded(
    charset: str, callback: str, post: Callable[..., Any]
) -> None:
    said = event(problem("A4", description="x" * 500_000), eventId=charset[:20])
    answer = await post(callback, said, **{"Content-Type": f"application/json; charset={charset}"})
    assert answer.status == 201  # it is UTF-8 all the same


@pytest.mark.parametrize("charset", ["utf-8", "us-ascii", "utf-16", "no-such"])
async def test_c6_bytes_that_are_none_of_their_charset_are_answered_400_and_kept_as_they_came(
    charset: str, callback: str, post: Callable[..., Any], query: Callable[..., Any]
) -> None:
    raw = f'{{"charset":"{charset}","id":"'.encode() + b'\xe9\xff\xd8"}'
    answer = await post(callback, raw, **{"Content-Type": f"application/json; charset={charset}"})
    assert answer.status == 400
    assert [row["raw"] for row in await query("select raw from bridge.dead_letter where raw = $1", raw)] == [raw]
