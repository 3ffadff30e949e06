"""What the page shows of a body: lists however they came, and only addresses that may be followed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.exact_json import read_exact
from bridge.web.console.problem_parts import facts_of, related_problems, tables_of, web_address

anything = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "text"]), inner),
    max_leaves=6,
)


def test_elements_are_listed_by_kind_with_their_words() -> None:
    body = read_exact(
        '{"note": [{"id": "1", "text": "x", "@type": "Note", "author": {"id": 7, "name": "anna"}}, "y"], '
        '"relatedParty": {"id": "p"}, "underlyingProblem": [{"id": 5}], "troubleTicket": [{"id": "5"}]}'
    )
    tables = {table.heading: table.elements for table in tables_of(body)}
    assert list(tables) == ["Notes", "Parties", "Related"]
    assert [(each.id, each.words) for each in tables["Notes"]] == [
        ("1", (("text", "x"), ("author", "anna (7)"))),
        ("", (("", "y"),)),
    ]
    assert [(each.text, each.facts) for each in tables["Notes"]] == [("x", [("author", "anna (7)")]), ("y", [])]
    assert related_problems(tables_of(body)) == ["5"]


def test_many_elements_are_counted() -> None:
    [table] = tables_of({"note": [{"text": str(number)} for number in range(250)]})
    assert (len(table.elements), table.more) == (200, 50)


@given(st.dictionaries(st.sampled_from(["note", "relatedParty", "originatorParty", "parentProblem"]), anything))
def test_nothing_raises_whatever_a_body_holds(body: dict[str, Any]) -> None:
    assert isinstance(facts_of(body), list)
    assert isinstance(tables_of(body), list)


@pytest.mark.parametrize(
    "href",
    [
        None,
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/relative",
        "https://user:pass@evil.example/",
        "https:///no-host",
        "http://[",
        "https://a.example/\u202e",
    ],
)
def test_an_address_that_may_not_be_followed_is_no_link(href: str | None) -> None:
    assert web_address(href) is None


def test_an_address_is_shown_with_its_host() -> None:
    assert web_address("https://snow.example:8443/x?y=1") == ("https://snow.example:8443/x?y=1", "snow.example")
