"""The records of the simulated instance, and how they change: counted and stamped to the second."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

from bridge.simulator.servicenow import rules
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.tables import FIRST_STATE, PREFIXES, TABLES, TICKETS

Columns = dict[str, str]
"""A record: every column of its table as text, "" where it has no value."""
JOURNAL_TABLE = "sys_journal_field"


def written(at: datetime) -> str:
    """Write an instant as an instance does: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


class RecordStore:
    """All tables."""

    def __init__(self, clock: Callable[[], datetime], dice: Random, faults: ServiceNowFaults) -> None:
        """Begin without records."""
        self._clock = clock
        self._dice = dice
        self._faults = faults
        self._numbers = dict.fromkeys(PREFIXES, 10_000)
        self.tables: dict[str, dict[str, Columns]] = {table: {} for table in TABLES}
        self.earlier: dict[str, Columns] = {}
        """Records as they were before their last change, by sys_id."""

    def insert(self, table: str, given: Mapping[str, str], user: str) -> Columns:
        """Insert a record; RuleError where it is refused. Columns that there are not, and those of the system, are
        ignored.
        """
        now = written(self._clock())
        record = dict.fromkeys(TABLES[table], "")
        record |= {"sys_created_on": now, "sys_created_by": user, "sys_updated_on": now, "sys_updated_by": user}
        record |= {"sys_id": f"{self._dice.getrandbits(128):032x}", "sys_mod_count": "0"}
        if table in TICKETS:
            record |= {"state": FIRST_STATE[table], "opened_at": now, "active": "true"}
        before: Columns = {}
        taken = self._taken(table, given)
        record |= taken
        if table in TICKETS:
            rules.check(table, before, record, taken | self._entries(table, given), self._faults)
            rules.work_out(table, before, record, now)
            if not record["number"]:
                self._numbers[table] += 1
                record["number"] = f"{PREFIXES[table]}{self._numbers[table]:07d}"
        self.tables[table][record["sys_id"]] = record
        self._note(table, record, given, user)
        return record

    def update(
        self, table: str, sys_id: str, given: Mapping[str, str], user: str, *, moves_state: bool = True
    ) -> Columns:
        """Update a record, which stays as it is where nothing changes. `moves_state`: False leaves `state` alone."""
        before = self.tables[table][sys_id]
        taken = self._taken(table, given)
        if not moves_state:
            taken.pop("state", None)
        after = before | taken
        entries = self._entries(table, given)
        now = written(self._clock())
        if table in TICKETS:
            rules.check(table, before, after, taken | entries, self._faults)
            rules.work_out(table, before, after, now)
        if after == before and not any(entries.values()):
            return before
        self.earlier[sys_id] = before
        after |= {
            "sys_updated_on": now,
            "sys_updated_by": user,
            "sys_mod_count": str(int(before["sys_mod_count"]) + 1),
        }
        self.tables[table][sys_id] = after
        self._note(table, after, given, user)
        return after

    def delete(self, table: str, sys_id: str) -> None:
        """Delete a record with its journal."""
        del self.tables[table][sys_id]
        journal = self.tables[JOURNAL_TABLE]
        for entry in [each for each, row in journal.items() if row["element_id"] == sys_id]:
            del journal[entry]

    def journal(self, sys_id: str, column: str) -> list[Columns]:
        """Return the entries of a journal column of a record, oldest first."""
        rows = self.tables[JOURNAL_TABLE].values()
        return [row for row in rows if row["element_id"] == sys_id and row["element"] == column]

    def shown(self, table: str, record: Columns, column: str, zone: timedelta) -> str:
        """Return the display value of a column; times in the time zone of the session."""
        kind, value = TABLES[table][column], record.get(column, "")
        if kind.type == "journal":
            labels = {"comments": "Additional comments", "work_notes": "Work notes"}
            entries = [
                f"{self._local(row['sys_created_on'], zone)} - {self._user_name(row['sys_created_by'])} "
                f"({labels[column]})\n{row['value']}\n\n"
                for row in reversed(self.journal(record["sys_id"], column))
            ]
            return "".join(entries)
        if kind.type == "reference":
            referred = self.tables[kind.reference].get(value)
            return value if referred is None else referred["name"]
        if kind.type == "datetime" and value:
            return self._local(value, zone)
        return kind.choices.get(value, value)

    def _local(self, value: str, zone: timedelta) -> str:
        return (datetime.fromisoformat(value) + zone).strftime("%Y-%m-%d %H:%M:%S")

    def _user_name(self, user: str) -> str:
        found = next((each for each in self.tables["sys_user"].values() if each["user_name"] == user), None)
        return user if found is None else found["name"]

    def _taken(self, table: str, given: Mapping[str, str]) -> Columns:
        """Return the columns that a writer may set, as they are stored."""
        columns = TABLES[table]
        return {
            name: self._faults.stored(value) if columns[name].type == "string" else value
            for name, value in given.items()
            if name in columns and not name.startswith("sys_") and columns[name].type != "journal"
        }

    def _entries(self, table: str, given: Mapping[str, str]) -> Columns:
        columns = TABLES[table]
        return {name: value for name, value in given.items() if name in columns and columns[name].type == "journal"}

    def _note(self, table: str, record: Columns, given: Mapping[str, str], user: str) -> None:
        for column, value in self._entries(table, given).items():
            if not value:
                continue
            now = written(self._clock())
            sys_id = f"{self._dice.getrandbits(128):032x}"
            row = dict.fromkeys(TABLES[JOURNAL_TABLE], "") | {
                "sys_id": sys_id,
                "sys_created_on": now,
                "sys_created_by": user,
                "sys_updated_on": now,
                "sys_updated_by": user,
                "sys_mod_count": "0",
                "element_id": record["sys_id"],
                "element": column,
                "name": table,
                "value": self._faults.stored(value),
            }
            self.tables[JOURNAL_TABLE][sys_id] = row
