"""The API as a client sees it, in every version."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656 import dialect

pytestmark = pytest.mark.anyio
every_version = pytest.mark.parametrize("version", dialect.VERSIONS)

NEW = {
    "category": "supplier.originated",
    "description": "line down",
    "priority": 1,
    "reason": "unknown",
    "originatingSystem": "NMS-A",
    "originatorParty": {
        "id": "p1",
        "href": "https://a.example/p1",
        "role": "Customer",
        "@referredType": "Organization",
    },
}


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@every_version
async def test_a_problem_is_created_read_patched_and_deleted(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version) as sim:
        collection = f"{sim.url}/serviceProblem"
        status, headers, made = await call("POST", collection, json=dialect.encode(NEW, version))
        assert status == 201
        assert headers["Location"] == made["href"] == f"{collection}/{made['id']}"
        assert made["description"] == "line down"

        status, _, read = await call("GET", made["href"])
        assert (status, read) == (200, made)

        patch = dialect.encode({"status": "resolved", "note": [{"text": "done", "author": "Eva"}]}, version)
        status, _, changed = await call("PATCH", made["href"], json=patch)
        assert status == 200
        assert sim.problems[made["id"]]["status"] == "resolved"
        assert sim.problems[made["id"]]["note"] == [{"text": "done", "author": "Eva"}]
        assert changed[dialect.wire_name("lastUpdate", version)] > made[dialect.wire_name("lastUpdate", version)]
        assert changed["resolutionDate"] == changed["statusChangeDate"]

        status, _, _ = await call("DELETE", made["href"])
        assert status == (405 if version == "2" else 204)
        assert (made["id"] in sim.problems) == (version == "2")


@every_version
async def test_a_list_holds_every_problem_as_get_by_id_answers_it(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version, population=25, seed=1) as sim:
        status, headers, listed = await call("GET", f"{sim.url}/serviceProblem")
        assert status == 200
        assert {body["id"]: body for body in listed} == sim.shown()
        if version == "2":
            assert "X-Total-Count" not in headers
        else:
            assert (headers["X-Total-Count"], headers["X-Result-Count"]) == ("25", "25")
        _, _, alone = await call("GET", listed[3]["href"])
        assert alone == listed[3]


@every_version
async def test_what_does_not_exist_is_a_404_with_the_versions_error(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version) as sim:
        for path in ("serviceProblem/12345", "nothing"):
            status, headers, error = await call("GET", f"{sim.url}/{path}")
            assert status == 404
            assert headers["Content-Type"].startswith("application/json")
            assert str(error["code"]) == str(error["status"]) == "404"


@every_version
async def test_a_creation_without_its_mandatory_attributes_is_refused(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version) as sim:
        incomplete = dialect.encode({"description": "x"}, version)
        status, _, error = await call("POST", f"{sim.url}/serviceProblem", json=incomplete)
        assert status == 400
        assert "category" in error["message"]
        for body in (b"[]", b"{", b'"text"'):
            status, _, _ = await call("POST", f"{sim.url}/serviceProblem", data=body)
            assert status == 400
        assert not sim.problems


async def test_the_server_adds_what_a_new_problem_lacks(call: Callable[..., Any]) -> None:
    async with Simulator(version="3") as sim:
        _, _, made = await call("POST", f"{sim.url}/serviceProblem", json=dialect.encode(NEW, "3"))
    wanted = {"status", "statusChangeDate", "timeRaised", "timeChanged", "affectedNumberOfServices", "responsibleParty"}
    assert wanted <= made.keys()


async def test_v5_insists_on_type_and_takes_a_proposed_id_once(call: Callable[..., Any]) -> None:
    async with Simulator(version="5") as sim:
        collection, body = f"{sim.url}/serviceProblem", dialect.encode(NEW | {"id": "mine"}, "5")
        untyped = {name: value for name, value in body.items() if name != "@type"}
        assert (await call("POST", collection, json=untyped))[0] == 400
        status, _, made = await call("POST", collection, json=body)
        assert (status, made["id"]) == (201, "mine")
        assert (await call("POST", collection, json=body))[0] == 409
        assert (await call("PATCH", made["href"], json={"status": "held"}))[0] == 400


async def test_r18_5_answers_under_v4_with_the_model_of_v3(call: Callable[..., Any]) -> None:
    async with Simulator(version="r18.5", population=1) as sim:
        assert sim.url.endswith("/tmf-api/serviceProblemManagement/v4")
        _, _, (problem,) = await call("GET", f"{sim.url}/serviceProblem")
        assert "timeRaised" in problem
        assert "creationDate" not in problem


@every_version
async def test_json_patch_works_as_a_list_and_as_a_single_operation(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version) as sim:
        problem = await sim.create(priority=1)
        patch = {"op": "replace", "path": "/priority", "value": 4}
        for body, expected in (([patch], 4), ({**patch, "value": 5}, 5)):
            status, _, _ = await call(
                "PATCH", problem["href"], json=body, headers={"Content-Type": "application/json-patch+json"}
            )
            assert status == 200
            assert sim.problems[problem["id"]]["priority"] == expected
        broken = [{"op": "remove", "path": "/nothing"}]
        status, _, _ = await call(
            "PATCH", problem["href"], json=broken, headers={"Content-Type": "application/json-patch+json"}
        )
        assert status == 400


async def test_what_is_not_patchable_stays(call: Callable[..., Any]) -> None:
    async with Simulator(version="4") as sim:
        problem = await sim.create(originatingSystem="A")
        await call("PATCH", problem["href"], json={"id": "x", "href": "y", "originatingSystem": "B", "priority": 5})
        changed = sim.problems[problem["id"]]
        assert (changed["id"], changed["originatingSystem"], changed["priority"]) == (problem["id"], "A", 5)


@every_version
async def test_a_list_can_be_limited_to_what_changed_since(version: str, call: Callable[..., Any]) -> None:
    clock = Ticking()
    async with Simulator(version=version, clock=clock) as sim:
        made = []
        for _ in range(5):
            clock.advance(60)
            made.append(await sim.create())
        name, bound = dialect.wire_name("lastUpdate", version), made[3]["lastUpdate"]
        queries = (f"{name}.gte={bound}", f"{name}%3E%3D{bound}", f"{name}%3E={bound}", f"{name}>={bound}")
        for query in queries:
            _, _, listed = await call("GET", f"{sim.url}/serviceProblem?{query}")
            assert [body["id"] for body in listed] == [made[3]["id"], made[4]["id"]], query
        _, _, later = await call("GET", f"{sim.url}/serviceProblem?{name}.gt={bound}")
        assert [body["id"] for body in later] == [made[4]["id"]]
        shifted = bound.replace("Z", "%2B00:00")
        _, _, same = await call("GET", f"{sim.url}/serviceProblem?{name}.eq={shifted}")
        assert [body["id"] for body in same] == [made[3]["id"]]
        assert (await call("GET", f"{sim.url}/serviceProblem?{name}.gte=yesterday"))[0] == 400


@every_version
async def test_attributes_filter_in_the_versions_names_and_spelling(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version) as sim:
        held = await sim.create(status="held", priority=2, relatedParty=[{"id": "zz", "href": "h", "role": "r"}])
        closed = await sim.create(status="closed", priority=4)
        spelled = "In Progress - Held" if version in ("2", "3", "r18.5") else "held"
        party = "relatedParty.partyOrPartyRole.id" if version == "5" else "relatedParty.id"
        for params, expected in (
            ({"status": spelled}, [held["id"]]),
            ({"priority.gt": "1"}, [held["id"], closed["id"]]),
            ({"priority": "2,4", "status": spelled}, [held["id"]]),
            ({party: "zz"}, [held["id"]]),
            ({"status": "nonsense"}, []),
        ):
            _, _, listed = await call("GET", f"{sim.url}/serviceProblem", params=params)
            assert [body["id"] for body in listed] == expected, params


@every_version
async def test_fields_reduce_the_answer_to_what_was_asked_for(version: str, call: Callable[..., Any]) -> None:
    typed = {"@type"} if version == "5" else set()
    async with Simulator(version=version, population=2) as sim:
        _, _, listed = await call("GET", f"{sim.url}/serviceProblem?fields=status,priority")
        assert all(body.keys() == {"id", "href", "status", "priority"} | typed for body in listed)
        _, _, alone = await call("GET", f"{listed[0]['href']}?fields=none")
        assert alone.keys() == {"id", "href"} | typed


async def test_a_list_is_sorted_as_asked(call: Callable[..., Any]) -> None:
    async with Simulator(version="4") as sim:
        ids = [(await sim.create(priority=priority))["id"] for priority in (3, 1, 2, 1)]
        _, _, listed = await call("GET", f"{sim.url}/serviceProblem?sort=-priority,%2Bid")
        assert [body["id"] for body in listed] == [ids[0], ids[2], ids[1], ids[3]]


async def test_jsonpath_filters_are_not_implemented(call: Callable[..., Any]) -> None:
    async with Simulator() as sim:
        status, _, _ = await call("GET", f"{sim.url}/serviceProblem", params={"filter": "[?(@.status=='held')]"})
        assert status == 501


@pytest.mark.parametrize("version", ["3", "r18.5", "4", "5"])
async def test_tasks_change_the_problems_they_name(version: str, call: Callable[..., Any]) -> None:
    async with Simulator(version=version) as sim:
        one, two = await sim.create(status="inProgress"), await sim.create(status="inProgress")

        def task(**members: Any) -> dict[str, Any]:
            return {"@type": "Task", **members}

        both = [{"id": one["id"]}, {"id": two["id"]}]
        status, _, done = await call("POST", f"{sim.url}/problemAcknowledgement", json=task(problem=both))
        assert (status, done["ackProblem"]) == (201, both)
        assert {problem["status"] for problem in sim.problems.values()} == {"acknowledged"}
        await call("POST", f"{sim.url}/problemUnacknowledgement", json=task(problem=both[:1]))
        assert sim.problems[one["id"]]["status"] == "submitted"

        family = task(parentProblem=both[0], childProblem=both[1:])
        await call("POST", f"{sim.url}/problemGroup", json=family)
        assert sim.problems[two["id"]]["parentProblem"][0]["id"] == one["id"]
        assert sim.problems[one["id"]]["underlyingProblem"][0]["id"] == two["id"]
        await call("POST", f"{sim.url}/problemUngroup", json=family)
        assert "parentProblem" not in sim.problems[two["id"]]
        assert "underlyingProblem" not in sim.problems[one["id"]]

        assert (await call("POST", f"{sim.url}/problemGroup", json=task()))[0] == 400
        unknown = task(problem=[{"id": "unknown"}])
        assert (await call("POST", f"{sim.url}/problemAcknowledgement", json=unknown))[0] == 404
        if version == "5":
            _, _, read = await call("GET", done["href"])
            assert (read, done["state"]) == (done, "done")
            assert (await call("GET", f"{sim.url}/problemAcknowledgement"))[2] == [done]


async def test_the_event_records_of_other_systems_are_an_empty_list(call: Callable[..., Any]) -> None:
    async with Simulator() as sim:
        assert (await call("GET", f"{sim.url}/serviceProblemEventRecord"))[::2] == (200, [])


async def test_every_change_of_a_problem_is_later_than_the_one_before_even_if_the_clock_stands_still() -> None:
    async with Simulator(clock=Ticking()) as sim:
        problem = await sim.create(priority=1)
        changed = [await sim.patch(problem["id"], priority=priority) for priority in (2, 3, 4)]
        stamps = [body["lastUpdate"] for body in (problem, *changed)]
        assert stamps == sorted(set(stamps))
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in stamps)


async def test_a_reopened_problem_is_no_longer_resolved() -> None:
    async with Simulator() as sim:
        problem = await sim.create()
        assert "resolutionDate" in await sim.transition(problem["id"], "resolved")
        assert "resolutionDate" in await sim.transition(problem["id"], "closed")
        assert "resolutionDate" not in await sim.transition(problem["id"], "inProgress")


async def test_a_backup_can_be_restored_without_a_word(call: Callable[..., Any]) -> None:
    async with Simulator() as sim:
        problem = await sim.create(priority=1)
        backup = sim.snapshot()
        await sim.patch(problem["id"], priority=5)
        await sim.create()
        sim.restore(backup)
        assert sim.snapshot() == backup
        assert (await call("GET", problem["href"]))[2]["priority"] == 1


@pytest.mark.parametrize(
    ("asked", "given", "status"),
    [
        ({}, {}, 200),
        ({"username": "u", "password": "p"}, {"Authorization": "Basic dTpw"}, 200),
        ({"username": "u", "password": "p"}, {"Authorization": "Basic dTpx"}, 401),
        ({"username": "u", "password": "p"}, {}, 401),
        ({"token": "t"}, {"Authorization": "Bearer t"}, 200),
        ({"token": "t"}, {"Authorization": "Bearer é"}, 401),
    ],
)
async def test_credentials_are_asked_for_when_configured(
    asked: dict[str, str], given: dict[str, str], status: int, call: Callable[..., Any]
) -> None:
    async with Simulator(**asked) as sim:
        answered, headers, _ = await call("GET", f"{sim.url}/serviceProblem", headers=given)
        assert answered == status
        assert ("WWW-Authenticate" in headers) == (status == 401)


async def test_client_credentials_are_exchanged_for_the_token(call: Callable[..., Any]) -> None:
    async with Simulator(username="id", password="secret", token="t") as sim:
        form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
        status, _, answer = await call("POST", sim.token_url, data=form)
        assert (status, answer["access_token"], answer["token_type"]) == (200, "t", "Bearer")
        assert (await call("POST", sim.token_url, data=form | {"client_secret": "wrong"}))[0] == 401


async def test_the_requests_received_are_kept_in_order(call: Callable[..., Any]) -> None:
    async with Simulator(faults=Faults(fail_next=1)) as sim:
        await call("GET", f"{sim.url}/serviceProblem?limit=1")
        await call("GET", f"{sim.url}/serviceProblem/x")
        assert [(request.operation, request.method, request.query) for request in sim.requests] == [
            ("list", "GET", "limit=1"),
            ("get", "GET", ""),
        ]
        assert sim.request_counts == {"list": 1, "get": 1}


async def test_a_taken_port_is_an_os_error() -> None:
    async with Simulator() as sim:
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=sim.port).__aenter__()


async def test_an_unknown_version_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="version '6'"):
        Simulator(version="6")
