"""Parameters are read strictly: unknown ones are named, numbers are numbers."""

import pytest

from bridge.web.console.page_parameters import one_of, query_of, read_parameters, whole_number
from bridge.web.refusal import Refusal


def test_of_a_repeated_parameter_the_last_counts_and_empty_ones_say_nothing() -> None:
    assert read_parameters({"a": ["1", "2"], "b": [""]}, "a", "b") == {"a": "2"}


@pytest.mark.parametrize(
    ("query", "said"),
    [({"odd": ["1"], "b": [""]}, "'b', 'odd'"), ({"a": ["x\0"]}, "a has a character"), ({"a": ["x" * 1001]}, "long")],
)
def test_what_means_nothing_is_named(query: dict[str, list[str]], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        read_parameters(query, "a")


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "1" * 19, "x"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="before is a whole number"):
        whole_number("before", text, 1)


def test_what_is_not_given_is_something_else() -> None:
    assert (whole_number("before", None, 7), whole_number("before", "12", 7)) == (7, 12)
    assert (one_of("kind", None, ("a",)), one_of("kind", "a", ("a",))) == (None, "a")
    with pytest.raises(Refusal, match="kind is one of a, b"):
        one_of("kind", "c", ("a", "b"))
    assert query_of({"a": "x y", "b": None, "c": ""}) == "a=x+y"
