"""Pages: the three styles, their headers, and the ways in which they go wrong."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio


def next_link(headers: Any) -> str | None:
    matched = re.search(r'<([^>]*)>; rel="next"', headers.get("Link", ""))
    return matched[1] if matched else None


async def follow(call: Callable[..., Any], url: str) -> tuple[list[str], int]:
    """Follow the next links; return all ids and the number of pages."""
    ids: list[str] = []
    pages, following = 0, url
    while following:
        status, headers, listed = await call("GET", following)
        assert status in (200, 206)
        ids += [body["id"] for body in listed]
        pages, following = pages + 1, next_link(headers)
    return ids, pages


@pytest.mark.parametrize("style", ["offset", "page_number", "cursor"])
async def test_following_the_links_gives_every_problem_once(style: Any, call: Callable[..., Any]) -> None:
    async with Simulator(population=23, faults=Faults(page_style=style)) as sim:
        start = "limit=5" if style != "page_number" else "offset=0&limit=5"
        ids, pages = await follow(call, f"{sim.url}/serviceProblem?{start}&lastUpdate.gte=2000-01-01T00:00:00Z")
        assert ids == list(sim.problems)
        assert pages == 5


async def test_a_part_is_206_with_counts_and_all_links(call: Callable[..., Any]) -> None:
    async with Simulator(population=10) as sim:
        status, headers, listed = await call("GET", f"{sim.url}/serviceProblem?offset=4&limit=3")
        assert (status, len(listed)) == (206, 3)
        assert (headers["X-Total-Count"], headers["X-Result-Count"]) == ("10", "3")
        links = {relation: url for url, relation in re.findall(r'<([^>]*)>; rel="(\w+)"', headers["Link"])}
        offsets = {relation: int(re.search(r"offset=(\d+)", url)[1]) for relation, url in links.items()}
        assert offsets == {"self": 4, "first": 0, "next": 7, "prev": 1, "last": 9}
        status, headers, listed = await call("GET", f"{sim.url}/serviceProblem?offset=50&limit=3")
        assert (status, listed, headers["X-Result-Count"]) == (206, [], "0")


async def test_v2_gives_no_headers_and_200(call: Callable[..., Any]) -> None:
    async with Simulator(version="2", population=10) as sim:
        status, headers, listed = await call("GET", f"{sim.url}/serviceProblem?offset=4&limit=3")
        assert (status, len(listed)) == (200, 3)
        assert not {"Link", "X-Total-Count", "X-Result-Count"} & set(headers)


async def test_headers_can_be_left_out(call: Callable[..., Any]) -> None:
    async with Simulator(population=10, faults=Faults(no_link=True, no_total=True)) as sim:
        _, headers, _ = await call("GET", f"{sim.url}/serviceProblem?limit=3")
        assert not {"Link", "X-Total-Count"} & set(headers)


async def test_the_servers_own_limit_wins(call: Callable[..., Any]) -> None:
    async with Simulator(population=10, faults=Faults(page_cap=4)) as sim:
        for query in ("", "?limit=9"):
            status, _, listed = await call("GET", f"{sim.url}/serviceProblem{query}")
            assert (status, len(listed)) == (206, 4)


async def test_a_server_that_counts_pages_fails_on_half_a_request(call: Callable[..., Any]) -> None:
    async with Simulator(population=10, faults=Faults(page_style="page_number")) as sim:
        _, _, listed = await call("GET", f"{sim.url}/serviceProblem?offset=2&limit=3")
        assert [body["id"] for body in listed] == list(sim.problems)[6:9]
        for half in ("offset=2", "limit=3"):
            assert (await call("GET", f"{sim.url}/serviceProblem?{half}"))[0] == 500


async def test_a_cursor_has_no_total_and_survives_new_and_deleted_rows(call: Callable[..., Any]) -> None:
    async with Simulator(population=6, faults=Faults(page_style="cursor")) as sim:
        before = list(sim.problems)
        _, headers, first = await call("GET", f"{sim.url}/serviceProblem?limit=3")
        assert "X-Total-Count" not in headers
        await sim.delete(before[0])
        created = await sim.create()
        rest, _ = await follow(call, next_link(headers) or "")
        assert [body["id"] for body in first] + rest == [*before, created["id"]]
        assert (await call("GET", f"{sim.url}/serviceProblem?cursor=%21"))[0] == 400


async def test_shifting_pages_miss_rows_or_give_them_twice(call: Callable[..., Any]) -> None:
    async with Simulator(population=40, seed=2, faults=Faults(shift_pages=True)) as sim:
        ids, _ = await follow(call, f"{sim.url}/serviceProblem?limit=5")
        assert sorted(ids) != sorted(sim.problems)


async def test_an_order_without_meaning_is_the_same_each_time(call: Callable[..., Any]) -> None:
    async with Simulator(population=40, faults=Faults(unordered=True)) as sim:
        ids, _ = await follow(call, f"{sim.url}/serviceProblem?limit=7")
        assert ids != list(sim.problems)
        assert sorted(ids) == sorted(sim.problems)
        assert (await follow(call, f"{sim.url}/serviceProblem?limit=7"))[0] == ids
