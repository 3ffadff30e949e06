"""Writes service problems to a gateway before ServiceNow, whose problems are records of a table.

The key of a problem stands in an attribute that is a column there (`key_field`), which an encoded query finds. Notes
are a journal: each that is sent is added, so a note is sent alone, and never with those that are there. A gateway that
does not answer the notes back is refused as a target of notes: a repeated one could not be recognised.
"""

from collections.abc import Mapping
from typing import Any, Final

from bridge.domain.note import with_code
from bridge.domain.ticket_system import Capabilities
from bridge.tmf656.filter_style import sysparm_query
from bridge.tmf656.problem_writer import ProblemWriter
from bridge.tmf656.wire.ticket import KEY_OWNER

_KEY: Final = "correlation_id"
"""Where ServiceNow keeps ids of other systems."""
_LISTED: Final = "characteristic."
"""Begins a `key_field` that is a characteristic."""


class FacadeWriter(ProblemWriter):
    """Writes to one gateway. May be used by many tasks at once."""

    @property
    def capabilities(self) -> Capabilities:
        """What ServiceNow can do by way of a gateway."""
        settings = self.settings
        return Capabilities(notes="append", settle_seconds=settings.settle_seconds, concurrency=settings.concurrency)

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:  # noqa: ARG002 -- the gateway chooses
        """Add a note, alone, unless one with this code is there. WriteRefusedError where it cannot be read back."""
        self.refuse([], f"a note to {ticket_id}")
        ticket = await self.fetch(ticket_id)
        if with_code(ticket.record, code):
            return
        body = {"note": [{"author": KEY_OWNER, "text": text}]}
        await self.patch(ticket_id, body, "4")
        self.require_note(await self.fetch(ticket_id), code)

    def keyed(self, draft: dict[str, Any], key: str, version: str) -> dict[str, Any]:  # noqa: ARG002 -- one place for all
        """Return a new problem with a key in the attribute that keeps it."""
        name = self._key_column
        if not self._is_characteristic:
            return draft | {name: key}
        others = draft.get("characteristic")
        listed = others if isinstance(others, list) else []
        return draft | {"characteristic": [*listed, {"name": name, "value": key}]}

    def carries(self, record: Mapping[str, Any], key: str) -> bool:
        """Does a problem carry this key, where it was put or as an external identifier?"""
        column, listed = self._key_column, record.get("characteristic")
        elements = [each for each in (listed if isinstance(listed, list) else []) if isinstance(each, dict)]
        named = [each.get("value") for each in elements if each.get("name") == column]
        return key in (record.get(column), *named) or super().carries(record, key)

    def key_query(self, key: str, version: str) -> str:  # noqa: ARG002 -- one way for all
        """Return the percent-encoded filter for the problems that carry a key."""
        return sysparm_query(self.settings.query, None, f"{self._key_column}={key}")

    @property
    def _is_characteristic(self) -> bool:
        return self.settings.key_field.startswith(_LISTED)

    @property
    def _key_column(self) -> str:
        """The name of the attribute, which is the column in an encoded query."""
        return self.settings.key_field.removeprefix(_LISTED) or _KEY
