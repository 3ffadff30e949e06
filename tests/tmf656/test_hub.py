"""Registration bodies and answers, in the spellings of every version and server."""

import pytest

from bridge.domain.hub import Registration, find_callback
from bridge.tmf656.hub import bodies, read_registration, read_subscriptions, refuses

CALLBACK = "https://bridge.example/listener/snow/secret"


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_before_v5_a_registration_carries_nothing_a_strict_server_could_refuse(version: str) -> None:
    assert bodies(CALLBACK, "", version) == ({"callback": CALLBACK},)
    assert bodies(CALLBACK, "a=b", version) == ({"callback": CALLBACK, "query": "a=b"},)


def test_v5_wants_a_type() -> None:
    assert bodies(CALLBACK, "", "5") == ({"@type": "Hub", "callback": CALLBACK},)


def test_where_the_version_is_unknown_both_bodies_are_tried() -> None:
    plain, typed = bodies(CALLBACK, "", "auto")
    assert "@type" not in plain
    assert typed["@type"] == "Hub"


@pytest.mark.parametrize(
    ("document", "location", "hub_id"),
    [
        ({"id": "42", "callback": CALLBACK, "query": None}, None, "42"),
        ({"id": 42}, "/hub/7", "42"),
        ([{"id": "42"}], None, "42"),
        ({"href": "https://h/api/hub/42"}, None, "42"),
        (None, "/api/hub/42", "42"),
        (None, "https://h/api/hub/a%2Fb/?x=1", "a/b"),
        ({"id": ""}, "/hub/42", "42"),
        ({"id": True}, None, None),
        ("created", "/api/hub", None),
        (None, "http://[broken", None),
        (None, None, None),
        ({"jsonrpc": "2.0", "id": None, "result": {"id": "12"}}, None, "12"),
        ({"jsonrpc": "2.0", "id": 5, "result": {"id": 12}}, None, "12"),
        ({"id": 7, "result": {"id": "12"}}, None, "12"),
        ({"data": [{"id": "12"}]}, None, "12"),
        ({"status": "ok", "subscription": {"href": "/hub/12"}}, None, "12"),
        ({"subscriptionId": "12"}, None, "12"),
        ({"_id": "12"}, None, "12"),
        ({"ID": 12}, None, "12"),
        ({"data": {"hub_id": "12"}}, None, "12"),
        ({"uuid": "12", "href": "/x/hub"}, None, "12"),
        ("sub-12", None, "sub-12"),
        (12, None, "12"),
        ("created 2", "/api/hub", None),
        (None, "/api/hub?id=12", "12"),
        (None, "/api/hub?subscription-id=12", "12"),
        ({"id": "12", "relatedParty": {"id": "them"}}, None, "12"),
        ({"other": {"deep": {"id": "12", "callback": CALLBACK + "/"}}}, None, "12"),
        ({"items": [{"id": "1", "callback": "http://them/x"}, {"id": "12", "callback": CALLBACK}]}, None, "12"),
    ],
)
def test_the_id_is_found_in_the_body_or_at_the_end_of_location(
    document: object, location: str | None, hub_id: str | None
) -> None:
    assert read_registration(document, location, CALLBACK, "") == Registration(hub_id, CALLBACK, "")


@pytest.mark.parametrize(
    "entity",
    [
        {"id": "1", "url": CALLBACK},
        {"id": "1", "notificationUrl": CALLBACK},
        {"id": "1", "sink": CALLBACK},
        {"id": "1", "callback": {"url": CALLBACK}},
        {"subscriptionId": "1", "endpoint": {"address": CALLBACK, "type": "webhook"}},
    ],
)
def test_b5_ours_is_found_under_the_names_that_servers_use(entity: dict[str, object]) -> None:
    ours = find_callback(read_subscriptions([{"id": "0", "url": "http://them/x"}, entity]) or [], CALLBACK)
    assert [each.hub_id for each in ours if each.hub_id is not None] == ["1"]


@pytest.mark.parametrize(
    ("document", "body"),
    [
        ({"code": "60", "reason": "callback not allowed"}, b""),
        ({"success": False, "message": "no"}, b""),
        ({"status": "error", "message": "no"}, b""),
        ({"status": 403, "message": "no"}, b""),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000}}, b""),
        ({"errors": [{"title": "no"}]}, b""),
        (None, b" <!DOCTYPE html><html><title>Sign in</title>"),
    ],
)
def test_c2_a_refusal_with_a_status_of_success_is_one(document: object, body: bytes) -> None:
    assert refuses(document, body)


@pytest.mark.parametrize(
    "document",
    [
        {"id": "1", "callback": CALLBACK, "status": "active"},
        {"id": "1", "code": "0", "message": "created"},
        {"status": "ok"},
        {"success": True, "error": None},
        {"code": 0},
        {},
        [],
        None,
        "12",
    ],
)
def test_an_answer_that_states_no_error_is_none(document: object) -> None:
    assert not refuses(document)


def test_a_list_of_subscriptions_is_read_as_far_as_it_makes_sense() -> None:
    rows = [{"id": "1", "callback": CALLBACK, "query": None}, {"id": "2"}, {"callback": "x", "query": "q"}]
    assert read_subscriptions(rows) == [Registration("1", CALLBACK, ""), Registration(None, "x", "q")]


@pytest.mark.parametrize(
    "document",
    [
        [{"id": "1", "callback": CALLBACK}],
        {"items": [{"id": "1", "callback": CALLBACK}]},
        {"jsonrpc": "2.0", "id": 4, "result": {"subscriptions": [{"id": "1", "callback": CALLBACK}]}},
        {"data": {"id": "1", "callbackUrl": CALLBACK}},
    ],
)
def test_b5_subscriptions_are_read_however_they_are_wrapped(document: object) -> None:
    assert read_subscriptions(document) == [Registration("1", CALLBACK)]


def test_a_list_without_subscriptions_is_empty_and_anything_else_unknown() -> None:
    assert read_subscriptions({"items": []}) == []
    assert read_subscriptions({"message": "hello"}) is None
