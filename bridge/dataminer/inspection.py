"""What the settings of a source rely on at a DataMiner System, for `check`: the contract of the routes, the fields of
the ticket type.
"""

from collections.abc import Iterator

from bridge.dataminer.api_client import TicketRoutesClient
from bridge.dataminer.field_values import STATE
from bridge.dataminer.web_client import TicketType, WebServicesClient
from bridge.domain.notice import Notice
from bridge.domain.status import Status
from bridge.domain.vocabulary import SourceVocabulary
from bridge.errors import BridgeError


async def inspect_routes(client: TicketRoutesClient) -> list[Notice]:
    """Read what the script says of itself."""
    try:
        about = await client.about()
    except BridgeError as error:
        return [Notice("contract", False, str(error))]
    if about.writable is None:
        return [Notice("contract", None, "the route about answers no list of fields", "install TicketRoutes.cs again")]
    found = f"{len(about.writable)} fields can be written, {len(about.custom or ())} of them of ticket types"
    return [Notice("contract", True, found)]


async def inspect_services(client: WebServicesClient) -> list[Notice]:
    """Compare the fields that the settings name with those of the ticket type."""
    try:
        kind = await client.ticket_type()
    except BridgeError as error:
        return [Notice("ticket type", False, str(error))]
    return list(_of_type(client, kind))


def _of_type(client: WebServicesClient, kind: TicketType) -> Iterator[Notice]:
    key, settings = f"sources.{client.http.name}", client.settings
    known = ", ".join(sorted(kind.fields))
    named = {
        name: getattr(settings, name) for name in ("name_field", "description_field", "priority_field", "owner_field")
    }
    absent = [f"{name} = {value!r}" for name, value in named.items() if value and value not in kind.fields]
    if absent:
        remedy = f"set {key}.{absent[0].split()[0]} to one of {known}, or to nothing"
        yield Notice("fields", None, f"the ticket type has no field for {', '.join(absent)}", remedy)
    if kind.state is None:
        yield Notice("state", False, f"the ticket type has no field of type {STATE}", f"set {key}.ticket_type")
    else:
        vocabulary = SourceVocabulary(settings.status_map, settings.priority_map)
        words = [word for word in kind.state.choices if vocabulary.status(word) is Status.UNKNOWN]
        if words:
            yield Notice("state", None, f"not understood: {', '.join(words)}", f"map them in {key}.status_map")
    if settings.write and client.names.key not in kind.fields:
        remedy = f"add a field of type Text there, or set {key}.key_field"
        yield Notice("key", False, f"the ticket type has no field {client.names.key!r} for the keys of links", remedy)
