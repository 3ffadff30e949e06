"""Build hook: remove what mypyc left beside the sources, so that a checkout never runs code compiled of older text."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Cleans up after the `mypyc` hook, once the wheel is written."""

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Delete the extension modules of this package below the checkout."""
        root = Path(self.root)
        for built in [*root.glob("*__mypyc.*"), *(root / "bridge").rglob("*.so"), *(root / "bridge").rglob("*.pyd")]:
            built.unlink()
