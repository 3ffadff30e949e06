"""One spelling of a source's word, so that case, blanks, hyphens and camelCase do not matter."""

_LONGEST_WORD = 100


def fold(raw: str) -> str:
    """Return the letters and digits of a word in lower case.

    >>> fold("Work In-Progress"), fold("workInProgress")
    ('workinprogress', 'workinprogress')
    """
    return "".join(one for one in raw[:_LONGEST_WORD].casefold() if one.isalnum())
