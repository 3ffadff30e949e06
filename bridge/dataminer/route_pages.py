"""The pages of the ticket routes, one after the other by `next`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bridge.http.errors import MalformedAnswerError


@dataclass(frozen=True, slots=True)
class RoutesPage:
    """One page, its tickets as problems."""

    items: list[Any]
    asked_at: datetime
    server_at: datetime | None
    tickets: list[Any]
    after: str | None


class RoutesClient(Protocol):
    """What the pages are asked of."""

    @property
    def list_address(self) -> str: ...

    async def page(
        self, *, since: datetime | None = None, after: str | None = None, key: str | None = None
    ) -> RoutesPage: ...


class RoutePages:
    """The pages of the list, one after the other."""

    def __init__(self, client: RoutesClient, since: datetime | None, key: str | None = None) -> None:
        """Begin at `since`, or with the ticket that was changed longest ago."""
        self._client = client
        self._since = since
        self._key = key
        self._after: str | None = None
        self._over = False

    async def next_page(self) -> RoutesPage | None:
        """Return the next page, None after the last one. MalformedAnswerError where the system does not move on."""
        if self._over:
            return None
        page = await self._client.page(since=self._since, after=self._after, key=self._key)
        if page.after is not None and page.after == self._after:
            raise MalformedAnswerError(f"{self._client.list_address} always answers the same page: it ignores `after`")
        self._after = page.after
        self._over = page.after is None
        return page
