"""What the list of problems shows, as parameters of a URL."""

import doctest
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import problem_query
from bridge.domain.problem_query import (
    COLUMNS,
    DEFAULT_COLUMNS,
    LIMITS,
    OPEN_ONLY,
    VIEWS,
    ProblemQuery,
    QueryError,
    Show,
    Sort,
    TimeWindow,
    read_query,
)
from bridge.domain.status import Status

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
WINDOW = st.sampled_from(
    ["", "30min", "24h", "7d", "2026-10-01..2026-11-01", "..2026-10-01", "2026-10-01T12:00..", "1d"]
)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, list[str]]:
    """Parameters that can be read, in any number."""
    sort = draw(st.sampled_from(Sort))
    given = {
        "q": [draw(TEXT.filter(lambda text: len(text.split()) <= 8))],
        "state": ["open" if sort in OPEN_ONLY else draw(st.sampled_from(Show)).value],
        "status": draw(st.lists(st.sampled_from([one.value for one in Status]))),
        "source": draw(st.lists(TEXT, max_size=3)),
        "priority": draw(st.lists(st.integers(1, 10).map(str))),
        "category": draw(st.lists(TEXT, max_size=3)),
        "changed": [draw(WINDOW)],
        "created": [draw(WINDOW)],
        "service": [draw(TEXT)],
        "party": [draw(TEXT)],
        "region": [draw(TEXT)],
        "sort": [sort.value],
        "col": draw(st.lists(st.sampled_from(COLUMNS))),
        "limit": [str(draw(st.sampled_from(LIMITS)))],
    }
    chosen = draw(st.sets(st.sampled_from(sorted(given))))
    return {name: values for name, values in given.items() if name in chosen | {"state", "sort"}}


def pairs(query: ProblemQuery) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in query.parameters():
        found.setdefault(name, []).append(value)
    return found


def test_the_examples_hold() -> None:
    assert doctest.testmod(problem_query).failed == 0


@given(parameters())
def test_a_list_is_written_as_it_is_read_and_has_one_address(given: dict[str, list[str]]) -> None:
    query = read_query(given)
    assert read_query(pairs(query)) == query
    shuffled = {name: [*reversed(values)] if len(values) > 1 else values for name, values in reversed(given.items())}
    assert read_query(shuffled).parameters() == query.parameters()


@given(parameters())
def test_without_one_condition_all_others_stay(given: dict[str, list[str]]) -> None:
    query = read_query(given)
    for name, value in query.parameters():
        if name in ("state", "sort"):
            continue
        rest = [pair for pair in query.parameters() if pair != (name, value)]
        assert (
            query.without(name, value).parameters()
            == read_query({n: [v for m, v in rest if m == n] for n, _ in rest}).parameters()
        )


def test_nothing_given_is_open_problems_newest_first() -> None:
    query = read_query({})
    assert query == ProblemQuery()
    assert (query.state, query.sort, query.col) == (Show.OPEN, Sort.UPDATED, DEFAULT_COLUMNS)
    assert query.parameters() == []
    assert read_query({"q": [""], "status": [""], "changed": [""], "col": [""]}) == query


def test_every_parameter_that_is_wrong_is_named_at_once() -> None:
    given = {"stauts": ["held"], "status": ["hold"], "limit": ["7"], "sort": ["name"], "changed": ["soon"]}
    with pytest.raises(QueryError) as wrong:
        read_query(given)
    assert len(wrong.value.faults) == len(given)
    for name, [value] in given.items():
        assert any(name in fault for fault in wrong.value.faults)
        assert name == "stauts" or any(value in fault for fault in wrong.value.faults)


@pytest.mark.parametrize(
    "given",
    [
        {"q": ["x" * 201]},
        {"q": ["a b c d e f g h i"]},
        {"q": ["a\x00"]},
        {"q": ["a", "b"]},
        {"priority": ["0"]},
        {"priority": ["1.0"]},
        {"state": ["deleted"], "as_of": ["2026-01-01"]},
        {"as_of": ["yesterday"]},
        {"as_of": ["0001-01-01T00:00:00+14:00"]},
        {"changed": ["9999d"]},
        {"changed": [".."]},
        {"view": ["mine"]},
        {"col": ["body"]},
    ],
)
def test_what_cannot_be_understood_is_refused(given: dict[str, list[str]]) -> None:
    with pytest.raises(QueryError):
        read_query(given)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_its_parameters_and_others_may_be_added(name: str) -> None:
    query = read_query({"view": [name], "source": ["snow"]})
    assert query.source == ("snow",)
    assert "view" not in pairs(query)
    assert read_query(dict(VIEWS[name]) | {"source": ["snow"]}) == query


@pytest.mark.parametrize("other", [{"state": ["all"]}, {"as_of": ["2026-01-01"]}])
def test_an_order_of_open_problems_gives_way_when_others_are_chosen(other: dict[str, list[str]]) -> None:
    for sort in OPEN_ONLY:
        assert read_query({"sort": [sort.value]}).sort is sort
        assert read_query({"sort": [sort.value]} | other).sort is Sort.UPDATED


def test_times_are_read_in_utc() -> None:
    assert read_query({"as_of": ["2026-11-01"]}).as_of == datetime(2026, 11, 1, tzinfo=UTC)
    zone = timezone(timedelta(hours=2))
    assert read_query({"as_of": ["2026-11-01T02:00+02:00"]}).as_of == datetime(2026, 11, 1, 2, tzinfo=zone)
    assert read_query({"changed": ["24h"]}).changed.bounds(NOW) == (NOW - timedelta(hours=24), None)
    window = read_query({"created": ["2026-10-01..2026-11-01"]}).created
    assert window == TimeWindow(
        since=datetime(2026, 10, 1, tzinfo=UTC), until=datetime(2026, 11, 1, tzinfo=UTC), text=window.text
    )


def test_columns_of_a_source_s_own_are_columns_while_there_are_such() -> None:
    given = {"col": ["id", "extra.team"], "q": ["x"]}
    query = read_query(given, ["extra.team"])
    assert query.col == ("id", "extra.team")
    assert query.without("q", "x").col == query.col
    for wrong, known in ((given, []), (given | {"as_of": ["2026-11-01"]}, ["extra.team"])):
        with pytest.raises(QueryError, match=r"extra\.team"):
            read_query(wrong, known)


def test_control_characters_of_a_search_separate_words() -> None:
    assert ProblemQuery(q="no\x01light\x7f x").words == ("no", "light", "x")
