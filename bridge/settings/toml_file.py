"""A TOML file with the line of each key, and every line that cannot be read named at once.

A file that TOML takes is read by `tomllib` as a whole. Only where that fails is it read statement by statement, so
that the faults in it are listed together and what is right can be checked all the same.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.settings.section import Key

_MOST_LINES = 200
"""A statement of more lines than this is not looked for."""
_ASSIGNMENT = re.compile(r"""\s*(?P<key>[^=#\[]+?)\s*=\s*(?P<value>.*?)\s*$""")
_HEADER = re.compile(r"\s*\[")
_OPEN = re.compile(r"""\[|\{|\"{3}|'{3}""")
_WORD_OF_TRUTH = re.compile(r"(?i)(true|yes|on|false|no|off)\s*(#.*)?")


@dataclass(frozen=True, slots=True)
class Statement:
    """A table's head, or a key with its value. `parsed` is None where TOML cannot read it; `error` says why."""

    line: int
    text: str
    parsed: dict[str, Any] | None
    error: str = ""


@dataclass(slots=True)
class TomlFile:
    """The tables of a file, the line of each key and table, and for each line that cannot be read the key and why."""

    tree: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    faults: list[tuple[Key, int, str]] = field(default_factory=list)


def parse(text: str, may_be_shown: Callable[[Key], bool]) -> TomlFile:
    """Read the text of a file. `may_be_shown`: is the value of this key no secret?"""
    file = TomlFile()
    try:
        whole = tomllib.loads(text)
        error = ""
    except tomllib.TOMLDecodeError as found:
        whole, error = None, str(found)
    above: Key | None = ()
    for statement in _statements(text):
        above = _take(file, statement, above, may_be_shown)
    if whole is not None:
        file.tree, file.faults = whole, []
    elif not file.faults:
        file.faults.append(((), 0, f"is not valid TOML: {error}"))
    return file


def _statements(text: str) -> Iterator[Statement]:
    lines = text.replace("\r\n", "\n").split("\n")
    number = 0
    while number < len(lines):
        first = lines[number]
        parsed, error = _read(first)
        taken = 1
        assignment = _ASSIGNMENT.match(first)
        if parsed is None and assignment and _OPEN.match(assignment["value"]):
            while parsed is None and taken < min(_MOST_LINES, len(lines) - number):
                taken += 1
                parsed, _ = _read("\n".join(lines[number : number + taken]))
        if parsed is None:
            taken = 1
        if parsed != {}:
            yield Statement(number + 1, first, parsed, error)
        number += taken


def _read(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return None, re.sub(r"line 1, (?=column)", "", str(error))


def _take(file: TomlFile, statement: Statement, above: Key | None, may_be_shown: Callable[[Key], bool]) -> Key | None:
    """Add a statement to the file; return the table that the next one stands in, None below a head that TOML cannot
    read.
    """
    is_header = _HEADER.match(statement.text) is not None
    if statement.parsed is None:
        key, wrong = _explained(statement, above or (), may_be_shown)
        file.faults.append((key, statement.line, wrong))
        return None if is_header else above
    if is_header:
        return _take_header(file, statement)
    if above is None:
        return None
    for key, value in _leaves(statement.parsed, above):
        if key in file.lines:
            file.faults.append(
                (key, statement.line, f"is given twice, on lines {file.lines[key]} and {statement.line}; keep one")
            )
        elif not _put(file.tree, key, value):
            file.faults.append((key, statement.line, "stands below a key that has a value; take one of them out"))
        file.lines.setdefault(key, statement.line)
    return above


def _take_header(file: TomlFile, statement: Statement) -> Key:
    table: Any = statement.parsed
    above: Key = ()
    while isinstance(table, dict) and table:
        name, table = next(iter(table.items()))
        above = (*above, name)
    if isinstance(table, list):  # [[table]]: no key of ours is a list of tables; validation says so
        _put(file.tree, above, table)
    elif above in file.lines:
        wrong = f"[{'.'.join(above)}] begins twice, on lines {file.lines[above]} and {statement.line}; join the two"
        file.faults.append((above, statement.line, wrong))
    else:
        _put(file.tree, above, {})
    file.lines.setdefault(above, statement.line)
    return above


def _leaves(tree: dict[str, Any], above: Key) -> Iterator[tuple[Key, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _put(tree: dict[str, Any], key: Key, value: object) -> bool:
    """Set `key`; False when a value stands where one of its tables should."""
    table: Any = tree
    for part in key[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    if value == {}:
        table.setdefault(key[-1], {})
    else:
        table[key[-1]] = value
    return True


_QUOTES_OF_TEXTS: Final = frozenset("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u2033\u301d\u301e")
"""What word processors, chats and web pages make of straight quotes."""


def _explained(statement: Statement, above: Key, may_be_shown: Callable[[Key], bool]) -> tuple[Key, str]:
    """The key of a line that TOML cannot read, and what to write instead; a value that may be secret is not shown."""
    found = _ASSIGNMENT.match(statement.text)
    if found is None or _HEADER.match(statement.text):
        return (), f"is not valid TOML: {statement.error}; write [table] or key = value"
    key = (*above, *(part.strip().strip("\"'") for part in found["key"].split(".")))
    value = found["value"]
    if not value or value.startswith("#"):
        return key, "has no value"
    if _QUOTES_OF_TEXTS.intersection(value):
        plain = "".join('"' if one in _QUOTES_OF_TEXTS else one for one in value).replace("\u00a0", " ")
        shown = f"{key[-1]} = {plain}" if may_be_shown(key) and "@" not in value else f'{key[-1]} = "…"'
        return key, f"has quotes of a word processor; TOML takes the straight ones: write {shown}"
    if "\u00a0" in statement.text:
        return key, "has a no-break space beside it or in it, as web pages have them; write a plain space"
    if _WORD_OF_TRUTH.fullmatch(value):
        return key, "write true or false, in lower case"
    if value.startswith(('"', "'")):
        return key, "its text has no end, or a backslash in it; '…' takes a backslash as it is"
    if _OPEN.match(value):
        return key, f"its list or table cannot be read: {statement.error}"
    shown = value if may_be_shown(key) and "@" not in value else "…"
    return key, f'a text stands in quotes, and a number alone: write {key[-1]} = "{shown}"'
