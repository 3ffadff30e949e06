"""People at work in the simulated systems, by plain HTTP: nothing here knows the bridge or its clients.

A `Desk` is one system as a person at it sees it: tickets by id, their fields by the names of the system, their notes.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

Json = dict[str, Any]
_NUMBERS = itertools.count(1)
_ALSO_SAID: dict[str, dict[str, str]] = {
    "3": {"hold_reason": "4"},
    "6": {"close_code": "Solved", "close_notes": "done"},
    "7": {"close_code": "Solved", "close_notes": "done"},
    "102": {"assigned_to": "eva"},
    "106": {"resolution_code": "fix_applied", "cause_notes": "dust", "fix_notes": "cleaned"},
}
"""What a person at ServiceNow has to say with a state."""
USER, PASSWORD, TOKEN, TICKET_TYPE = "bridge", "a-passw0rd-of-18", "a-t0ken-of-16-ch", "SES"


class Desk(Protocol):
    """What a person does in one system."""

    http: aiohttp.ClientSession
    url: str

    async def open(self, **values: str) -> str:
        """Make a ticket and return its id."""
        ...

    async def write(self, ticket: str, **values: str) -> None:
        """Change fields."""
        ...

    async def read(self, ticket: str) -> Json:
        """Return the fields of a ticket."""
        ...

    async def tickets(self) -> list[str]:
        """Return the ids of all tickets."""
        ...

    async def note(self, ticket: str, text: str) -> None:
        """Add a note that the other side is to see."""
        ...

    async def notes(self, ticket: str) -> list[str]:
        """Return all notes, the oldest first."""
        ...

    async def delete(self, ticket: str) -> None:
        """Delete a ticket."""
        ...


async def _json(answer: aiohttp.ClientResponse) -> Any:
    body = await answer.read()
    assert answer.status < 300, (answer.method, str(answer.url), answer.status, body)
    return await answer.json(content_type=None) if body else None


@dataclass
class ProblemDesk:
    """A TMF656 server of version 4."""

    http: aiohttp.ClientSession
    url: str

    async def open(self, **values: str) -> str:
        party = {"id": "eva", "role": "originator", "@referredType": "Individual"}
        given = {"category": "c", "reason": "r", "description": "d", "priority": 3, "originatorParty": party} | values
        async with self.http.post(f"{self.url}/serviceProblem", json=given) as answer:
            return str((await _json(answer))["id"])

    async def write(self, ticket: str, **values: Any) -> None:
        async with self.http.patch(f"{self.url}/serviceProblem/{ticket}", json=values) as answer:
            await _json(answer)

    async def read(self, ticket: str) -> Json:
        async with self.http.get(f"{self.url}/serviceProblem/{ticket}") as answer:
            found: Json = await _json(answer)
            return found | {"priority": str(found["priority"])}

    async def tickets(self) -> list[str]:
        async with self.http.get(f"{self.url}/serviceProblem?limit=1000") as answer:
            return [each["id"] for each in await _json(answer)]

    async def note(self, ticket: str, text: str) -> None:
        held = (await self.read(ticket)).get("note") or []
        written = {"id": f"person-{next(_NUMBERS)}", "author": "eva", "text": text}
        await self.write(ticket, note=[*held, written])

    async def notes(self, ticket: str) -> list[str]:
        return [note["text"] for note in (await self.read(ticket)).get("note") or []]

    async def delete(self, ticket: str) -> None:
        async with self.http.delete(f"{self.url}/serviceProblem/{ticket}") as answer:
            await _json(answer)


@dataclass
class TableDesk:
    """A table of a ServiceNow instance. A person there has to say more with some states."""

    http: aiohttp.ClientSession
    url: str
    table: str = "incident"

    def _at(self, ticket: str = "") -> str:
        return f"{self.url}/api/now/table/{self.table}" + (f"/{ticket}" if ticket else "")

    async def open(self, **values: str) -> str:
        given = {"impact": "2", "urgency": "2"} | values
        async with self.http.post(self._at(), json=given) as answer:
            return str((await _json(answer))["result"]["sys_id"])

    async def write(self, ticket: str, **values: str) -> None:
        values = _ALSO_SAID.get(values.get("state", ""), {}) | values
        if self.table == "problem" and "state" in values:
            number, state = (await self.read(ticket))["number"], values.pop("state")
            url = f"{self.url}/api/x_acme/problem/{number}/new_state/{state}"
        else:
            url = self._at(ticket)
        async with self.http.patch(url, json=values) as answer:
            await _json(answer)

    async def read(self, ticket: str) -> Json:
        async with self.http.get(self._at(ticket)) as answer:
            record = (await _json(answer))["result"]
            return {name: value["value"] if isinstance(value, dict) else value for name, value in record.items()} | {
                "priority": f"{record['impact']}/{record['urgency']}"
            }

    async def tickets(self) -> list[str]:
        async with self.http.get(self._at() + "?sysparm_query=ORDERBYsys_created_on") as answer:
            return [each["sys_id"] for each in (await _json(answer))["result"]]

    async def note(self, ticket: str, text: str) -> None:
        await self.write(ticket, comments=text)

    async def journal(self, ticket: str, name: str = "") -> list[str]:
        """Return the entries of a journal, or of all."""
        query = f"element_id={ticket}" + (f"^element={name}" if name else "") + "^ORDERBYsys_created_on"
        url = f"{self.url}/api/now/table/sys_journal_field"
        async with self.http.get(url, params={"sysparm_query": query}) as answer:
            return [each["value"] for each in (await _json(answer))["result"]]

    async def notes(self, ticket: str) -> list[str]:
        return await self.journal(ticket)

    async def delete(self, ticket: str) -> None:
        async with self.http.delete(self._at(ticket)) as answer:
            await _json(answer)


@dataclass
class RoutesDesk:
    """DataMiner's Ticketing 2; a person has an app there, and we its routes."""

    http: aiohttp.ClientSession
    url: str

    async def open(self, **values: str) -> str:
        given = {"priority": "Medium", "description": "d", "type": "Incident Report"} | values
        body = {"key": f"person-{next(_NUMBERS)}", "fields": given}
        async with self.http.post(f"{self.url}/tickets", json=body) as answer:
            return str((await _json(answer))["id"])

    async def write(self, ticket: str, **values: str) -> None:
        async with self.http.put(f"{self.url}/ticket", params={"id": ticket}, json=values) as answer:
            await _json(answer)

    async def read(self, ticket: str) -> Json:
        async with self.http.get(f"{self.url}/ticket", params={"id": ticket}) as answer:
            found: Json = await _json(answer)
            return found

    async def tickets(self) -> list[str]:
        async with self.http.get(f"{self.url}/tickets", params={"limit": "500"}) as answer:
            return [each["id"] for each in (await _json(answer))["tickets"]]

    async def note(self, ticket: str, text: str) -> None:
        body = {"code": f"person-{next(_NUMBERS)}", "author": "eva", "text": text}
        async with self.http.post(f"{self.url}/notes", params={"id": ticket}, json=body) as answer:
            await _json(answer)

    async def notes(self, ticket: str) -> list[str]:
        return [note["text"] for note in (await self.read(ticket))["notes"]]

    async def delete(self, ticket: str) -> None:
        raise NotImplementedError("the routes delete nothing")


@dataclass
class CubeDesk:
    """DataMiner's legacy Ticketing, by Web Services v1; its tickets have no notes."""

    http: aiohttp.ClientSession
    url: str
    _session: str = field(default="", repr=False)

    async def _call(self, method: str, **arguments: Any) -> Any:
        if not self._session:
            login = {"host": "localhost", "login": USER, "password": PASSWORD}
            app = {"clientAppName": "Cube", "clientAppVersion": "", "clientComputerName": "desk"}
            async with self.http.post(f"{self.url}/API/v1/Json.asmx/ConnectApp", json=login | app) as answer:
                self._session = (await _json(answer))["d"]
        document = {"connection": self._session} | arguments
        async with self.http.post(f"{self.url}/API/v1/Json.asmx/{method}", json=document) as answer:
            return (await _json(answer))["d"]

    async def open(self, **values: str) -> str:
        [kind] = await self._call("GetTicketTypes")
        given = {"State": "New", "Priority": "Medium", "Description": "d"} | values
        ticket = {"TicketTypeID": kind["ID"], "Fields": _cube_fields(given)}
        agent, number, _ = await self._call("CreateTicket", ticket=ticket)
        return f"{agent}/{number}"

    async def write(self, ticket: str, **values: str) -> None:
        agent, _, number = ticket.partition("/")
        changed = {"DataMinerID": int(agent), "ID": int(number), "Fields": _cube_fields(values)}
        await self._call("UpdateTicket", ticket=changed)

    async def read(self, ticket: str) -> Json:
        agent, _, number = ticket.partition("/")
        found = await self._call("GetTicketV2", dmaID=int(agent), ticketID=int(number), includeHistory=False)
        return {each["Name"]: each["DisplayValue"] for each in found["Fields"]}

    async def tickets(self) -> list[str]:
        times = {"utcStartTime": 0, "utcEndTime": 4_102_444_800_000}
        page = await self._call(
            "GetHistoryTicketsV2", filter={}, pageNumber=0, count=1000, orderBy="", orderAscending=True, **times
        )
        [listed] = [value for value in page.values() if isinstance(value, list)]
        return [f"{each['DataMinerID']}/{each['ID']}" for each in listed]

    async def note(self, ticket: str, text: str) -> None:
        raise NotImplementedError("legacy tickets have no notes")

    async def notes(self, ticket: str) -> list[str]:
        raise NotImplementedError("legacy tickets have no notes")

    async def delete(self, ticket: str) -> None:
        _, _, number = ticket.partition("/")
        await self._call("RemoveTicketV2", ticketID=int(number))


def _cube_fields(values: dict[str, str]) -> list[Json]:
    return [{"Name": name, "DisplayValue": value} for name, value in values.items()]
