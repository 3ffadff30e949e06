"""What `demo --links` runs: a simulated DataMiner and a simulated ServiceNow, a rule between them, and people who edit
both sides, now and then the same title at the same time.
"""

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import anyio

from bridge.app import RunningBridge
from bridge.domain.link.key import link_key
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.simulator.dataminer.ticket_store import StoredTicket
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.simulator.tmf656.background import background

RULE: Final = "dma-snow"
_LEFT, _RIGHT = "dma", "snow"
_TOKEN: Final = "demo"  # noqa: S105 -- of a simulator on this machine  # nosec B105
_TICKETS: Final = 12
_SECONDS: Final = 2.0
"""Between two edits."""
_BOTH: Final = 0.15
"""Share of the edits that change a title on both sides at once."""
_TITLES = ("Signal lost", "Rain fade", "High BER", "Uplink down", "No sync", "Line flaps")
_PLACES = ("Betzdorf", "Munich", "Oslo", "Redu", "Princeton", "Fuchsstadt")
_NOTES = ("Field engineer is on the way.", "Modem was restarted.", "Customer informed.", "Waiting for the carrier.")
_FIGURES = """
select
    (select count(*) from report.link where state = 'linked') as links,
    (select count(distinct write_id) from report.write where outcome = 'done' and kind <> 'note') as writes,
    (select count(*) from report.link_note where copied_at is not null) as notes,
    (select count(*) from report.conflict where outcome = 'waiting') as conflicts,
    (select count(*) from report.link where behind_since is not null) as behind
"""


@dataclass(slots=True)
class PairOfDesks:
    """Both simulators and the people; use it within `async with`."""

    dataminer: DataminerSimulator = field(
        default_factory=lambda: DataminerSimulator("dataminer-api", population=_TICKETS, token=_TOKEN)
    )
    servicenow: ServiceNowSimulator = field(default_factory=ServiceNowSimulator)
    dice: random.Random = field(default_factory=random.Random)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        """Start both servers, and let people begin to edit."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.dataminer)
            await stack.enter_async_context(self.servicenow)
            people = await stack.enter_async_context(background())
            people.start_soon(self._edit)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop all of it."""
        return await self._stack.__aexit__(kind, error, trace)

    def tables(self) -> dict[str, Any]:
        """The configuration: two sources and the rule, as tables of a file."""
        often = {"poll_interval_seconds": 2, "reconcile_interval_seconds": 20, "write": True}
        title = {"left": "name", "right": "short_description", "max_length": 160, "on_conflict": "manual"}
        return {
            "sources": {
                _LEFT: {"kind": "dataminer-api", "url": self.dataminer.url, "token": _TOKEN} | often,
                _RIGHT: {"kind": "servicenow", "url": self.servicenow.url, "journals": "sys_journal_field"} | often,
            },
            "links": {
                RULE: {
                    "left": _LEFT,
                    "right": _RIGHT,
                    "preset": "dataminer-servicenow",
                    "fields": {"title": title},
                    "limits": {"writes_per_ticket_per_hour": 1000},
                }
            },
        }

    def places(self) -> list[tuple[str, str]]:
        """Where both systems are, for people."""
        return [
            ("DataMiner", f"simulated at {self.dataminer.url}, {_TICKETS} tickets, source {_LEFT}"),
            ("ServiceNow", f"simulated at {self.servicenow.url}, empty, source {_RIGHT}"),
            ("rule", f"{RULE}, preset dataminer-servicenow; people edit both sides every {_SECONDS:g} seconds"),
        ]

    def tries(self) -> list[tuple[str, str]]:
        """Commands to try, each with what it shows; the configuration is added."""
        sql = "select left_id, left_status, right_number, right_status, right_name from report.linked_problem limit 5"
        return [
            ("links list", "pairs, and what waits"),
            ("links conflicts", "titles that both sides changed: links resolve LINK title left"),
            (f"links audit {RULE}", "both systems read again and compared"),
            ("links show 1", "one pair: fields, writes, notes, conflicts; put another number"),
            (f'psql -c "{sql}"', "both tickets of a link in one row"),
        ]

    async def line(self, running: RunningBridge) -> str:
        """Figures in less than 80 columns, always as many."""
        async with running.postgres.database.connection() as connection:
            [row] = await connection.fetch(_FIGURES)
        return (
            f"{row['links']:>3} linked  {row['writes']:>5} writes  {row['notes']:>4} notes copied  "
            f"{row['conflicts']:>3} conflicts wait  {row['behind']:>3} behind"
        )

    # What people do

    async def _edit(self) -> None:
        while True:
            await anyio.sleep(_SECONDS)
            joined = self._joined()
            if joined:
                self.edit(*self.dice.choice(joined))

    def _joined(self) -> list[tuple[StoredTicket, dict[str, str]]]:
        """Open tickets with their counterparts, which carry their key."""
        made = {record["correlation_id"]: record for record in self.servicenow.incidents.values()}
        keys = {guid: link_key(RULE, _LEFT, guid, 0) for guid in self.dataminer.tickets}
        return [(ticket, made[keys[guid]]) for guid, ticket in self.dataminer.tickets.items() if keys[guid] in made]

    def edit(self, ticket: StoredTicket, incident: dict[str, str]) -> None:
        """One edit of a pair, on one side or on both."""
        dice, drawn = self.dice, self.dice.random()
        title = f"{dice.choice(_TITLES)} in {dice.choice(_PLACES)}"
        if drawn < _BOTH:
            self.dataminer.change(ticket, name=title)
            self.servicenow.change(incident, short_description=f"{title}, ticket of the desk")
        elif drawn < 0.3:
            self.dataminer.move(ticket, dice.choice(("Acknowledged", "In Progress", "On Hold")))
        elif drawn < 0.45:
            self.dataminer.change(ticket, priority=dice.choice(("Critical", "High", "Medium", "Low")))
        elif drawn < 0.6:
            self.dataminer.add_note(ticket, dice.choice(_NOTES))
        elif drawn < 0.75:
            self.servicenow.change(incident, comments=dice.choice(_NOTES))
        elif drawn < 0.9:
            self.servicenow.change(incident, state=dice.choice(("1", "2")))
        else:
            self.servicenow.change(incident, short_description=title)
