"""Dataclasses that are frozen for the type checker, and cheap to make.

A frozen dataclass sets each attribute through `object.__setattr__`, which makes building it eight times as expensive
(docs/performance.md). Every notification builds eight such values, so they say

    from bridge.domain.value import dataclass

and are written like any other frozen dataclass. mypy refuses to set an attribute; at run time nothing does.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 -- the form that exports
else:

    def dataclass(*, frozen: bool = False, slots: bool = False) -> Callable[[type[T]], type[T]]:
        """Make a dataclass; a frozen one is compared and hashed by its values, and nobody changes it."""
        return dataclasses.dataclass(slots=slots, unsafe_hash=frozen)
