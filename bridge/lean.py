"""Starting and ending without what no command uses: a fifth of the time `run` takes to be ready.

`bridge.__main__` calls `prepare` before it imports anything else, and `finish` when all is done. Where nobody calls
them (tests, the package used as a library) everything works the same, and takes longer.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def prepare() -> None:
    """Say how libraries are to be imported; called once, while there is one thread.

    * No collection of cycles: of what is imported nothing is garbage, and looking took a tenth of all importing.
      `bridge.cli.options.on_loop` turns it on again.
    * No plugins for pydantic: it would look through all that is installed for some.
    * No rich for structlog, which takes it, and all that it colours source code with, for tracebacks that we do not
      print: `bridge.telemetry.logs` has plain ones. It cannot be told so, but does without rich where that is not
      installed.
    """
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with _absent("rich"):
        import_module("structlog")


def finish() -> None:
    """Let the process end without looking for cycles in all that is about to vanish with it, 60 ms after a `sync`.

    Everything that has to be closed was closed before: nothing rests on a collection.
    """
    gc.freeze()


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """Let an import of `name` fail as if it were not installed."""
    sys.modules[name] = None  # type: ignore[assignment]  # the documented way to say so
    try:
        yield
    finally:
        del sys.modules[name]
