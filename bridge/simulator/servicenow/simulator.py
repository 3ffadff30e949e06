"""A simulated ServiceNow instance as a whole: its tables over HTTP, tickets that change by themselves, and the calls
with which a test moves it. An instance that is stopped forgets everything.
"""

import random
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import anyio
from aiohttp import web

from bridge.simulator.gate import RequestGate, RequestSeen
from bridge.simulator.servicenow import service_problem
from bridge.simulator.servicenow.accounts import Accounts
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.record_store import Columns, RecordStore
from bridge.simulator.servicenow.table_api import TableApi
from bridge.simulator.servicenow.tables import ENDED
from bridge.simulator.tmf656.background import background

_PAUSE_SECONDS = 0.25
_OPEN_MOST = 400
_PERSON = "beth.anglin"
_NAMES = (("beth.anglin", "Beth Anglin"), ("fred.luddy", "Fred Luddy"), ("abel.tuter", "Abel Tuter"))
_GROUPS = ("Network", "Service Desk", "Hardware")
_TROUBLES = ("Line down", "High latency", "Packet loss", "No dial tone", "Modem offline", "Rain fade")
_PLACES = ("Luxembourg", "Betzdorf", "Munich", "Stockholm", "Princeton")
_NOTES = ("Called the customer.", "Replaced the modem.", "Waiting for the vendor.", "Signal is back.")
_NEXT = {"1": "2", "2": "6", "3": "2", "6": "7"}
_ASLEEP = "<html><head><title>Hibernating Instance</title></head><body>Your instance is hibernating</body></html>"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ServiceNowSimulator:
    """An instance to try things against: `async with ServiceNowSimulator(population=20) as sim`."""

    def __init__(
        self,
        *,
        rate: float = 0,
        population: int = 0,
        faults: ServiceNowFaults | None = None,
        seed: int | None = None,
        username: str | None = None,
        password: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        hourly_limit: int | None = None,
        zone: timedelta = timedelta(hours=-8),
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """`rate`: changes a second that happen to the incidents, of which there are `population` at the start. `zone`:
        how far the time zone of the account is from UTC. `seed` makes lives and faults repeatable. `tls`: our
        certificate; None: plain http.
        """
        self.rate = rate
        self._tls = tls
        self.host, self.port = host, port
        self.faults = faults or ServiceNowFaults()
        seeds = random.Random(seed)  # noqa: S311 -- tickets and faults, not secrets
        self.faults.dice = _derived(seeds)
        self.store = RecordStore(clock, _derived(seeds), self.faults)
        self.accounts = Accounts(clock, _derived(seeds), username, password, client_id, client_secret, hourly_limit)
        self._dice = _derived(seeds)
        self._api = TableApi(self.store, self.accounts, self.faults, zone)
        self._gate = RequestGate(self.faults, self._api)
        self._stack = AsyncExitStack()
        self._people = [
            self.store.insert("sys_user", {"user_name": user, "name": name}, "admin") for user, name in _NAMES
        ]
        self._groups = [self.store.insert("sys_user_group", {"name": name}, "admin") for name in _GROUPS]
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
            runner = web.AppRunner(
                application, access_log=None, keepalive_timeout=15.0, shutdown_timeout=0.5, max_line_size=65_536
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listening, ssl_context=self._tls).start()
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
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def facade_url(self) -> str:
        """What `sources.NAME.url` is to be for the gateway before it, with profile servicenow-facade."""
        return f"{self.url}{service_problem.BASE_PATH}"

    @property
    def requests(self) -> deque[RequestSeen]:
        """The last requests."""
        return self._gate.seen

    @property
    def late(self) -> int:
        """How many writes are still to be carried out though nobody waits for them."""
        return len(self._gate.late)

    @property
    def incidents(self) -> dict[str, Columns]:
        """The incidents by sys_id. To be changed by the methods below."""
        return self.store.tables["incident"]

    @property
    def somebody(self) -> str:
        """The sys_id of a person who works there."""
        return self._people[0]["sys_id"]

    def carry_out_late(self) -> int:
        """Carry out now every write whose caller is gone; return how many there were."""
        return self._gate.carry_out_late()

    def create(self, table: str = "incident", **values: str) -> Columns:
        """Create a ticket as a person does: made up, with the given columns over it."""
        return self.store.insert(table, self._values() | values, _PERSON)

    def change(self, record: Columns, table: str = "incident", **values: str) -> Columns:
        """Change a ticket as a person does; RuleError as a person would see it."""
        return self.store.update(table, record["sys_id"], values, _PERSON)

    def delete(self, record: Columns, table: str = "incident") -> None:
        """Delete a ticket."""
        self.store.delete(table, record["sys_id"])

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.faults.asleep:
            return web.Response(text=_ASLEEP, content_type="text/html")
        return await self._gate.pass_on(request, self._api.handle)

    # What happens by itself

    def _values(self) -> dict[str, str]:
        dice = self._dice
        return {
            "short_description": f"{dice.choice(_TROUBLES)} in {dice.choice(_PLACES)}",
            "description": "Reported by an alarm.",
            "impact": dice.choice("123"),
            "urgency": dice.choice("123"),
            "category": dice.choice(("network", "hardware", "inquiry")),
            "caller_id": dice.choice(self._people)["sys_id"],
            "opened_by": dice.choice(self._people)["sys_id"],
            "assignment_group": dice.choice(self._groups)["sys_id"],
        }

    def _begin(self) -> Columns:
        return self.create()

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
        dice = self._dice
        open_ones = [each for each in self.incidents.values() if each["state"] not in ENDED["incident"]]
        if not open_ones or (len(open_ones) < _OPEN_MOST and dice.random() < 0.2):
            self._begin()
            return
        record = dice.choice(open_ones)
        if dice.random() < 0.3:
            self.change(record, work_notes=dice.choice(_NOTES))
            return
        state = _NEXT[record["state"]]
        ended = {"close_code": "Solved (Permanently)", "close_notes": "The line is back."} if state == "6" else {}
        self.change(record, state=state, **ended)


def _derived(seeds: random.Random) -> random.Random:
    """Return a generator of its own, so that drawing from one does not disturb the other."""
    return random.Random(seeds.random())  # noqa: S311 -- a simulation, not secrets


async def serve_servicenow(
    simulator: ServiceNowSimulator, started: Callable[[ServiceNowSimulator], None] = lambda _: None
) -> None:
    """Run the simulator until cancelled; `started` is called once it listens."""
    async with simulator:
        started(simulator)
        await anyio.sleep_forever()
