"""A source while the bridge runs: what the jobs of one source share.

The mode is derived, never set: `disabled` and `poll` follow from the configuration and from what the hub answered,
`push` holds while a registration stands and nothing speaks against it, `fallback` is everything else (not registered
yet, registration refused, or a change was found by asking that a notification should have brought). Only a pushed event
that changes something ends the doubt; when, and how long a silence may last, is decided in `bridge.domain.push_health`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from time import monotonic

import anyio

from bridge.domain.completeness import Gap
from bridge.domain.push_health import ArrivalInterval, PushTrust
from bridge.schedule import Job, Wake
from bridge.settings import SourceSettings
from bridge.sources.request_pace import RequestPace
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics
from bridge.tmf656.client import Client


class Mode(StrEnum):
    """How a source is followed."""

    PUSH = "push"
    FALLBACK = "fallback"
    POLL = "poll"
    DISABLED = "disabled"


@dataclass(slots=True)
class SourceState:
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
    fence: LeaderFence = field(default_factory=LeaderFence)
    hub_offered: bool = True
    registered: bool = False
    trust: PushTrust = field(default_factory=PushTrust)
    missed_at: datetime | None = None
    """Our clock: when push was last found wanting; what was pushed after it may end the doubt."""
    follows: Mode | None = None
    """The mode as the process that leads sees it; None while this process leads."""
    registered_at: datetime | None = None
    """Our clock: since when this process relies on the registration it has, which is not blamed for what was before."""
    expected_since: datetime | None = None
    """Our clock: since when this process has expected notifications. Unlike `registered_at` it outlasts registrations
    that the hub forgot and that were made anew: what was lost between is push's fault. None: none are expected.
    """
    last_push_at: datetime | None = None
    last_error: str | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    """The jobs of this source by name, and how they are doing."""
    poll_wake: Wake = field(default_factory=Wake)
    refetch_wake: Wake = field(default_factory=Wake)
    subscribe_wake: Wake = field(default_factory=Wake)
    reconcile_wake: Wake = field(default_factory=Wake)
    first_pass: anyio.Event = field(default_factory=anyio.Event)
    """Set once a pass over the source has succeeded."""
    incomplete: dict[str, Gap | None] = field(default_factory=dict)
    """Why the last pass of a kind may have missed problems; a kind is here only while its passes are incomplete."""
    reordered_passes: int = 0
    """Passes in a row that read most rows only to find them unchanged (`bridge.pull.page_import`)."""
    passing: anyio.Lock = field(default_factory=anyio.Lock)
    """Held by the pass under way: one pass over a source at a time."""
    on_mode: Callable[["SourceState"], None] | None = None
    arrivals: ArrivalInterval = field(init=False)
    by_id_pace: RequestPace = field(init=False)
    """How fast single problems are asked for by id, for whatever reason."""
    _told: Mode | None = None

    def __post_init__(self) -> None:
        """Begin to learn what is usual."""
        self.arrivals = ArrivalInterval(self.settings.silence_min_seconds, self.settings.silence_max_seconds)
        self.by_id_pace = RequestPace(self.settings.by_id_rate_per_second)

    def job(self, name: str, metrics: Metrics) -> Job:
        """Return the job of that name."""
        return self.jobs.setdefault(name, Job(name, metrics, self.name))

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

    @property
    def doubted(self) -> bool:
        """Is push in doubt?"""
        return self.trust.doubted

    @property
    def reason(self) -> str | None:
        """Why the mode is `fallback`, for people; None in any other mode."""
        if self.mode is not Mode.FALLBACK:
            return None
        if not self.registered:
            return "not registered at its hub"
        proven = " (it comes again, and has to prove itself for a while)" if self.trust.proven_at is not None else ""
        return f"notifications it should have sent did not come{proven}"

    def heard(self, at: datetime) -> None:
        """A notification that was received at `at` was stored, here or in another process."""
        self.last_push_at = at
        self.arrivals.heard(monotonic())

    def pushed(self, at: datetime, *, applied: bool) -> None:
        """A notification was stored here."""
        self.heard(at)
        if applied and (self.missed_at is None or at > self.missed_at):
            self.proven()

    def proven(self) -> None:
        """A pushed event changed something, here or in another process: there is push."""
        self._judge(self.trust.pushed(monotonic()))

    def settle(self) -> None:
        """Time has passed: is the doubt over?"""
        self._judge(self.trust.settled(monotonic()))

    def _judge(self, trust: PushTrust) -> None:
        self.trust = trust
        self._tell()

    def missed(self, at: datetime) -> None:
        """A change was found that a notification should have brought: doubt the push and register anew, however
        often.
        """
        if not self.settings.push or not self.registered:
            return
        self.subscribe_wake.call("silent")
        self.missed_at = at
        self.arrivals.interrupted()
        self._judge(self.trust.missed(monotonic()))

    def stands(self, at: datetime, *, registered: bool, offered: bool = True, renewed: bool = False) -> None:
        """The hub answered at `at`. `renewed`: with a new registration."""
        if registered and (renewed or not self.registered):
            self.registered_at = at
        if registered and self.expected_since is None:
            self.expected_since = at
        if not offered:
            self.expected_since = None
        self.registered, self.hub_offered = registered, offered
        self._tell()

    def set_back(self, at: datetime) -> None:
        """Our clock was set back to `at`: nothing was later than that."""
        self.missed_at, self.registered_at, self.expected_since, self.last_push_at = (
            None if was is None else min(was, at)
            for was in (self.missed_at, self.registered_at, self.expected_since, self.last_push_at)
        )

    def begin(self, follows: Mode | None) -> None:
        """Lead (None), or follow: nothing is known of push yet, and nothing that is not pushed is missed."""
        self.follows, self.trust, self.missed_at, self.expected_since = follows, PushTrust(), None, None
        self.registered = False
        self._tell()

    def _tell(self) -> None:
        """Say which mode is in force, when it is another than before."""
        if self.on_mode is not None and self.mode is not self._told:
            self._told = self.mode
            self.on_mode(self)
