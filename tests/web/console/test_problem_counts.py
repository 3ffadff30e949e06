"""Numbers beside the filters, against counting one by one."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.problem_query import ProblemQuery, Show, read_query
from bridge.storage.problem_list import Facet
from bridge.web.console.problem_counts import FACETS, has_numbers, numbers, total

VALUES = {
    "status": ["held", "pending", "closed", "resolved"],
    "source": ["oss", "snow"],
    "priority": ["1", "2"],
    "category": ["a", "b"],
}
FACET = st.builds(
    Facet,
    source=st.sampled_from(VALUES["source"]),
    status=st.sampled_from(VALUES["status"]),
    priority=st.sampled_from([None, 1, 2]),
    category=st.sampled_from([None, "a", "b"]),
    deleted=st.booleans(),
    problems=st.integers(1, 9),
)
CHOSEN = st.fixed_dictionaries(
    {name: st.lists(st.sampled_from(values), unique=True) for name, values in VALUES.items()}
    | {"state": st.sampled_from([["open"], ["closed"], ["deleted"], ["all"]])}
)


def holds(facet: Facet, query: ProblemQuery) -> bool:
    finished = facet.status in ("closed", "resolved")
    shown = {
        Show.OPEN: not facet.deleted and not finished,
        Show.CLOSED: not facet.deleted and finished,
        Show.DELETED: facet.deleted,
        Show.ALL: True,
    }
    return shown[query.state] and all(
        not getattr(query, name) or getattr(facet, name) in getattr(query, name) for name in FACETS
    )


@given(st.lists(FACET), CHOSEN)
def test_a_number_is_what_the_list_would_have_with_that_value_alone(
    facets: list[Facet], chosen: dict[str, list[str]]
) -> None:
    query = read_query(chosen)
    found = numbers(facets, query)
    for name, values in VALUES.items():
        for value in values:
            other = read_query(chosen | {name: [value]})
            assert found[name].get(value, 0) == sum(one.problems for one in facets if holds(one, other))
    assert total(found, query) == sum(one.problems for one in facets if holds(one, query))


def test_conditions_that_the_sums_do_not_know_have_no_numbers() -> None:
    assert has_numbers(ProblemQuery())
    assert has_numbers(read_query({"state": ["all"], "status": ["held"]}))
    for name, value in (("q", "x"), ("changed", "1h"), ("service", "x"), ("as_of", "2026-01-01")):
        assert not has_numbers(read_query({name: [value]}))
