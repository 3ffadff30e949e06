"""A list is cut into rows without being read, and a row says what it says when it is read."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import UnreadableError
from bridge.http.row import Row, read_rows, rows_in, rows_of

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=200)

NAMES = ("id", "href", "lastUpdate", "timeChanged")
TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ITEMS = st.dictionaries(st.sampled_from(NAMES) | TEXT, VALUES, max_size=6)
WRITERS = (
    orjson.dumps,
    lambda each: json.dumps(each, indent=1).encode(),
    lambda each: json.dumps(each, ensure_ascii=False).encode(),
)


def same(row: Row, item: dict[str, Any]) -> bool:
    known = (row.id, row.href, row.last_update, row.time_changed)
    return row.read() == item and known == tuple(item.get(name) for name in NAMES)


@QUICK
@given(st.lists(ITEMS, max_size=4), st.sampled_from(WRITERS), st.sampled_from([bytes, bytearray]))
def test_a_list_is_cut_into_rows_that_say_what_it_says(items: Any, writer: Any, kind: Any) -> None:
    cut = rows_in(kind(writer(items)))
    assert cut is not None
    for rows in (cut, rows_of(items)):
        assert all(map(same, rows, items))
        assert len(rows) == len(items)


def test_the_text_of_a_row_is_what_came() -> None:
    rows = rows_in(b' [ {"id" : "1", "x":1.0} ,{"x":{"id":"3"},"id":"2"}]\n')
    assert rows is not None
    assert [bytes(row.text) for row in rows] == [b'{"id" : "1", "x":1.0}', b'{"x":{"id":"3"},"id":"2"}']
    assert [row.id for row in rows] == ["1", "2"]


def test_no_attribute_is_taken_for_the_text_of_a_row() -> None:
    body = b'{"id":"1","text of the row":{"id":"2"},"text":3}'
    (row,) = rows_in(b"[%b]" % body) or ()
    assert bytes(row.text) == body
    assert row.read()["text of the row"] == {"id": "2"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[{",
        b'[{"id":"1"}',
        b'[{"id":"1"}] []',
        b'[{"id":"1"},2]',
        b'[[{"id":"1"}]]',
        b'{"items":[{"id":"1"}]}',
        b'\xef\xbb\xbf[{"id":"1"}]',
        b'[{"id":"1","name":NaN}]',
        b'[{"id":"1","name":"\\ud83d"}]',
        b'[{"id":"1","name":"B\xfccher"}]',
        b'[{"id":"1","B\xfccher":1}]',
        b'[{"id":"\xfc"}]',
        b"[" * 5000,
        b'[{"id":"1","x":' + b"[" * 5000 + b"]" * 5000 + b"}]",
    ],
    ids=lambda body: f"{len(body)}: {body[:24]!r}",
)
def test_what_is_no_plain_list_is_left_to_who_reads_all_of_it(body: bytes) -> None:
    assert rows_in(body) is None


@QUICK
@given(ITEMS, st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=3)), min_size=1, max_size=3))
def test_whatever_is_cut_up_can_be_read_or_is_refused_by_name(item: Any, damage: Any) -> None:
    body = bytearray(orjson.dumps([item, item]))
    for place, put in damage:
        at = place % len(body)
        body[at : at + len(put)] = put
    for row in rows_in(body) or ():
        try:
            assert isinstance(row.read(), dict)
        except UnreadableError as error:
            assert error.reason == "unrepresentable"  # noqa: PT017 -- no other


def test_a_row_that_cannot_be_read_still_names_its_problem() -> None:
    (row,) = rows_in(b'[{"id":"c","n":%b}]' % (b"1" * 5000)) or ()
    with pytest.raises(UnreadableError) as caught:
        row.read()
    assert caught.value.problem_id == "c"


def test_a_row_that_cannot_be_read_gives_its_error_and_its_neighbours_are_read() -> None:
    before, error, after = read_rows(rows_in(b'[{"id":"b"},{"id":"c","n":%b},{"id":"d"}]' % (b"1" * 5000)) or ())
    assert (before, after) == ({"id": "b"}, {"id": "d"})
    assert isinstance(error, UnreadableError)


def test_rows_of_numbers_of_any_length_are_written_down() -> None:
    (row,) = rows_of([{"id": "1", "n": 2**70}])
    assert row.read() == {"id": "1", "n": float(2**70)}


@pytest.mark.parametrize("value", [b"9" * 400, b"9" * 5000, b"[" * 260 + b"]" * 260], ids=["long", "longer", "deep"])
def test_a_row_that_cannot_be_written_again_is_sorted_as_it_came(value: bytes) -> None:
    (row,) = rows_in(b'[{"id":"c","b":1,"a":%b}]' % value) or ()
    assert row.sorted() == bytes(row.text)


def test_what_is_sorted_is_the_same_in_any_order() -> None:
    one, other = rows_in(b'[{"id":"1","a":{"c":1,"b":2}}, {"a":{"b":2,"c":1}, "id":"1"}]') or ()
    assert one.sorted() == other.sorted() == b'{"a":{"b":2,"c":1},"id":"1"}'
