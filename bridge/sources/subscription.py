"""Registering at a source's hub, and staying registered.

Make before break: a new registration is made and stored before the old one is deleted at the hub, so there is always
one; events that arrive twice meanwhile are duplicates. A hub that allows only one (409) has the old one deleted first.
A registration of an earlier run is kept when the server says that it has it; otherwise a new one replaces it, because a
restarted server may have lost it. A server without a hub is a normal polling source.

The standard gives a registration no end, but servers forget them, so we renew each after `subscription_renew_seconds`,
counted over restarts. A hub that allows only one and has it (409) still has ours.

Crash after the hub's answer and before it is stored: the hub has one that we do not know; the next start makes another
and deletes the first where the server lists them. Crash between storing and deleting the old one: that is stored as
left over, and deleted later. A process that lost the lease meanwhile cannot store: it deletes what it has registered.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

import anyio
import structlog

from bridge.domain.hub import HubAbsentError, HubConflictError, Registration, find_callback
from bridge.errors import BridgeError, DatabaseUnavailableError, PermanentError, TransientError
from bridge.schedule import Backoff, jittered, now, run_job
from bridge.sources.client import HubClient, hub_of
from bridge.sources.state import SourceState
from bridge.storage import subscription
from bridge.storage.database import Database
from bridge.storage.lease import LeaseLostError
from bridge.storage.subscription import HubSubscription
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 300.0
_ABSENT_SECONDS = 3600.0
_RENEWAL_FIRST_SECONDS = 30.0
_RENEWAL_LAST_SECONDS = 3600.0


@dataclass(slots=True)
class Subscriber:
    """Keeps one source's registration."""

    source: SourceState
    database: Database
    metrics: Metrics
    renewal: Backoff = field(default_factory=lambda: Backoff(_RENEWAL_FIRST_SECONDS, _RENEWAL_LAST_SECONDS))
    reason: str = "start"
    """Why the next registration is made."""
    _conflict_at: datetime | None = None
    """Since when the hub has answered 409 for a callback of which we know no registration."""

    async def run(self) -> None:
        """Register at once; again when called (silence, loss, another callback) and when it is old."""
        job = self.source.job("subscription", self.metrics)
        if self.source.wants_push:
            await run_job(job, self._run_once, self._until_needed, on_failure=self._failed)
        else:
            await run_job(job, self.withdraw, anyio.sleep_forever)

    async def _run_once(self) -> None:
        await self.run_once(self.reason)

    def _failed(self, _: Exception) -> None:
        self.metrics.registrations.labels(self.source.name, self.reason, "failed").inc()

    async def run_once(self, reason: str) -> None:
        """Make sure that we are registered."""
        async with self.database.connection() as connection:
            held = await subscription.active(connection, self.source.source_id)
        if held is not None and reason == "start" and await self._still_good(held):
            log.info("already registered", source=self.source.name, hub_id=held.hub_id)
            self._note_registered(renewed=False)
            await self._tidy(held.hub_id)
            return
        await self._hold_lease()
        try:
            registration = await self._register(held, reason)
        except HubAbsentError as error:
            log.info("no hub, polling", source=self.source.name, answer=str(error))
            self.metrics.registrations.labels(self.source.name, reason, "absent").inc()
            self.metrics.registered.labels(self.source.name).set(0)
            self.source.set_registered(now(), registered=False, offered=False)
            return
        except BridgeError:
            self.source.registration_failed()
            raise
        self._conflict_at = None
        if registration is None:
            log.info("already registered, the hub accepts one registration only", source=self.source.name)
            self.metrics.registrations.labels(self.source.name, reason, "ok").inc()
            self._note_registered(renewed=False)
            return
        await self._store(registration)
        self.metrics.registrations.labels(self.source.name, reason, "ok").inc()
        log.info("registered", source=self.source.name, reason=reason, hub_id=registration.hub_id)
        self._note_registered(renewed=True)
        await self._tidy(registration.hub_id)

    async def withdraw(self) -> None:
        """Delete every registration of ours at the hub. TransientError when it cannot be reached."""
        async with self.database.connection() as connection:
            held = await subscription.active(connection, self.source.source_id)
        if held is not None:
            await self._delete(held)
            log.info("deregistered", source=self.source.name, hub_id=held.hub_id)
        await self._delete_left_over()
        self._note_unregistered()

    @property
    def _hub(self) -> HubClient:
        return hub_of(self.source.name, self.source.client)

    async def _hold_lease(self) -> None:
        """LeaseLostError unless this process still leads."""
        async with self.database.transaction() as connection:
            await self.source.fence.hold(connection)

    async def _store(self, registration: Registration) -> None:
        try:
            async with self.database.transaction() as connection:
                await self.source.fence.hold(connection)
                await subscription.replace(
                    connection,
                    self.source.source_id,
                    hub_id=registration.hub_id,
                    url=self.source.settings.url,
                    callback=self.source.callback,
                    query=self.source.push_settings.hub_query,
                )
        except LeaseLostError:
            await self._take_back(registration)
            raise

    async def _take_back(self, registration: Registration) -> None:
        """Delete an unneeded registration, unless the hub gave it the id of the registration that is in use."""
        async with self.database.connection() as connection:
            held = await subscription.active(connection, self.source.source_id)
        if registration.hub_id is not None and (held is None or held.hub_id != registration.hub_id):
            await self._hub.deregister(registration.hub_id)

    async def _register(self, held: HubSubscription | None, reason: str) -> Registration | None:
        """Register; None when the hub takes no second registration and the one it has is ours."""
        try:
            registration = await self._post(held)
            kept = held is not None and held.hub_id is not None and registration.hub_id == held.hub_id
            if not (kept and self.source.distrusted):
                return registration
            await self._make_room(held)
        except HubConflictError:
            if held is not None and self._is_current(held):
                if reason == "renewal" and not self.source.distrusted:
                    return None
                if held.hub_id is None and not await self._listed_ours():
                    return None  # it cannot be deleted, so it cannot be replaced
            await self._make_room(held)
        try:
            return await self._post(None)
        except HubConflictError:
            if not self._pushes_arrive():
                raise
            log.info("the hub has our callback: its notifications arrive", source=self.source.name)
            return Registration(None, self.source.callback, self.source.push_settings.hub_query)

    async def _post(self, held: HubSubscription | None) -> Registration:
        """Register; where the id had to be looked up in the server's list, take the new one of two."""
        registration = await self._hub.register(
            self.source.callback, self.source.push_settings.hub_query, version=self.source.version
        )
        if held is None or registration.hub_id != held.hub_id:
            return registration
        others = {found.hub_id for found in await self._listed_ours()} - {None, held.hub_id}
        return replace(registration, hub_id=others.pop()) if len(others) == 1 else registration

    def _pushes_arrive(self) -> bool:
        """Has a notification arrived since the hub first said that it has our callback?"""
        if self._conflict_at is None:
            self._conflict_at = now()
        arrived_at = self.source.last_push_at
        return arrived_at is not None and arrived_at > self._conflict_at

    async def _make_room(self, held: HubSubscription | None) -> None:
        """The hub takes no second registration: delete ours first, the stored one and any it lists."""
        if held is not None:
            await self._delete(held)
            self._note_unregistered()
        for found in await self._listed_ours():
            if found.hub_id is not None:
                await self._hub.deregister(found.hub_id)

    def _is_current(self, held: HubSubscription) -> bool:
        """Is it for what we would register now?"""
        source = self.source
        return (held.url, held.callback, held.query) == (
            source.settings.url,
            source.callback,
            source.push_settings.hub_query,
        )

    async def _still_good(self, held: HubSubscription) -> bool:
        return self._is_current(held) and await self._known_to_hub(held.hub_id) is True

    async def _known_to_hub(self, hub_id: str | None) -> bool | None:
        """True, False, or None when the server cannot be asked."""
        listed = await self._listed()
        if listed is not None:
            ours = find_callback(listed, self.source.callback)
            return any(hub_id is None or found.hub_id in (None, hub_id) for found in ours)
        if hub_id is None:
            return None
        try:
            return await self._hub.probe_subscription(hub_id)
        except (TransientError, PermanentError) as error:
            log.debug("hub cannot be asked", source=self.source.name, error=str(error))
            return None

    async def _listed(self) -> list[Registration] | None:
        """All registrations at the hub; None when they cannot be read. The standard has no such request: its failure
        means nothing.
        """
        try:
            return await self._hub.find_subscriptions()
        except (TransientError, PermanentError) as error:
            log.debug("hub cannot be asked", source=self.source.name, error=str(error))
            return None

    async def _listed_ours(self) -> list[Registration]:
        """Registrations of our callback, however the server spells it; none where it lists none."""
        return find_callback(await self._listed() or [], self.source.callback)

    async def _until_needed(self) -> None:
        """Wait until a new registration is due, and note why."""
        self.reason = await self._next_reason()

    async def _next_reason(self) -> str:
        renew_at = monotonic() + await self._renew_in_seconds()
        while True:
            if not self.source.hub_offered:
                await self.source.subscribe_wake.wait(jittered(_ABSENT_SECONDS))
                return "start"
            left_seconds = renew_at - monotonic()
            if left_seconds <= 0:
                return "renewal"
            called = await self.source.subscribe_wake.wait(min(left_seconds, jittered(_PROBE_SECONDS)))
            if called is None:
                if await self._lost():
                    return "lost"
            elif called == "changed":
                return called
            elif await self._still_silent():
                return "silent"

    async def _renew_in_seconds(self) -> float:
        """How long until the registration in use is renewed. Postgres tells its age, not our clock."""
        renew_seconds = self.source.push_settings.subscription_renew_seconds
        try:
            async with self.database.connection() as connection:
                age_seconds = await subscription.age_seconds(connection, self.source.source_id)
        except DatabaseUnavailableError:
            age_seconds = None
        # one that the hub would not renew is as old as before: come back after a while, not at once
        least_seconds = min(_RENEWAL_LAST_SECONDS, renew_seconds)
        return max(jittered(least_seconds), jittered(renew_seconds) - (age_seconds or 0.0))

    async def _still_silent(self) -> bool:
        """Wait before a renewal, longer each time; has no notification come meanwhile?"""
        await anyio.sleep(self._renewal_pause_seconds())
        await self.source.subscribe_wake.wait(0)
        return self.source.distrusted

    def _renewal_pause_seconds(self) -> float:
        """Register again at once after the first silence, then at growing intervals until a notification arrives."""
        if self.renewal.failures == 0:
            self.renewal.next_seconds()
            return 0.0
        return self.renewal.next_seconds()

    async def _lost(self) -> bool:
        """Has the hub lost the registration? False also when Postgres is away and nothing can be said."""
        if not self.source.distrusted:
            self.renewal.reset()
        try:
            async with self.database.connection() as connection:
                held = await subscription.active(connection, self.source.source_id)
        except DatabaseUnavailableError:
            return False
        if held is None or (held.hub_id is not None and await self._known_to_hub(held.hub_id) is False):
            self._note_unregistered()
            return True
        await self._tidy(held.hub_id)
        return False

    async def _tidy(self, hub_id: str | None) -> None:
        """Delete what is left beside the registration in use; a failure leaves it for later."""
        try:
            await self._delete_left_over()
            if hub_id is not None:
                await self._delete_orphans(hub_id)
        except BridgeError as error:
            log.info("old registrations not deleted yet", source=self.source.name, error=str(error))

    async def _delete_left_over(self) -> None:
        """Delete replaced registrations at the hub; not one whose id the hub gave again, to us or (where it lists them)
        to somebody else, nor one at a server we left.
        """
        async with self.database.connection() as connection:
            held = await subscription.active(connection, self.source.source_id)
            left_over = await subscription.left_over(connection, self.source.source_id)
        if not left_over:
            return
        listed = await self._listed() or []
        for each in left_over:
            given_again = held is not None and held.hub_id == each.hub_id
            same_id = [found for found in listed if found.hub_id == each.hub_id]
            ours = not same_id or bool(find_callback(same_id, each.callback))
            await self._delete(each, at_hub=ours and not given_again)

    async def _delete_orphans(self, hub_id: str) -> None:
        """Where the server lists registrations: delete those of our callback that are not the one in use. Only while
        this process leads: otherwise another may be in use.
        """
        for found in await self._listed_ours():
            if found.hub_id not in (None, hub_id):
                await self._hold_lease()
                await self._hub.deregister(found.hub_id)
                log.info("orphaned registration deleted", source=self.source.name, hub_id=found.hub_id)

    async def _delete(self, held: HubSubscription, *, at_hub: bool = True) -> None:
        """Delete at the hub, unless that is one we left, and in the database. A hub that never deletes keeps it."""
        if at_hub and held.hub_id is not None and held.url == self.source.settings.url:
            try:
                await self._hub.deregister(held.hub_id)
            except PermanentError as error:
                log.warning("cannot be deregistered, left to expire", source=self.source.name, error=str(error))
        async with self.database.transaction() as connection:
            await subscription.gone(connection, held.id)

    def _note_registered(self, *, renewed: bool) -> None:
        self.metrics.registered.labels(self.source.name).set(1)
        self.source.set_registered(now(), registered=True, renewed=renewed)

    def _note_unregistered(self) -> None:
        self.metrics.registered.labels(self.source.name).set(0)
        self.source.set_registered(now(), registered=False, offered=self.source.hub_offered)
