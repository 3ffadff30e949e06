"""The hot part of the program in C: which modules that is, and the choice between their compiled and their Python form.

Reading an event, weighing it and making rows of it, and the books of a pass over a list, are plain Python with types;
mypyc makes C of that (`python -m bridge.compiling`, which `make install` runs where there is a compiler). Measured,
events of 1.2 kB, CPython 3.11: reading one takes 22 µs instead of 30, deciding and making rows 7 instead of 18; what
that comes to in the whole process stands in `bridge.storage.observation`. Compiling what waits and wakes
(`bridge.ingest.receiver`, `batch`, `cohort`, `writer`) as well brought nothing that could be measured, so it stays
Python.

Both forms do the same. What is compiled lies in a directory of its own in the virtual environment, named by a digest of
the texts it was made of and by. The digest is taken anew at each start, so a text that was edited, or pulled, or
installed since has no compiled form: the program runs it as Python, never the old code. That takes 0.4 ms. Nothing
else can make the compiled form wrong: of modules that are not in `MODULES` the compiler was told nothing, so it asks
them at run time, as Python does.

`TMF656_BRIDGE_PURE=1` in the environment keeps to Python: to compare, to debug, to patch what compiled code calls.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import source_hash, spec_from_file_location
from pathlib import Path
from types import ModuleType

MODULES = (
    "bridge.domain.timestamp",
    "bridge.domain.problem_history",
    "bridge.domain.merge_patch",
    "bridge.domain.observation",
    "bridge.domain.service_problem",
    "bridge.domain.status",
    "bridge.storage.observation",
    "bridge.storage.row_cache",
    "bridge.storage.row_builder",
    "bridge.tmf656.paging",
    "bridge.tmf656.wire.document",
    "bridge.tmf656.wire.event",
    "bridge.tmf656.wire.identity",
    "bridge.tmf656.wire.notification",
    "bridge.tmf656.wire.problem",
    "bridge.tmf656.wire.shapes",
)

_MADE_BY = ("bridge.compiled", "bridge.compiling", "bridge.domain.value")
"""What decides how they are compiled."""

ROOT = Path(__file__).resolve().parent.parent
"""Where the package lies."""

SUFFIX = EXTENSION_SUFFIXES[0]
"""How the file of a compiled module ends; it names the Python it is for."""

PLACES = Path(sys.prefix) / "tmf656-bridge-compiled"
"""Holds one directory, named by `digest`; in it a file for each module, and one for the code that they share."""

SHARED = "tmf656_bridge__mypyc"
"""Name of the module that holds this code."""


class _Finder:
    """Finds the compiled modules in a directory; of any other it knows nothing. See `importlib.abc.MetaPathFinder`."""

    def __init__(self, directory: Path) -> None:
        self._files = {name: f"{directory.joinpath(*name.split('.'))}{SUFFIX}" for name in (SHARED, *MODULES)}

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is, if it is one of ours."""
        file = self._files.get(name)
        return None if file is None else spec_from_file_location(name, file)


def text_of(module: str) -> Path:
    """Return the file that a module of ours is written in."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def digest() -> str:
    """Name what is compiled from the texts as they are now, by the hash that Python knows its own compiled files by.
    Raises OSError where they are not there.
    """
    texts = [text_of(module).read_bytes() for module in (*_MADE_BY, *MODULES)]
    return source_hash(b"\0".join([SUFFIX.encode(), *texts])).hex()


def use(directory: Path | None = None) -> bool:
    """Have the compiled modules imported from now on, if there are any of the present texts; return whether. Call it
    before any of them is imported. `directory`: take those in there, whatever they were made of.
    """
    if directory is None:
        if os.environ.get("TMF656_BRIDGE_PURE"):
            return False
        try:
            directory = PLACES / digest()
        except OSError:
            return False
    if not directory.is_dir():
        return False
    sys.meta_path.insert(0, _Finder(directory))
    return True
