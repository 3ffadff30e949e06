"""A template is filled with values, never with code of a ticket, and cannot break what decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.template import MOST_CHARACTERS, read_template
from bridge.errors import ConfigurationError


def test_values_and_fields_are_filled_in_and_missing_ones_are_empty() -> None:
    template = read_template(
        "{{ value }} of {{ left.id }}{{ left.none }}{{ left.fields['Incident Number'] }}", "value", "left"
    )
    assert template.render(value="a", left={"id": "7", "fields": {"Incident Number": "!"}}) == "a of 7!"
    assert read_template("{{ left.resolution or 'done' }}", "left").render(left={}) == "done"


@given(st.text())
def test_a_value_is_never_read_as_a_template(text: str) -> None:
    assert read_template("{{ value }}", "value").render(value=text) == text[:MOST_CHARACTERS]
    assert read_template("{{ value }}", "value").render(value="{{ left }}" + text) == "{{ left }}" + text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{{ value", "is no template"),
        ("{% for %}", "is no template"),
        ("{{ other }}", "names other; a template may name"),
    ],
)
def test_what_is_wrong_with_a_template_is_said(text: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        read_template(text, "value")


@pytest.mark.parametrize(
    "text",
    [
        "{{ value.__class__.__mro__ }}",
        "{{ value / 0 }}",
        "{{ value + 1 }}",
        "{{ value.x.y }}",
        "{{ range(10**9) | list }}",
    ],
)
def test_what_cannot_be_rendered_is_nothing(text: str) -> None:
    assert read_template(text, "value").render(value="a") is None
