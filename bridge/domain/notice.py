"""What a client finds out about its system for an operator, beside what every check asks."""

from msgspec import Struct


class Notice(Struct, frozen=True):
    """One finding. `works`: False: something that was asked for does not; None: worth a look. `remedy`: what to do."""

    aspect: str
    works: bool | None
    found: str
    remedy: str = ""
