"""The compiled form: used where it is made of the present texts and nowhere else, and the same as the Python form."""

import ast
import inspect
import os
import shutil
import subprocess
import sys
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import bridge
from bridge import compiled, compiling

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, to be edited."""
    shutil.copytree(ROOT / "bridge", tmp_path / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def making(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one module of the copy is compiled to."""
    monkeypatch.setattr(compiled, "ROOT", copy)
    monkeypatch.setattr(compiled, "PLACES", copy / "places")
    monkeypatch.setattr(compiled, "MODULES", ("bridge.domain.merge_patch",))
    return copy / "places"


def form(place: Path, **more: str) -> str:
    """Which form a program runs in that is started with the package in `place`."""
    show = "import bridge.domain.problem_history as life; print(life.__file__)"
    environment = {name: value for name, value in os.environ.items() if name != "TMF656_BRIDGE_PURE"}
    ran = subprocess.run(
        [sys.executable, "-c", show],
        cwd=place,
        env=environment | {"PYTHONPATH": str(place)} | more,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return Path(ran.stdout.strip()).suffix


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="only CI promises a compiler")
def test_the_suite_runs_in_the_form_that_users_get() -> None:
    assert bridge.COMPILED or os.environ.get("TMF656_BRIDGE_PURE")


@pytest.mark.parametrize("module", compiled.MODULES)
def test_what_is_to_be_compiled_is_or_none_of_it_is(module: str) -> None:
    file = import_module(module).__file__
    assert file is not None
    assert file.endswith(compiled.SUFFIX if bridge.COMPILED else ".py")


@pytest.mark.skipif(not bridge.COMPILED, reason="nothing is compiled here")
def test_an_edited_text_has_no_compiled_form(copy: Path) -> None:
    assert form(copy) == ".so"
    assert form(copy, TMF656_BRIDGE_PURE="1") == ".py"
    text = copy / "bridge" / "tmf656" / "wire" / "shapes.py"
    before, times = text.read_text(), text.stat()
    text.write_text(before.replace("comment", "remarks"))  # as long as it was, and from the same moment
    os.utime(text, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert form(copy) == ".py"
    text.write_text(before)
    assert form(copy) == ".so"


def test_compiling_replaces_what_is_there_of_other_texts_and_leaves_what_is_of_these(
    making: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if compiling._missing():
        pytest.skip("no compiler here")
    (making / "0123456789abcdef").mkdir(parents=True)
    assert compiling.main() == 0
    assert [path.name for path in making.iterdir()] == [compiled.digest()]
    assert capsys.readouterr().out.count("\n") == 1
    assert compiling.main() == 0
    assert capsys.readouterr().out == ""


def test_what_cannot_be_compiled_is_told_in_a_line_and_nothing_is_lost(
    making: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if compiling._missing():
        pytest.skip("no compiler here")
    (making / "0123456789abcdef").mkdir(parents=True)
    with compiled.text_of("bridge.domain.merge_patch").open("a") as text:
        text.write('\nwrong: int = "a text"\n')
    assert compiling.main() == 1
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert "goes on in pure Python" in told[1]
    assert {path.name for path in making.iterdir()} == {"0123456789abcdef", "log"}
    assert "merge_patch" in (making / "log").read_text()


@pytest.mark.parametrize(("command", "lack"), [("no-such-compiler", "a C compiler"), ("false", "Python's headers")])
def test_without_a_compiler_what_to_install_is_told_in_a_line(
    command: str, lack: str, making: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", command)
    assert compiling.main() == compiling.NO_COMPILER
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert lack in told
    assert "apt install gcc python3-dev" in told
    assert not making.exists()


@pytest.mark.parametrize("name", compiled.MODULES)
def test_what_is_compiled_differs_from_the_text_in_constructors_only(name: str) -> None:
    text = compiled.text_of(name).read_text()
    native = compiling.native(text)
    assert "bridge.domain.value" not in native
    assert functions(native) == functions(text)


def functions(text: str) -> list[tuple[int, str]]:
    """The functions in a text and the lines they stand in, but for constructors."""
    found = (each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(each.lineno, ast.unparse(each)) for each in found if each.name != "__init__"]


def made_of(text: str) -> Any:
    """The classes in a text."""
    names: dict[str, Any] = {"__name__": __name__}
    exec(text, names)  # noqa: S102 -- a text of this module, or what is made of it
    return names


TEXT = '''
from dataclasses import field

from bridge.domain.value import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere."""

    name: str
    floor: int = 1
    """Where one enters is 1."""
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Counted:
    number: int = 0

    def __post_init__(self) -> None:
        self.number += 1
'''


def test_a_constructor_written_out_does_what_that_of_the_dataclass_does() -> None:
    python, native = made_of(TEXT), made_of(compiling.native(TEXT))
    for forms in (python, native):
        place = forms["Place"]("here", tags=["a"])
        assert is_dataclass(place)
        assert repr(place) == "Place(name='here', floor=1, tags=['a'])"
        assert place == forms["Place"]("here", 1, ["a"])
        assert forms["Place"]("x").tags is not forms["Place"]("x").tags
        assert forms["Counted"](4).number == 5
        with pytest.raises(TypeError):
            forms["Place"]()
    shown = [[one.name for one in fields(forms["Place"])] for forms in (python, native)]
    assert shown[0] == shown[1] == list(inspect.signature(native["Place"]).parameters)
    assert all(one.default is MISSING for one in fields(native["Place"]))


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("default_factory=list)", "default_factory=list, repr=False)"),
        TEXT.replace("(default_factory=list)\n", "(default_factory=list)\nafter = 1"),
    ],
    ids=["a default that is not known", "no room for the constructor"],
)
def test_a_class_that_is_not_understood_is_not_compiled(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        compiling.native(text)


@pytest.mark.skipif(not bridge.COMPILED, reason="the suite runs in pure Python here")
def test_the_hot_path_holds_in_pure_python_too() -> None:
    hot = ["tests/domain", "tests/tmf656/test_wire_event.py", "tests/tmf656/test_wire_notification.py"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *hot],
        cwd=ROOT,
        env=os.environ | {"TMF656_BRIDGE_PURE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
