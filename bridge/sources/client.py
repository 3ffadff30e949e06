"""What a kind of system supplies so that its problems are pulled: a client, and a reader of what the client gives.

A problem is an object of the TMF656 model, whatever the kind: the client of another system writes its tickets so. Which
classes serve a source is decided in `bridge.bootstrap`. Clients raise TransientError (with `retry_after_seconds` where
the system asked for a pause) and PermanentError, nothing else.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from bridge.domain.completeness import Completeness
from bridge.domain.hub import HubAbsentError, Registration
from bridge.domain.list_choice import ListChoice
from bridge.domain.notice import Notice
from bridge.domain.observation import Observation, Via
from bridge.domain.ticket_system import TicketWriter
from bridge.domain.vocabulary import SourceVocabulary
from bridge.http.list_page import Fetched, ListPage
from bridge.http.request import OnRequest
from bridge.http.row import Row
from bridge.settings import SourceSettings

SettingsOfKind_contra = TypeVar("SettingsOfKind_contra", bound=SourceSettings, contravariant=True)
ClientOfKind = TypeVar("ClientOfKind")


class ProblemPages(Protocol):
    """The pages of one pass. After a failure, iterating on requests the same page again."""

    def __aiter__(self) -> AsyncIterator[ListPage]: ...

    async def __anext__(self) -> ListPage: ...

    @property
    def completeness(self) -> Completeness:
        """Whether every problem was seen, and if not, why; known when the iteration is over."""
        ...

    @property
    def filter_honoured(self) -> bool | None:
        """False once a problem older than the filter allows came; None while nothing tells."""
        ...

    @property
    def distinct(self) -> int:
        """How many different problems came so far."""
        ...

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Those of these problems that were on no page so far."""
        ...


class HubClient(Protocol):
    """The hub of a system, where it has one."""

    async def register(self, callback: str, query: str = "", *, version: str | None = None) -> Registration:
        """Register a callback; HubAbsentError, or HubConflictError where the one it has may not be ours."""
        ...

    async def deregister(self, hub_id: str) -> None:
        """Delete a registration; one that no longer exists counts as deleted."""
        ...

    async def find_subscriptions(self) -> list[Registration] | None:
        """List all registrations; None where the system does not offer that."""
        ...

    async def probe_subscription(self, hub_id: str) -> bool | None:
        """Ask whether the system still has a registration; None where it does not offer that."""
        ...


def hub_of(name: str, client: "SourceClient") -> HubClient:
    """Return the hub of a source; HubAbsentError where its kind of system has none."""
    if client.hub is None:
        raise HubAbsentError(f"source {name}: this kind of system has no hub")
    return client.hub


class SourceClient(Protocol):
    """Reads the problems of one source; used within `async with`, by many tasks at once."""

    @property
    def filters(self) -> Sequence[str]:
        """The ways to request only what changed, the likeliest first. They are stored with the watermark."""
        ...

    @property
    def whole_rows(self) -> bool:
        """Are the rows of its list whole tickets for certain? Else `bridge.pull.thin_rows` finds it out."""
        ...

    @property
    def hub(self) -> HubClient | None:
        """Where notifications are ordered; None: this kind of system has no hub, and is polled."""
        ...

    @property
    def list_address(self) -> str:
        """Where the list is, for people."""
        ...

    def pages(
        self, *, changed_since: datetime | None = None, filter_style: str = ..., version: str | None = None
    ) -> ProblemPages:
        """Read all problems, or, with one of `filters`, those changed since `changed_since`.

        `version`: that of the model the source uses, where it was found out. FilterRefusedError comes out of the
        iteration.
        """
        ...

    def chosen_pages(self, choice: ListChoice) -> ProblemPages | None:
        """Read the problems that have certain values, as far as the server honours that; None where this kind of
        system is not asked so. FilterRefusedError comes out of the iteration.
        """
        ...

    async def get(self, problem_id: str) -> Fetched:
        """Fetch one problem by its id; NotFoundError only where the system answers 404 or 410."""
        ...

    async def elsewhere(self) -> Mapping[str, str]:
        """Return the settings with which this system does give problems, where they can be found out; else nothing."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ProblemReader(Protocol):
    """Reads problems. Pure; UnreadableError for what cannot be read."""

    def read_problem(
        self,
        item: object,
        *,
        asked_at: datetime,
        via: Via,
        digest: bytes | None = None,
        vocabulary: SourceVocabulary = ...,
        summary: bool = False,
    ) -> Observation:
        """Return what a row, or the answer to a request by id, says. `digest`: that of the row. `summary`: a row that
        lacks what a whole problem has is a patch.
        """
        ...

    def digests(self, rows: Iterable[Row], *, vocabulary: SourceVocabulary, in_any_order: bool = False) -> list[bytes]:
        """Return a digest of each row: rows with the same one are read the same. `in_any_order`: the order of the
        attributes does not matter.
        """
        ...

    def stamp(self, row: Row) -> datetime | None:
        """Return the time of the last update; None where there is none that can be used."""
        ...

    def detect_version(self, item: Any) -> str | None:
        """Return the version of the model that an item is written in; None: it does not tell."""
        ...

    def first_summary(self, items: Iterable[Any]) -> int | None:
        """Return the position of the first item that may be a summary."""
        ...

    def withheld(self, summary: Mapping[str, Any], whole: Mapping[str, Any]) -> frozenset[str]:
        """Return the attributes that a row lacks and the whole problem has."""
        ...


class SystemKind(Protocol[SettingsOfKind_contra, ClientOfKind]):
    """Makes what serves the sources of one kind, whose settings and clients have classes of their own."""

    def client(self, name: str, settings: SettingsOfKind_contra, on_request: OnRequest, /) -> ClientOfKind:
        """Make the client of a source; `on_request` is called for each request."""
        ...

    def writer(
        self,
        client: ClientOfKind,
        settings: SettingsOfKind_contra,
        version: Callable[[], str | None],
        vocabulary: SourceVocabulary,
        /,
    ) -> TicketWriter:
        """Make what writes tickets to a source. `version` returns that of the model, found out so far."""
        ...

    async def notices(self, client: ClientOfKind, /) -> list[Notice]:
        """Look at what only this kind of system has, and what its settings rely on."""
        ...
