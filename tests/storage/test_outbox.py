"""What is to be written goes out in order, once, never for a paused rule, and never beside an unsettled write."""

from datetime import timedelta

import orjson
import pytest

from bridge.domain.link.word_map import Side
from bridge.storage import link_rule, outbox
from bridge.storage.database import Connection, Database
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.storage.queries import queries
from tests.link_tables import NOON, add_links, add_rule, wanted

pytestmark = pytest.mark.anyio

LATER = NOON.replace(year=2100)


async def due(connection: Connection, source_id: int, **more: object) -> list[OutboxRow]:
    return await outbox.due(connection, source_id, LATER, limit=10, **more)


async def test_an_open_row_is_kept_and_says_what_is_missing_now(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right)])
        [first] = await due(connection, right)
        await outbox.put(connection, [wanted(number, rule, right, fields={"title": {"from": "a", "to": "c"}})])
        [second] = await due(connection, right)
    assert (second.id, second.fields) == (first.id, {"title": {"from": "a", "to": "c"}})


async def test_a_row_that_is_being_sent_says_what_was_sent_and_holds_the_rest_of_its_link(database: Database) -> None:
    rule, left, right = await add_rule(database)
    async with database.transaction() as connection:
        first, second = await add_links(connection, rule, 2)
        back = outbox.Wanted(first, rule, left, Side.LEFT, WriteKind.UPDATE)
        await outbox.put(connection, [wanted(first, rule, right), wanted(second, rule, right), back])
        [one, other] = await due(connection, right)
        assert await outbox.begin(connection, {one.id: {"title": {"to": "sent"}}}, token=5, at=NOON)
        assert not await outbox.begin(connection, {one.id: {}}, token=5, at=NOON)
        await outbox.put(connection, [wanted(first, rule, right, fields={"title": {"to": "newer"}})])
        [sent] = await outbox.sending(connection, right, [first, second])
        assert (sent.id, sent.token, sent.sent_at, sent.fields) == (one.id, 5, NOON, {"title": {"to": "sent"}})
        assert await due(connection, left) == []
        assert [row.id for row in await due(connection, right)] == [other.id]
        [waits] = (await outbox.open_of(connection, [first]))[first][1:]
        assert not await outbox.begin(connection, {waits.id: {}}, token=5, at=NOON)


@pytest.mark.parametrize("state", ["paused", "held", "plan", "off", "gone"])
async def test_a_pause_holds_what_was_claimed_already(database: Database, state: str) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right)])
        [claimed] = await due(connection, right)
        await link_rule.write_state(connection, rule, state, "Anna", only_from=["on"])
        assert not await outbox.begin(connection, {claimed.id: {}}, token=1, at=NOON)
        assert await due(connection, right) == []
        assert await outbox.next_due(connection, right) == (None, 0)


async def test_a_create_goes_first_and_notes_before_what_ends_the_ticket(database: Database) -> None:
    rule, _, right = await add_rule(database)
    sent: list[tuple[WriteKind, str]] = []
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right, ends_ticket=True)])
        for code in ("b", "a"):
            await outbox.put(connection, [wanted(number, rule, right, WriteKind.NOTE, item=code)])
        await outbox.put(connection, [wanted(number, rule, right, WriteKind.CREATE)])
        while rows := await due(connection, right):
            [row] = rows
            sent.append((row.kind, row.item))
            assert await outbox.end(connection, {row.id: WriteOutcome.DONE}, at=NOON)
    assert sent == [
        (WriteKind.CREATE, ""),
        (WriteKind.NOTE, "b"),
        (WriteKind.NOTE, "a"),
        (WriteKind.UPDATE, ""),
    ]


async def test_a_blocked_note_holds_later_notes_only(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        for code in ("first", "second"):
            await outbox.put(connection, [wanted(number, rule, right, WriteKind.NOTE, item=code)])
        await outbox.put(connection, [wanted(number, rule, right, ends_ticket=True)])
        [row] = await due(connection, right)
        assert await outbox.block(connection, row.id, "403 Forbidden", status=403)
        assert await due(connection, right) == [], "the ticket must not end before the second note, which waits"
        [_, second, _] = (await outbox.open_of(connection, [number]))[number]
        assert await outbox.block(connection, second.id, "403 Forbidden")
        assert [one.kind for one in await due(connection, right)] == [WriteKind.UPDATE]


async def test_a_blocked_row_waits_again_when_something_changed_or_a_person_says_so(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        first, second = await add_links(connection, rule, 2)
        await outbox.put(connection, [wanted(first, rule, right), wanted(second, rule, right)])
        for row in await due(connection, right):
            assert await outbox.block(connection, row.id, f"Data Policy Exception {row.link_id}", status=403)
        await outbox.put(connection, [wanted(first, rule, right)])
        assert await due(connection, right) == [], "the same again is refused again"
        await outbox.put(connection, [wanted(first, rule, right, fields={"title": {"from": "a", "to": "c"}})])
        assert [row.link_id for row in await due(connection, right)] == [first]
        assert await outbox.blocked_links(connection, rule) == [second]
        assert await outbox.blocked_links(connection, rule, "Exception 999") == []
        assert await outbox.blocked_links(connection, rule, "Data Policy") == [second]
        assert await outbox.requeue(connection, [first, second], error="Exception 999") == []
        assert await outbox.requeue(connection, [first, second], error="Data Policy") == [second]
        assert len(await due(connection, right)) == 2
        assert await outbox.requeue(connection, [first, second]) == []


async def test_what_was_not_done_is_due_later_and_only_a_failure_counts(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right)])
        [row] = await due(connection, right)
        assert await outbox.begin(connection, {row.id: {}}, token=1, at=NOON)
        await outbox.postpone(connection, row.id, LATER, counted=False, error="429", status=429)
        assert await outbox.due(connection, right, LATER - timedelta(seconds=1), limit=1) == []
        [again] = await due(connection, right)
        assert (again.attempts, again.status, again.error) == (0, 429, "429")
        await outbox.postpone(connection, row.id, LATER, counted=True, error="500")
        assert await outbox.next_due(connection, right) == (LATER, 1)
        assert (await due(connection, right))[0].attempts == 1
        assert await due(connection, right, busy=[number]) == []


async def test_what_ended_stays_ended_and_nothing_missing_ends_what_waits(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right)])
        await outbox.drop(connection, [(number, Side.RIGHT, WriteKind.UPDATE)])
        assert await outbox.open_of(connection, [number]) == {}
        await outbox.put(connection, [wanted(number, rule, right)])
        [row] = await due(connection, right)
        assert await outbox.begin(connection, {row.id: {"title": {"from": "a", "to": "b"}}}, token=1, at=NOON)
        await outbox.drop(connection, [(number, Side.RIGHT, WriteKind.UPDATE)])
        assert len(await outbox.sending(connection, right, [number])) == 1, (
            "what may have been sent is settled, not dropped"
        )
        assert await outbox.end(connection, {row.id: WriteOutcome.DONE}, at=LATER, status=200)
        assert not await outbox.end(connection, {row.id: WriteOutcome.UNCHANGED}, at=LATER)
        assert not await outbox.block(connection, row.id, "late")
        written = await connection.fetch("select field, value_from, value_to, outcome, status from report.write")
        assert [tuple(one) for one in written] == [
            ("title", "a", "b", "dropped", None),
            ("title", "a", "b", "done", 200),
        ]


async def test_open_rows_and_creates_are_counted(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right), wanted(number, rule, right, WriteKind.CREATE)])
        found = {(one.target, one.kind, one.state): one.writes for one in await outbox.figures(connection)}
        assert found == {("right", "create", "waiting"): 1, ("right", "update", "waiting"): 1}
        assert await outbox.begun_since(connection, rule, NOON.replace(year=2000)) == 1
        assert await outbox.begun_since(connection, rule, LATER) == 0
        shown = await connection.fetch("select kind, state from report.outbox order by write_id")
        assert len(shown) == 2


async def test_what_is_due_is_found_without_a_look_at_all_that_waits(database: Database) -> None:
    """The defect: while Postgres had no statistics, each waiting row looked at all others (10,000: 30 s)."""
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        numbers = await add_links(connection, rule, 1000)
        await outbox.put(connection, [wanted(number, rule, right) for number in numbers])
        values = (str(right), "now() + interval '1 hour'", "'{}'::bigint[]", "10")
        query = "\n".join(line for line in queries("outbox")["due"].splitlines() if not line.startswith("--"))
        for position, value in enumerate(values, 1):
            query = query.replace(f"${position}::bigint[]" if position == 3 else f"${position}", value)
        [plan] = await connection.fetchrow(f"explain (analyze, buffers, format json) {query}")
    read = orjson.loads(plan)[0]["Plan"]["Shared Hit Blocks"]
    assert read < 1_000, f"{read} blocks, of 1,000 rows"


async def test_counterparts_begun_are_counted_without_a_look_at_what_was_written_before(database: Database) -> None:
    """The defect: each step of a rule that makes counterparts read all writes of the last months."""
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        numbers = await add_links(connection, rule, 2000)
        await outbox.put(connection, [wanted(number, rule, right) for number in numbers])
        await outbox.put(connection, [wanted(number, rule, right, WriteKind.CREATE) for number in numbers[:3]])
        await connection.execute("analyze bridge.outbox")
        question = queries("outbox")["begun_since"]
        [plan] = await connection.fetchrow(f"explain (analyze, buffers, format json) {question}", rule, NOON)
        assert await outbox.begun_since(connection, rule, NOON.replace(year=2000)) == 3
    read = orjson.loads(plan)[0]["Plan"]["Shared Hit Blocks"]
    assert read < 10, f"{read} blocks, of 2,000 rows"
