"""Whatever a server answers, both clients raise nothing but errors of ours.

Two kinds of answers: bytes that no server should send, and JSON of the right envelope with anything inside.
"""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.dataminer.api_client import TicketRoutesClient
from bridge.dataminer.web_client import WebServicesClient
from bridge.domain.ticket_system import TicketWriter
from bridge.errors import BridgeError, UnreadableError
from bridge.settings import DataminerApiSettings, DataminerSettings
from tests.fuzz_answers import RawAnswer, raw_answers, serving_raw

pytestmark = pytest.mark.anyio
KINDS = st.sampled_from(["dataminer", "dataminer-api"])
OPERATIONS = st.sampled_from(["list", "get", "find", "notes", "create", "change", "note"])
NAMES = [
    *("tickets", "next", "ticket", "id", "version", "lastModified", "fields", "notes", "key", "errors", "contract"),
    *("d", "ExceptionType", "Message", "Tickets", "HasNextPage", "Fields", "Name", "Type", "PossibleValues", "Display"),
    *("Value", "DisplayValue", "DataMinerID", "ID", "TimeCreatedUTC", "IsClosed", "writable", "text", "at", "State"),
]
WORDS = st.sampled_from(["State", "Text", "DateTime", "SES", "tb-1", "1/1", "Skyline.X", "2026-01-01T00:00:00Z", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
GUARDED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def client_of(kind: str, url: str) -> Any:
    keys: dict[str, Any] = {"url": url, "write": True, "request_timeout_seconds": 0.1, "max_response_bytes": 100_000}
    if kind == "dataminer":
        return WebServicesClient("dma", DataminerSettings(**keys))
    return TicketRoutesClient("dma", DataminerApiSettings(**keys))


async def ask(client: TicketWriter, operation: str) -> None:
    match operation:
        case "list":
            pages = client.pages()
            async for page in pages:
                for row in page.items:
                    row.read()
                if page.number == 5:
                    break
        case "get":
            await client.fetch("1/1")
        case "find":
            await client.find("tb-1")
        case "notes":
            await client.notes("1/1")
        case "create":
            await client.create({"name": "x"}, "tb-1")
        case "change":
            await client.change("1/1", {"name": "x"}, version="1")
        case "note":
            await client.add_note("1/1", "x", code="k")


async def survives(kind: str, operation: str, answers: list[RawAnswer]) -> None:
    given_out = iter(answers)
    last = answers[-1]
    async with serving_raw(lambda _: next(given_out, last)) as origin, client_of(kind, origin) as client:
        message = ""
        try:
            await ask(client, operation)
        except UnreadableError:
            return
        except BridgeError as error:
            message = str(error)
        assert message.isprintable()


@GUARDED
@given(answers=st.lists(raw_answers(), min_size=1, max_size=3), kind=KINDS, operation=OPERATIONS)
async def test_bytes_that_no_server_should_send(answers: list[RawAnswer], kind: str, operation: str) -> None:
    await survives(kind, operation, answers)


def enveloped(value: Any, status: int) -> RawAnswer:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str) if _small(value) else b'{"d": 1e999}'
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return RawAnswer((f"{head}Connection: close\r\n\r\n".encode() + body,))


def _small(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def shaped(value: Any) -> Any:
    """A session, a page or a ticket with anything inside, beside anything else."""
    return st.sampled_from(
        [
            value,
            {"d": value},
            {"d": [{"Name": "SES", "ID": "x", **(value if isinstance(value, dict) else {})}]},
            {"d": {"Tickets": value if isinstance(value, list) else [value], "HasNextPage": False}},
            {"tickets": value if isinstance(value, list) else [value], "next": None},
            {"id": "1/1", "notes": value, "lastModified": value, "version": value},
            {"errors": [value], "ticket": value},
            {"Message": value, "ExceptionType": "Skyline.DataMiner.X"},
        ]
    )


@GUARDED
@given(
    answers=st.lists(
        st.tuples(VALUES.flatmap(shaped), st.sampled_from([200, 200, 200, 201, 404, 409, 500])), min_size=1
    ),
    kind=KINDS,
    operation=OPERATIONS,
)
async def test_json_with_anything_inside(answers: list[tuple[Any, int]], kind: str, operation: str) -> None:
    session = [enveloped({"d": "a-session"}, 200)] if kind == "dataminer" else []
    await survives(kind, operation, session + [enveloped(value, status) for value, status in answers])
