"""The simulated server as a whole: world, lives and HTTP, and the calls with which a test moves it.

In parallel, all on one event loop: the HTTP server, the senders of the hub, and one job that lets `rate` events a
second happen to the population. They share the world, which changes only between two awaits. A simulator that is
stopped forgets everything.
"""

import math
import random
import socket
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel
import orjson

from bridge.simulator.tmf656 import dialect
from bridge.simulator.tmf656.background import background
from bridge.simulator.tmf656.faults import Faults, Operation
from bridge.simulator.tmf656.hub import CallbackForm, Sent, SimulatorSubscription
from bridge.simulator.tmf656.population import ChangeStep, CreateStep, DeleteStep, Population
from bridge.simulator.tmf656.server import Credentials, ReceivedRequest, SimulatorServer
from bridge.simulator.tmf656.world import World
from bridge.simulator.tmf656.writes import Writes

Json = dict[str, Any]

_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
_BATCH = 100
_BACKLOG = 5_000
"""Above so many undelivered notifications the population waits: memory stays bounded when a receiver is slow."""
_SMALLEST_POPULATION = 40
_REQUESTS_KEPT = 10_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Simulator:
    """A TMF656 server to try things against: `async with Simulator(version="4", rate=5, population=100) as sim`."""

    def __init__(
        self,
        *,
        version: str = "4",
        rate: float = 0,
        population: int = 0,
        faults: Faults | None = None,
        seed: int | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        callback_form: CallbackForm = "exact",
        clock: Callable[[], datetime] = _utc_now,
        max_problems: int | None = None,
        concurrency: int = 8,
        retries: int = 0,
        delivery_timeout_seconds: float = 10.0,
        id_prefix: str = "SP",
    ) -> None:
        """Prepare a server of `version` (one of `dialect.VERSIONS`) that listens on `host`:`port` (0: any) once
        entered.

        `rate`: events a second that happen to the population, which begins with `population` problems and keeps about
        as many open; more than `max_problems` are pruned by deleting the oldest that ended. `seed` makes the lives and
        the faults repeatable. `username` and `password` ask for Basic, `token` for Bearer (with both, either will do);
        see `token_url`. `callback_form` "listener" appends `/listener/<event>` to the callback. `concurrency` is the
        number of senders of each subscription, `retries` what follows a failed delivery, `delivery_timeout_seconds`
        the limit of one attempt. Ids of problems begin with `id_prefix`.
        """
        if version not in dialect.VERSIONS:
            raise ValueError(f"version {version!r} is none of {', '.join(dialect.VERSIONS)}")
        self.version = version
        self.rate = rate
        self.faults = faults or Faults()
        self.credentials = Credentials(username, password, token)
        self.host, self.port = host, port
        self.requests: deque[ReceivedRequest] = deque(maxlen=_REQUESTS_KEPT)
        self.request_counts: Counter[Operation] = Counter()
        self.steps = 0
        seeds = random.Random(seed)  # noqa: S311 -- lives and faults, not secrets
        self._population = population
        self._lives = self._make_lives(seeds, max_problems)
        self._authored = self._make_lives(seeds, None)
        self.faults.dice = _derived(seeds)
        self.world = World(
            version,
            self.faults,
            clock=clock,
            id_prefix=id_prefix,
            ids=_derived(seeds),
            callback_form=callback_form,
            concurrency=concurrency,
            retries=retries,
            delivery_timeout_seconds=delivery_timeout_seconds,
        )
        self._writes = Writes(self.world)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen, put the first population there, start hub and lives. Raises OSError when the port is taken."""
        async with AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(self.host, self.port))
            self.port = listening.getsockname()[1]
            self.world.collection.base_url = self.url
            await self._populate()
            await stack.enter_async_context(self.world.hub)
            await stack.enter_async_context(self._server(listening))
            (await stack.enter_async_context(background())).start_soon(self._live)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop everything, undelivered notifications included."""
        return await self._stack.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The API's base URL with the version's path: `/serviceProblem` and `/hub` hang below."""
        return f"{self._origin}{dialect.base_path(self.version)}"

    @property
    def token_url(self) -> str:
        """Where OAuth 2.0 client credentials (`username`, `password`) are exchanged for `token`."""
        return f"{self._origin}/oauth2/token"

    @property
    def problems(self) -> dict[str, Json]:
        """The truth: id → v4-named problem. Not to be changed in place: use `patch`."""
        return self.world.problems

    @property
    def subscriptions(self) -> dict[str, SimulatorSubscription]:
        """The live registrations at the hub, by id."""
        return self.world.hub.subscriptions

    @property
    def sent(self) -> Sent:
        """What became of the notifications so far."""
        return self.world.hub.sent

    def snapshot(self) -> dict[str, Json]:
        """Return id → v4-named problem as it is now; status in v4's spelling, attributes only as far as the version
        has them.
        """
        return {problem_id: dict(problem) for problem_id, problem in self.problems.items()}

    def shown(self) -> dict[str, Json]:
        """Return id → problem exactly as GET answers it, in the version's own names and spelling."""
        return {problem_id: orjson.loads(self.world.collection.body(problem_id)) for problem_id in self.problems}

    def restore(self, snapshot: Mapping[str, Mapping[str, Any]]) -> None:
        """Become what an earlier `snapshot` says, as after a restored backup; no notification is sent."""
        self.world.collection.restore(snapshot)

    async def create(self, **attributes: Any) -> Json:
        """Create a problem (made up, with the given v4-named attributes over it; `id` may be one), send the event,
        return the problem.
        """
        return self.world.begin(self._authored.attributes() | attributes)

    async def patch(self, problem_id: str, **changes: Any) -> Json:
        """Apply a v4-named merge patch, send the events, return the problem.

        A `lastUpdate` given is kept instead of a new stamp.
        """
        return self.world.alter(problem_id, changes)

    async def transition(self, problem_id: str, status: str, **changes: Any) -> Json:
        """Move a problem to `status` (v4's spelling), send the events, return the problem."""
        return self.world.alter(problem_id, {"status": status, **changes})

    async def delete(self, problem_id: str) -> None:
        """Delete a problem; an event follows where the version has one."""
        self.world.end(problem_id)

    async def require_information(self, problem_id: str, attribute: str) -> None:
        """Send an InformationRequired event that asks for a v4-named attribute."""
        self.world.require_information(problem_id, attribute)

    async def finish_late(self) -> int:
        """Carry out now the writes that were to be late, and return how many there were."""
        return await self._writes.finish_late()

    def forget_subscriptions(self) -> None:
        """Drop all registrations without a word, as after a restart."""
        self.world.hub.forget()

    async def settle(self, *, timeout_seconds: float = 60.0) -> None:
        """Wait until no notification waits for delivery, late and shuffled ones included. Raises TimeoutError."""
        await self.wait_until(lambda: self.world.hub.pending == 0, timeout_seconds=timeout_seconds)

    async def wait_until(self, holds: Callable[[], bool], *, timeout_seconds: float = 10.0) -> None:
        """Wait until `holds`, looked at after each request, registration, change and delivery. Raises TimeoutError."""
        await self.world.wait_until(holds, timeout_seconds=timeout_seconds)

    @property
    def _origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def _server(self, listening: socket.socket) -> SimulatorServer:
        return SimulatorServer(self.world, self._writes, self.credentials, self._received, listening)

    def _make_lives(self, seeds: random.Random, max_problems: int | None) -> Population:
        open_target = max(_SMALLEST_POPULATION, self._population * 3 // 5)
        return Population(_derived(seeds), version=self.version, open_target=open_target, max_problems=max_problems)

    def _received(self, request: ReceivedRequest) -> None:
        self.requests.append(request)
        self.request_counts[request.operation] += 1
        self.world.happened()

    async def _populate(self) -> None:
        collection = self.world.collection
        now = collection.now()
        for number in range(self._population):
            problem_id = collection.new_id()
            collection.add(problem_id, self._lives.history(problem_id, now), now)
            if number % 1_000 == 0:
                await anyio.lowlevel.checkpoint()

    async def _live(self) -> None:
        """Let `rate` events a second happen, in small batches; time lost to a slow receiver is not made up for."""
        credit, last = 0.0, anyio.current_time()
        while True:
            now = anyio.current_time()
            credit = min(credit + (now - last) * self.rate, max(1.0, self.rate))
            last = now
            for _ in range(min(int(credit), _BATCH)):
                credit -= 1
                self._step()
            await anyio.sleep(self._pause_seconds(credit))
            if self.world.hub.pending > _BACKLOG:
                await self.wait_until(lambda: self.world.hub.pending <= _BACKLOG // 2, timeout_seconds=math.inf)
                last = anyio.current_time()

    def _pause_seconds(self, credit: float) -> float:
        if credit >= 1:
            return 0.0
        if self.rate <= 0:
            return _LONGEST_PAUSE_SECONDS
        return min(max((1 - credit) / self.rate, _PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)

    def _step(self) -> None:
        """Let the next thing happen to the population."""
        self.steps += 1
        match self._lives.step(self.problems, self.world.collection.now()):
            case CreateStep(attributes):
                problem = self.world.begin(attributes)
                self._lives.adopt(problem["id"], problem["status"])
            case ChangeStep(problem_id, changes):
                self.world.alter(problem_id, changes)
            case DeleteStep(problem_id):
                self.world.end(problem_id)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started: who cannot have it has nothing to clean up."""
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512)


def _derived(seeds: random.Random) -> random.Random:
    """Return a generator of its own, so that drawing from one does not disturb the other."""
    return random.Random(seeds.random())  # noqa: S311 -- a simulation, not secrets


async def serve(simulator: Simulator, started: Callable[[Simulator], None] = lambda _: None) -> None:
    """Run the simulator until cancelled; `started` is called once it listens."""
    async with simulator:
        started(simulator)
        await anyio.sleep_forever()
