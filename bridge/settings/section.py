"""What every table of the configuration is made of, and questions about its keys."""

import ast
import inspect
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.fields import FieldInfo

from bridge.settings.values import FileOfPairs

Key = tuple[str, ...]
"""Where a value stands: `("sources", "snow", "url")`."""


class Section(BaseModel):
    """A table: its fields are its keys, and the docstring of a field is what an operator reads about the key.

    Built when it is first used: most classes are only parts of others. Docstrings are read from the source when
    somebody asks (`text_of`): pydantic would read the source of each class whenever a command starts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


def text_of(model: type[BaseModel], name: str) -> str:
    """Return the docstring of a field in one line; empty when it has none."""
    owner = next((one for one in model.__mro__ if name in vars(one).get("__annotations__", {})), None)
    return "" if owner is None else _docstrings(owner).get(name, "")


@cache
def _docstrings(model: type) -> dict[str, str]:
    (definition,) = ast.parse(dedent(inspect.getsource(model))).body
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(getattr(definition, "body", ()))
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def secret_names(model: type[BaseModel]) -> list[str]:
    """Names of the fields of `model` that hold secrets: one, or a table of them."""
    return [name for name, field in model.model_fields.items() if field.annotation is SecretStr or is_pairs(field)]


def is_pairs(field: FieldInfo) -> bool:
    """Is the field a table of secrets, whose file has a line `name: value` for each?"""
    return FileOfPairs.MARK in field.metadata


def keys_of(model: type[BaseModel]) -> list[str]:
    """All keys that may stand in a table, the `…_file` of secrets included."""
    return [*model.model_fields, *(f"{name}_file" for name in secret_names(model))]


def is_table(field: FieldInfo) -> bool:
    """Is the field a table with keys that the operator chooses?"""
    return get_origin(field.annotation) is dict


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The class of a field that is a table of its own."""
    annotation: Any = field.annotation
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
