"""The list of problems against a model in Python: page, counts, paging and CSV say the same."""

import csv
import io
import random
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import anyio
import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Via
from bridge.domain.problem_query import LINKED, ProblemQuery, Sort
from bridge.maintenance.search_upkeep import SearchUpkeep
from bridge.storage import problem_list, searched_list, walked_list
from bridge.storage import source as source_table
from bridge.storage.database import Database, opened
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.storage.problem_search import Kept
from bridge.storage.session_settings import FRONT
from bridge.tmf656 import wire
from tests.link_tables import add_links, add_rule
from tests.storage.test_problem_search import words_of
from tests.web.console.conftest import Browser, Shown

pytestmark = pytest.mark.anyio

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
FINISHED = {"resolved", "closed", "cancelled", "rejected"}
STATUSES = ["acknowledged", "inProgress", "held", "pending", "resolved", "closed"]
SOURCES = ["oss", "snow"]
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\n=1", "\uff1d1+1", "plain", 'quoted "x", and\nmore', "'=1"]


def made(count: int = 120) -> list[dict[str, Any]]:
    """Problems with everything that a list can ask for, also missing; the same each time."""
    chance = random.Random(7)
    problems = []
    for number in range(count):
        raised = START + timedelta(minutes=chance.randrange(600))
        problem: dict[str, Any] = {
            "id": f"SP-{number}" if number % 10 else f"a/b {number}?",
            "name": f"{chance.choice(['no light', 'no power', 'Noise'])} on S{chance.randrange(20)}",
            "status": chance.choice(STATUSES),
            "description": chance.choice(FORMULAS),
            "affectedService": [{"id": f"S{chance.randrange(5)}", "name": f"line {chance.randrange(5)}"}],
            "relatedParty": [{"id": f"P{chance.randrange(5)}", "name": f"party {chance.randrange(3)}"}],
            "affectedLocation": [{"name": f"place {chance.randrange(4)}"}],
        }
        if chance.random() < 0.9:
            problem["priority"] = str(chance.randrange(1, 4))
        if chance.random() < 0.8:
            problem["category"] = chance.choice(["supplier.originated", "system.originated", "-odd"])
        if chance.random() < 0.8:
            problem["creationDate"] = raised.isoformat()
        if chance.random() < 0.8:
            problem["lastUpdate"] = (raised + timedelta(minutes=chance.randrange(60))).isoformat()
        problems.append({"source": SOURCES[number % 2], "body": problem})
    return problems


PROBLEMS = made()


@pytest.fixture(scope="module", params=["no words", "words of all", "words of the first half", "words of open ones"])
async def filled(postgres: Any, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The DSN of a database that has them, and some that are gone at their source; made once for this module and each
    way in which searches work: problem by problem, by kept words, by kept words of problems that have changed since.
    """
    from tests.conftest import _TEMPLATE, with_database  # noqa: PLC0415 -- the names of the test database

    name = f"test_problem_list_{request.param.replace(' ', '_')}"
    kept: Kept = {"no words": "off", "words of open ones": "open"}.get(request.param, "all")
    owner = await asyncpg.connect(postgres.dsn)
    await owner.execute(f"create database {name} template {_TEMPLATE}")
    dsn = with_database(postgres.dsn, name)
    async with opened(dsn, wait=False) as database:
        keys = {}
        async with database.transaction() as connection:
            for source in SOURCES:
                keys[source] = (await source_table.ensure(connection, source, "http://x.example", "")).id
        upkeep = SearchUpkeep(database, lambda: kept)
        for number, one in enumerate(PROBLEMS):
            body = one["body"]
            if request.param == "words of the first half" and number == len(PROBLEMS) // 2:
                await upkeep.run_once()
            if request.param == "words of the first half" and number < len(PROBLEMS) // 4:
                body = body | {"name": "another name", "affectedService": [], "lastUpdate": "2026-01-01T00:00:00Z"}
            seen = wire.read_problem(body, asked_at=START + timedelta(hours=10), via=Via.POLL)
            await store_items(database, [Entry(keys[one["source"]], seen)])
        if request.param != "words of the first half":
            await upkeep.run_once()
        for one in PROBLEMS:
            seen = wire.read_problem(one["body"], asked_at=START + timedelta(hours=20), via=Via.POLL)
            await store_items(database, [Entry(keys[one["source"]], seen)])
        async with database.connection() as connection:
            await connection.execute("update bridge.service_problem set deleted_at = now() where id like 'SP-%3'")
    yield dsn
    await owner.execute(f"drop database {name} with (force)")
    await owner.close()


@pytest.fixture
async def list_browser(filled: str, open_console: Callable[..., Any]) -> AsyncIterator[Browser]:
    async with open_console(filled) as browser:
        await browser.get_when_reached("/problems")
        yield browser


async def facts(dsn: str) -> list[dict[str, Any]]:
    """What report.service_problem says of each; the model filters and sorts that."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select * from report.service_problem order by source, id")
        ids = dict(await connection.fetch("select name, id from bridge.source"))
    finally:
        await connection.close()
    bodies = {(one["source"], one["body"]["id"]): one["body"] for one in PROBLEMS}
    return [dict(row) | {"it": bodies[row["source"], row["id"]], "source_id": ids[row["source"]]} for row in rows]


def wanted(rows: list[dict[str, Any]], asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The model: the list that these parameters describe, in its order."""
    state = asked.get("state", "open")
    ids = {row["id"] for row in rows}

    def shown(row: dict[str, Any]) -> bool:
        gone, finished = row["deleted_at"] is not None, row["status"] in FINISHED
        return {"all": True, "deleted": gone, "closed": not gone and finished, "open": not gone and not finished}[state]

    def named(elements: list[dict[str, str]], text: str) -> bool:
        return any(text in element.values() for element in elements)

    def within(name: str, at: datetime | None) -> bool:
        if name not in asked:
            return True
        since, until = (datetime.fromisoformat(f"{one}Z") if one else None for one in asked[name].split(".."))
        return at is not None and (since is None or at >= since) and (until is None or at < until)

    def holds(row: dict[str, Any]) -> bool:
        it, q = row["it"], asked.get("q", "")
        words = words_of(" ".join((row["id"], it["name"], it["description"])))
        return (
            all(
                str(row[name]) in asked[name]
                for name in ("status", "source", "priority", "category")
                if asked.get(name)
            )
            and within("changed", row["updated_at"])
            and within("created", row["created_at"])
            and ("service" not in asked or named(it["affectedService"], asked["service"]))
            and ("party" not in asked or named(it["relatedParty"], asked["party"]))
            and ("region" not in asked or named(it["affectedLocation"], asked["region"]))
            and (
                (row["id"] == q)
                if q in ids
                else all(any(one.startswith(word.lower()) for one in words) for word in q.split())
            )
        )

    found = [row for row in rows if shown(row) and holds(row)]
    place = {"source_id": lambda row: (row["source_id"], row["id"])}["source_id"]
    match asked.get("sort", "updated"):
        case "updated" | "raised" as sort:
            column = "updated_at" if sort == "updated" else "created_at"
            key = lambda row: (row[column] is None, row[column] or START, *place(row))  # noqa: E731 -- it captures the column
            return sorted(found, key=key, reverse=True)
        case "updated_asc" | "raised_asc" as sort:
            column = "updated_at" if sort == "updated_asc" else "created_at"
            return sorted(found, key=lambda row: (row[column] is None, row[column] or START, *place(row)))
        case "urgency":
            return sorted(
                found,
                key=lambda row: (row["priority"] or 10**9, row["created_at"] or row["first_seen_at"], *place(row)),
            )
    return sorted(
        found, key=lambda row: (row["status_changed_at"] or row["created_at"] or row["first_seen_at"], *place(row))
    )


ASKED = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["open", "closed", "deleted", "all"]),
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3, unique=True),
        "source": st.lists(st.sampled_from([*SOURCES, "nowhere"]), min_size=1, max_size=2, unique=True),
        "priority": st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=2, unique=True),
        "category": st.lists(st.sampled_from(["supplier.originated", "-odd"]), min_size=1, max_size=2, unique=True),
        "service": st.sampled_from(["S1", "line 2", "S9"]),
        "party": st.sampled_from(["P1", "party 2", "nobody"]),
        "region": st.sampled_from(["place 1", "nowhere"]),
        "changed": st.sampled_from(["..2026-06-01T15:00", "2026-06-01T13:00..2026-06-01T19:30"]),
        "created": st.sampled_from(["..2026-06-01T15:00", "2026-06-01T16:00..", "2026-06-01T13:00..2026-06-01T19:30"]),
        "q": st.sampled_from(
            ["SP-7", "NO light", "power s1", "a/b 10?", "=1", "SP-", "%", "_", "b 2", "ight", "'", "on s"]
        ),
        "sort": st.sampled_from(["updated", "updated_asc", "raised", "raised_asc", "urgency", "status_age"]),
        "limit": st.sampled_from(["25", "50"]),
    },
).filter(lambda asked: asked.get("sort") not in ("urgency", "status_age") or asked.get("state", "open") == "open")


async def whole_list(browser: Browser, path: str) -> tuple[list[str], Shown]:
    """Follow the pages of a list to its end; return the keys in order, and the first page."""
    keys: list[str] = []
    first = page = await browser.get(path)
    while True:
        assert page.status == 200, page.text
        keys += page.rows
        link = page.links.get("Older") or page.links.get("Look further")
        if link is None:
            return keys, first
        page = await browser.get(link)


async def test_page_count_and_csv_are_what_the_model_says(
    filled: str, list_browser: Browser, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a page is found by walking the list or sorted as a whole, a searched one among the first rows of the list
    or by the index of words, and one for which bodies are read ends when it is full or when it took too long.
    """
    rows = await facts(filled)
    drawn: list[dict[str, Any]] = []

    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    @given(ASKED)
    def draw(asked: dict[str, Any]) -> None:
        drawn.append(asked)

    await anyio.to_thread.run_sync(draw)
    for number, asked in enumerate(drawn):
        monkeypatch.setattr(searched_list, "MOST_WALKED", (2000, 0, 40)[number % 3])
        monkeypatch.setattr(searched_list, "MOST_LOOKED_UP", (3, 2000)[number % 2])
        monkeypatch.setattr(problem_list, "FEW", (2000, 0, 40)[number % 3])
        monkeypatch.setattr(walked_list, "FIRST_PIECE", (500, 7, 40)[number % 3])
        monkeypatch.setattr(walked_list, "MOST_SECONDS", (1.0, 0.0, 1.0)[number % 3])
        query = urlencode(asked, doseq=True)
        keys, first = await whole_list(list_browser, f"/problems?{query}")
        expected = wanted(rows, asked)
        assert keys == [f"{row['source']}/{row['id']}" for row in expected], query
        counted = re.search(r"<strong>(more than )?(\d+)</strong> problems?( among)?", first.text)
        assert counted, first.text
        if counted[1]:
            assert int(counted[2]) < len(expected), query
        else:
            assert int(counted[2]) == (len(first.rows) if counted[3] else len(expected)), query
        csv_page = await list_browser.get(f"/problems.csv?{query}")
        read = list(csv.DictReader(io.StringIO(csv_page.text)))
        assert [(row["source"], row["id"]) for row in read] == [(row["source"], row["id"]) for row in expected], query


async def test_the_csv_has_the_columns_that_are_shown_and_no_formula(filled: str, list_browser: Browser) -> None:
    answer = await list_browser.get("/problems.csv?state=all&col=id&col=description&col=priority&col=updated_at")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="problems-' in answer.headers["content-disposition"]
    read = {row["id"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    for row in await facts(filled):
        it = read[row["id"]]
        assert list(it) == ["id", "priority", "updated_at", "description"]
        text = row["description"]
        assert it["description"] == (f"'{text}" if text[0] in FORMULA_STARTS else text)
        assert it["priority"] == ("" if row["priority"] is None else str(row["priority"]))
        assert it["updated_at"] == ("" if row["updated_at"] is None else row["updated_at"].isoformat())


async def every_key(browser: Browser, query: str) -> list[str]:
    """The keys of all pages of a list, which are those of its CSV."""
    keys, _ = await whole_list(browser, f"/problems?{query}")
    read = csv.DictReader(io.StringIO((await browser.get(f"/problems.csv?{query}")).text))
    assert [f"{row['source']}/{row['id']}" for row in read] == keys
    return keys


@pytest.mark.parametrize("patient", [True, False])
async def test_columns_of_a_source_s_own_are_shown_and_written_as_others(
    filled: str, list_browser: Browser, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    """Also where each page ends after a few problems, because it has taken too long already."""
    if not patient:
        monkeypatch.setattr(walked_list, "FIRST_PIECE", 7)
        monkeypatch.setattr(walked_list, "MOST_SECONDS", 0.0)
        monkeypatch.setattr(searched_list, "MOST_WALKED", 5)
        monkeypatch.setattr(searched_list, "MOST_READ", 3)
    connection = await asyncpg.connect(filled)
    own = {"oss": {"remark": "description", "rank": "priority::numeric"}}
    try:
        await connection.fetchval("select bridge.set_extra_columns($1)", orjson.dumps(own).decode())
        asked = "state=all&limit=200&col=source&col=id&col=extra.remark&col=extra.rank"
        page = await list_browser.get(f"/problems?{asked}")
        assert page.status == 200, page.text
        assert "remark" in page.text
        read = list(csv.DictReader(io.StringIO((await list_browser.get(f"/problems.csv?{asked}")).text)))
        found = {f"{row['source']}/{row['id']}": row for row in read}
        assert list(found) == list(page.rows)
        searched = await list_browser.get(f"/problems.csv?{asked}&q=light")
        for row in csv.DictReader(io.StringIO(searched.text)):
            assert row == found[f"{row['source']}/{row['id']}"]
        for row in await facts(filled):
            key, of_oss = f"{row['source']}/{row['id']}", row["source"] == "oss"
            text = row["description"] if of_oss else ""
            assert found[key]["extra.remark"] == (f"'{text}" if text[:1] in set(FORMULA_STARTS) else text)
            assert found[key]["extra.rank"] == (str(row["priority"] or "") if of_oss else "")
            assert page.rows[key]["extra.remark"] == (" ".join(text.split()) or "\N{EN DASH}")
        for conditions in ({"remark": ["plain"]}, {"remark": ["plain", "=1+1"], "rank": ["2", "9"]}, {"rank": ["x'"]}):
            wanted = urlencode({f"extra.{name}": values for name, values in conditions.items()}, doseq=True)
            keys = [
                f"{row['source']}/{row['id']}"
                for row in await facts(filled)
                if row["source"] == "oss"
                and ("remark" not in conditions or row["description"] in conditions["remark"])
                and ("rank" not in conditions or str(row["priority"]) in conditions["rank"])
            ]
            assert set(await every_key(list_browser, f"{asked}&{wanted}".replace("limit=200", "limit=25"))) == set(keys)
            both = set(await every_key(list_browser, f"{asked}&{wanted}&q=light"))
            assert both == set(keys) & set(await every_key(list_browser, f"{asked}&q=light"))
        assert "as_of" in (await list_browser.get(f"/problems?{wanted}&as_of=2026-06-02")).text
        page = await list_browser.get(f"/problems?{asked}&extra.remark=nothing")
        assert ("None of these" in page.text, "Look further" in page.links) == (
            (False, False) if patient else (True, True)
        )
        await connection.fetchval("select bridge.set_extra_columns($1)", "{}")
        for query in (asked, "extra.remark=plain"):
            assert (await list_browser.get(f"/problems?{query}")).status == 400
    finally:
        await connection.fetchval("select bridge.set_extra_columns($1)", "{}")
        await connection.close()


async def test_the_ticket_on_the_other_side_is_a_column(
    dsn: str, database: Database, open_console: Callable[..., Any]
) -> None:
    rule, left, right = await add_rule(database)
    hrefs = {(left, "L1"): "javascript:alert(1)", (right, "R1"): "https://right.example/R1", (left, "L2"): None}
    for (source_id, problem_id), href in hrefs.items():
        body = {"id": problem_id, "name": "no light", "status": "held", "href": href}
        seen = wire.read_problem(body, asked_at=START, via=Via.POLL)
        await store_items(database, [Entry(source_id, seen)])
    async with database.transaction() as connection:
        (number,) = await add_links(connection, rule)
    asked = "col=id&col=linked_source&col=linked_id&col=linked_href"
    async with open_console(dsn) as browser:
        page = await browser.get_when_reached(f"/problems?{asked}")
        shown = {key: [row[name] for name in LINKED] for key, row in page.rows.items()}
        none = ["\N{EN DASH}"] * 3
        assert shown == {
            "left/L1": ["right", "R1", "right.example"],
            "right/R1": ["left", "L1", "\N{EN DASH}"],
            "left/L2": none,
        }
        assert page.links["right.example"] == "https://right.example/R1"
        assert page.links["R1"] == "/problems/right/R1"
        for query in (asked, f"{asked}&q=light"):
            read = csv.DictReader(io.StringIO((await browser.get(f"/problems.csv?{query}")).text))
            assert {row["id"]: [row[name] for name in LINKED] for row in read} == {
                "L1": ["right", "R1", "https://right.example/R1"],
                "R1": ["left", "L1", "javascript:alert(1)"],
                "L2": ["", "", ""],
            }
        async with database.connection() as connection:
            await connection.execute("update bridge.link set state = 'unlinked' where id = $1", number)
        assert [row["linked_id"] for row in (await browser.get(f"/problems?{asked}")).rows.values()] == none
        assert (await browser.get(f"/problems?{asked}&as_of=2026-06-02")).status == 400


async def test_a_search_says_how_far_the_first_words_are(
    dsn: str, database: Database, open_console: Callable[..., Any]
) -> None:
    async with open_console(dsn) as browser:
        assert 'id="made"' not in (await browser.get_when_reached("/problems?q=light")).text, "none are wanted"
        async with database.connection() as connection:
            await connection.execute("update bridge.search_state set kept = 'all', scanned_problems = 1234")
        page = await browser.get("/problems?q=light")
        assert "words for searches are being made, of 1,234 problems so far" in page.text
        for path in ("/problems", "/problems?q=light&as_of=2026-06-01"):
            assert 'id="made"' not in (await browser.get(path)).text
        async with database.connection() as connection:
            await connection.execute("update bridge.search_state set complete = true")
        assert 'id="made"' not in (await browser.get("/problems?q=light")).text


async def test_numbers_beside_the_filters_are_what_the_lists_have(list_browser: Browser) -> None:
    page = await list_browser.get("/problems?source=snow&priority=1")
    for status in ("held", "pending"):
        there = await list_browser.get(f"/problems?source=snow&priority=1&status={status}")
        number = len(there.rows)
        assert f'value="{status}"> {status} <span class="quiet">{number}</span>' in page.text


async def test_as_of_shows_the_list_as_it_was(list_browser: Browser) -> None:
    before = await list_browser.get("/problems?state=all&as_of=2020-01-01T00:00:00Z")
    assert (before.status, before.rows) == (200, {})
    then = await list_browser.get("/problems?state=all&source=snow&as_of=2026-06-01T18:00:00Z")
    assert then.status == 200
    assert all(row["source"] == "snow" for row in then.rows.values())
    read = await list_browser.get("/problems.csv?state=all&source=snow&as_of=2026-06-01T18:00:00Z&limit=200")
    assert len(list(csv.DictReader(io.StringIO(read.text)))) >= len(then.rows) > 0


async def test_head_is_refused_where_the_length_is_not_known(list_browser: Browser) -> None:
    for path, status in (("/problems", 200), ("/problems.csv", 405), ("/live", 405)):
        async with list_browser.session.head(f"{list_browser.url}{path}") as answer:
            assert answer.status == status


@pytest.mark.parametrize(("query", "said"), [("as_of=2026-06-02", "the history of every problem"), ("", "Narrow the")])
async def test_a_list_that_takes_too_long_says_what_to_do(
    list_browser: Browser, monkeypatch: pytest.MonkeyPatch, query: str, said: str
) -> None:
    async def sleep(connection: Any, *_: Any, **__: Any) -> None:
        await connection.execute("set local statement_timeout = '1ms'; select pg_sleep(60)")

    monkeypatch.setattr(problem_list, "page", sleep)
    answer = await list_browser.get(f"/problems?{query}")
    assert (answer.status, "refresh" in answer.headers, said in answer.text) == (503, False, True)


async def test_a_search_that_finds_nothing_open_leads_to_the_same_among_all(list_browser: Browser) -> None:
    nothing = await list_browser.get("/problems?q=nothing+here&source=oss")
    link = nothing.links["Look among all, finished and deleted ones too"]
    assert link == "/problems?q=nothing+here&state=all&source=oss"
    assert "Look among" not in (await list_browser.get(link)).text


@pytest.mark.parametrize(
    "query", ["stauts=held", "status=hold", "after=x", "after=WyJ1cGRhdGVkIl0", "sort=name", "limit=1"]
)
async def test_a_parameter_that_is_wrong_is_named(list_browser: Browser, query: str) -> None:
    for path in ("/problems", "/problems.csv"):
        if path.endswith("csv") and query.startswith("after"):
            continue
        answer = await list_browser.get(f"{path}?{query}")
        assert answer.status == 400
        assert query.partition("=")[0] in answer.text


async def test_no_statement_of_the_list_skips_rows_and_each_order_has_its_index(filled: str) -> None:
    """Sorting a page would read everything first."""
    indexes = {
        Sort.UPDATED: "service_problem_updated_at_status_idx",
        Sort.UPDATED_ASC: "service_problem_updated_at_status_idx",
        Sort.RAISED: "service_problem_created_at_idx",
        Sort.RAISED_ASC: "service_problem_created_at_idx",
        Sort.URGENCY: "service_problem_open_urgency_idx",
        Sort.STATUS_AGE: "service_problem_open_status_age_idx",
    }
    async with opened(filled, wait=False, session=FRONT) as database:
        for sort, index in indexes.items():
            plans = await _plans(database, problem_list, ProblemQuery(sort=sort))
            assert any(index in plan for plan in plans), (sort, plans)
            assert not any("service_problem_version" in plan for plan in plans[:2]), "bodies are read for the page only"


async def _plans(database: Database, module: Any, query: Any, about: int = 10**6) -> list[str]:
    """The plans of the statements that find the keys of a page."""
    plans: list[str] = []
    async with database.connection() as connection:
        await connection.execute("set enable_seqscan = off; set enable_sort = off; set enable_bitmapscan = off")

        class Explaining:
            """Explains what it is asked, then asks it."""

            async def fetch(self, sql: str, *values: Any) -> Any:
                if "console_problem" in sql:
                    plans.append("\n".join(row[0] for row in await connection.fetch(f"explain {sql}", *values)))
                return await connection.fetch(sql, *values)

            def __getattr__(self, name: str) -> Any:
                return getattr(connection, name)

        await module.page(Explaining(), query, START, await module.all_sources(connection), about=about)
    return plans
