"""A pass by keyset sees every record, whatever changes meanwhile, and says when it cannot."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.completeness import Gap
from bridge.http.row import rows_of
from bridge.servicenow.table_pages import TableAnswer, TablePages, TableWindow
from bridge.simulator.servicenow.encoded_query import parse
from bridge.simulator.servicenow.tables import TABLES

pytestmark = pytest.mark.anyio
QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=150)
BEGAN = datetime(2026, 11, 30, 10, tzinfo=UTC)


def record(number: int, second: int) -> dict[str, str]:
    at = (BEGAN + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S")
    return {"sys_id": f"{number:032x}", "sys_updated_on": at}


class Table:
    """A table that answers as the Table API does; `hidden` are left out after a page was cut."""

    def __init__(self, records: list[dict[str, str]], size: int, hidden: frozenset[str] = frozenset()) -> None:
        self.records, self.size, self.hidden = {each["sys_id"]: each for each in records}, size, hidden
        self.asked = 0
        self.deaf = False

    async def ask(self, window: TableWindow) -> TableAnswer:
        self.asked += 1
        parsed = parse("" if self.deaf else window.query, TABLES["incident"])
        found = parsed.sorted([each for each in self.records.values() if parsed.meets(each)], TABLES["incident"])
        page = [each for each in found[window.offset :][: self.size] if each["sys_id"] not in self.hidden]
        return TableAnswer(
            rows_of([{"id": each["sys_id"], "lastUpdate": each["sys_updated_on"] + "Z"} | each for each in page]),
            [(each["sys_updated_on"], each["sys_id"]) for each in page],
            more=window.offset + self.size < len(found),
            total=len(found),
            asked_at=BEGAN,
            server_at=None,
        )

    def pages(self, **how: object) -> TablePages:
        return TablePages(self.ask, page_size=self.size, **how)


async def seen(pages: TablePages) -> list[str]:
    return [str(row.id) for page in [page async for page in pages] for row in page.items]


@QUICK
@given(
    seconds=st.lists(st.integers(0, 4), max_size=30),
    size=st.integers(1, 7),
    hidden=st.sets(st.integers(0, 29), max_size=10),
)
async def test_every_record_that_may_be_seen_is_seen_however_many_share_a_second(
    seconds: list[int], size: int, hidden: set[int]
) -> None:
    records = [record(number, second) for number, second in enumerate(seconds)]
    table = Table(records, size, frozenset(f"{number:032x}" for number in hidden))
    pages = table.pages()
    found = await seen(pages)
    assert set(found) == table.records.keys() - table.hidden
    assert pages.completeness.gap is None
    assert pages.distinct == len(set(found))
    assert set(pages.unseen(table.records)) == table.records.keys() - set(found)


async def test_a_record_that_changes_meanwhile_comes_again_and_hides_no_other() -> None:
    table = Table([record(number, number) for number in range(9)], 3)
    pages = table.pages()
    first = await anext(pages)
    table.records[record(0, 0)["sys_id"]] = record(0, 60)
    del table.records[record(1, 1)["sys_id"]]
    rest = await seen(pages)
    assert {str(row.id) for row in first.items} | set(rest) == {record(number, 0)["sys_id"] for number in range(9)}
    assert rest[-1] == record(0, 0)["sys_id"]


async def test_a_second_change_within_the_second_is_read_though_the_time_is_the_same() -> None:
    table = Table([record(number, number) for number in range(4)], 2)
    pages = table.pages()
    first = await anext(pages)
    assert not pages.completeness.complete
    changed = record(1, 1) | {"description": "again"}
    table.records[changed["sys_id"]] = changed
    again = [row for page in [page async for page in pages] for row in page.items if row.id == changed["sys_id"]]
    assert [row.id for row in first.items][-1] == changed["sys_id"]
    assert [row.read()["description"] for row in again] == ["again"]
    assert pages.completeness.complete


async def test_only_what_changed_since_is_asked_for() -> None:
    table = Table([record(number, number) for number in range(9)], 4)
    pages = table.pages(changed_since=BEGAN + timedelta(seconds=6, milliseconds=900))
    assert await seen(pages) == [record(number, 0)["sys_id"] for number in (6, 7, 8)]
    assert pages.filter_honoured is None


async def test_an_instance_that_ignores_the_query_is_found_out_and_the_pass_ends() -> None:
    table = Table([record(number, number) for number in range(9)], 3)
    table.deaf = True
    pages = table.pages(changed_since=BEGAN + timedelta(seconds=6))
    await seen(pages)
    assert pages.filter_honoured is False
    assert pages.completeness.gap is Gap.ORDER_CHANGED
    assert table.asked == 1


async def test_a_pass_has_an_end() -> None:
    table = Table([record(number, number) for number in range(9)], 1)
    pages = table.pages(max_requests=4)
    assert len(await seen(pages)) < 9
    assert pages.completeness.gap is Gap.ENDLESS
