"""The kind `servicenow`: a table of a ServiceNow instance."""

from bridge.domain.notice import Notice
from bridge.domain.ticket_system import TicketWriter
from bridge.http.request import OnRequest
from bridge.servicenow.client import TableClient
from bridge.servicenow.inspection import inspect
from bridge.servicenow.trouble_ticket import TroubleTicketWriter
from bridge.servicenow.writer import TableWriter
from bridge.settings import ServiceNowSettings


class ServiceNowKind:
    """Makes what serves such a source."""

    def client(self, name: str, settings: ServiceNowSettings, on_request: OnRequest) -> TableClient:
        """Make the client of a source."""
        return TableClient(name, settings, on_request=on_request)

    def writer(self, client: TableClient, settings: ServiceNowSettings, *_: object) -> TicketWriter:
        """Make what writes tickets to a source, by the API that the settings name."""
        return TroubleTicketWriter(client) if settings.write_by == "trouble_ticket" else TableWriter(client)

    async def notices(self, client: TableClient) -> list[Notice]:
        """Look at what the settings rely on in the table."""
        return await inspect(client)
