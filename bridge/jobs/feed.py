"""A source while the bridge runs: what the jobs of one source share.

The mode is derived, never set: `disabled` and `poll` follow from the configuration and from what the hub answered,
`push` holds while a registration stands and nothing speaks against it, `fallback` is everything else (not registered
yet, registration refused, or a poll found a change that a notification should have brought). Only a pushed event that
changes something ends the doubt.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import anyio

from bridge.jobs.lead import Fence
from bridge.jobs.pacing import Wake
from bridge.settings import SourceSettings
from bridge.tmf656.client import Client


class Mode(StrEnum):
    """How a source is followed."""

    PUSH = "push"
    FALLBACK = "fallback"
    POLL = "poll"
    DISABLED = "disabled"


@dataclass(slots=True)
class Feed:
    """One source. `secrets` are accepted in the callback path, the first one is used for new registrations."""

    name: str
    source_id: int
    settings: SourceSettings
    client: Client
    callback: str
    secrets: tuple[str, ...]
    retired: frozenset[bytes] = frozenset()
    """Digests of secrets that are answered 410."""
    version: str | None = None
    fence: Fence = field(default_factory=Fence)
    hub_offered: bool = True
    registered: bool = False
    doubted: bool = False
    doubted_at: datetime | None = None
    follows: Mode | None = None
    """The mode as the process that leads sees it; None while this process leads."""
    registered_at: datetime | None = None
    """Our clock: since when this process has relied on the registration; what changed before is nobody's fault."""
    last_push_at: datetime | None = None
    last_error: str | None = None
    poll_wake: Wake = field(default_factory=Wake)
    refetch_wake: Wake = field(default_factory=Wake)
    subscribe_wake: Wake = field(default_factory=Wake)
    reconcile_wake: Wake = field(default_factory=Wake)
    first_pass: anyio.Event = field(default_factory=anyio.Event)
    """Set once a pass over the source has succeeded."""
    passing: anyio.Lock = field(default_factory=anyio.Lock)
    """Held by the pass under way: one pass over a source at a time."""
    on_mode: Callable[["Feed"], None] | None = None
    _told: Mode | None = None

    @property
    def wants_push(self) -> bool:
        """Does the configuration ask for a registration?"""
        return self.settings.enabled and self.settings.push

    @property
    def mode(self) -> Mode:
        """See the module docstring."""
        if not self.settings.enabled:
            return Mode.DISABLED
        if self.follows is not None:
            return self.follows
        if not self.settings.push or not self.hub_offered:
            return Mode.POLL
        return Mode.PUSH if self.registered and not self.doubted else Mode.FALLBACK

    def pushed(self, at: datetime, *, applied: bool) -> None:
        """A notification was stored."""
        self.last_push_at = at
        if applied:
            self.trusted()

    def trusted(self) -> None:
        """A pushed event changed something, here or in another process: there is push."""
        if self.doubted:
            self.doubted = False
            self._tell()

    def missed(self, at: datetime) -> None:
        """A poll found what a notification should have brought: doubt the push and register anew, however often."""
        if not self.settings.push or not self.registered:
            return
        self.subscribe_wake.call("silent")
        if not self.doubted:
            self.doubted, self.doubted_at = True, at
            self._tell()

    def stands(self, at: datetime, *, registered: bool, offered: bool = True, renewed: bool = False) -> None:
        """The hub answered at `at`. `renewed`: with a new registration."""
        if registered and (renewed or not self.registered):
            self.registered_at = at
        self.registered, self.hub_offered = registered, offered
        self._tell()

    def _tell(self) -> None:
        """Say which mode is in force, when it is another than before."""
        if self.on_mode is not None and self.mode is not self._told:
            self._told = self.mode
            self.on_mode(self)
