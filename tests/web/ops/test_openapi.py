"""The description of what is served: every reference leads somewhere, and every path is one of the bridge."""

from collections.abc import Iterator

import orjson
import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response

from bridge import __version__
from bridge.telemetry.metrics import Metrics
from bridge.web.listener.callback import callback_of
from bridge.web.ops.health import Readiness, ops_pages
from bridge.web.ops.openapi import DOCUMENT, openapi

pytestmark = pytest.mark.anyio


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_reference_leads_to_a_schema() -> None:
    named = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) == named


def test_every_page_is_described_and_every_callback_is_one() -> None:
    async def page(accept: str) -> tuple[bytes, str]:
        return Metrics().page(accept)

    async def readiness() -> Readiness:
        raise NotImplementedError

    pages = ops_pages(readiness, page, "")
    described = {path for path in DOCUMENT["paths"] if not path.startswith("/listener/")}
    assert set(pages) | {"/stream"} == described
    for path in set(DOCUMENT["paths"]) - described:
        assert callback_of(path) is not None


async def test_it_is_served_as_json_with_the_version_of_the_program() -> None:
    answer = await openapi(make_mocked_request("GET", "/openapi.json"))
    assert isinstance(answer, Response)
    assert isinstance(answer.body, bytes)
    assert orjson.loads(answer.body)["info"]["version"] == __version__
