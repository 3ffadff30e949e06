"""What a server states about its pages is read under the names that servers use."""

from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.tmf656.page_claims import Claims, claims_of, cursor_parameters


def claims(envelope: dict[str, Any], rows: int = 20, **headers: str) -> Claims:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return claims_of(CIMultiDictProxy(CIMultiDict(named)), envelope, rows)


def test_b1_of_several_totals_the_largest_counts() -> None:
    assert claims({"total": 20, "page": {"totalElements": 57}}, X_Total_Count="30").total == 57


@pytest.mark.parametrize(
    "envelope", [{"count": 20}, {"size": 500}, {"total": True}, {"total": -1}, {"total": "many"}, {}]
)
def test_b1_what_is_no_total_states_nothing(envelope: dict[str, Any]) -> None:
    assert claims(envelope).total is None


@pytest.mark.parametrize(
    ("envelope", "more"),
    [
        ({"last": True}, False),
        ({"last": False}, True),
        ({"hasMore": False}, False),
        ({"next": None}, False),
        ({"next": ""}, None),
        ({"number": 0, "totalPages": 3}, True),
        ({"number": 2, "totalPages": 3}, None),
        ({"number": 2, "totalPages": 3, "last": True}, False),
        ({"data": {"pageInfo": {"hasNextPage": False, "endCursor": "60"}}}, False),
        ({"data": {"pageInfo": {"hasNextPage": True, "endCursor": "60"}}}, True),
        ({}, None),
    ],
)
def test_b1_further_pages_are_stated_or_not(envelope: dict[str, Any], more: bool | None) -> None:
    assert claims(envelope).more is more


def test_b1_an_address_is_a_link_and_anything_else_a_token() -> None:
    assert claims({"next": "?page=2"}).links == ("?page=2",)
    assert claims({"nextPage": 2}).cursor == ("nextPage", "2")
    assert claims({"nextCursor": "a/b=="}).cursor == ("nextCursor", "a/b==")
    assert cursor_parameters("nextCursor")[0] == "cursor"
    assert cursor_parameters("unknownToken")[0] == "unknownToken"
