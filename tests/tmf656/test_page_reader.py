"""Bodies are cut into rows whatever is around them and within them, in memory bounded by their bytes."""

import subprocess
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import UnreadableError
from bridge.tmf656 import page_reader
from bridge.tmf656.page_reader import NoProblemsError, TooManyError, read_page

ROWS = [{"id": "1"}, {"id": "2", "note": [{"text": 'a ] } " , : b'}]}]


def read(body: Any, charset: str | None = None) -> list[Any]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return [row.read() for row in read_page(bytearray(raw), charset).rows]


@pytest.mark.parametrize(
    "body",
    [
        ROWS,
        {"items": ROWS},
        {"id": 7, "result": ROWS},
        {"href": "/x", "items": ROWS},
        {"id": 7, "href": "/x", "@type": "Page", "serviceProblem": ROWS},
        {"jsonrpc": "2.0", "id": None, "result": {"items": ROWS}},
        {"d": {"results": ROWS}},
        {"_embedded": {"serviceProblemList": ROWS}, "page": {"totalElements": 2}},
        {"error": None, "data": ROWS},
        {"hits": {"total": {"value": 2}, "hits": ROWS}},
        {"tickets": ROWS, "total": 2},
        {"response": {"code": "0", "message": "ok", "data": ROWS}},
        b"\xef\xbb\xbf" + orjson.dumps(ROWS),
        orjson.dumps(ROWS).decode().encode("utf-16"),
        b" \n" + orjson.dumps({"items": ROWS}) + b"\r\n",
        b"\n".join(map(orjson.dumps, ROWS)),
        b"\r\n\r\n".join(map(orjson.dumps, ROWS)) + b"\r\n",
    ],
)
def test_c2_rows_are_found_in_whatever_wraps_them(body: Any) -> None:
    assert read(body) == ROWS


FLAT = [{"id": "1", "status": "held"}, {"id": "2", "status": "closed", "category": "x"}]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda row: {"node": row, "cursor": "abc"},
        lambda row: {"_index": "x", "_id": row["id"], "_source": {k: v for k, v in row.items() if k != "id"}},
        lambda row: {"type": "serviceProblem", "id": row["id"], "attributes": {"status": row["status"]} | row},
        lambda row: {"serviceProblem": row},
        lambda row: {"key": row["id"], "value": {k: v for k, v in row.items() if k != "id"}},
        lambda row: {"resource": row, "score": 1.0},
    ],
)
@pytest.mark.parametrize("around", ["data", "items", ""])
def test_c2_a_row_that_is_wrapped_by_itself_is_the_problem_in_it(wrap: Any, around: str) -> None:
    rows = [wrap(row) for row in FLAT]
    assert [sorted(row.items()) for row in read({around: rows} if around else rows)] == [
        sorted(row.items()) for row in FLAT
    ]


@pytest.mark.parametrize("around", ["data", ""])
def test_c2_names_that_begin_with_capitals_are_those_of_the_standard(around: str) -> None:
    rows = [{"Id": "1", "LastUpdate": "2026-03-02T10:00:00Z", "RelatedParty": [{"ID": "x"}], "@type": "P"}, {"Id": "2"}]
    page = read_page(bytearray(orjson.dumps({around: rows} if around else rows)))
    assert [row.id for row in page.rows] == ["1", "2"]
    expected = {"id": "1", "lastUpdate": "2026-03-02T10:00:00Z", "relatedParty": [{"id": "x"}], "@type": "P"}
    assert page.rows[0].read() == expected
    assert page.rows[0].last_update == expected["lastUpdate"]


def test_c2_a_problem_with_attributes_of_such_names_is_left_as_it_is() -> None:
    for row in (
        {"id": "1", "value": {"id": "2"}},
        {"id": "1", "description": "x", "attributes": {"id": "2"}},
        {"lastUpdate": "2026-03-02T10:00:00Z", "node": {"id": "2"}},
        {"node": {"id": "2"}, "value": {"id": "3"}},
    ):
        assert read([row]) == [row]


def test_a_problem_alone_is_a_row_whatever_lists_it_has() -> None:
    problem = {"id": "1", "category": "x", "items": [{"id": "not a problem"}], "value": [{"id": "nor this"}]}
    assert read(problem) == [problem]


def test_one_row_that_is_no_json_spoils_no_other() -> None:
    body = b'[{"id":"1"},{"id":"2","x":NaN},{"id":"3","x":"\\ud800"},{"id":"4","x":tru},{"id":"5"}]'
    page = read_page(bytearray(body))
    assert [row.id for row in page.rows] == ["1", "2", "3", "4", "5"]
    assert page.rows[1].read() == {"id": "2", "x": None}
    with pytest.raises(UnreadableError):
        page.rows[3].read()


@pytest.mark.parametrize("body", [b'{"a":[}', b'{"a":"}\n{"b":1}', b'{]}\n{"b":1}', b'{"a":1}\n{"b":{}'])
def test_lines_that_are_no_objects_are_no_problems(body: bytes) -> None:
    with pytest.raises(NoProblemsError):
        read_page(bytearray(body))


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\ 1aN\n', max_size=40).map(str.encode))
def test_any_bytes_are_rows_or_no_problems(body: bytes) -> None:
    try:
        page = read_page(bytearray(body))
    except (NoProblemsError, RecursionError):
        return
    assert isinstance(page.rows, list)


def test_a5_more_rows_than_are_read_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_reader, "MAX_ROWS", 1000)
    for body in (b'{"id":1}', b'{"id":NaN}'):
        with pytest.raises(TooManyError, match="more than 1,000 problems"):
            read_page(bytearray(b"[" + b",".join([body] * 150_000) + b"]"))


def test_a5_a_row_beyond_the_limit_is_cut_and_says_so() -> None:
    rows = [{"id": "1", "note": "x"}, {"id": "2", "description": "y" * 5000}, {"id": "3"}]
    for body in (rows, {"items": rows}, {"items": rows, "x": [float("nan")]}):
        page = read_page(bytearray(orjson.dumps(body)), None, 2048)
        assert [row.id for row in page.rows] == ["1", "2", "3"]
        assert (page.rows[0].read(), page.rows[2].read()) == (rows[0], rows[2])
        with pytest.raises(UnreadableError, match=r"a problem of 5,0\d\d bytes") as refused:
            page.rows[1].read()
        assert (refused.value.reason, refused.value.problem_id) == ("too_large", "2")
        assert "max_problem_bytes" in (refused.value.hint or "")
        assert bytes(page.rows[1].text).startswith(b'{"id":"2","description":"yyy')
        assert len(bytes(page.rows[1].text)) <= 2048


MEASURED = """
import resource, sys
from bridge.tmf656.client import Client
from bridge.tmf656.page_reader import read_page
body = bytearray(eval(sys.argv[1]))
try:
    for row in read_page(body).rows:
        try:
            row.read()
        except Exception as error:
            print(type(error).__name__)
except Exception as error:
    print(type(error).__name__)
# not ru_maxrss: that begins with what the process that started this one had
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]
print(len(body) >> 20, int(peak) >> 10)
"""


@pytest.mark.parametrize(
    "body",
    [
        """b'[' + b'{"id":1},' * 7_400_000 + b'{"id":1}]'""",
        """b'[{"id":"x","name":NaN}' + b',{"id":"1234567","name":"%s"}' * 190_000 % ((b"y" * 280,) * 190_000) + b']'""",
        """b'[{"id":"x","name":NaN,"text":"%s"}]' % (b"y" * (56 << 20))""",
        """b'[{"id":"1","note":[' + b'{},' * 18_000_000 + b'{}]}]'""",
        """b'{"items":[' + b'1,' * 28_000_000 + b'1]}'""",
        """b'<html>' + b'x' * 60_000_000""",
        """b'{' + b'"a":1,' * 9_000_000 + b'"b":1}'""",
    ],
    ids=["rows", "nan", "nan in one row", "members", "numbers", "text", "names"],
)
def test_a5_an_answer_below_the_limit_costs_less_than_300_megabytes(body: str) -> None:
    run = subprocess.run([sys.executable, "-c", MEASURED, body], capture_output=True, text=True, check=True)
    size, peak = map(int, run.stdout.splitlines()[-1].split())
    assert 40 < size <= 64
    assert peak < 300, run.stdout
