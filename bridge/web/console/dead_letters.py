"""The pages of the dead letters: by reason, one with its bytes, and replaying or discarding one or all of a filter.

What is done with all of a filter is confirmed with the exact number, and done up to the newest letter of that moment:
one that arrives meanwhile was confirmed by nobody.
"""

from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import hdrs, web
from msgspec import Struct

from bridge.domain.access import Permission
from bridge.storage import dead_letter
from bridge.storage import request as requests
from bridge.storage.request import RequestKind
from bridge.web.console.ask import ask
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.sources import AGAIN_SECONDS, OPEN_STATES
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

_PAGE: Final = 50
_SHOWN_BYTES: Final = 64 * 1024
_HEX_BYTES: Final = 512
_ACTIONS: Final[dict[str, RequestKind]] = {"replay": "replay", "discard": "discard"}


class LetterFilter(Struct, frozen=True):
    """Which letters a page shows; None: any."""

    source: str | None = None
    reason: str | None = None
    settled: bool = False
    before: int = 2**62

    def query(self, **changes: Any) -> str:
        """The parameters of the same page with other values."""
        values = {"source": self.source, "reason": self.reason, "settled": "yes" if self.settled else None} | changes
        return urlencode({name: value for name, value in values.items() if value is not None})


def read_filter(query: dict[str, str]) -> LetterFilter:
    """Read parameters; Refusal (400) that names those that mean nothing here."""
    strange = sorted(query.keys() - {"source", "reason", "settled", "before"})
    if strange:
        raise Refusal(400, "unknown_parameter", f"This page has no parameter {', '.join(map(repr, strange))}.")
    if any("\0" in text for text in query.values()):
        raise Refusal(400, "malformed", "No source and no reason has such a name.")
    before = query.get("before", "")
    return LetterFilter(
        query.get("source") or None,
        query.get("reason") or None,
        query.get("settled") == "yes",
        number_of(before) if before else 2**62,
    )


def number_of(text: str) -> int:
    """Read the number of a letter; Refusal (400) for what is none."""
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise Refusal(400, "malformed", "The number of a letter is a whole number.")


async def _letters(visit: Visit) -> web.StreamResponse:
    chosen = read_filter({name: values[-1] for name, values in visit.query.items()})
    async with visit.reading() as connection:
        reasons = await dead_letter.reasons(connection, chosen.source)
        rows = await dead_letter.page(
            connection,
            source=chosen.source,
            reason=chosen.reason,
            settled=chosen.settled,
            before=chosen.before,
            limit=_PAGE + 1,
        )
        states = [each for each in await requests.latest(connection) if each.kind in _ACTIONS]
    response = visit.page(
        "dead_letters.html",
        reasons=reasons,
        rows=rows[:_PAGE],
        older=chosen.query(before=rows[_PAGE - 1]["id"]) if len(rows) > _PAGE else None,
        chosen=chosen,
        waiting=sum(each["letters"] for each in reasons if chosen.reason in (None, each["reason"])),
        requests=states,
    )
    if any(state.state in OPEN_STATES for state in states):
        response.headers["Refresh"] = AGAIN_SECONDS
    return response


async def _letter(visit: Visit) -> web.StreamResponse:
    letter = await _found(visit)
    raw: bytes = letter.pop("raw")
    return visit.page(
        "dead_letter.html",
        letter=letter,
        size=len(raw),
        text=raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"),
        cut=len(raw) > _SHOWN_BYTES,
        hex=raw[:_HEX_BYTES].hex(" "),
        hex_cut=len(raw) > _HEX_BYTES,
    )


async def _raw(visit: Visit) -> web.StreamResponse:
    """The bytes as they were received, as a file that no browser shows."""
    letter = await _found(visit)
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="dead-letter-{letter["id"]}"'}
    return web.Response(body=letter["raw"], content_type="application/octet-stream", headers=headers)


async def _found(visit: Visit) -> dict[str, Any]:
    number = number_of(visit.values["number"])
    async with visit.reading() as connection:
        letter = await dead_letter.show(connection, number)
    if letter is None:
        raise Refusal(404, "no_such_letter", f"There is no dead letter {number}.")
    return letter


async def _confirm(visit: Visit) -> web.StreamResponse:
    """Show what would be done with how many letters."""
    kind, chosen = _action(visit), _posted_filter(visit)
    async with visit.reading() as connection:
        numbers = await dead_letter.waiting(connection, chosen.source, reason=chosen.reason)
    return visit.page(
        "dead_letters_confirm.html",
        action=kind,
        chosen=chosen,
        count=len(numbers),
        up_to=numbers[-1] if numbers else 0,
    )


async def _ask(visit: Visit) -> web.StreamResponse:
    """Replay or discard one letter, or all of a filter up to the one that was confirmed."""
    kind = _action(visit)
    if visit.field("number"):
        number = number_of(visit.field("number"))
        await ask(visit, None, kind, {"numbers": [number]})
        return visit.redirect(f"/dead-letters?{LetterFilter().query()}")
    chosen = _posted_filter(visit)
    await ask(visit, chosen.source, kind, {"reason": chosen.reason, "up_to": number_of(visit.field("up_to"))})
    return visit.redirect(f"/dead-letters?{chosen.query()}")


def _action(visit: Visit) -> RequestKind:
    kind = _ACTIONS.get(visit.field("action"))
    if kind is None:
        raise Refusal(400, "malformed", f"action is one of {', '.join(_ACTIONS)}.")
    return kind


def _posted_filter(visit: Visit) -> LetterFilter:
    return read_filter({"source": visit.field("source"), "reason": visit.field("reason")})


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/dead-letters", Permission.READ_DEAD_LETTERS, _letters, navigation="Dead letters"),
    ConsoleRoute(hdrs.METH_GET, "/dead-letters/{number}", Permission.READ_DEAD_LETTERS, _letter),
    ConsoleRoute(hdrs.METH_GET, "/dead-letters/{number}/raw", Permission.READ_DEAD_LETTERS, _raw, page=False),
    ConsoleRoute(hdrs.METH_POST, "/dead-letters/confirm", Permission.HANDLE_DEAD_LETTERS, _confirm),
    ConsoleRoute(hdrs.METH_POST, "/dead-letters/ask", Permission.HANDLE_DEAD_LETTERS, _ask),
)
