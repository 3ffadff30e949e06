"""A source while the bridge runs: what the jobs of one source share.

The mode is derived, never set: `disabled` and `poll` follow from the configuration and from what the hub answered;
`push` while we are registered and no change was missed; `fallback` when registering failed, or a poll found a change
that a notification should have brought. After that only a pushed event that changes something restores `push`; how soon
is decided in `bridge.domain.push_health`. Until the first registration of a process was tried the mode of the process
before holds, and a process that does not lead has the mode that the leader wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic

import anyio

from bridge.domain.completeness import Gap
from bridge.domain.decision import Entry
from bridge.domain.observation import Notification, Observation
from bridge.domain.problem_filter import ProblemFilter, problem_filter
from bridge.domain.push_health import ArrivalInterval, PushTrust
from bridge.domain.vocabulary import SourceVocabulary
from bridge.schedule import Job, Wake
from bridge.settings import PushSettings, SourceSettings
from bridge.sources.client import ProblemReader, SourceClient
from bridge.sources.request_pace import RequestPace
from bridge.sources.unmapped_count import UnmappedCount
from bridge.storage.lease import LeaderFence
from bridge.storage.observation import Stored
from bridge.telemetry.metrics import Metrics

_NEVER = datetime.min.replace(tzinfo=UTC)


_MOVED_PASSES = 3
"""Passes with moving update times in a row before they are trusted again."""


def filter_of(settings: SourceSettings) -> ProblemFilter | None:
    """Return which problems of a source are kept, as configured; None: all."""
    chosen = settings.filter
    return problem_filter(
        statuses=chosen.status,
        categories=chosen.category,
        parties=chosen.party,
        max_age_days=chosen.max_age_days,
        since=settings.since,
        by_query=settings.lists_by_query,
    )


def vocabulary_of(settings: SourceSettings) -> SourceVocabulary:
    """Return the words of a source as configured."""
    return SourceVocabulary(settings.status_map, settings.priority_map)


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
    client: SourceClient
    reader: ProblemReader
    callback: str
    secrets: tuple[str, ...]
    retired: frozenset[bytes] = frozenset()
    """Digests of secrets that are answered 410."""
    version: str | None = None
    fence: LeaderFence = field(default_factory=LeaderFence)
    hub_offered: bool = field(init=False)
    """Does the source have a hub, as far as is known?"""
    registered: bool = False
    registration_tried: bool = False
    """Has this process tried to register, since it leads?"""
    trust: PushTrust = field(default_factory=PushTrust)
    missed_at: datetime | None = None
    """Our clock: when push last missed a change; a notification received after it may restore the trust in push."""
    leads: bool = False
    """Does this process lead? Set by `lead` and `follow`."""
    written_mode: Mode = Mode.POLL
    """The mode as the database has it: of the process that leads, or that led before this one."""
    registered_at: datetime | None = None
    """Our clock: since when this process relies on the registration it has, which is not blamed for what was before."""
    expected_since: datetime | None = None
    """Our clock: since when this process has expected notifications. Unlike `registered_at` it outlasts registrations
    that the hub forgot and that were made again: what was lost between counts as missed. None: none are expected.
    """
    last_push_at: datetime | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    """The jobs of this source by name, and how they are doing."""
    poll_wake: Wake = field(default_factory=Wake)
    refetch_wake: Wake = field(default_factory=Wake)
    subscribe_wake: Wake = field(default_factory=Wake)
    reconcile_wake: Wake = field(default_factory=Wake)
    first_pass: anyio.Event = field(default_factory=anyio.Event)
    """Set once a pass over the source has succeeded."""
    unmapped: UnmappedCount = field(default_factory=UnmappedCount)
    """Values that could not be read and are not written down yet."""
    incomplete: dict[str, Gap | None] = field(default_factory=dict)
    """Why the last pass of a kind may have missed problems; a kind is here only while its passes are incomplete."""
    update_times_move: bool | None = None
    """Does a problem's update time move when it changes? Else no filter by it finds changes. None: not known yet."""
    moved_passes: int = 0
    """Passes in a row in which problems changed and all update times moved."""
    thin_rows: bool | None = None
    """Does its list show summaries only (`bridge.pull.thin_rows`)? None: not known yet."""
    reordered_passes: int = 0
    """Passes in a row that read most rows only to find them unchanged (`bridge.pull.page_import`)."""
    passing: anyio.Lock = field(default_factory=anyio.Lock)
    """Held by the pass under way: one pass over a source at a time."""
    on_mode: Callable[["SourceState"], None] | None = None
    push_settings: PushSettings = field(init=False)
    arrivals: ArrivalInterval = field(init=False)
    vocabulary: SourceVocabulary = field(init=False)
    """The words of this source: `status_map`, `priority_map`."""
    by_id_pace: RequestPace = field(init=False)
    """How fast single problems are asked for by id, for whatever reason."""
    filter: ProblemFilter | None = field(init=False)
    """Which problems are kept; None: all."""
    _shown_mode: Mode | None = None

    def __post_init__(self) -> None:
        """Begin to learn what is usual."""
        self.push_settings = self.settings.hub
        self.hub_offered = self.client.hub is not None
        self.thin_rows = False if self.client.whole_rows else None
        self.arrivals = ArrivalInterval(self.push_settings.silence_min_seconds, self.push_settings.silence_max_seconds)
        self.vocabulary = vocabulary_of(self.settings)
        self.by_id_pace = RequestPace(self.settings.by_id_rate_per_second)
        self._shown_mode = self.mode
        self.filter = filter_of(self.settings)

    def job(self, name: str, metrics: Metrics) -> Job:
        """Return the job of that name."""
        return self.jobs.setdefault(name, Job(name, metrics, self.name))

    def failing_jobs(self) -> dict[str, Job]:
        """The jobs that have failed since they last worked, the one that failed last at the end."""
        failing = [job for job in self.jobs.values() if job.failed_at is not None and job.error is not None]
        return {job.name: job for job in sorted(failing, key=lambda job: job.failed_at or _NEVER)}

    @property
    def last_error(self) -> str | None:
        """What last went wrong and has not gone well since."""
        return next((job.error for job in reversed(self.failing_jobs().values())), None)

    def entry(self, observation: Observation | None, notification: Notification | None = None) -> Entry:
        """Return what is to be stored, with the filter's answer."""
        return Entry(self.source_id, observation, notification, self.keeps(observation))

    def keeps(self, observation: Observation | None) -> bool | None:
        """Is an unknown problem kept? See `ProblemFilter.keeps`."""
        return True if self.filter is None or observation is None else self.filter.keeps(observation)

    def note_update_times(self, *, changed: int, unmoved: int) -> bool:
        """Learn from a pass over everything whether update times move; return whether that is other than before."""
        before = self.update_times_move
        if unmoved:
            self.update_times_move, self.moved_passes = False, 0
        elif changed:
            self.moved_passes += 1
            if self.moved_passes >= _MOVED_PASSES:
                self.update_times_move = True
        return self.update_times_move is not before

    @property
    def wants_push(self) -> bool:
        """Does the configuration ask for a registration?"""
        return self.settings.enabled and self.push_settings.push

    @property
    def mode(self) -> Mode:
        """See the module docstring."""
        if not self.settings.enabled:
            return Mode.DISABLED
        if not self.leads:
            return self.written_mode
        if not self.push_settings.push or not self.hub_offered:
            return Mode.POLL
        if not self.registration_tried:
            return Mode.PUSH if self.written_mode is Mode.PUSH else Mode.POLL
        return Mode.PUSH if self.registered and not self.distrusted else Mode.FALLBACK

    @property
    def distrusted(self) -> bool:
        """Has push missed a change, and not proven itself since?"""
        return self.trust.distrusted

    @property
    def reason(self) -> str | None:
        """Why the mode is `fallback`, for people; None in any other mode."""
        if self.mode is not Mode.FALLBACK:
            return None
        if not self.registered:
            return "not registered at its hub"
        if self.trust.proven_at is not None:
            return "notifications did not arrive for a while; they do again, and push is used once it has missed none"
        return (
            f"it is registered, but its notifications do not arrive: it must be able to reach {self.public_url} "
            "(http.public_url)"
        )

    @property
    def public_url(self) -> str:
        """The address that callbacks are built from."""
        return self.callback.rpartition("/listener/")[0]

    def wake_refetch(self, stored: Stored) -> None:
        """Have fetched by id what was stored in part."""
        if stored.refetch[self.source_id]:
            self.refetch_wake.call("requested")

    def notification_stored(self, at: datetime) -> None:
        """A notification that was received at `at` was stored, here or in another process."""
        self.last_push_at = at
        self.arrivals.arrived(monotonic())

    def change_pushed(self, at: datetime) -> None:
        """A notification that was received at `at` brought a change."""
        self.notification_stored(at)
        if self.missed_at is None or at > self.missed_at:
            self.prove_push()

    def prove_push(self) -> None:
        """A pushed event changed something, here or in another process."""
        self._set_trust(self.trust.pushed(monotonic()))

    def update_trust(self) -> None:
        """Trust push again when it has missed nothing for long enough."""
        self._set_trust(self.trust.recovered(monotonic()))

    def _set_trust(self, trust: PushTrust) -> None:
        self.trust = trust
        self._show_mode()

    def missed(self, at: datetime) -> None:
        """A poll found a change that a notification should have brought: distrust push, and register again."""
        if not self.push_settings.push or not self.registered:
            return
        self.subscribe_wake.call("silent")
        self.missed_at = at
        self.arrivals.interrupted()
        self._set_trust(self.trust.missed(monotonic()))

    def set_registered(self, at: datetime, *, registered: bool, offered: bool = True, renewed: bool = False) -> None:
        """Note at `at` whether we are registered, and whether there is a hub at all. `renewed`: the registration is
        new.
        """
        self.registration_tried = True
        if registered and (renewed or not self.registered):
            self.registered_at = at
        if registered and self.expected_since is None:
            self.expected_since = at
        if not offered:
            self.expected_since = None
        self.registered, self.hub_offered = registered, offered
        self._show_mode()

    def set_back(self, at: datetime) -> None:
        """Our clock was set back to `at`: nothing was later than that."""
        self.missed_at, self.registered_at, self.expected_since, self.last_push_at = (
            None if was is None else min(was, at)
            for was in (self.missed_at, self.registered_at, self.expected_since, self.last_push_at)
        )

    def lead(self) -> None:
        """This process leads from now on. It knows nothing of push yet, and no notification is missing."""
        self.leads, self.trust, self.missed_at, self.expected_since = True, PushTrust(), None, None
        self.registered = self.registration_tried = False
        self._show_mode()

    def follow(self, mode: Mode | None = None) -> None:
        """Another process leads from now on, with this mode; None: with the one there is."""
        self.written_mode = mode or self.mode
        self.leads = False
        self._show_mode()

    def registration_failed(self) -> None:
        """We could not register."""
        self.registration_tried = True
        self._show_mode()

    def _show_mode(self) -> None:
        """Report the mode when it has changed."""
        if self.on_mode is not None and self.mode is not self._shown_mode:
            self._shown_mode = self.mode
            self.on_mode(self)
