"""The hub: who subscribed, and the delivery of events to them, with all that can go wrong on the way.

In parallel: each subscription has one queue and `concurrency` senders, so events of one subscription overtake each
other a little when the receiver is slow (set 1 to keep them in order). Late and shuffled events wait in a task of
their own. Subscriptions live in memory: a server that restarts has forgotten them.
"""

import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import anyio
import orjson
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from bridge.simulator.tmf656 import selection
from bridge.simulator.tmf656.background import background
from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.message_dialect import listener_name

Json = dict[str, Any]
CallbackForm = Literal["exact", "listener"]

_RETRY_SECONDS = 0.2


@dataclass
class Sent:
    """What became of the notifications; each subscription counts for itself.

    `built` is before faults, the rest per attempt to send.
    """

    built: int = 0
    delivered: int = 0
    failed: int = 0
    lost: int = 0
    doubled: int = 0
    late: int = 0
    shuffled: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class _Delivery:
    event_type: str
    body: bytes


@dataclass
class SimulatorSubscription:
    """One registration. `query`: which events the subscriber wants, in the version's names; None: everything."""

    id: str
    callback: str
    query: str | None
    wanted: selection.Selection = field(repr=False)
    queue: MemoryObjectSendStream[_Delivery] = field(repr=False)
    deliveries: MemoryObjectReceiveStream[_Delivery] = field(repr=False)
    delivered: int = 0
    failures_in_a_row: int = 0
    pending: int = 0
    held_back: list[_Delivery] = field(default_factory=list, repr=False)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope, repr=False)

    def close(self) -> None:
        """Stop the senders and drop what waits for them."""
        self.scope.cancel()
        self.queue.close()
        self.deliveries.close()

    def wants(self, envelope: Json) -> bool:
        """Tell whether the event passes the subscription's query."""
        return all(
            condition.holds(selection.values_at(envelope, condition.name))
            or condition.holds(selection.values_at(envelope.get("event", {}), condition.name))
            for condition in self.wanted.conditions
        )


class Hub:
    """Subscriptions and their deliveries; an async context manager, within which the senders run."""

    def __init__(
        self,
        faults: Faults,
        *,
        callback_form: CallbackForm,
        concurrency: int,
        retries: int,
        timeout_seconds: float,
        happened: Callable[[], None],
    ) -> None:
        """`happened` is called after every registration, delivery and loss."""
        self.subscriptions: dict[str, SimulatorSubscription] = {}
        self.sent = Sent()
        self._faults = faults
        self._callback_form = callback_form
        self._concurrency = concurrency
        self._retries = retries
        self._timeout_seconds = timeout_seconds
        self._happened = happened
        self._registered = 0

    async def __aenter__(self) -> Self:
        """Open the session and the task group of the senders."""
        async with AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=10)
            timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
            headers = {"Content-Type": "application/json"}
            session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers)
            self._session = await stack.enter_async_context(session)
            self._tasks = await stack.enter_async_context(background())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop sending at once; what was not delivered is gone, as with any server."""
        try:
            return await self._stack.__aexit__(kind, error, trace)
        finally:
            self.forget()

    @property
    def pending(self) -> int:
        """Notifications not yet delivered, given up or lost."""
        return sum(subscription.pending for subscription in self.subscriptions.values())

    def register(self, callback: str, query: str | None) -> SimulatorSubscription:
        """Add a subscription and start its senders. Raises selection.SelectionError when the query cannot be read."""
        self._registered += 1
        wanted = selection.parse(query or "")
        queue, deliveries = anyio.create_memory_object_stream[_Delivery](math.inf)
        subscription = SimulatorSubscription(str(self._registered), callback, query, wanted, queue, deliveries)
        self.subscriptions[subscription.id] = subscription
        self._tasks.start_soon(self._serve, subscription)
        self._happened()
        return subscription

    def unregister(self, subscription_id: str) -> bool:
        """Drop a subscription with all that waits for it; False when there is none."""
        subscription = self.subscriptions.pop(subscription_id, None)
        if subscription is None:
            return False
        subscription.close()
        self._happened()
        return True

    def forget(self) -> None:
        """Drop every subscription without a word."""
        for subscription_id in list(self.subscriptions):
            self.unregister(subscription_id)

    def publish(self, envelope: Json) -> None:
        """Queue one event for every subscription that wants it, faults of delivery applied."""
        delivery = _Delivery(envelope["eventType"], orjson.dumps(envelope))
        for subscription in list(self.subscriptions.values()):
            if subscription.wants(envelope):
                self._send(subscription, delivery)

    def _send(self, subscription: SimulatorSubscription, delivery: _Delivery) -> None:
        faults, sent = self._faults, self.sent
        sent.built += 1
        if faults.strikes(faults.lose):
            sent.lost += 1
            self._happened()
            return
        times = 1
        if faults.strikes(faults.duplicate):
            sent.doubled += 1
            times = 2
        for _ in range(times):
            subscription.pending += 1
            if faults.strikes(faults.delay):
                sent.late += 1
                self._tasks.start_soon(self._send_later, subscription, delivery, faults.delay_seconds)
            elif faults.strikes(faults.shuffle):
                self._hold_back(subscription, delivery)
            else:
                self._enqueue(subscription, delivery)

    def _enqueue(self, subscription: SimulatorSubscription, delivery: _Delivery) -> None:
        if subscription.id in self.subscriptions:
            subscription.queue.send_nowait(delivery)

    async def _send_later(self, subscription: SimulatorSubscription, delivery: _Delivery, seconds: float) -> None:
        await anyio.sleep(seconds)
        self._enqueue(subscription, delivery)

    def _hold_back(self, subscription: SimulatorSubscription, delivery: _Delivery) -> None:
        """Keep the event until the window is full or the time is over."""
        held = subscription.held_back
        held.append(delivery)
        self.sent.shuffled += 1
        if len(held) >= self._faults.shuffle_window:
            self._release(subscription)
        elif len(held) == 1:
            self._tasks.start_soon(self._release_later, subscription, self._faults.shuffle_seconds)

    async def _release_later(self, subscription: SimulatorSubscription, seconds: float) -> None:
        await anyio.sleep(seconds)
        self._release(subscription)

    def _release(self, subscription: SimulatorSubscription) -> None:
        held, subscription.held_back = subscription.held_back, []
        self._faults.dice.shuffle(held)
        for delivery in held:
            self._enqueue(subscription, delivery)

    async def _serve(self, subscription: SimulatorSubscription) -> None:
        """Run the senders of one subscription until it is dropped."""
        with subscription.scope:
            async with anyio.create_task_group() as senders:
                for _ in range(self._concurrency):
                    senders.start_soon(self._deliver_all, subscription)

    async def _deliver_all(self, subscription: SimulatorSubscription) -> None:
        async for delivery in subscription.deliveries:
            delivered = await self._deliver(subscription, delivery)
            subscription.pending -= 1
            self._account(subscription, delivered=delivered)
            self._happened()

    async def _deliver(self, subscription: SimulatorSubscription, delivery: _Delivery) -> bool:
        """POST one event, again `retries` times with growing pauses; True when the receiver took it (2xx)."""
        url = subscription.callback
        if self._callback_form == "listener":
            url = f"{url.rstrip('/')}/listener/{listener_name(delivery.event_type)}"
        for attempt in range(self._retries + 1):
            if attempt:
                self.sent.retried += 1
                await anyio.sleep(_RETRY_SECONDS * 2 ** (attempt - 1))
            if await self._post(url, delivery.body):
                return True
        return False

    async def _post(self, url: str, body: bytes) -> bool:
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as answer:
                await answer.read()
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _account(self, subscription: SimulatorSubscription, *, delivered: bool) -> None:
        faults = self._faults
        if delivered:
            self.sent.delivered += 1
            subscription.delivered += 1
            subscription.failures_in_a_row = 0
            if (
                faults.forget_subscriptions_after is not None
                and subscription.delivered >= faults.forget_subscriptions_after
            ):
                faults.forget_subscriptions_after = None
                self.forget()
            return
        self.sent.failed += 1
        subscription.failures_in_a_row += 1
        if faults.drop_after_failures is not None and subscription.failures_in_a_row > faults.drop_after_failures:
            self.unregister(subscription.id)
