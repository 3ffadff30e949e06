"""`sysparm_query` as an instance understands it: parts joined by `^`, `^OR` and `^NQ`, and an order.

A part that it does not understand (an unknown column, no operator) is dropped, and what is left is answered: the whole
table may come. With `glide.invalid_query.returns_no_rows` nothing comes instead.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.simulator.servicenow.tables import TableColumn

Values = Mapping[str, str]
_PART = re.compile(
    r"([a-z_][a-z0-9_]*)(ISNOTEMPTY|ISEMPTY|NOT IN|NOT LIKE|STARTSWITH|ENDSWITH|CONTAINS|LIKE|IN|!=|>=|<=|=|>|<)(.*)",
    re.DOTALL,
)
_GENERATED = re.compile(r"javascript:gs\.dateGenerate\('([0-9-]{10})','([0-9:]{8})'\)")


@dataclass
class ParsedQuery:
    """What was understood. A record meets it when it meets all alternatives of one group."""

    groups: list[list[list[Callable[[Values], bool]]]] = field(default_factory=lambda: [[]])
    order: list[tuple[str, bool]] = field(default_factory=list)
    """Columns, and whether each is descending."""
    dropped: list[str] = field(default_factory=list)

    def meets(self, record: Values) -> bool:
        """Does a record meet the query?"""
        return any(all(any(test(record) for test in one) for one in group) for group in self.groups)

    def sorted(self, records: list[dict[str, str]], columns: Mapping[str, TableColumn]) -> list[dict[str, str]]:
        """Return the records in the order that is asked for, else by their creation."""
        for column, descending in reversed(self.order or [("sys_created_on", False)]):
            whole = columns[column].type == "integer"
            records = sorted(records, key=lambda record: _sortable(record.get(column, ""), whole), reverse=descending)
        return records


def parse(text: str, columns: Mapping[str, TableColumn]) -> ParsedQuery:
    """Read an encoded query."""
    query = ParsedQuery()
    for number, group in enumerate(re.split(r"\^NQ", text)):
        if number:
            query.groups.append([])
        for part in _parts(group):
            _take(part, columns, query)
    return query


def _parts(group: str) -> list[str]:
    return [part for part in group.split("^") if part and part != "EQ"]


def _take(part: str, columns: Mapping[str, TableColumn], query: ParsedQuery) -> None:
    for word, descending in (("ORDERBYDESC", True), ("ORDERBY", False)):
        if part.startswith(word):
            column = part.removeprefix(word)
            if column in columns:
                query.order.append((column, descending))
            else:
                query.dropped.append(part)
            return
    group = query.groups[-1]
    alternative = part.startswith("OR") and bool(group)
    found = _PART.fullmatch(part.removeprefix("OR") if alternative else part)
    if found is None or found[1] not in columns:
        query.dropped.append(part)
        return
    test = _test(found[1], found[2], found[3], columns[found[1]])
    if alternative:
        group[-1].append(test)
    else:
        group.append([test])


def _test(column: str, operator: str, value: str, kind: TableColumn) -> Callable[[Values], bool]:
    generated = _GENERATED.fullmatch(value)
    if generated is not None:
        value = f"{generated[1]} {generated[2]}"
    whole = kind.type == "integer"
    wanted = _sortable(value, whole)
    listed = value.split(",")
    folded = value.casefold()

    def at(record: Values) -> tuple[int, int, str]:
        return _sortable(record.get(column, ""), whole)

    tests: dict[str, Callable[[Values], bool]] = {
        "=": lambda record: record.get(column, "").casefold() == folded,
        "!=": lambda record: record.get(column, "").casefold() != folded,
        ">": lambda record: at(record) > wanted,
        ">=": lambda record: at(record) >= wanted,
        "<": lambda record: at(record) < wanted,
        "<=": lambda record: at(record) <= wanted,
        "IN": lambda record: record.get(column, "") in listed,
        "NOT IN": lambda record: record.get(column, "") not in listed,
        "LIKE": lambda record: folded in record.get(column, "").casefold(),
        "CONTAINS": lambda record: folded in record.get(column, "").casefold(),
        "NOT LIKE": lambda record: folded not in record.get(column, "").casefold(),
        "STARTSWITH": lambda record: record.get(column, "").casefold().startswith(folded),
        "ENDSWITH": lambda record: record.get(column, "").casefold().endswith(folded),
        "ISEMPTY": lambda record: not record.get(column, ""),
        "ISNOTEMPTY": lambda record: bool(record.get(column, "")),
    }
    return tests[operator]


def _sortable(value: str, whole: bool) -> tuple[int, int, str]:
    if whole and value.lstrip("-").isdigit():
        return 1, int(value), ""
    return (0 if not value else 1), 0, value
