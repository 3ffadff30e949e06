"""Named statements: each that the code names is there, and each that is there is named by the code."""

import ast
from pathlib import Path

from bridge.storage.queries import queries, sql_dir

ROOT = Path(__file__).parents[2]
TABLES = sorted(path.stem for path in (sql_dir() / "queries").glob("*.sql"))


def literals(node: ast.AST) -> set[str]:
    """All texts in a piece of code."""
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def named() -> tuple[set[tuple[str, str]], set[str]]:
    """(table, statement) as the code writes them, and every text that may name a statement indirectly."""
    pairs: set[tuple[str, str]] = set()
    texts: set[str] = set()
    for path in (ROOT / "bridge").rglob("*.py"):
        tree = ast.parse(path.read_text())
        texts |= literals(tree)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call)):
                continue
            call, name = node.value, node.slice
            literal = isinstance(name, ast.Constant) and bool(call.args) and isinstance(call.args[0], ast.Constant)
            if literal and getattr(call.func, "id", "") == "queries":
                pairs.add((ast.literal_eval(call.args[0]), ast.literal_eval(name)))
    return pairs, texts


def test_every_statement_that_the_code_names_is_there() -> None:
    pairs, _ = named()
    assert pairs
    assert [(table, name) for table, name in sorted(pairs) if name not in queries(table)] == []


def test_every_statement_is_named_by_the_code() -> None:
    pairs, texts = named()
    unused = [
        f"{table}.{name}"
        for table in TABLES
        for name in queries(table)
        if (table, name) not in pairs and name not in texts
    ]
    assert unused == []


def test_a_statement_comes_with_its_comments_and_without_the_semicolon() -> None:
    for table in TABLES:
        for name, statement in queries(table).items():
            assert not statement.rstrip().endswith(";"), f"{table}.{name}"
            assert any(not line.startswith("--") for line in statement.splitlines()), f"{table}.{name}"
