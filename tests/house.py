"""What is checked of the source text itself; `python -m tests.house [FOLDER …]` lists what a reader stumbles over."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCSTRING_LINES = 15
GUARANTEES = ROOT / "docs/guarantees.md"
BEGIN, END = "<!-- cases: made by `python -m tests.house --cases` -->", "<!-- /cases -->"
CASE = re.compile(r"test_((?:[a-h]\d+_)*[a-h]\d+)_")
BANNED = {
    "anew": "again",
    "to be had|quicker to have": "available, faster to compute",
    "whoever|whom it concerns": "the user, the client, anyone who",
    "whatsoever|thereof|wherein|lest|amiss|dear(er|est)?": "a plain word",
    "others now": "changed",
    "tends? to it|tended|tether(ed|s)?": "maintains, is bound to",
    "to judge|judges": "decide",
    "absorb(s|ed)?": "store",
    "(is|was|are|were|be|been|has|nobody|what) told|it told|told (of|to|in|us)|to tell it": "answered, shown, pushed",
    "(is|was|were|first|last) heard|heard (of|by|late)|hears? of": "received",
    "since the begin|begin of": "since the beginning, start of",
    "in vain": "without use",
    "(and|their|its) kin": "the like",
    "heed(s|ed)?": "obey, use",
    "give or take": "plus or minus",
    "ever more rarely": "at growing intervals",
    "wanted no more": "no longer wanted",
    "at its word": "as it is",
    "registration stands": "already registered",
    "trouble is its own": "affects no other",
    "sightings?": "an id that was seen",
    "as good as none": "none",
}
"""Words and turns that had to be read twice → the plain ones to use instead."""
_BANNED = re.compile(rf"\b({'|'.join(BANNED)})\b", re.IGNORECASE)
_PROSE_SUFFIXES = {".py", ".sql", ".md", ".yml"}
PROSE = ("bridge", "sql", "grafana", "tests", "docs", "deploy", "README.md", "CHANGELOG.md", "SECURITY.md")


@cache
def modules(*folders: str) -> list[tuple[Path, ast.Module]]:
    """Return each module of ours below the folders, with its syntax tree."""
    found: list[tuple[Path, ast.Module]] = []
    for folder in folders or ("bridge", "grafana"):
        place = ROOT / folder
        paths = sorted([place] if place.is_file() else place.rglob("*.py"))
        found += [(path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]
    return found


def long_docstrings(*folders: str) -> Iterator[str]:
    """Yield docstrings, of attributes too, of more than 15 lines."""
    for path, tree in modules(*folders):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                lines = len(node.value.value.strip().splitlines())
                if lines > DOCSTRING_LINES:
                    yield f"{path}:{node.lineno}: a docstring of {lines} lines"


def banned_words(*folders: str) -> Iterator[str]:
    """Yield lines of code, SQL and documentation with a word that is not plain."""
    for folder in folders or PROSE:
        place = ROOT / folder
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in _PROSE_SUFFIXES]
        for path in sorted(files):
            if (
                path == Path(__file__)
                or "node_modules" in path.parts
                or {"carry_over", "development_version"} & {*path.parts}
            ):
                continue  # this list; the packages of others; names of an earlier build
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if found := _BANNED.search(line):
                    yield f"{path.relative_to(ROOT)}:{number}: {found[0]!r}: {line.strip()[:100]}"


def types_defined_twice() -> Iterator[str]:
    """Yield public and private class names that stand in more than one module."""
    places: dict[str, list[str]] = {}
    for path, tree in modules("bridge"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(f"{path}:{node.lineno}")
    for name, found in sorted(places.items()):
        if len(found) > 1:
            yield f"class {name} is defined in {', '.join(found)}"


def forbidden_calls(*folders: str) -> Iterator[str]:
    """Yield tasks outside a task group and imports by name at run time."""
    for path, tree in modules(*folders):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in {"create_task", "ensure_future", "import_module", "__import__"}:
                    yield f"{path}:{node.lineno}: {name}"


def modules_with_logic() -> list[Path]:
    """Return the modules of bridge/ with a function of more than one statement, relative to bridge/."""
    return [
        path.relative_to("bridge")
        for path, tree in modules("bridge")
        if path.name not in {"__init__.py", "__main__.py"} and any(map(_has_logic, ast.walk(tree)))
    ]


def modules_without_tests() -> list[Path]:
    """Return those of them that have no `tests/<same folder>/test_<module>.py`."""
    return [path for path in modules_with_logic() if not (ROOT / "tests" / path.parent / f"test_{path.name}").is_file()]


def _has_logic(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return len(node.body) - (ast.get_docstring(node) is not None) > 1


def cases() -> str:
    """Return the table of field cases and the tests that are named after them (`test_b2_…`), for docs/guarantees.md."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (case := CASE.match(node.name)):
                for name in case[1].split("_"):
                    found.setdefault(name.upper(), []).append(path.relative_to(ROOT).as_posix())
    rows = [
        f"| {case} | {', '.join(f'`{path}` ({found[case].count(path)})' for path in dict.fromkeys(found[case]))} |"
        for case in sorted(found, key=lambda case: (case[0], int(case[1:])))
    ]
    return "\n".join(["| case | tests (how many) |", "|---|---|", *rows])


def with_cases(page: str) -> str:
    """Return docs/guarantees.md with the table of cases between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{cases()}\n{END}{after}"


def main(folders: list[str]) -> int:
    """List every finding; exit status 1 when there is any. `--cases` writes the table of docs/guarantees.md instead."""
    if folders == ["--cases"]:
        GUARANTEES.write_text(with_cases(GUARANTEES.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    findings = [*long_docstrings(*folders), *banned_words(*folders), *types_defined_twice(), *forbidden_calls(*folders)]
    sys.stdout.writelines(f"{line}\n" for line in findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
