"""How "changed since" is written: percent-encoded, in UTC, rounded down."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest

from bridge.tmf656.filter_style import FilterStyle, filter_query, sysparm_query, time_literal, update_attribute

AT = datetime(2026, 11, 23, 12, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("style", "means"),
    [
        (FilterStyle.NONE, ""),
        (FilterStyle.DOT_GTE, "lastUpdate.gte=2026-11-23T10:00:00.123Z"),
        (FilterStyle.OPERATOR, "lastUpdate>=2026-11-23T10:00:00.123Z"),
        (FilterStyle.SYSPARM, "sysparm_query=sys_updated_on>=2026-11-23 10:00:00"),
        (FilterStyle.JSONPATH, "filter=[?(@.lastUpdate>='2026-11-23T10:00:00.123Z')]"),
    ],
)
def test_each_style_says_the_same(style: FilterStyle, means: str) -> None:
    query = filter_query(style, "lastUpdate", AT)
    assert unquote(query) == means
    assert not set(query) & set(":>'[]?() ")


def test_an_instant_is_never_rounded_up() -> None:
    assert time_literal(datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == "2026-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    ("version", "name"),
    [("2", "timeChanged"), ("3", "timeChanged"), ("4", "lastUpdate"), ("5", "lastUpdate"), ("x", "lastUpdate")],
)
def test_the_attribute_is_that_of_the_version(version: str, name: str) -> None:
    assert update_attribute(version) == name


def test_an_encoded_query_is_one_parameter_and_none_where_nothing_is_asked() -> None:
    assert sysparm_query("") == ""
    query = sysparm_query("u_source=a&b", AT, "number=1")
    assert unquote(query) == "sysparm_query=u_source=a&b^sys_updated_on>=2026-11-23 10:00:00^number=1"
    assert query.count("&") == 0
