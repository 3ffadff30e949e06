"""Texts with values in them, `{{ left.id }}`, in Jinja2's sandbox. Pure.

Templates are the operator's; a ticket's values only ever go in as values. What a record does not have is the empty
text; a name that no template can have is a fault of the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import StrictUndefined, meta
from jinja2 import Template as CompiledTemplate
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.errors import ConfigurationError

MOST_CHARACTERS: Final = 65_536
"""Of a text that a template makes."""
_ENVIRONMENT: Final = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)  # nosec B701 -- plain text


class _Fields(dict[str, Any]):
    """A record in which missing fields are the empty text."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A template that was read."""

    text: str
    _compiled: CompiledTemplate = field(compare=False, repr=False)

    def render(self, **values: Any) -> str | None:
        """Return the text, cut to `MOST_CHARACTERS`; None where the values do not fit the template."""
        fitted = {name: _fields(value) if isinstance(value, Mapping) else value for name, value in values.items()}
        try:
            return self._compiled.render(fitted)[:MOST_CHARACTERS]
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
            return None


def read_template(text: str, *names: str) -> TextTemplate:
    """Read a template that may use `names`; ConfigurationError saying what is wrong with it."""
    try:
        unknown = meta.find_undeclared_variables(_ENVIRONMENT.parse(text)) - set(names)
        compiled = _ENVIRONMENT.from_string(text)
    except TemplateError as error:
        raise ConfigurationError([f"{text!r} is no template: {error}"]) from error
    if unknown:
        raise ConfigurationError(
            [f"{text!r} names {', '.join(sorted(unknown))}; a template may name {', '.join(names)}"]
        )
    return TextTemplate(text, compiled)


def _fields(record: Mapping[str, Any]) -> _Fields:
    return _Fields({name: _fields(each) if isinstance(each, Mapping) else each for name, each in record.items()})
