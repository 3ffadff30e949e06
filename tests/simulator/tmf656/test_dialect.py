"""What each version can say comes back as it went out, and has the version's names and shapes."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.tmf656 import dialect
from bridge.simulator.tmf656.population import Population

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
WHOLE = {
    "id": "7",
    "href": "https://a.example/serviceProblem/7",
    "name": "n",
    "status": "held",
    "priority": 2,
    "creationDate": "2026-01-01T00:00:00.000Z",
    "lastUpdate": "2026-01-02T00:00:00.000Z",
    "affectedNumberOfServices": 3,
    "externalIdentifier": [{"id": "INC1", "owner": "x"}],
    "originatorParty": {"id": "p", "role": "Customer", "@referredType": "Organization"},
    "relatedParty": [{"id": "q", "href": "https://a.example/q", "name": "Q", "role": "Partner"}],
    "affectedLocation": [{"id": "l", "name": "L", "role": "site", "@referredType": "GeographicSite"}],
    "affectedService": [{"id": "s", "href": "https://a.example/s", "name": "S"}],
    "firstAlert": {"id": "f", "href": "https://a.example/f", "role": "First Alert", "@referredType": "Alarm"},
    "note": [{"id": "1", "author": "Eva", "date": "2026-01-02T00:00:00.000Z", "text": "on site"}],
    "characteristic": [{"id": "c", "name": "vip", "value": True, "valueType": "boolean"}],
    "trackingRecord": [{"id": "t", "description": "d", "characteristic": [{"name": "x", "value": 5}]}],
    "impactPattern": {"id": "i", "description": "many", "characteristic": [{"name": "y", "value": "z"}]},
    "troubleTicket": [{"id": "tt", "href": "https://a.example/tt"}],
    "slaViolation": [{"id": "sla", "href": "https://a.example/sla"}],
    "relatedEvent": [{"id": "e", "href": "https://a.example/e", "@referredType": "prediction"}],
    "x-vendor": {"kept": True},
}


def made_up(seed: int, version: str) -> list[dict]:
    histories = Population(random.Random(seed), version=version, open_target=5, max_problems=None)
    return [histories.history(f"P{number}", NOW) | {"id": f"P{number}"} for number in range(5)]


@pytest.mark.parametrize("version", dialect.VERSIONS)
@given(seed=st.integers(0, 2**32))
def test_what_a_version_can_say_comes_back_unchanged(version: str, seed: int) -> None:
    for problem in (*made_up(seed, version), WHOLE):
        once = dialect.project(problem, version)
        assert dialect.decode(dialect.encode(once, version), version) == once


@pytest.mark.parametrize("version", ["4", "5"])
def test_v4_and_v5_lose_nothing(version: str) -> None:
    assert dialect.project(WHOLE, version) == WHOLE


@pytest.mark.parametrize("version", dialect.VERSIONS)
def test_encoding_changes_nothing_in_the_model(version: str) -> None:
    before = repr(WHOLE)
    dialect.encode(WHOLE, version)
    assert repr(WHOLE) == before


@pytest.mark.parametrize("version", dialect.VERSIONS)
def test_one_attribute_is_encoded_as_in_the_whole(version: str) -> None:
    whole = dialect.encode(WHOLE, version)
    assert {name: dialect.encode_attribute(WHOLE, name, version) for name in whole} == whole


@pytest.mark.parametrize("version", dialect.VERSIONS)
def test_none_stays_none_so_that_merge_patches_can_be_encoded(version: str) -> None:
    patch = dict.fromkeys(WHOLE)
    assert all(value is None or name == "@type" for name, value in dialect.encode(patch, version).items())


def test_v2_says_comment_and_counts_affecting_services() -> None:
    body = dialect.encode(WHOLE, "2")
    assert body["comment"] == [{"user": "Eva", "time": "2026-01-02T00:00:00.000Z", "comment": "on site"}]
    assert body["affectingServiceNumber"] == 3
    assert body["extensionInfo"] == [{"name": "vip", "value": "true"}]
    assert body["trackingRecord"][0]["extensionInfo"] == [{"name": "x", "value": "5"}]
    assert body["firstAlert"]["type"] == "Alarm"
    assert body["correlationId"] == "INC1"
    assert body["status"] == "In Progress - Held"
    assert not {"name", "originatorParty", "affectedService", "troubleTicket"} & body.keys()


@pytest.mark.parametrize("version", ["3", "r18.5"])
def test_v3_and_r18_5_have_the_names_of_2019(version: str) -> None:
    body = dialect.encode(WHOLE, version)
    assert body["timeRaised"] == WHOLE["creationDate"]
    assert body["timeChanged"] == WHOLE["lastUpdate"]
    assert body["comment"] == [{"author": "Eva", "date": "2026-01-02T00:00:00.000Z", "text": "on site"}]
    assert body["extensionInfo"] == [{"name": "vip", "value": True, "valueType": "boolean"}]
    assert body["impactPatterns"]["extensionInfo"] == [{"name": "y", "value": "z"}]
    assert body["associatedTroubleTicket"] == WHOLE["troubleTicket"]
    assert body["relatedEvent"][0]["eventType"] == "prediction"
    assert body["affectedService"] == [{"id": "s", "href": "https://a.example/s"}]


def test_v5_nests_parties_places_and_entities_and_types_everything() -> None:
    body = dialect.encode(WHOLE, "5")
    assert body["@type"] == "ServiceProblem"
    assert body["originatorParty"] == {
        "role": "Customer",
        "@type": "RelatedPartyRefOrPartyRoleRef",
        "partyOrPartyRole": {"id": "p", "@referredType": "Organization", "@type": "PartyRef"},
    }
    assert body["affectedLocation"][0]["place"]["name"] == "L"
    assert body["firstAlert"]["entity"]["id"] == "f"
    assert body["characteristic"][0]["@type"] == "BooleanCharacteristic"
    assert body["affectedService"][0]["@type"] == "ServiceRef"
