"""Where a value stands in a ticket: a plain path (`fields.Incident Number`), a JMESPath, or `@id` and such. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.ticket_system import Record
from bridge.errors import ConfigurationError

_PLAIN: Final = re.compile(r"[^.\[\]\"'`(){}|&*,!<>=?:]+(\.[^.\[\]\"'`(){}|&*,!<>=?:]+)*")
"""What no operator of JMESPath stands in; names may hold blanks."""
ABOUT: Final = ("@id", "@url", "@created_at", "@updated_at", "@key", "@source")
"""What every ticket has, whatever its record says."""


@dataclass(frozen=True, slots=True)
class RecordPath:
    """A place in a ticket. `names`: of a plain path, which alone can be written to; else empty."""

    text: str
    names: tuple[str, ...] = ()
    _compiled: ParsedResult | None = field(default=None, compare=False, repr=False)

    @property
    def of_record(self) -> bool:
        """Is it found in the record alone?"""
        return self.text not in ABOUT

    def find(self, ticket: SideTicket) -> Any:
        """Return the value in a ticket; None where there is none."""
        return self.find_in(ticket.record) if self.of_record else ticket.about(self.text[1:])

    def find_in(self, record: Mapping[str, Any]) -> Any:
        """Return the value in a record; None where there is none, or where the expression does not fit the values."""
        if self.names:
            return _walk(record, self.text, self.names)
        if self._compiled is None:
            return None
        try:
            return self._compiled.search(record)
        except (JMESPathError, TypeError, ValueError):  # "2" < 3 is a TypeError there
            return None

    def put(self, value: Any) -> Record:
        """Return a record with this value at the path."""
        for name in reversed(self.names):
            value = {name: value}
        return dict(value)


def read_path(text: str) -> RecordPath:
    """Read a path; ConfigurationError saying what cannot be read."""
    if text in ABOUT:
        return RecordPath(text)
    if _PLAIN.fullmatch(text):
        return RecordPath(text, tuple(text.split(".")))
    try:
        return RecordPath(text, (), jmespath.compile(text))
    except JMESPathError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigurationError(
            [f"{text!r} is no path such as name, fields.Incident Number or a JMESPath: {reason}"]
        ) from error


def text_of(value: Any) -> str:
    """Return a value of JSON as the text that is compared; null is the empty text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(sorted(text_of(each) for each in value))
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _walk(record: Mapping[str, Any], text: str, names: tuple[str, ...]) -> Any:
    """A name may hold the dots itself, as ServiceNow writes fields of a reference (`assigned_to.name`)."""
    if text in record:
        return record[text]
    value: Any = record
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
