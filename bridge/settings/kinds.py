"""The kinds of sources: `kind` in a section [sources.NAME] chooses the class of its settings."""

from functools import cache
from typing import Annotated, Any, Final

from pydantic import (
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bridge.settings.dataminer import DataminerApiSettings, DataminerSettings
from bridge.settings.servicenow import ServiceNowSettings
from bridge.settings.source import DEFAULT_KIND, SourceSettings, Tmf656Settings

KINDS: Final[dict[str, type[SourceSettings]]] = {
    "tmf656": Tmf656Settings,
    "servicenow": ServiceNowSettings,
    "dataminer": DataminerSettings,
    "dataminer-api": DataminerApiSettings,
}
"""The class of a source by its `kind`."""


@cache
def any_kind() -> type[SourceSettings]:
    """Return a class that has the keys of all kinds; for questions about a key where the kind is not known."""
    return create_model("AnyKind", __base__=tuple(KINDS.values()))


def _by_kind(value: Any, _: ValidatorFunctionWrapHandler, info: ValidationInfo) -> SourceSettings:
    if isinstance(value, SourceSettings):
        return value
    kind = value.get("kind", DEFAULT_KIND) if isinstance(value, dict) else DEFAULT_KIND
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        wrong = PydanticCustomError("kind", "should be one of {kinds}", {"kinds": ", ".join(KINDS)})
        raise ValidationError.from_exception_data("kind", [InitErrorDetails(type=wrong, loc=("kind",), input=kind)])
    return model.model_validate(value, context=info.context)


SourceOfKind = Annotated[SerializeAsAny[SourceSettings], WrapValidator(_by_kind)]
"""A source; the key `kind` of its table chooses the class."""
