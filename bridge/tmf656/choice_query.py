"""How values of attributes are written in a query (TMF630 part 1, 4.4)."""

from urllib.parse import quote

from bridge.domain.list_choice import ChoiceStyle, ListChoice


def choice_query(choice: ListChoice) -> str:
    """Return the percent-encoded query part that asks for a choice; the comma between values is not encoded."""
    parts: list[str] = []
    for name, words in choice.attributes():
        quoted = [quote(word, safe="") for word in words]
        together = [",".join(quoted)] if choice.style is ChoiceStyle.COMMA else quoted
        parts += [f"{name}={each}" for each in together]
    return "&".join(parts)
