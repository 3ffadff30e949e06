"""Clients of others at work on an instance: `python servicenow_clients.py CLIENT URL` prints what they saw, as JSON.

Each runs in a process of its own: they are old, and warn of what Python and their libraries have become. All log in as
`judge` with the password `k`.
"""

import asyncio
import json
import sys
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

warnings.simplefilter("ignore")

USER, PASSWORD = "judge", "k"


def pysnow_at_work(url: str) -> dict[str, Any]:
    """Create, find, change and delete; query with an order and a limit."""
    import pysnow  # noqa: PLC0415 -- the others are not needed

    client = pysnow.Client(host=urlsplit(url).netloc, user=USER, password=PASSWORD, use_ssl=False)
    incidents = client.resource(api_path="/table/incident")
    made = incidents.create(payload={"short_description": "judged", "correlation_id": "k1", "impact": "1"}).one()
    changed = incidents.update(query={"correlation_id": "k1"}, payload={"state": "2"}).one()
    query = pysnow.QueryBuilder().field("short_description").starts_with("judged").AND().field("state").equals("2")
    found = [each["number"] for each in incidents.get(query=query, fields=["number"]).all()]
    newest = incidents.get(
        query=pysnow.QueryBuilder().field("number").order_descending().AND().field("active").equals("true"), limit=2
    ).all()
    refused = None
    try:
        incidents.update(query={"correlation_id": "k1"}, payload={"state": "6"}).one()
    except Exception as error:  # noqa: BLE001 -- whatever it makes of a refusal
        refused = str(error)
    deleted = incidents.delete(query={"correlation_id": "k1"})
    gone = incidents.get(query={"correlation_id": "k1"}).one_or_none()
    return {
        "made": made["number"],
        "states": [made["state"], changed["state"]],
        "found": found,
        "newest": len(list(newest)),
        "refused": refused,
        "deleted": deleted["status"] if isinstance(deleted, dict) else str(deleted),
        "gone": gone is None,
    }


async def aiosnow_at_work(url: str) -> dict[str, Any]:
    """Create by a typed model, note, and read the journal; over TLS, which it insists on."""
    import aiosnow  # noqa: PLC0415 -- the others are not needed
    from aiosnow.models.table.declared import IncidentModel, JournalModel  # noqa: PLC0415 -- the others are not needed

    client = aiosnow.Client(urlsplit(url).netloc, basic_auth=(USER, PASSWORD))
    async with IncidentModel(client, table_name="incident") as incidents:
        made = (await incidents.create({"short_description": "judged", "impact": 1})).data
        changed = await incidents.update(IncidentModel.number == made["number"], {"work_notes": "a note", "state": 2})
        listed = await incidents.get(IncidentModel.short_description.starts_with("judged"), limit=5)
    async with JournalModel(client, table_name="sys_journal_field") as journal:
        notes = await journal.get(JournalModel.element_id == made["sys_id"])
    return {
        "made": made["number"],
        "impact": made["impact"].key,
        "state": changed.data["state"].key,
        "listed": len(listed.data),
        "notes": [each["value"] for each in notes.data],
    }


def snowloader_at_work(url: str) -> dict[str, Any]:
    """Read everything by offset, by keyset, and since a time, each checked against the count. The instance is its
    proxy: it takes no address without a domain.
    """
    from snowloader.connection import SnowConnection  # noqa: PLC0415 -- the others are not needed

    with SnowConnection("http://judge.example", username=USER, password=PASSWORD, proxy=url, page_size=7) as reader:

        def ids(**how: Any) -> list[str]:
            return sorted(str(each["sys_id"]) for each in reader.get_records("incident", fields=["sys_id"], **how))

        recent = datetime.now(UTC) - timedelta(days=1)
        return {
            "count": reader.get_count("incident"),
            "offset": ids(verify=True),
            "keyset": ids(keyset=True),
            "since": ids(since=recent),
            "active": len(ids(query="active=true^impact=1")),
            "threads": sorted(str(each["sys_id"]) for each in reader.concurrent_get_records("incident")),
        }


def main(client: str, url: str) -> None:
    """Run one of them."""
    match client:
        case "pysnow":
            seen = pysnow_at_work(url)
        case "aiosnow":
            seen = asyncio.run(aiosnow_at_work(url))
        case _:
            seen = snowloader_at_work(url)
    sys.stdout.write(json.dumps(seen, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
