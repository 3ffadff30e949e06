"""Keys of a source that are taken and would do nothing, because of its kind or of another key: they are refused."""

from typing import Any

from bridge.settings.dataminer import DataminerApiSettings
from bridge.settings.draft import Draft
from bridge.settings.section import Key
from bridge.settings.servicenow import ServiceNowSettings
from bridge.settings.source import SourceSettings, Tmf656Settings


def check_effect(draft: Draft, key: Key, table: dict[str, Any], model: type[SourceSettings]) -> None:
    """Find those of one source, whose settings are of the class `model`."""
    given = {name for name, value in table.items() if value not in ("", None, {})}
    _check_key_field(draft, key, table, model)
    if model is Tmf656Settings:
        _check_steps(draft, key, table, given)
    if model is ServiceNowSettings:
        _check_ways(draft, key, table, given)


def _check_key_field(draft: Draft, key: Key, table: dict[str, Any], model: type[SourceSettings]) -> None:
    """Where a kind has one place for keys, another one is not looked at."""
    if not table.get("key_field"):
        return
    if model is DataminerApiSettings:
        why = "the script behind the routes keeps keys"
    elif model is Tmf656Settings and table.get("profile") != "servicenow-facade":
        why = "keys stand in externalIdentifier, or in correlationId"
    else:
        return
    draft.fault((*key, "key_field"), f"has no meaning here: {why}; take it out", table["key_field"])


def _check_steps(draft: Draft, key: Key, table: dict[str, Any], given: set[str]) -> None:
    """What only some servers of TMF656 can do."""
    facade = table.get("profile") == "servicenow-facade"
    for name in ("status_steps", "propose_id") if facade else ():
        if table.get(name) is True:
            draft.fault((*key, name), 'has no meaning beside profile = "servicenow-facade"; take it out')
    version = str(table.get("version", "auto"))
    if table.get("propose_id") is True and version not in ("auto", "5"):
        draft.fault((*key, "propose_id"), f"needs version 5, and version is {version}; take it out")
    for name in sorted(
        {"hub_query", "subscription_renew_seconds", "silence_min_seconds", "silence_max_seconds"} & given
    ):
        if facade:
            draft.fault(
                (*key, name), 'has no meaning beside profile = "servicenow-facade", which has no hub; take it out'
            )


def _check_ways(draft: Draft, key: Key, table: dict[str, Any], given: set[str]) -> None:
    """Keys of ServiceNow that belong to one way of writing, or to one table."""
    if table.get("write_by") == "trouble_ticket":
        for name in sorted({"import_set", "key_field", "state_path"} & given):
            draft.fault((*key, name), 'has no meaning beside write_by = "trouble_ticket"; take one of them out')
    elif "state_path" in given and table.get("table", "incident") != "problem":
        draft.fault((*key, "state_path"), 'needs table = "problem" beside it; others are moved by the Table API')
