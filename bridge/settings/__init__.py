"""The configuration: one TOML file, an overlay over it, environment variables over both, secrets also from files.

`load` is the one entrance. It reads everything once, at start, and either returns frozen `Settings` or raises one
`ConfigurationError` with every fault found, so that an operator corrects a file in one go. A fault names its key in
TOML form, the value (never that of a secret, nor of an unknown key, which may be a misspelt secret), what is wrong and
what would be right. Nothing runs in parallel here and nothing is written.

Relative paths count from the working directory.
"""

from bridge.settings.console import ConsoleSettings
from bridge.settings.dataminer import DataminerApiSettings, DataminerSettings
from bridge.settings.links import LinkFieldSettings, LinkSettings
from bridge.settings.model import (
    DatabaseSettings,
    HttpSettings,
    JournalSettings,
    LogSettings,
    RetentionSettings,
    Settings,
)
from bridge.settings.read import load, trace
from bridge.settings.servicenow import ServiceNowSettings
from bridge.settings.source import FilterSettings, PushSettings, SourceSettings, SystemSettings, Tmf656Settings

__all__ = [
    "ConsoleSettings",
    "DatabaseSettings",
    "DataminerApiSettings",
    "DataminerSettings",
    "FilterSettings",
    "HttpSettings",
    "JournalSettings",
    "LinkFieldSettings",
    "LinkSettings",
    "LogSettings",
    "PushSettings",
    "RetentionSettings",
    "ServiceNowSettings",
    "Settings",
    "SourceSettings",
    "SystemSettings",
    "Tmf656Settings",
    "load",
    "trace",
]
