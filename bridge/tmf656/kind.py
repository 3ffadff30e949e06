"""The kind `tmf656`: a server of the TMF656 API."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.domain.notice import Notice
from bridge.domain.vocabulary import SourceVocabulary
from bridge.errors import BridgeError
from bridge.http.request import OnRequest
from bridge.settings import Tmf656Settings
from bridge.tmf656.client import Client

if TYPE_CHECKING:
    from bridge.tmf656.problem_writer import ProblemWriter

_REQUESTS = 20
"""More than it takes to try every way of paging."""
_SMALLEST_CAP = 10
"""No server cuts its list after fewer rows."""


class Tmf656Kind:
    """Makes what serves such a source."""

    def client(self, name: str, settings: Tmf656Settings, on_request: OnRequest) -> Client:
        """Make the client of a source."""
        return Client(name, settings, on_request=on_request)

    def writer(
        self,
        client: Client,
        settings: Tmf656Settings,
        version: Callable[[], str | None],
        vocabulary: SourceVocabulary,
    ) -> "ProblemWriter":
        """Make what writes problems to a source, in the version found out so far."""
        from bridge.tmf656.facade_writer import FacadeWriter  # noqa: PLC0415 -- most sources are only read
        from bridge.tmf656.problem_writer import ProblemWriter  # noqa: PLC0415 -- as above

        writer = FacadeWriter if settings.is_facade else ProblemWriter
        return writer(client, settings, version=version, vocabulary=vocabulary)

    async def notices(self, client: Client) -> list[Notice]:
        """Say where nobody can tell whether the list is whole: one page for every request, and no number beside it."""
        listed = client.pages(max_requests=_REQUESTS)
        first = 0
        try:
            async for _ in listed:
                first = first or listed.distinct
                if listed.distinct > first:
                    return []
        except BridgeError:  # the first page was looked at before
            return []
        if not listed.on_one_page or listed.distinct < _SMALLEST_CAP:
            return []
        found = f"the same {listed.distinct:,} problems for whatever page is asked, and no total"
        return [
            Notice(
                "paging",
                None,
                found,
                "if the server itself shows more, its operator has to make it give all: the bridge cannot see them",
            )
        ]
