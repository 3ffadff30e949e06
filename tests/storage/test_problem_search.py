"""Words that are kept say the same as the problems, whatever is stored, pruned, interrupted or removed in between."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Via
from bridge.domain.problem_query import ProblemQuery
from bridge.storage import problem_search, retention, source_removal
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.storage.problem_search import Kept
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE_SECONDS = 30
FINISHED = ("resolved", "closed", "cancelled", "rejected")


def words_of(text: str) -> set[str]:
    """The model: what stands in a text wherever a word can begin."""
    found = set()
    for chunk in re.sub(r"[\x01-\x1f\x7f]", " ", text.lower()).split(" "):
        starts = {0} if chunk else set()
        for run in re.finditer(r"[a-z]+|[0-9]+", chunk):
            starts.add(run.start())
            zeros = re.match(r"0+(?=[1-9])", run[0])
            if zeros:
                starts.add(run.start() + zeros.end())
        found |= {chunk[start : start + 40] for start in starts}
    return found


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("SP-0000123", {"sp-0000123", "0000123", "123"}),
        ("INC0010023", {"inc0010023", "0010023", "10023"}),
        ("a/b 10?", {"a/b", "b", "10?"}),
        ("=1+1", {"=1+1", "1+1", "1"}),
        ("000 007", {"000", "007", "7"}),
        ("x" * 50, {"x" * 40}),
    ],
)
async def test_words_begin_after_a_space_where_letters_or_digits_begin_and_after_zeros(
    database: Database, text: str, some: set[str]
) -> None:
    async with database.connection() as connection:
        assert set(await connection.fetchval("select bridge.search_words(lower($1))", text)) == some == words_of(text)


async def test_words_are_those_of_the_model(database: Database, anyio_backend: str) -> None:
    texts: list[str] = []

    @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
    @given(st.text(st.sampled_from("aZ09 -./_'\\\"=é\t\x01:&|!()*"), max_size=60) | st.text(max_size=30))
    def draw(text: str) -> None:
        if "\x00" not in text and not re.search(r"[\ud800-\udfff]", text):
            texts.append(text)

    draw()
    async with database.connection() as connection:
        for text in filter(str.isascii, texts):
            found = await connection.fetchval("select bridge.search_words(bridge.search_text($1, null))", text)
            assert set(found) == words_of(text), text
        for text in texts:  # a question finds the text it was taken from, both ways, and says nothing else
            for word in ProblemQuery(q=text).words[:8]:
                row = await connection.fetchrow(
                    """
                    select bridge.search_finds($1, null, array[$2]) as looked_at,
                        array_to_tsvector(bridge.search_words(bridge.search_text($1, null)))
                        @@ bridge.search_query(array[$2], null) as kept""",
                    text,
                    word,
                )
                assert row["looked_at"] == row["kept"], (text, word)
                if text.isascii():
                    assert row["kept"], (text, word)


def told(problem_id: str, minute: int, source_id: int = 1, **more: Any) -> Entry:
    problem = {"id": problem_id, "lastUpdate": (NOON + timedelta(minutes=minute)).isoformat(), **more}
    return Entry(source_id, wire.read_problem(problem, asked_at=NOON + timedelta(minutes=minute), via=Via.POLL))


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow'), ('oss')")
        yield connection


async def kept(connection: Connection) -> dict[tuple[int, str], set[str]]:
    rows = await connection.fetch("select source_id, id, tsvector_to_array(words) as words from bridge.problem_search")
    return {(row["source_id"], row["id"]): set(row["words"]) for row in rows}


async def expected(connection: Connection, which: Kept) -> dict[tuple[int, str], set[str]]:
    """The model of the whole table."""
    rows = await connection.fetch(
        "select source_id, id, body, deleted_at, status from bridge.service_problem_with_body"
    )
    found = {}
    for row in rows:
        if which == "open" and (row["deleted_at"] or row["status"] in FINISHED):
            continue
        body = row["body"] if isinstance(row["body"], dict) else orjson.loads(row["body"])
        words = words_of(" ".join((row["id"], body.get("name", ""), body.get("description", ""))))
        for name, what in (("affectedService", "service"), ("relatedParty", "party"), ("affectedLocation", "place")):
            words |= {f"{what} {one[key]}" for one in body.get(name, ()) for key in ("id", "name") if key in one}
        found[row["source_id"], row["id"]] = words
    return {} if which == "off" else found


async def do(database: Database, connection: Connection, what: str, detail: Any) -> None:
    if what == "store":
        async with connection.transaction():
            await store(connection, detail)
    elif what == "prune":
        async with connection.transaction():
            await retention.delete(connection, "tombstones", NOON + timedelta(days=1), 1)
    elif what == "gone":
        await connection.execute("update bridge.service_problem set deleted_at = observed_at where id = $1", detail)
        await connection.execute(
            "insert into bridge.change (source_id, problem_ids) "
            "select p.source_id, array[p.id] from bridge.service_problem as p where p.id = $1",
            detail,
        )
    elif what == "take":
        async with connection.transaction():
            await problem_search.take(connection, await problem_search.lock(connection), detail)
    elif what == "step":
        await one_step(connection)


async def one_step(connection: Connection) -> bool:
    """A step of what is to be done; whether there is nothing more."""
    async with connection.transaction():
        state = await problem_search.lock(connection)
        if state.kept == "off":
            return (await problem_search.clear(connection)).done
        done = (await problem_search.follow(connection, state, problems=2)).done
    if not state.scans:
        return done
    async with connection.transaction():
        state = await problem_search.lock(connection)
        return (await problem_search.scan(connection, state, at=NOON, problems=2)).done and done


TEXTS = st.sampled_from(["no light", "SP-1 again", "S0042 down", "007", "it's \\ here", "café"])
PROBLEMS = st.builds(
    told,
    st.sampled_from(["SP-1", "SP-2", "a/b 3"]),
    st.integers(0, 9),
    st.sampled_from([1, 2]),
    status=st.sampled_from(["held", "closed"]),
    name=TEXTS.filter(str.isascii),
    description=TEXTS.filter(str.isascii),
    affectedService=st.sampled_from([[], [{"id": "S1", "name": "it's one"}], [{"id": "S1"}, {"id": "S2"}]]),
    relatedParty=st.sampled_from([[], [{"id": "P1", "name": "café \\ bar"}]]),
    affectedLocation=st.sampled_from([[], [{"name": "north"}]]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.lists(PROBLEMS, min_size=1, max_size=4)),
        st.tuples(st.just("gone"), st.sampled_from(["SP-1", "SP-2"])),
        st.tuples(st.just("prune"), st.none()),
        st.tuples(st.just("take"), st.sampled_from(["all", "open", "off", "all"])),
        st.tuples(st.just("step"), st.none()),
        st.tuples(st.just("step"), st.none()),
    ),
    max_size=14,
)


async def test_words_agree_with_the_problems_after_any_steps(
    database: Database, connection: Connection, anyio_backend: str
) -> None:
    lives: list[Sequence[tuple[str, Any]]] = []

    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS)
    def draw(steps: Sequence[tuple[str, Any]]) -> None:
        lives.append(steps)

    draw()
    for steps in lives:
        for what, detail in steps:
            await do(database, connection, what, detail)
        for _ in range(200):
            if await one_step(connection):
                break
        else:
            pytest.fail("there is always more to do")
        state = await problem_search.read(connection)
        assert await kept(connection) == await expected(connection, state.kept), steps
        assert await connection.fetchval("select count(*) from bridge.unsearched(null)") == 0 or state.kept == "off"
        assert await connection.fetchval("select bridge.search_covers()") == state.kept


async def test_what_changed_and_is_not_in_the_words_yet_is_named(connection: Connection, database: Database) -> None:
    await do(database, connection, "take", "all")
    while not await one_step(connection):
        pass
    await do(database, connection, "store", [told("SP-1", 1, status="held"), told("SP-2", 1, status="held")])
    assert {row["id"] for row in await connection.fetch("select id from bridge.unsearched(null)")} == {"SP-1", "SP-2"}
    assert len(await connection.fetch("select id from bridge.unsearched(1)")) == 1


async def test_a_text_that_stays_is_not_written_again(connection: Connection, database: Database) -> None:
    await do(database, connection, "take", "all")
    await do(database, connection, "store", [told("SP-1", 1, status="held", name="no light")])
    while not await one_step(connection):
        pass
    where = "select ctid::text from bridge.problem_search"
    before = await connection.fetchval(where)
    await do(database, connection, "store", [told("SP-1", 2, status="pending", name="no light")])
    while not await one_step(connection):
        pass
    assert await connection.fetchval(where) == before
    await do(database, connection, "store", [told("SP-1", 3, status="pending", name="light")])
    while not await one_step(connection):
        pass
    assert await connection.fetchval(where) != before


async def test_words_that_do_not_fit_are_left_to_the_problem_itself(
    connection: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem_search, "MOST_WORD_BYTES", 100)
    await do(database, connection, "take", "all")
    many = [{"id": f"S{number}"} for number in range(100)]
    await do(database, connection, "store", [told("SP-1", 1, affectedService=many), told("SP-2", 1)])
    while not await one_step(connection):
        pass
    found = await connection.fetch("select id, complete from bridge.problem_search order by id")
    assert [tuple(row) for row in found] == [("SP-1", False), ("SP-2", True)]


async def test_a_text_made_to_be_costly_is_cut_and_taken(connection: Connection, database: Database) -> None:
    """Every second character can begin a word: the words of one text stay below the bytes that fit."""
    await do(database, connection, "take", "all")
    services = [{"id": f"S{number}", "name": "n" * 201} for number in range(2000)]
    await do(database, connection, "store", [told("SP-1", 1, description="a-" * 50_000, affectedService=services)])
    while not await one_step(connection):
        pass
    assert await connection.fetchval("select complete from bridge.problem_search")


async def test_lost_changes_and_another_server_end_the_use_of_words(connection: Connection, database: Database) -> None:
    await do(database, connection, "take", "all")
    await do(database, connection, "store", [told("SP-1", 1)])
    while not await one_step(connection):
        pass
    assert await connection.fetchval("select bridge.search_covers()") == "all"
    for minute in (2, 3):
        await do(database, connection, "store", [told("SP-1", minute, status=f"status {minute}")])
    await connection.execute("delete from bridge.change where id < (select max(id) from bridge.change)")
    assert await connection.fetchval("select bridge.search_covers()") == "off"
    assert (await problem_search.read(connection)).lost
    await do(database, connection, "take", "all")
    while not await one_step(connection):
        pass
    assert await connection.fetchval("select bridge.search_covers()") == "all"
    await connection.execute("update bridge.search_state set committed = '99999999'")
    assert await connection.fetchval("select bridge.search_covers()") == "off"
    assert (await problem_search.read(connection)).lost


async def test_a_source_that_is_forgotten_takes_its_words_along(connection: Connection, database: Database) -> None:
    await do(database, connection, "take", "all")
    await do(database, connection, "store", [told("SP-1", 1, 1), told("SP-1", 1, 2)])
    while not await one_step(connection):
        pass
    await source_removal.remove(database, 1)
    assert list(await kept(connection)) == [(2, "SP-1")]


async def test_it_is_seen_whether_another_session_is_at_work(database: Database) -> None:
    async with database.connection() as connection, database.connection() as other:
        assert not await problem_search.others_active(connection)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other.execute, "select pg_sleep(600)")
            with anyio.fail_after(PATIENCE_SECONDS):
                while not await problem_search.others_active(connection):  # noqa: ASYNC110 -- another session makes it true
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
