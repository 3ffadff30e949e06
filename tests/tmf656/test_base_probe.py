"""The base path that was meant, found by trial."""

import itertools

import pytest

from bridge.settings import Tmf656Settings
from bridge.simulator import Simulator
from bridge.tmf656.base_probe import candidates
from bridge.tmf656.client import Client

ORIGIN = "https://h:8443"
API = "/tmf-api/serviceProblemManagement"


@pytest.mark.parametrize(
    ("url", "resource", "wanted"),
    [
        (f"{ORIGIN}{API}/v4", "/serviceProblem", (f"{ORIGIN}{API}/v4", "/ServiceProblem")),
        (f"{ORIGIN}{API}/v4", "/serviceProblem", (f"{ORIGIN}{API}", "/serviceProblem")),
        (f"{ORIGIN}{API}", "/serviceProblem", (f"{ORIGIN}{API}/v4", "/serviceProblem")),
        (f"{ORIGIN}{API}/v3", "/serviceProblem", (f"{ORIGIN}{API}/v5", "/serviceProblem")),
        (ORIGIN, "/serviceProblem", (f"{ORIGIN}{API}/v4", "/serviceProblem")),
        (f"{ORIGIN}{API}/v4/tickets", "/serviceProblem", (f"{ORIGIN}{API}/v4", "/serviceProblem")),
        (f"{ORIGIN}/x{API}/v4", "/ServiceProblem", (f"{ORIGIN}/x{API}/v4", "/serviceProblem")),
    ],
)
def test_b12_usual_bases_and_spellings_are_among_the_candidates(
    url: str, resource: str, wanted: tuple[str, str]
) -> None:
    assert wanted in list(candidates(url, resource))


def test_b12_candidates_are_few_different_and_on_the_same_origin() -> None:
    found = list(candidates(f"{ORIGIN}{API}/v4", "/serviceProblem"))
    assert len(found) == len(set(found)) <= 60
    assert (f"{ORIGIN}{API}/v4", "/serviceProblem") not in found
    for (url, resource), _ in itertools.product(found, [0]):
        assert url == ORIGIN or url.startswith(f"{ORIGIN}/")
        assert "//" not in url.removeprefix("https://") + resource


@pytest.mark.anyio
async def test_b12_the_base_that_answers_is_found() -> None:
    async with Simulator(population=2) as sim:
        wrong = sim.url.rpartition("/")[0]
        assert wrong != sim.url
        there = {"url": sim.url, "resource_path": "/serviceProblem"}
        assert await Client("snow", Tmf656Settings(url=wrong)).elsewhere() == there
        assert await Client("snow", Tmf656Settings(url=f"{sim.url}/nowhere/v4")).elsewhere() == there


@pytest.mark.anyio
async def test_b12_a_server_without_problems_anywhere_gives_none() -> None:
    async with Simulator(population=0) as sim:
        assert await Client("snow", Tmf656Settings(url=f"{sim.url}x")).elsewhere() == {}
