"""Field values of Web Services v1: what the simulated server says is read, what is written it understands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dataminer.field_values import fields_in, read_values, written
from bridge.domain.ticket_system import WriteRefusedError
from bridge.simulator.dataminer.field_values import FIELDS, TicketKind

KIND = TicketKind("SES", "guid")
DESCRIBED = {"DataMinerFields": [field.described() for field in FIELDS], "ExternalFields": []}
KNOWN = fields_in(DESCRIBED)
VALUES = {
    "Text": st.text(min_size=1),
    "User": st.text(min_size=1),
    "Url": st.text(min_size=1),
    "Integer": st.integers(-1000, 1000),
    "Boolean": st.booleans(),
    "DateTime": st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
}


def test_fields_are_found_whatever_their_sets_are_called() -> None:
    assert set(KNOWN) == {field.name for field in FIELDS}
    assert KNOWN["State"].choices["In Progress"] == 3
    assert fields_in([DESCRIBED["DataMinerFields"], []]) == KNOWN
    assert fields_in(None) == fields_in("x") == {}


@given(st.data())
def test_a_value_that_is_written_is_read_again(data: st.DataObject) -> None:
    values = {
        field.name: data.draw(VALUES[field.type] if field.choices is None else st.sampled_from(list(field.choices)))
        for field in FIELDS
    }
    kept = KIND.read(written(values, KNOWN))
    said = [KIND.fields[name].said(value) for name, value in kept.items()]
    assert read_values(said) == values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"Colour": "red"}, "no field Colour .*it has: Affected Services"),
        ({"State": "Done"}, "State has no value 'Done' .it has: New"),
        ({"Affected Services": "many"}, "Affected Services takes a whole number"),
        ({"Due": "soon"}, "Due takes a time"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_can(values: dict[str, Any], words: str) -> None:
    with pytest.raises(WriteRefusedError, match=words):
        written(values, KNOWN)


def test_nothing_empties_a_field() -> None:
    for empty in (None, ""):
        assert written({"Description": empty}, KNOWN)[0]["DisplayValue"] == ""
        assert written({"Priority": empty}, KNOWN)[0]["Value"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"Type": "Boolean", "Value": 1}, True),
        ({"Type": "Boolean", "DisplayValue": "No"}, False),
        ({"Type": "Double", "DisplayValue": "3,5"}, 3.5),
        ({"Type": "Double", "DisplayValue": "x", "Value": 3}, 3),
        ({"Type": "DateTime", "Value": 0}, "1970-01-01T00:00:00.000Z"),
        ({"Type": "DateTime", "Value": 10**18, "DisplayValue": "later"}, "later"),
        ({"Type": "Text", "Value": 3, "DisplayValue": ""}, 3),
        ({"Type": "Text", "Value": 0, "DisplayValue": "words"}, "words"),
    ],
)
def test_values_are_plain(field: dict[str, Any], value: Any) -> None:
    assert read_values([{"Name": "x"} | field]) == {"x": value}


def test_what_is_no_field_is_left_out() -> None:
    assert read_values(None) == read_values([3, {}, {"Name": 3}]) == {}
