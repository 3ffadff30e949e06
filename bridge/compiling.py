"""`python -m bridge.compiling`: compile the modules that `bridge.compiled` names, for the Python that runs this.

Needs mypy and setuptools (the `build` group), a C compiler and Python's headers, and takes about half a minute. What is
there of the present texts already is left alone; of other texts it is removed. Nothing is compiled in place: a
directory is filled, tried, and then given its name, so whoever starts meanwhile finds all of it or none.

The compiler sees texts of the compiled modules alone, and of every other module only that it exists: so what it makes
depends on nothing else, above all not on which type stubs happen to be installed. Types are checked elsewhere
(`make check`).

Constructors. The one that `dataclasses` makes is Python even in a compiled class. So every class of
`bridge.domain.value` gets one written out, which is compiled with it: `Observation(…)` takes a third of the time. It is
written on the blank line behind the class: all other lines keep their numbers, and tracebacks tell the truth.
"""

import ast
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from bridge import compiled

NO_COMPILER = 3
"""Exit status: there is nothing to compile with. A compiler that fails is status 1."""

_WITHOUT = "goes on in pure Python, which takes about a tenth more processor time for a notification"
_STUB = "from typing import Any\ndef __getattr__(name: str) -> Any: ...\n"
_CHEAP = "from bridge.domain.value import dataclass"
_SETUP = """
from mypyc.build import mypycify
from setuptools import setup

flags = ["--config-file=", "--no-site-packages", "--ignore-missing-imports"]
setup(
    name="compiled",
    packages=[],
    ext_modules=mypycify([*flags, *{paths}], opt_level="2", debug_level="0", group_name="{shared}"),
)
"""

_TRIAL = """
from importlib import import_module
from pathlib import Path
from sys import argv

from bridge import compiled

compiled.use(Path(argv[1]))
for module in argv[2:]:
    assert import_module(module).__file__.startswith(argv[1]), module
"""


def main() -> int:
    """Compile unless it is done; return the exit status."""
    digest = compiled.digest()
    if (compiled.PLACES / digest).is_dir():
        return 0
    missing = _missing()
    if missing:
        typer.echo(f"Not compiled, for lack of {missing}: {_WITHOUT}. Debian, Ubuntu: apt install gcc python3-dev")
        return NO_COMPILER
    typer.echo("Compiling the hot part to C, which takes about half a minute …")
    log = compiled.PLACES / "log"
    try:
        _make(digest, log)
    except (OSError, ValueError) as error:
        typer.echo(f"Could not compile ({error}; see {log}): {_WITHOUT}.")
        return 1
    return 0


def native(text: str) -> str:
    """Return the text of a module whose cheap dataclasses have constructors of their own, line for line otherwise.

    Raises ValueError for a class written in a way that this does not know.
    """
    if _CHEAP not in text:
        return text
    lines = text.splitlines()
    for each in ast.parse(text).body:
        if isinstance(each, ast.ClassDef):
            for decorator in each.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
                    _construct(each, decorator, lines)
    return "\n".join(lines).replace(_CHEAP, "from dataclasses import dataclass") + "\n"


def _construct(cheap: ast.ClassDef, decorator: ast.Call, lines: list[str]) -> None:
    """Write the constructor; the class's own attributes lose their defaults, which it has now."""
    frozen = any(keyword.arg == "frozen" for keyword in decorator.keywords)
    lines[decorator.lineno - 1] = f"@dataclass(init=False, unsafe_hash={frozen})"
    parameters, body = ["self"], []
    for member in cheap.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__post_init__":
            body.append("self.__post_init__()")
        if not isinstance(member, ast.AnnAssign) or not isinstance(member.target, ast.Name):
            continue
        name, kind, default = member.target.id, ast.unparse(member.annotation), member.value
        value = name
        if isinstance(default, ast.Call):
            kind, value = f"{kind} | None", f"{_factory(default)}() if {name} is None else {name}"
        if default is not None:
            lines[member.lineno - 1] = lines[member.lineno - 1][: member.annotation.end_col_offset]
        given = "" if default is None else " = None" if isinstance(default, ast.Call) else f" = {ast.unparse(default)}"
        parameters.append(f"{name}: {kind}{given}")
        body.append(f"self.{name} = {value}")
    behind = cheap.end_lineno or 0
    if behind < len(lines) and lines[behind]:
        raise ValueError(f"no blank line behind {cheap.name}")
    lines[behind : behind + 1] = [f"    def __init__({', '.join(parameters)}) -> None: {'; '.join(body)}"]


def _factory(default: ast.Call) -> str:
    """Return what makes the default of `field(default_factory=…)`."""
    if ast.unparse(default.func) != "field" or [each.arg for each in default.keywords] != ["default_factory"]:
        raise ValueError(f"no default that is known: {ast.unparse(default)}")
    return ast.unparse(default.keywords[0].value)


def _missing() -> str | None:
    """Say what is missing to compile anything."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if not command or shutil.which(command[0]) is None:
        return "a C compiler"
    tried = subprocess.run(  # noqa: S603 -- the compiler that Python was built with, or that the user has named
        [*command, "-E", "-I", sysconfig.get_path("include"), "-"],
        input=b"#include <Python.h>\n",
        capture_output=True,
        check=False,
    )
    return "Python's headers" if tried.returncode else None


def _make(digest: str, log: Path) -> None:
    """Compile beside what is there, try it, and put it in place of what is there."""
    compiled.PLACES.mkdir(exist_ok=True)
    paths = [str(compiled.text_of(module).relative_to(compiled.ROOT)) for module in compiled.MODULES]
    with TemporaryDirectory(dir=compiled.PLACES) as scratch, log.open("wb") as output:
        texts, made = Path(scratch, "texts"), Path(scratch, "made")
        _lay_out(texts)
        (texts / "setup.py").write_text(_SETUP.format(paths=paths, shared=compiled.SHARED.removesuffix("__mypyc")))
        _run("mypyc, or the compiler,", ["setup.py", "build_ext", "--build-lib", str(made)], texts, output.fileno())
        _run("what it made", ["-c", _TRIAL, str(made), *compiled.MODULES], compiled.ROOT, output.fileno())
        if compiled.digest() != digest:
            raise ValueError("the texts were changed meanwhile")
        made.rename(compiled.PLACES / digest)
    log.unlink()
    for path in compiled.PLACES.iterdir():
        if path.name != digest:
            shutil.rmtree(path, ignore_errors=True)


def _lay_out(texts: Path) -> None:
    """Write what the compiler is to see."""
    for path in (compiled.ROOT / "bridge").rglob("*.py"):
        place = texts / path.relative_to(compiled.ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "__init__.py":
            place.touch()
        elif ".".join(place.relative_to(texts).with_suffix("").parts) in compiled.MODULES:
            place.write_text(native(path.read_text()))
        else:
            place.with_suffix(".pyi").write_text(_STUB)


def _run(what: str, arguments: list[str], place: Path, output: int) -> None:
    ran = subprocess.run(  # noqa: S603 -- this Python, on what was written here
        [sys.executable, *arguments], cwd=place, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
    )
    if ran.returncode:
        raise ValueError(f"{what} failed with status {ran.returncode}")


if __name__ == "__main__":
    sys.exit(main())
