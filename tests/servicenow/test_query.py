"""Encoded queries: a value cannot become another condition."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import PermanentError
from bridge.servicenow.query import condition, encoded, is_in, joined, time_literal
from bridge.simulator.servicenow.encoded_query import parse
from bridge.simulator.servicenow.tables import TABLES

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=150)
COLUMNS = TABLES["incident"]


@QUICK
@given(st.text(max_size=20))
def test_a_value_stays_a_value_or_is_refused(value: str) -> None:
    try:
        part = condition("correlation_id", "=", value)
    except PermanentError:
        assert "^" in value or not value.isprintable()
        return
    read = parse(joined(part, "ORDERBYsys_id"), COLUMNS)
    assert read.dropped == []
    assert read.order == [("sys_id", False)]
    assert read.meets({"correlation_id": value})
    assert not read.meets({"correlation_id": value + "x"})


def test_lists_are_conditions() -> None:
    read = parse(joined(is_in("element_id", ["a", "b"]), ""), TABLES["sys_journal_field"])
    assert [read.meets({"element_id": each}) for each in "abc"] == [True, True, False]
    with pytest.raises(PermanentError, match="comma"):
        is_in("element_id", ["a,b"])


@pytest.mark.parametrize("field", ["", "State", "state=1^number", "a..b"])
def test_a_field_is_a_name(field: str) -> None:
    with pytest.raises(PermanentError, match="no condition"):
        condition(field, "=", "1")


def test_times_are_utc_and_rounded_down() -> None:
    at = datetime(2026, 11, 30, 12, 0, 59, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert time_literal(at) == "2026-11-30 10:00:59"
    assert time_literal(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00"


def test_parameters_are_percent_encoded_and_empty_ones_left_out() -> None:
    assert encoded({"sysparm_query": "a=b&c^d", "sysparm_fields": "", "sysparm_limit": "1"}) == (
        "sysparm_query=a%3Db%26c%5Ed&sysparm_limit=1"
    )
