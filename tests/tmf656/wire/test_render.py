"""What is written in a version's names is read back as the draft, and nothing is sent that the version forbids."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.simulator.tmf656 import dialect
from bridge.tmf656.wire.problem import normalise
from bridge.tmf656.wire.render import faults_of_change, faults_of_create, render
from bridge.tmf656.wire.version import detect_version

VERSIONS = ("2", "3", "4", "5")
SPEC_DIR = os.environ.get("TMF656_SPEC_DIR", "")
SPECS = {
    "2": ("TMF656-v2.0-R18.0-Service_Problem_Management.admin.swagger.json", "ServiceProblem_Create"),
    "3": ("TMF656-ServiceProblem-v3.0.0-R18.5.swagger.json", "ServiceProblem_Create"),
    "4": ("TMF656-ServiceProblem-v4.0.0.swagger.json", "ServiceProblem_Create"),
    "5": ("TMF656-Service_Problem_Management-v5.0.0.oas.yaml", "ServiceProblem_FVO"),
}

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
TIMES = st.datetimes().map(lambda at: at.isoformat(timespec="seconds") + "Z")
STATUSES = ["acknowledged", "rejected", "pending", "held", "inProgress", "resolved", "cancelled", "closed"]


def part(*names: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"id": TEXTS}, optional=dict.fromkeys(names, TEXTS) | more)


PARTY = part("name", "role", "href", "@referredType")
REFERENCE = part("href")
CHARACTERISTIC = st.fixed_dictionaries({"name": TEXTS, "value": TEXTS})
HOLDER = st.fixed_dictionaries(
    {"description": TEXTS}, optional={"characteristic": st.lists(CHARACTERISTIC, max_size=2)}
)

ATTRIBUTES: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "description": TEXTS,
    "category": TEXTS,
    "reason": TEXTS,
    "priority": st.integers(0, 10),
    "status": st.sampled_from(STATUSES),
    "statusChangeReason": TEXTS,
    "statusChangeDate": TIMES,
    "creationDate": TIMES,
    "resolutionDate": TIMES,
    "originatingSystem": TEXTS,
    "affectedNumberOfServices": st.integers(0, 99),
    "originatorParty": PARTY,
    "responsibleParty": PARTY,
    "relatedParty": st.lists(PARTY, max_size=2),
    "affectedService": st.lists(REFERENCE, max_size=2),
    "affectedResource": st.lists(REFERENCE, max_size=2),
    "affectedLocation": st.lists(part("name", "role"), max_size=2),
    "relatedEntity": st.lists(part("name", "role", "@referredType"), max_size=2),
    "firstAlert": part("href"),
    "parentProblem": st.lists(REFERENCE, max_size=2),
    "underlyingAlarm": st.lists(REFERENCE, max_size=2),
    "troubleTicket": st.lists(REFERENCE, max_size=2),
    "note": st.lists(st.fixed_dictionaries({"text": TEXTS, "author": TEXTS, "date": TIMES}), max_size=2),
    "characteristic": st.lists(CHARACTERISTIC, max_size=2),
    "trackingRecord": st.lists(HOLDER, max_size=2),
    "impactPattern": HOLDER,
    "externalIdentifier": st.just([{"externalIdentifierType": "correlationId", "id": "tb-1"}]),
    "x-extension": TEXTS,
}
DRAFTS = st.fixed_dictionaries({}, optional=ATTRIBUTES)


def untyped(value: Any) -> Any:
    """Without the `@type` that version 5 puts on everything."""
    if isinstance(value, dict):
        return {name: untyped(each) for name, each in value.items() if name != "@type"}
    return [untyped(each) for each in value] if isinstance(value, list) else value


def sayable(draft: dict[str, Any], version: str) -> dict[str, Any]:
    """What of a draft the version has."""
    lacking = [fault.rpartition(" has no ")[2] for fault in faults_of_create(draft, version) if " has no " in fault]
    return {name: value for name, value in draft.items() if name not in lacking}


def in_older_words(draft: dict[str, Any], version: str) -> dict[str, Any]:
    prose = {"held": "In Progress - Held", "pending": "In Progress - Pending", "inProgress": "In Progress"}
    status = draft.get("status")
    if version in ("4", "5") or status is None:
        return draft
    return draft | {"status": prose.get(status, status.capitalize())}


@pytest.mark.parametrize("version", VERSIONS)
@given(draft=DRAFTS)
def test_what_is_rendered_is_read_as_the_draft(version: str, draft: dict[str, Any]) -> None:
    draft = sayable(draft, version)
    assert untyped(normalise(render(draft, version))) == in_older_words(draft, version)


@pytest.mark.parametrize("version", VERSIONS)
@given(draft=DRAFTS)
def test_a_server_that_shares_no_code_understands_the_same(version: str, draft: dict[str, Any]) -> None:
    draft = sayable(draft, version)
    expected = untyped(dialect.project(draft, version))
    assert untyped(dialect.decode(render(draft, version), version)) == expected


@pytest.mark.parametrize("version", ["3", "4", "5"])
def test_a_rendered_problem_shows_its_version(version: str) -> None:
    draft = {"creationDate": "2026-11-30T00:00:00Z", "originatorParty": {"id": "a"}, "note": [{"text": "b"}]}
    assert detect_version(render(draft, version)) == version


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=30)
@given(
    value=st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    )
)
def test_no_odd_value_raises(version: str, value: Any) -> None:
    for name in ATTRIBUTES:
        if not faults_of_change({name: value}, version):
            render({name: value}, version)


def test_numbers_that_come_as_text_are_sent_as_numbers() -> None:
    assert render({"priority": "2", "affectedNumberOfServices": " 7 "}, "2") == {
        "priority": 2,
        "affectingServiceNumber": 7,
    }
    assert faults_of_change({"priority": "high"}, "4") == ["priority must be a whole number, not 'high'"]


def test_none_removes_what_may_be_removed() -> None:
    assert render({"name": None, "resolutionDate": None}, "4") == {"name": None, "resolutionDate": None}
    assert faults_of_change({"reason": None, "name": None}, "4") == ["reason cannot be removed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_is_wrong_is_said_at_once(version: str) -> None:
    faults = faults_of_create({"id": "1", "timeRaised": "x", "category": "c", "priority": 1}, version)
    owner = "originatingSystem" if version == "2" else "originatorParty"
    assert faults == [
        "timeRaised is called creationDate here, whatever the version",
        "id is set by the server",
        "description is mandatory",
        "reason is mandatory",
        f"{owner} is mandatory",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_patch_never_touches_what_it_must_not(version: str) -> None:
    fixed = ["id", "href", "originatingSystem", "firstAlert", "trackingRecord", "creationDate", "externalIdentifier"]
    refused = [fault.partition(" ")[0] for fault in faults_of_change({name: [{"id": "a"}] for name in fixed}, version)]
    assert refused == (fixed if version in ("2", "3") else fixed[:5])


def test_older_versions_have_one_identifier() -> None:
    two = {"externalIdentifier": [{"id": "a"}, {"id": "b"}]}
    assert any("one correlationId" in fault for fault in faults_of_create(two, "3"))
    assert not any("correlationId" in fault for fault in faults_of_create(two, "4"))


@pytest.mark.skipif(not SPEC_DIR, reason="TMF656_SPEC_DIR is not set: it names the directory with TM Forum's files")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_official_schema_takes_what_is_created(version: str) -> None:
    file, name = SPECS[version]
    text = (Path(SPEC_DIR) / "official" / file).read_text()
    document = json.loads(text) if file.endswith(".json") else yaml.safe_load(text)
    where = "definitions" if "definitions" in document else "components/schemas"
    draft = sayable(
        {
            "description": "no light",
            "category": "c",
            "reason": "r",
            "priority": 1,
            "originatingSystem": "dma",
            "status": "inProgress",
            "originatorParty": {"id": "o", "@referredType": "Organization", "role": "originator"},
            "note": [{"id": "n", "text": "t", "author": "a", "date": "2026-11-30T00:00:00Z"}],
            "externalIdentifier": [{"id": "tb-1", "owner": "tmf656-bridge", "externalIdentifierType": "link"}],
            "affectedService": [{"id": "s", "href": "h"}],
        },
        version,
    )
    assert faults_of_create(draft, version) == []
    rendered = render(draft, version)
    if version == "5":  # both branches of its oneOf match any reference: the official examples fail it, too
        del rendered["originatorParty"]
    validator = jsonschema.Draft202012Validator({"$ref": f"#/{where}/{name}", **document})
    faults = {error.message for error in validator.iter_errors(rendered)}
    assert faults == ({"'originatorParty' is a required property"} if version == "5" else set())
