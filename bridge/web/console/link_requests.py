"""Buttons about links, writes, conflicts and rules: each asks the process that leads, by a request row.

What cannot be undone with another button, and what is done with all of a filter, is confirmed on a page of its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import hdrs, web
from msgspec import Struct

from bridge.domain.access import Permission
from bridge.domain.link.word_map import Side
from bridge.storage import console_link
from bridge.storage.conflict import DISMISSED
from bridge.storage.console_link import ConsoleRule
from bridge.storage.database import Connection
from bridge.storage.dead_letter import clean
from bridge.storage.request import RequestKind
from bridge.web.console.ask import ask
from bridge.web.console.frame import local_path
from bridge.web.console.link_filter import WriteFilter, read_write_filter
from bridge.web.console.page_parameters import whole_number
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

LINK_KINDS: Final[tuple[RequestKind, ...]] = (
    "retry_link",
    "retry_writes",
    "separate_link",
    "join_tickets",
    "resolve_conflict",
    "pause_rule",
    "resume_rule",
    "release_rule",
    "give_up_write",
)
RULE_ACTIONS: Final[Mapping[str, RequestKind]] = {
    "pause": "pause_rule",
    "resume": "resume_rule",
    "release": "release_rule",
}
_SEPARATIONS: Final = {"ignore": "ignored", "unlink": "separated"}
_GIVE_UP: Final = "give_up"
_OF_LINK: Final = (*_SEPARATIONS, _GIVE_UP)
_CHOICES: Final = (*(side.value for side in Side), DISMISSED)
_LONGEST_REASON: Final = 300


class Question(Struct, frozen=True):
    """What a person is asked before it is done. `fields`: what the form carries; `reason`: one may be given."""

    title: str
    words: tuple[str, ...]
    button: str
    fields: Mapping[str, str]
    path: str = "/links/ask"
    reason: bool = False
    danger: bool = False


def link_subject(number: int, field: str | None = None) -> str:
    """What a request about a link, or a field of it, is about."""
    return f"link {number}" if field is None else f"link {number} field {field}"


def rule_subject(rule: str) -> str:
    """What a request about a rule is about."""
    return f"rule {rule}"


async def _confirm(visit: Visit) -> web.StreamResponse:
    action, back = visit.field("action"), local_path(visit.field("next"))
    async with visit.reading() as connection:
        if action in ("pause", "release"):
            question = _of_rule(action, await _rule(connection, visit.field("rule")))
        elif action in _OF_LINK:
            question = await _of_link(connection, action, _number(visit, "link"))
        elif action == "join":
            question = await _of_tickets(connection, visit)
        else:
            raise Refusal(400, "malformed", f"action is one of pause, release, join, {', '.join(_OF_LINK)}.")
    return visit.page("link_question.html", question=question, back=back)


def _of_rule(action: str, rule: ConsoleRule) -> Question:
    fields = {"action": action, "rule": rule.name}
    if action == "pause":
        note = (
            "It stops before its next request; what is under way is settled, not cut. Changes on both sides are kept, "
            "and carried over once it goes on."
        )
        return Question(f"Pause rule {rule.name}?", (note,), "Pause", fields, reason=True)
    words = (
        rule.state_reason or "It is held by the circuit breaker.",
        f"It goes on with everything that it wanted to do. Look at that first: tmf656-bridge links plan {rule.name}",
    )
    return Question(f"Release rule {rule.name}?", words, "Release", fields, danger=True)


async def _of_link(connection: Connection, action: str, number: int) -> Question:
    found = await console_link.shown(connection, [number])
    if not found:
        raise _no_link(number)
    link = found[0]
    left, right = (f"{link[f'{side}_source']} {link[f'{side}_id'] or '(not made yet)'}" for side in ("left", "right"))
    fields = {"action": action, "link": str(number)}
    if action == _GIVE_UP:
        words = (
            f"{left} · {right}",
            "Its write was sent, and nobody knows whether it was done. Give it up where its target cannot be asked.",
            "What it said becomes a conflict, and the tickets stay linked.",
        )
        return Question(f"Give up the write of link {number}?", words, "Give up", fields, danger=True)
    undo = "They are not joined again until a person does so."
    if action == "ignore":
        words = (f"{left} · {right}", "It is left without a counterpart: what waits for it is dropped.", undo)
        return Question(f"Ignore link {number}?", words, "Ignore", fields, danger=True)
    words = (f"{left} · {right}", "Both tickets stay as they are, and changes are no longer carried over.", undo)
    return Question(f"Separate the tickets of link {number}?", words, "Separate", fields, danger=True)


async def _of_tickets(connection: Connection, visit: Visit) -> Question:
    rule = await _rule(connection, visit.field("rule"))
    left, right = (rule.left_source, _text(visit, "left")), (rule.right_source, _text(visit, "right"))
    known = await console_link.tickets(connection, left, right)
    for source, ticket in (left, right):
        if (source, ticket) not in known or known[source, ticket]["deleted_at"] is not None:
            raise Refusal(404, "no_such_ticket", f"No ticket {ticket!r} of {source} is known, or it was deleted.")
    words = tuple(
        f"{source} {ticket}: {known[source, ticket]['name'] or '(no name)'} ({known[source, ticket]['status']})"
        for source, ticket in (left, right)
    )
    note = "They are compared as at a first comparison, and what differs is written as the rule says."
    fields = {"action": "join", "rule": rule.name, "left": left[1], "right": right[1]}
    return Question(f"Join these two tickets by rule {rule.name}?", (*words, note), "Join", fields)


async def _ask(visit: Visit) -> web.StreamResponse:
    action = visit.field("action")
    if action in RULE_ACTIONS:
        rule = _text(visit, "rule")
        arguments: dict[str, Any] = {"rule": rule}
        if action == "pause":
            arguments["reason"] = (clean(visit.field("reason")) or "")[:_LONGEST_REASON]
        await _ask_about_rule(visit, RULE_ACTIONS[action], rule, arguments)
    elif action == "retry":
        number = _number(visit, "link")
        await _ask_about_link(visit, "retry_link", number, {"link": number})
    elif action in _SEPARATIONS:
        number = _number(visit, "link")
        await _ask_about_link(visit, "separate_link", number, {"link": number, "why": _SEPARATIONS[action]})
    elif action == _GIVE_UP:
        number = _number(visit, "link")
        await _ask_about_link(visit, "give_up_write", number, {"link": number})
    elif action == "join":
        arguments = {name: _text(visit, name) for name in ("rule", "left", "right")}
        await _ask_about_rule(visit, "join_tickets", arguments["rule"], arguments)
    elif action in _CHOICES:
        number, field, seen = _number(visit, "link"), clean(visit.field("field")) or "", _text(visit, "seen")
        arguments = {"link": number, "field": field, "choice": action, "seen": seen}
        await _ask_about_link(visit, "resolve_conflict", number, arguments, field)
    else:
        raise Refusal(400, "malformed", f"There is no action {action!r} here.")
    return visit.redirect(local_path(visit.field("next") or "/links"))


async def _ask_about_rule(visit: Visit, kind: RequestKind, rule: str, arguments: dict[str, Any]) -> None:
    async with visit.reading() as connection:
        await _rule(connection, rule)
    await ask(visit, None, kind, arguments, subject=rule_subject(rule))


async def _ask_about_link(
    visit: Visit, kind: RequestKind, number: int, arguments: dict[str, Any], field: str | None = None
) -> None:
    async with visit.reading() as connection:
        if await console_link.find(connection, number) is None:
            raise _no_link(number)
    await ask(visit, None, kind, arguments, subject=link_subject(number, field))


async def _confirm_writes(visit: Visit) -> web.StreamResponse:
    """Show how many blocked writes would be tried again."""
    chosen = _posted_filter(visit)
    async with visit.reading() as connection:
        writes, up_to = await console_link.blocked(connection, chosen.blocked)
    named = ", ".join(f"{name} {value}" for name, value in chosen.fields().items())
    question = Question(
        f"Try {writes:,} blocked writes again?",
        (
            f"Those of {named}." if named else "Those of every rule.",
            "What is sent is decided again right before. Writes that are blocked from now on are not among them.",
        ),
        f"Try {writes:,} again",
        chosen.fields() | {"up_to": str(up_to), "most": str(writes)},
        path="/outbox/ask",
    )
    back = f"/outbox?{chosen.query()}"
    return visit.page("link_question.html", question=question if writes else None, back=back)


async def _ask_writes(visit: Visit) -> web.StreamResponse:
    chosen = _posted_filter(visit)
    numbers = {"up_to": _number(visit, "up_to"), "most": _number(visit, "most")}
    await ask(visit, None, "retry_writes", chosen.fields() | numbers)
    return visit.redirect(f"/outbox?{chosen.query()}")


def _posted_filter(visit: Visit) -> WriteFilter:
    return read_write_filter({name: [visit.field(name)] for name in ("rule", "target", "kind", "error")})


async def _rule(connection: Connection, name: str) -> ConsoleRule:
    found = [rule for rule in await console_link.rules(connection) if rule.name == name]
    if not found:
        raise Refusal(404, "no_such_rule", f"There is no rule {name!r}.")
    return found[0]


def _no_link(number: int) -> Refusal:
    return Refusal(404, "no_such_link", f"There is no link {number}.")


def _number(visit: Visit, name: str) -> int:
    return whole_number(name, visit.field(name), 0)


def _text(visit: Visit, name: str) -> str:
    text = visit.field(name)
    if not text or "\0" in text:
        raise Refusal(400, "malformed", f"{name} is missing, or has a character that no text may have.")
    return text


ROUTES = (
    ConsoleRoute(hdrs.METH_POST, "/links/confirm", Permission.HANDLE_LINKS, _confirm),
    ConsoleRoute(hdrs.METH_POST, "/links/ask", Permission.HANDLE_LINKS, _ask),
    ConsoleRoute(hdrs.METH_POST, "/outbox/confirm", Permission.HANDLE_LINKS, _confirm_writes),
    ConsoleRoute(hdrs.METH_POST, "/outbox/ask", Permission.HANDLE_LINKS, _ask_writes),
)
