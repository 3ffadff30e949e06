"""The frame around every page: templates, navigation, theme, and how instants and numbers are written."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bridge import __version__
from bridge.domain.access import Login, Permission, Principal, allows
from bridge.web.console.assets import Assets
from bridge.web.console.problem_address import problem_path
from bridge.web.console.problem_parts import web_address
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.same_origin import FIELD, form_token

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "bridge_theme"
_LONGEST_CELL = 300
_UNITS = ((86_400 * 365, "y"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Layout:
    """Renders templates. `prefix`: the path below which a proxy serves the console, "" for the root."""

    def __init__(self, assets: Assets, routes: Sequence[ConsoleRoute], prefix: str) -> None:
        """Compile nothing yet; templates are compiled when they are first shown."""
        self.prefix = prefix
        self._navigation = tuple(one for one in routes if one.navigation)
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        self._templates.filters |= {"ago": ago, "duration": duration, "instant": instant, "number": number}
        self._templates.filters |= {"shortened": shortened, "web_address": web_address}
        self._templates.globals |= {
            "asset": lambda name: f"{prefix}{assets.address(name)}",
            "prefix": prefix,
            "problem_path": problem_path,
            "version": __version__,
            "form_field": FIELD,
        }

    def render(
        self, template: str, request: web.BaseRequest, principal: Principal | None, values: Mapping[str, Any]
    ) -> str:
        """Return a page as HTML; `values` are those of its template."""
        theme = request.cookies.get(THEME_COOKIE, "")
        shown = {
            "now": datetime.now(UTC),
            "principal": principal,
            "may": lambda name: allows(principal, Permission(name)),
            "form_token": lambda: form_token(principal.form_key) if principal else "",
            "is_demo": principal is not None and principal.login is Login.DEMO,
            "navigation": [one for one in self._navigation if allows(principal, one.permission)],
            "path": request.raw_path.partition("?")[0].removeprefix(self.prefix),
            "address": request.raw_path.removeprefix(self.prefix),
            "theme": theme if theme in THEMES else THEMES[0],
        }
        return self._templates.get_template(template).render(shown | dict(values))

    def render_part(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a part of a page, the same for everybody: who asks is not known to it."""
        return self._templates.get_template(template).render(values)


def duration(seconds: float) -> str:
    """Write a length of time with its largest units; a negative one, of clocks that differ, is 0 s.

    >>> duration(187_500), duration(59.4), duration(-3)
    ('2 d 4 h', '59 s', '0 s')
    """
    rest, words = max(0, int(seconds)), list[str]()
    for length, unit in _UNITS:
        if rest >= length or (unit == "s" and not words):
            words.append(f"{rest // length} {unit}")
            rest %= length
    return " ".join(words[: 2 if words[0].endswith(("y", "d", "h")) else 1])


def ago(at: datetime, now: datetime) -> str:
    """Write an instant as seen from now.

    >>> ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    '3 d ago'
    """
    seconds = (now - at).total_seconds()
    return f"in {duration(-seconds)}" if seconds <= -1 else f"{duration(seconds)} ago"


def instant(at: datetime) -> str:
    """Write an instant in full, in UTC.

    >>> instant(datetime(2026, 1, 4, 15, 2, 7, 250000, tzinfo=UTC))
    '2026-01-04 15:02:07 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def shortened(text: str) -> str:
    """Cut a text that is too long for a cell of a table.

    >>> len(shortened("x" * 1000))
    301
    """
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def number(value: int) -> str:
    """Write a count with commas.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{value:,}"
