"""How far audits have come, and what they found."""

import pytest

from bridge.storage import link_audit
from bridge.storage.database import Database
from bridge.storage.link_audit import AuditPosition, DriftRow
from tests.links.rule_rig import RuleRig

pytestmark = pytest.mark.anyio


async def test_an_audit_is_interrupted_goes_on_and_ends(database: Database) -> None:
    await RuleRig(database).start()
    async with database.transaction() as connection:
        for number in (1, 2, 3):
            await connection.execute(
                "insert into bridge.link (rule_id, origin, state, key, left_id, right_id) "
                "values (1, 'match', 'linked', $1, $1, $1)",
                str(number),
            )
        assert await link_audit.unfinished(connection, 1) is None
        begun = await link_audit.begin(connection, 1)
        assert await link_audit.next_links(connection, 1, after=0, limit=2) == [(1, "1", "1"), (2, "2", "2")]
        found = [DriftRow(1, "title", "a", "b"), DriftRow(99, "title", "a", "b")]
        await link_audit.proceed(connection, begun.id, [1, 2], found)
        await link_audit.proceed(connection, begun.id, [], found)
        assert await link_audit.unfinished(connection, 1) == AuditPosition(begun.id, 2, 2)
        assert await link_audit.count(connection, 1, after=2) == 1
        assert await link_audit.drift(connection) == {"one": 1}
        await link_audit.finish(connection, begun.id)
        assert await link_audit.unfinished(connection, 1) is None


async def test_an_audit_of_long_ago_is_forgotten_and_one_that_has_ended_is_not_gone_on_with(database: Database) -> None:
    await RuleRig(database).start()
    async with database.transaction() as connection:
        await link_audit.begin(connection, 1)
        await connection.execute("update bridge.link_audit set started_at = now() - interval '2 years'")
        later = await link_audit.begin(connection, 1)
        assert await connection.fetchval("select count(*) from bridge.link_audit") == 1, "a year is kept"
        await link_audit.finish(connection, later.id)
        assert await link_audit.unfinished(connection, 1) is None
