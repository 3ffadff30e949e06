"""What can be set of a source that is a ServiceNow instance, beside what every source has."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from bridge.settings.source import SourceSettings
from bridge.settings.values import Seconds, Words

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,79}")


def _column(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError("should be a name as ServiceNow has them: small letters, digits and _")
    return name


def _columns(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_column, names))


def _encoded_query(query: str) -> str:
    if "ORDERBY" in query.upper() or "^NQ" in query.upper():
        raise ValueError("should have no ORDERBY and no ^NQ: the order is ours, and ^NQ would undo what is added")
    if not query.isprintable() or query.strip("^") != query:
        raise ValueError("should be an encoded query without line breaks and without ^ at its ends")
    return query


def _path(path: str) -> str:
    segments = set(path.split("/"))
    if path and (not path.startswith("/") or "{state}" not in segments or not {"{number}", "{sys_id}"} & segments):
        raise ValueError("should be a path such as /api/x_acme/problem/{number}/new_state/{state}")
    return path


TableName = Annotated[str, AfterValidator(_column)]
"""The name of a table or a column."""


class ServiceNowSettings(SourceSettings):
    """A table of a ServiceNow instance, by its Table API; `url` is the instance, https://NAME.service-now.com."""

    kind: Literal["servicenow"] = "servicenow"
    """kind of system: servicenow"""
    table: TableName = "incident"
    """table with the tickets: incident, problem, sn_sprb_mgmt_case, or any other that extends task"""
    query: Annotated[str, AfterValidator(_encoded_query)] = ""
    """encoded query that tickets must meet, "assignment_group=…^active=true"; empty: the whole table"""
    fields: Annotated[tuple[str, ...], AfterValidator(_columns), Words] = ()
    """list of the columns that are read, beside those the bridge needs; empty: all"""
    display_values: bool = True
    """true: names of people, groups and places are requested too; false: they are sys_ids, and answers are smaller"""
    journals: Literal["none", "sys_journal_field", "display"] = "none"
    """how notes are read: none, sys_journal_field (the account needs the right to read it), or display (from the
    display values of a ticket: their times are not known)"""
    notes_field: Literal["work_notes", "comments"] = "work_notes"
    """journal that notes are written to: work_notes, or comments, which the caller sees"""
    write_by: Literal["table", "trouble_ticket"] = "table"
    """how tickets are written: table (Table API), or trouble_ticket (the TMF621 API of ServiceNow, for an account that
    may write by nothing else); they are read by the Table API in both"""
    import_set: str = ""
    """staging table whose transform map coalesces on the key, through which tickets are created; empty: by POST"""
    state_path: Annotated[str, AfterValidator(_path)] = ""
    """path of a scripted endpoint that moves the state of a problem, which the Table API does not since Rome:
    /api/x_acme/problem/{number}/new_state/{state}"""
    settle_seconds: Seconds = Field(default=90, ge=1, le=86_400)
    """longest time that the instance may still work on a request we gave up, 1 to 86400; its own limit is 60"""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """requests to the instance at a time, 1 to 64; an account has a few sessions at once, others wait there"""

    @property
    def lists_by_query(self) -> bool:
        """Hints may name any ticket of the table."""
        return bool(self.query)
