"""What can be set of a source that is a DataMiner System, beside what every source has."""

from typing import Literal

from pydantic import Field

from bridge.settings.source import SourceSettings
from bridge.settings.values import Whole


class DataminerSettings(SourceSettings):
    """DataMiner with legacy Ticketing (10.0.13 to 10.5), by Web Services v1; `url` is where the DataMiner Agent is."""

    kind: Literal["dataminer"] = "dataminer"
    """kind of system: dataminer"""
    ticket_type: str = ""
    """name or GUID of the ticket type (domain); empty: the only one there is"""
    name_field: str = "Name"
    """field that is the name of a ticket; empty: none"""
    description_field: str = "Description"
    """field that is the description of a ticket; empty: none"""
    priority_field: str = "Priority"
    """field that is the priority of a ticket; empty: none"""
    owner_field: str = "Owner"
    """field that names who works on a ticket; empty: none"""
    update_sends: Literal["whole", "changed"] = "whole"
    """whole or changed: send all fields with an update, or, where DataMiner keeps the others, the changed ones"""
    client_app_name: str = "tmf656-bridge"
    """name of the application at login, as the licence of the DataMiner Agent has it"""
    concurrency: Whole = Field(default=4, ge=1, le=64)
    """requests to the source at a time, 1 to 64; further ones wait"""

    @property
    def untimed_filter(self) -> str:
        """Legacy tickets have no time of their last change: a poll reads those that are or were active."""
        return "active"


class DataminerApiSettings(SourceSettings):
    """DataMiner with Ticketing 2 (10.5 and later), by a user-defined API; `url` is what its routes begin with."""

    kind: Literal["dataminer-api"] = "dataminer-api"
    """kind of system: dataminer-api"""
    concurrency: Whole = Field(default=4, ge=1, le=64)
    """requests to the source at a time, 1 to 64; further ones wait"""
