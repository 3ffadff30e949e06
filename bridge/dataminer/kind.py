"""The kinds `dataminer` (legacy Ticketing by Web Services v1) and `dataminer-api` (Ticketing 2 by our routes)."""

from bridge.dataminer.api_client import TicketRoutesClient
from bridge.dataminer.inspection import inspect_routes, inspect_services
from bridge.dataminer.web_client import WebServicesClient
from bridge.domain.notice import Notice
from bridge.http.request import OnRequest
from bridge.settings import DataminerApiSettings, DataminerSettings


class WebServicesKind:
    """Makes what serves a source of the kind `dataminer`; its client also writes."""

    def client(self, name: str, settings: DataminerSettings, on_request: OnRequest) -> WebServicesClient:
        """Make the client of a source."""
        return WebServicesClient(name, settings, on_request=on_request)

    def writer(self, client: WebServicesClient, *_: object) -> WebServicesClient:
        """Return what writes tickets to a source."""
        return client

    async def notices(self, client: WebServicesClient) -> list[Notice]:
        """Compare the fields that the settings name with those of the ticket type."""
        return await inspect_services(client)


class TicketRoutesKind:
    """Makes what serves a source of the kind `dataminer-api`; its client also writes."""

    def client(self, name: str, settings: DataminerApiSettings, on_request: OnRequest) -> TicketRoutesClient:
        """Make the client of a source."""
        return TicketRoutesClient(name, settings, on_request=on_request)

    def writer(self, client: TicketRoutesClient, *_: object) -> TicketRoutesClient:
        """Return what writes tickets to a source."""
        return client

    async def notices(self, client: TicketRoutesClient) -> list[Notice]:
        """Look at what the script says of itself."""
        return await inspect_routes(client)
