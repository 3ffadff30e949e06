"""What every table of the configuration is made of, and questions about its keys."""

from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.fields import FieldInfo

from bridge.settings.values import FileOfPairs

Key = tuple[str, ...]
"""Where a value stands: `("sources", "snow", "url")`."""


class Section(BaseModel):
    """A table: its fields are its keys, and the docstring of a field is what an operator reads about the key."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


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
