"""A simulated DataMiner as a whole: its tickets, one of its two APIs over HTTP, tickets that change by themselves, and
the calls with which a test moves it. A simulator that is stopped forgets everything.
"""

import random
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self

import anyio
from aiohttp import web

from bridge.simulator.dataminer import routes
from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.field_values import STATES, TicketKind
from bridge.simulator.dataminer.lives import LEGACY_FOLLOWING, NOTES, ROUTES_FOLLOWING, Lives
from bridge.simulator.dataminer.routes import TicketRoutes
from bridge.simulator.dataminer.sessions import WebSessions
from bridge.simulator.dataminer.ticket_store import StoredTicket, TicketStore
from bridge.simulator.dataminer.web_services import WebServices
from bridge.simulator.gate import RequestGate, RequestSeen
from bridge.simulator.tmf656.background import background

Json = dict[str, Any]
DataminerKind = Literal["dataminer", "dataminer-api"]

_PAUSE_SECONDS = 0.25
_OPEN_MOST = 400
_DISPATCHER = "dispatcher"
_TYPE_ID = "6d4b1f0e-5f0c-4b3e-9d57-0f6f5c2a7a11"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DataminerSimulator:
    """A DataMiner to try things against: `async with DataminerSimulator("dataminer-api") as sim`."""

    def __init__(
        self,
        kind: DataminerKind,
        *,
        rate: float = 0,
        population: int = 0,
        faults: DataminerFaults | None = None,
        seed: int | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ticket_type: str = "SES",
        agent: int = 101,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """`kind`: `dataminer` is Web Services v1 (`username` and `password` for ConnectApp, tickets of `ticket_type`
        that belong to the DataMiner ID `agent`), `dataminer-api` the ticket routes (`token`).

        `rate`: changes a second that happen to the tickets, of which there are `population` at the start. `seed` makes
        them and the faults repeatable.
        """
        self.kind = kind
        self.rate = rate
        self.host, self.port = host, port
        self.faults = faults or DataminerFaults()
        seeds = random.Random(seed)  # noqa: S311 -- tickets and faults, not secrets
        self.faults.dice = _derived(seeds)
        self.store = TicketStore(clock, _derived(seeds))
        self.sessions = WebSessions(clock, _derived(seeds))
        self.ticket_kind = TicketKind(ticket_type, _TYPE_ID)
        self.routes = TicketRoutes(self.store, self.faults, token)
        self.services = WebServices(
            self.store,
            self.faults,
            self.sessions,
            self.ticket_kind,
            username=username,
            password=password,
            agent=agent,
        )
        api = self.routes if kind == "dataminer-api" else self.services
        self._gate = RequestGate(self.faults, api)
        self._handle = api.handle
        following = ROUTES_FOLLOWING if kind == "dataminer-api" else LEGACY_FOLLOWING
        self._lives = Lives(_derived(seeds), following)
        self._stack = AsyncExitStack()
        for _ in range(population):
            self._begin()

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError when the port is taken."""
        async with AsyncExitStack() as stack:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            listening = stack.enter_context(socket.create_server((self.host, self.port), family=family, backlog=512))
            self.port = listening.getsockname()[1]
            application = web.Application(client_max_size=64 * 1024**2)
            application.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(application, access_log=None, keepalive_timeout=15.0, shutdown_timeout=0.5)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listening).start()
            self._gate.group = await stack.enter_async_context(background())
            self._gate.group.start_soon(self._live)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop listening."""
        return await self._stack.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """What `sources.NAME.url` is to be."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{routes.BASE_PATH if self.kind == 'dataminer-api' else ''}"

    @property
    def requests(self) -> deque[RequestSeen]:
        """The last requests."""
        return self._gate.seen

    @property
    def late(self) -> int:
        """How many writes are still to be carried out though nobody waits for them."""
        return len(self._gate.late)

    @property
    def tickets(self) -> dict[str, StoredTicket]:
        """The truth, by GUID. To be changed by the methods below."""
        return self.store.tickets

    def carry_out_late(self) -> int:
        """Carry out now every write whose caller is gone; return how many there were."""
        return self._gate.carry_out_late()

    def said(self) -> Iterator[Json]:
        """Yield each ticket as the API says it."""
        for ticket in self.tickets.values():
            yield self.routes.said(ticket) if self.kind == "dataminer-api" else self.services.said(ticket)

    def create(self, *, key: str | None = None, custom: Json | None = None, **values: Any) -> StoredTicket:
        """Create a ticket as a person does: made up, with the given fields over it."""
        return self.store.create(self._values() | values, custom or {}, key=key, author=_DISPATCHER)

    def change(self, ticket: StoredTicket, *, custom: Json | None = None, **values: Any) -> None:
        """Change a ticket as a person does."""
        self.store.change(ticket, values, custom or {}, _DISPATCHER)

    def move(self, ticket: StoredTicket, state: str) -> None:
        """Give a ticket a state by its word."""
        value = state if self.kind == "dataminer-api" else STATES[state]
        name = "state" if self.kind == "dataminer-api" else "State"
        self.store.change(ticket, {name: value}, {}, _DISPATCHER)

    def add_note(self, ticket: StoredTicket, text: str) -> None:
        """Add a note as a person does; only the routes have notes."""
        self.store.add_note(ticket, text, _DISPATCHER)

    def delete(self, ticket: StoredTicket) -> None:
        """Delete a ticket."""
        self.store.delete(ticket.guid)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await self._gate.pass_on(request, self._handle)

    # What happens by itself

    def _values(self) -> Json:
        lives = self._lives
        if self.kind == "dataminer-api":
            return routes.DEFAULTS | {
                "name": lives.name(),
                "description": "Reported by an alarm.",
                "priority": lives.pick(routes.PRIORITIES),
                "severity": lives.pick(routes.SEVERITIES),
                "type": "Incident Report",
            }
        return {
            "Name": lives.name(),
            "Description": "Reported by an alarm.",
            "State": STATES["New"],
            "Priority": lives.pick((1, 2, 3, 4)),
            "Severity": lives.pick((10, 20, 30)),
        }

    def _begin(self) -> StoredTicket:
        return self.store.create(self._values(), {}, author=_DISPATCHER)

    async def _live(self) -> None:
        """Let `rate` changes a second happen; time lost is not made up for."""
        credit, last = 0.0, anyio.current_time()
        while True:
            now = anyio.current_time()
            credit = min(credit + (now - last) * self.rate, max(1.0, self.rate))
            last = now
            for _ in range(int(credit)):
                credit -= 1
                self._step()
            await anyio.sleep(_PAUSE_SECONDS)

    def _step(self) -> None:
        lives = self._lives
        open_ones = [ticket for ticket in self.tickets.values() if lives.next_state(self._state(ticket)) is not None]
        if not open_ones or (len(open_ones) < _OPEN_MOST and lives.chance(0.2)):
            self._begin()
            return
        ticket = lives.pick(open_ones)
        if self.kind == "dataminer-api" and lives.chance(0.2):
            self.add_note(ticket, lives.pick(NOTES))
            return
        following = lives.next_state(self._state(ticket))
        if following is not None:
            self.move(ticket, following)

    def _state(self, ticket: StoredTicket) -> str:
        if self.kind == "dataminer-api":
            return str(ticket.values["state"])
        return next((word for word, number in STATES.items() if number == ticket.values["State"]), "")


def _derived(seeds: random.Random) -> random.Random:
    """Return a generator of its own, so that drawing from one does not disturb the other."""
    return random.Random(seeds.random())  # noqa: S311 -- a simulation, not secrets


async def serve_dataminer(
    simulator: DataminerSimulator, started: Callable[[DataminerSimulator], None] = lambda _: None
) -> None:
    """Run the simulator until cancelled; `started` is called once it listens."""
    async with simulator:
        started(simulator)
        await anyio.sleep_forever()
