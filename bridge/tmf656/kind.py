"""The kind `tmf656`: a server of the TMF656 API."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.domain.notice import Notice
from bridge.domain.vocabulary import SourceVocabulary
from bridge.http.request import OnRequest
from bridge.settings import Tmf656Settings
from bridge.tmf656.client import Client

if TYPE_CHECKING:
    from bridge.tmf656.problem_writer import ProblemWriter


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

    async def notices(self, _: Client) -> list[Notice]:
        """Nothing that `check` does not look at for every kind."""
        return []
