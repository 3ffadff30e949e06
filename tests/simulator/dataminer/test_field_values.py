"""Field values are read and said as Web Services v1 has them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.dataminer.field_values import FIELDS, STATES, FieldValueError, TicketKind

KIND = TicketKind("SES", "guid")
VALUES = {
    "Text": st.text(min_size=1),
    "User": st.text(min_size=1),
    "Url": st.text(min_size=1),
    "Integer": st.integers(-1000, 1000),
    "Boolean": st.booleans(),
    "DateTime": st.integers(0, 10**13),
}


@given(st.data())
def test_what_is_said_is_read_again(data: st.DataObject) -> None:
    for field in FIELDS:
        values = VALUES[field.type] if field.choices is None else st.sampled_from(list(field.choices.values()))
        value = data.draw(values)
        assert field.read(field.said(value)) == value


def test_a_choice_is_named_by_its_number_or_its_word() -> None:
    state = KIND.fields["State"]
    assert state.read({"Value": 3}) == state.read({"DisplayValue": "In Progress"}) == STATES["In Progress"]
    assert KIND.fields["Description"].read({"DisplayValue": ""}) is None


@pytest.mark.parametrize(
    "stated",
    [
        None,
        [{"Name": "Colour", "DisplayValue": "red"}],
        [{"Name": "State", "Value": 99}],
        [{"Name": "Name", "Value": 3}],
        [{"Name": "Affected Services", "DisplayValue": "3"}],
        ["State"],
    ],
)
def test_what_the_type_does_not_have_is_refused(stated: Any) -> None:
    with pytest.raises(FieldValueError):
        KIND.read(stated)
