"""Two simulated TMF656 servers joined by one rule, on a real database: sources, senders, and the decisions between."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from msgspec.structs import replace

from bridge.bootstrap import client_for, source_state_for
from bridge.domain.link.comparison import MapComparison, TextComparison
from bridge.domain.link.field import FieldConflict, FieldRule, Policy, Value, decide
from bridge.domain.link.key import link_key
from bridge.domain.link.life import LinkState
from bridge.domain.link.note import copy_text, heading, seen, uncopied
from bridge.domain.link.rule import LinkLimits
from bridge.domain.link.sent_write import SentField, SentWrite
from bridge.domain.link.word_map import Side, WordMap, read_pair
from bridge.domain.note import notes_of
from bridge.domain.ticket_system import Record
from bridge.links.decided_write import DecidedWrite
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.pull.reconcile import Reconciler
from bridge.settings import Tmf656Settings
from bridge.simulator import Simulator
from bridge.storage import conflict, link_note, link_rule, outbox
from bridge.storage import link as link_table
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection, Database
from bridge.storage.link import LinkRow, NewLink
from bridge.storage.link_note import LinkNoteRow, NoteState
from bridge.storage.outbox import OutboxRow, Wanted, WriteKind
from bridge.telemetry.metrics import Metrics
from bridge.tmf656.client import Client
from bridge.tmf656.problem_writer import ProblemWriter
from bridge.tmf656.wire.ticket import ticket_of

LEFT, RIGHT = Side.LEFT, Side.RIGHT
STATUSES = ("acknowledged", "inProgress", "held", "pending", "resolved", "closed", "cancelled", "rejected")
_PATHS = {"title": "description", "status": "status", "priority": "priority"}
_SETTINGS = {"callback_secret": "s3cr3t-" * 4, "by_id_rate_per_second": 0, "write": True, "concurrency": 4}
_BODY = "select body from bridge.service_problem_with_body where source_id = $1 and id = $2 and deleted_at is null"


def field_rules() -> dict[str, FieldRule]:
    statuses = WordMap(tuple(read_pair(f"{word} = {word}") for word in STATUSES))
    return {
        "title": FieldRule("title", TextComparison(max_length=200), on_conflict=Policy.LEFT),
        "status": FieldRule("status", MapComparison(statuses), on_conflict=Policy.LEFT),
        "priority": FieldRule("priority", TextComparison(), on_conflict=Policy.LEFT),
    }


@dataclass(slots=True)
class PlainRule:
    """Decides links by three fields and all notes; what `WriteDecisions` wants of the rules."""

    sources: dict[Side, int]
    rule_id: int
    rules: dict[str, FieldRule] = field(default_factory=field_rules)
    allowed: LinkLimits = field(default_factory=lambda: LinkLimits(writes_per_minute=1_000_000))

    def fields(self, _rule_id: int) -> Mapping[str, FieldRule]:
        return self.rules

    def name(self, _rule_id: int) -> str:
        return "pair"

    def limits(self, _rule_id: int) -> LinkLimits:
        return self.allowed

    def says(self, _rule_id: int, _side: Side, record: Record) -> dict[str, str]:
        return {name: str(record.get(path, "")) for name, path in _PATHS.items()}

    async def record(self, connection: Connection, side: Side, ticket_id: str | None) -> Record | None:
        body = None if ticket_id is None else await connection.fetchval(_BODY, self.sources[side], ticket_id)
        return None if body is None else ticket_of(orjson.loads(body), datetime.now(UTC), None).record

    async def decide(self, connection: Connection, row: OutboxRow) -> DecidedWrite | None:
        link = (await link_table.lock(connection, [row.link_id]))[row.link_id]
        if row.kind is WriteKind.NOTE:
            return await self._note(connection, link, row)
        if row.kind is WriteKind.CREATE:
            return await self._create(connection, link, row.side)
        sent = (await self._fields(connection, link)).get(row.side)
        link = (await link_table.lock(connection, [row.link_id]))[row.link_id]
        if sent is None or not sent.fields:
            return None
        return DecidedWrite(link, sent, {_PATHS[name]: each.text for name, each in sent.fields.items()})

    async def again(self, connection: Connection, link_id: int) -> None:
        link = (await link_table.lock(connection, [link_id])).get(link_id)
        if link is None or link.intent is not None or link.state is not LinkState.LINKED:
            return
        for side, sent in (await self._fields(connection, link)).items():
            if sent.fields:
                shown = {name: {"from": each.before, "to": each.text} for name, each in sent.fields.items()}
                wanted = Wanted(link.id, self.rule_id, self.sources[side], side, WriteKind.UPDATE, fields=shown)
                await outbox.put(connection, [wanted])
            else:
                await outbox.drop(connection, [(link.id, side, WriteKind.UPDATE)])
        await self._notes(connection, link)

    async def _fields(self, connection: Connection, link: LinkRow) -> dict[Side, SentWrite]:
        records = {side: await self.record(connection, side, link.ticket(side)) for side in Side}
        if None in records.values():
            return {}
        says = {side: self.says(self.rule_id, side, record or {}) for side, record in records.items()}
        base, kept = dict(link.base), dict[str, FieldConflict]()
        sent: dict[Side, dict[str, SentField]] = {LEFT: {}, RIGHT: {}}
        agreed = []
        for name, rule in self.rules.items():
            held = base.get(name)
            values = {side: Value(says[side][name]) for side in Side}
            verdict = decide(rule, values, None if held is None else dict(zip(Side, held, strict=True)))
            if verdict.base is not None:
                base[name] = (verdict.base[LEFT], verdict.base[RIGHT])
            if verdict.conflict is not None:
                kept[name] = verdict.conflict
            if verdict.agreed:
                agreed.append((link.id, name))
            if (write := verdict.write) is not None:
                sent[write.side][name] = SentField(write.text, write.derived_from, says[write.side][name])
        await conflict.settle(connection, agreed, datetime.now(UTC), agreed=True)
        await conflict.keep(connection, [_kept(link, name, each, self.rules[name]) for name, each in kept.items()])
        await link_table.save(connection, [replace(link, base=base)])
        versions = {side: (record or {}).get("lastUpdate") for side, record in records.items()}
        return {side: SentWrite("update", side, each, versions[side]) for side, each in sent.items()}

    async def _create(self, connection: Connection, link: LinkRow, side: Side) -> DecidedWrite | None:
        record = await self.record(connection, side.other, link.ticket(side.other))
        if record is None or link.ticket(side) is not None:
            return None
        says = self.says(self.rule_id, side.other, record)
        sent = SentWrite("create", side, {name: SentField(text, text) for name, text in says.items()})
        fixed = {"category": "c", "reason": "r", "originatorParty": {"id": "o"}, "originatingSystem": "noc"}
        return DecidedWrite(link, sent, fixed | {_PATHS[name]: text for name, text in says.items()})

    async def _notes(self, connection: Connection, link: LinkRow) -> None:
        records = {side: await self.record(connection, side, link.ticket(side)) or {} for side in Side}
        found = seen(link.key, {side: notes_of(record) for side, record in records.items()})
        rows = [
            LinkNoteRow(link.id, one.side, one.note.id, one.code, NoteState.COPY if one.is_copy else NoteState.ORIGIN)
            for one in found
        ]
        await link_note.add(connection, rows)
        missing = [
            Wanted(link.id, self.rule_id, self.sources[one.side.other], one.side.other, WriteKind.NOTE, one.code)
            for one in uncopied(found, frozenset(Side))
        ]
        await outbox.put(connection, missing)

    async def _note(self, connection: Connection, link: LinkRow, row: OutboxRow) -> DecidedWrite | None:
        origin = await self.record(connection, row.side.other, link.ticket(row.side.other)) or {}
        for one in seen(link.key, {row.side.other: notes_of(origin)}):
            if one.code == row.item and not one.is_copy:
                first = heading(
                    row.side.other.value, link.ticket(row.side.other) or "", one.note.author, None, one.code
                )
                text = copy_text(first, one.note.text)
                return DecidedWrite(link, SentWrite("note", row.side, item=row.item), {"text": text})
        return None


def _kept(link: LinkRow, name: str, found: FieldConflict, rule: FieldRule) -> NewConflict:
    winner = None if found.waiting else Side(rule.on_conflict.value)
    return NewConflict(link.id, name, found.kind, left_value=found.left, right_value=found.right, winner=winner)


@dataclass(slots=True)
class Pair:
    """The two servers and what is between them; nothing runs until a test says so."""

    database: Database
    metrics: Metrics
    sims: dict[Side, Simulator]
    pollers: dict[Side, Reconciler]
    senders: dict[Side, WriteSender]
    rule: PlainRule

    async def execute(self, statement: str, *arguments: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def pull(self) -> None:
        """Read everything from both servers."""
        for poller in self.pollers.values():
            await poller.run_once()

    async def join(self, left: str, right: str) -> int:
        """Link two tickets."""
        key = link_key("pair", "left", left)
        new = NewLink(self.rule.rule_id, key, "operator", LinkState.LINKED, left, right, linked_at=datetime.now(UTC))
        async with self.database.transaction() as connection:
            return (await link_table.add(connection, [new]))[key]

    async def want(self, side: Side, *tickets: str) -> None:
        """Have counterparts made on a side."""
        async with self.database.transaction() as connection:
            for ticket in tickets:
                key = link_key("pair", side.other.value, ticket)
                where = {"left_id": ticket} if side is RIGHT else {"right_id": ticket}
                ids = await link_table.add(
                    connection, [NewLink(self.rule.rule_id, key, side.other.value, LinkState.CREATING, **where)]
                )
                source_id = self.rule.sources[side]
                await outbox.put(connection, [Wanted(ids[key], self.rule.rule_id, source_id, side, WriteKind.CREATE)])

    async def decide(self) -> None:
        """Decide every link, as the decider does after a change."""
        async with self.database.transaction() as connection:
            for row in await connection.fetch("select id from bridge.link order by id"):
                await self.rule.again(connection, row["id"])

    async def ripen(self) -> None:
        """The settling time has passed, and so has the pause before the next try."""
        for sim in self.sims.values():
            await sim.finish_late()
        await self.execute("update bridge.link set unsure_until = now() where unsure_until is not null")
        await self.execute("update bridge.outbox set due_at = now() where state = 'waiting'")

    async def send(self) -> int:
        """Let both senders do what is due once."""
        return sum([await sender.run_once() for sender in self.senders.values()])

    async def open_writes(self) -> int:
        return int(await self.value("select count(*) from bridge.outbox where state not in ('done', 'dropped')"))

    def written(self) -> int:
        """How many writes reached the servers."""
        return sum(sim.request_counts["patch"] + sim.request_counts["create"] for sim in self.sims.values())

    def says(self, side: Side, ticket: str) -> dict[str, str]:
        return self.rule.says(self.rule.rule_id, side, self.sims[side].problems[ticket])

    def notes(self, side: Side, ticket: str) -> list[str]:
        return [note["text"].rpartition("\n")[2] for note in self.sims[side].problems[ticket].get("note") or []]


@asynccontextmanager
async def paired(database: Database, left: Simulator, right: Simulator, **settings: Any) -> AsyncIterator[Pair]:
    """Join two simulators by a rule."""
    metrics, sims = Metrics(), {LEFT: left, RIGHT: right}
    async with AsyncExitStack() as stack:
        pollers, targets = {}, {}
        for side, sim in sims.items():
            configured = Tmf656Settings.model_validate(_SETTINGS | {"url": sim.url, **settings})
            client = client_for(side.value, configured, metrics)
            assert isinstance(client, Client)
            await stack.enter_async_context(client)
            source = await source_state_for(side.value, configured, database, client, "http://127.0.0.1:9", metrics)
            source.lead()
            pollers[side] = Reconciler(source, database, metrics)
            writer = ProblemWriter(client, configured, version=partial(getattr, source, "version"))
            targets[side] = WriteTarget(source, writer)
        sources = {side: target.source_id for side, target in targets.items()}
        async with database.transaction() as connection:
            rule_id = await link_rule.ensure(
                connection, "pair", (sources[LEFT], sources[RIGHT]), state="on", settings={}, settings_hash="1"
            )
        rule = PlainRule(sources, rule_id)
        senders = {side: WriteSender(target, rule, database, metrics) for side, target in targets.items()}
        yield Pair(database, metrics, sims, pollers, senders, rule)
