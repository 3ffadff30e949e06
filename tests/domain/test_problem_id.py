"""What can be the id of a problem."""

import pytest

from bridge.domain.problem_id import ID_CHARACTERS, id_in, usable_id


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("SP-1", "SP-1"),
        (" SP-1 ", " SP-1 "),
        (7, "7"),
        (0, "0"),
        ("x" * ID_CHARACTERS, "x" * ID_CHARACTERS),
        ("x" * (ID_CHARACTERS + 1), None),
        ("", None),
        ("  ", None),
        ("a\0b", None),
        (True, None),
        (1.5, None),
        (None, None),
        ({"id": "1"}, None),
    ],
)
def test_texts_and_whole_numbers_name_a_problem(value: object, usable: str | None) -> None:
    assert usable_id(value) == usable


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"id": "1", "href": "https://h/serviceProblem/2"}, "1"),
        ({"href": "https://h/serviceProblem/42/"}, "42"),
        ({"href": "/serviceProblem/42?fields=id#x"}, "42"),
        ({"href": "https://h/serviceProblem/a%2Fb"}, "a/b"),
        ({"href": "https://h/serviceProblem/%FF"}, None),
        ({"href": "https://h/serviceProblem"}, None),
        ({"href": "https://h/ServiceProblem/"}, None),
        ({"href": "42"}, None),
        ({"href": 42}, None),
        ({"href": "http://[::1/42"}, None),
        ({}, None),
    ],
)
def test_without_an_id_the_last_part_of_the_address_names_it(item: dict[str, object], named: str | None) -> None:
    assert id_in(item) == named
