"""The page of the configuration: every setting and its origin, changing what may be changed here, and its history.

A change is three requests: the form, a review that says what would change and has secrets encrypted, and the save with
a reason. The save carries the revision that its page was made from: with another one since it is answered 409.
"""

from collections.abc import Sequence
from typing import Any, Final

import anyio
from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.settings.listing import SettingRow, as_text, setting_rows
from bridge.settings.overlay import LayeredSettings, SettingsOverlay
from bridge.sources.connection_check import ConnectionFinding, check_connection
from bridge.storage import audit, setting
from bridge.storage.audit import AuditEntry
from bridge.storage.database import Connection
from bridge.storage.setting import RevisionConflictError, SettingRevision
from bridge.web.console.ask import audit_entry, who_of
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.setting_edit import (
    EditReview,
    SettingsEdit,
    is_address,
    is_guarded,
    read_edit,
    review,
    untouched,
)
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

_HISTORY: Final = 20
_SINCE: Final = 100
_LONGEST_REASON: Final = 500
_testing = anyio.Lock()
"""One try of a connection at a time."""


def layers_of(visit: Visit, overlay: SettingsOverlay) -> LayeredSettings:
    """Return the settings as they are now: the file as the console was started with it, the overlay as it was read."""
    return LayeredSettings(visit.base, overlay)


async def _configuration(visit: Visit) -> web.StreamResponse:
    query = {name: values[-1] for name, values in visit.query.items()}
    if strange := sorted(query.keys() - {"edit", "saved"}):
        raise Refusal(400, "unknown_parameter", f"This page has no parameter {', '.join(map(repr, strange))}.")
    async with visit.reading() as connection:
        layers = layers_of(visit, await setting.current(connection))
        history = await setting.history(connection, before=2**62, limit=_HISTORY)
    rows = setting_rows(layers)
    return visit.page(
        "configuration.html",
        rows=rows,
        edited=_edited(rows, query.get("edit")),
        blocks=_blocks(layers, rows),
        revision=layers.overlay.revision,
        faults=layers.faults,
        history=history,
        saved=query.get("saved"),
        has_key_file=layers.base.console.secret_key_file is not None,
        as_text=as_text,
    )


def _edited(rows: list[SettingRow], key: str | None) -> SettingRow | None:
    return next((row for row in rows if row.key == key and row.editable), None)


def _blocks(layers: LayeredSettings, rows: list[SettingRow]) -> list[dict[str, Any]]:
    """What the connector's own page had, for each source: the rows of its keys by name."""
    found = []
    by_key = {row.key: row for row in rows}
    for name in layers.resolved().sources:
        table = {key.rpartition(".")[2]: row for key, row in by_key.items() if key.startswith(f"sources.{name}.")}
        here = [key for key in layers.overlay.entries if key.startswith(f"sources.{name}.")]
        found.append({"name": name, "rows": table, "added_here": name not in layers.base.sources, "here": here})
    return found


async def _review(visit: Visit) -> web.StreamResponse:
    """Review a form; where somebody else saved after its page was loaded, what they did, and what this form changed."""
    edit = read_edit(visit.form)
    async with visit.reading() as connection:
        layers = layers_of(visit, await setting.current(connection))
        base = _number(visit.field("revision")) if "revision" in visit.form else layers.overlay.revision
        if base == layers.overlay.revision:
            return _reviewed(visit, layers, edit)
        values, _ = await setting.values_at(connection, base)
        since = await _since(connection, base)
    edit.leave_out(untouched(edit, values, layers.base))
    return _conflict_page(visit, layers, edit, since, reason="")


async def _restore(visit: Visit) -> web.StreamResponse:
    """Review what takes the settings back to how they were after a revision; secrets stay as they are."""
    number = _number(visit.field("number"))
    async with visit.reading() as connection:
        layers = layers_of(visit, await setting.current(connection))
        values, secrets = await setting.values_at(connection, number)
    now = {key: entry for key, entry in layers.overlay.entries.items() if entry.sealed is None}
    edit = SettingsEdit(
        values={key: value for key, value in values.items() if key not in now or now[key].value != value},
        resets={key for key in now if key not in values and key not in secrets},
        short=True,
    )
    return _reviewed(visit, layers, edit, reason=f"restore revision {number}")


def _reviewed(visit: Visit, layers: LayeredSettings, edit: SettingsEdit, *, reason: str = "") -> web.Response:
    found = review(layers, edit)
    return visit.page(
        "configuration_review.html",
        status=400 if found.faults else 200,
        **_review_values(found, layers.overlay.revision, edit, reason),
    )


def _review_values(found: EditReview, revision: int, edit: SettingsEdit, reason: str) -> dict[str, Any]:
    return {
        "faults": found.faults,
        "changes": found.changes,
        "moved": found.moved,
        "short": edit.short,
        "revision": revision,
        "reason": reason,
        "as_text": as_text,
        "since": (),
    }


async def _save(visit: Visit) -> web.StreamResponse:
    base, edit = _number(visit.field("revision")), read_edit(visit.form)
    reason = visit.field("reason").strip()[:_LONGEST_REASON]
    if any(is_guarded(key) for key in edit.keys):
        await visit.require_confirmation()
    try:
        async with visit.writing() as connection:
            overlay = await setting.current(connection)
            layers = layers_of(visit, overlay)
            found = _complete(review(layers, edit), edit, reason)
            if overlay.revision == base and found.faults:
                return _refused(visit, found, base, edit, reason)
            changes = {each.key: each.change for each in found.changes}
            number = await setting.append(connection, base, who_of(visit), reason, changes, via="console")
            await audit.record(connection, _entry(visit, found, number, reason))
    except RevisionConflictError:
        return await _conflict(visit, base, edit, reason)
    return visit.redirect(f"/configuration?saved={number}")


def _complete(found: EditReview, edit: SettingsEdit, reason: str) -> EditReview:
    """Add what a save needs beyond the review: a reason, and the name of a source that moves."""
    faults = list(found.faults)
    if not reason:
        faults.append("say why: the reason stands in the history")
    if not found.faults and not found.changes:
        faults.append("nothing would change")
    unconfirmed = [name for name in found.moved if name != edit.typed_source]
    faults += [f"type the name {name!r} to confirm that it is read from another address" for name in unconfirmed]
    return EditReview(found.changes, faults, found.moved, found.settings)


def _refused(visit: Visit, found: EditReview, base: int, edit: SettingsEdit, reason: str) -> web.Response:
    return visit.page("configuration_review.html", status=400, **_review_values(found, base, edit, reason))


async def _conflict(visit: Visit, base: int, edit: SettingsEdit, reason: str) -> web.Response:
    """Show what somebody else changed meanwhile, and this edit on top of it, to be confirmed again."""
    async with visit.reading() as connection:
        layers = layers_of(visit, await setting.current(connection))
        since = await _since(connection, base)
    return _conflict_page(visit, layers, edit, since, reason)


async def _since(connection: Connection, base: int) -> list[SettingRevision]:
    return [each for each in await setting.history(connection, before=2**62, limit=_SINCE) if each.id > base]


def _conflict_page(
    visit: Visit, layers: LayeredSettings, edit: SettingsEdit, since: Sequence[SettingRevision], reason: str
) -> web.Response:
    found = review(layers, edit)
    values = _review_values(found, layers.overlay.revision, edit, reason) | {"since": since}
    return visit.page("configuration_review.html", status=409, **values)


def _entry(visit: Visit, found: EditReview, number: int, reason: str) -> AuditEntry:
    """What the audit keeps of a save: no secret."""
    before = {each.key: each.before for each in found.changes}
    after = {each.key: each.after for each in found.changes}
    return audit_entry(visit, "configuration.save", f"revision {number}", before=before, after=after, reason=reason)


async def _test(visit: Visit) -> web.StreamResponse:
    """Try to reach a source with the values of the form; nothing is saved."""
    name, edit = visit.field("source").strip(), read_edit(visit.form)
    edit.short = True
    async with visit.reading() as connection:
        layers = layers_of(visit, await setting.current(connection))
    found = review(layers, edit) if edit.secrets == {} else _reviewed_without_key(layers, edit)
    known = layers.resolved().sources
    if any(each.key.split(".")[1] in known and is_address(each.key) for each in found.changes):
        # a password that is set would be sent there
        await visit.require_confirmation(keeps_form=False)
    if found.faults or found.settings is None:
        return visit.page("configuration_test.html", status=400, source=name, finding=None, faults=found.faults)
    source = found.settings.sources.get(name)
    if source is None:
        raise Refusal(400, "no_such_source", f"There is no source {name!r}.")
    try:
        _testing.acquire_nowait()
    except anyio.WouldBlock as error:
        raise Refusal(429, "busy", "Another connection is being tried: wait a moment.") from error
    try:
        if visit.client_for is None:
            raise Refusal(503, "unavailable", "This process cannot try connections: run `tmf656-bridge check`.")
        finding: ConnectionFinding = await check_connection(visit.client_for(name, source))
    finally:
        _testing.release()
    async with visit.writing() as connection:
        await _record_test(connection, visit, name, finding)
    return visit.page("configuration_test.html", source=name, finding=finding, faults=())


def _reviewed_without_key(layers: LayeredSettings, edit: SettingsEdit) -> EditReview:
    """A password can be tried where it cannot be saved: it goes through the review as a plain value."""
    plain = SettingsEdit(edit.values | edit.secrets, edit.resets, short=True)
    return review(layers, plain)


async def _record_test(connection: Connection, visit: Visit, name: str, finding: ConnectionFinding) -> None:
    outcome: Any = "done" if finding.works else "failed"
    entry = audit_entry(visit, "configuration.test", name, outcome=outcome, reason=finding.words)
    await audit.record(connection, entry)


def _number(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise Refusal(400, "malformed", "The number of a revision is missing: load the page again.")


ROUTES = (
    ConsoleRoute(
        hdrs.METH_GET, "/configuration", Permission.READ_CONFIGURATION, _configuration, navigation="Configuration"
    ),
    ConsoleRoute(hdrs.METH_POST, "/configuration/review", Permission.CHANGE_CONFIGURATION, _review),
    ConsoleRoute(hdrs.METH_POST, "/configuration/restore", Permission.CHANGE_CONFIGURATION, _restore),
    ConsoleRoute(hdrs.METH_POST, "/configuration/save", Permission.CHANGE_CONFIGURATION, _save),
    ConsoleRoute(hdrs.METH_POST, "/configuration/test", Permission.CHANGE_CONFIGURATION, _test),
)
