"""`files`: what came with the package to run and watch the bridge with, written where it is wanted."""

from pathlib import Path
from typing import Annotated

import typer

import bridge
from bridge.cli.options import Config
from bridge.errors import PermanentError
from bridge.storage.queries import sql_dir

_PATTERNS = {
    "deploy": (
        "bridge.toml",
        "compose.yaml",
        "runbook.md",
        "prometheus/*.yml",
        "systemd/*.service",
        "kubernetes/*.yaml",
        "dataminer/*.yaml",
        "dataminer/*.cs",
        "servicenow/*.js",
        "servicenow/*.md",
    ),
    "grafana": ("dashboards/*.json", "provisioning/**/*.yaml", "provisioning/**/*.yml"),
}
"""What is written, by the folder it comes from; the wheel has these folders in `bridge/files`."""


def files(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write into; made when there is none.")],
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace files that differ from those of this version.")
    ] = False,
    config: Config = None,  # noqa: ARG001 -- every command takes it; what is written does not depend on it
) -> None:
    """Write alert rules, dashboards, a systemd unit, compose and Kubernetes files, what is installed on DataMiner and
    ServiceNow, reports and an example bridge.toml.

    They are those of this version, so after an update write them again into another directory and compare. A file
    that is there already and differs is never replaced without `--force`.
    """
    wanted = {directory / name: content for name, content in _shipped().items()}
    changed = [path for path, content in wanted.items() if path.exists() and path.read_bytes() != content]
    if changed and not force:
        names = "\n".join(f"  {path}" for path in changed)
        raise PermanentError(
            f"these files are there and differ:\n{names}\nname another directory, or replace them with --force"
        )
    for path, content in wanted.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise PermanentError(f"{path} cannot be written: {error.strerror}; name another directory") from error
        typer.echo(str(path))


def _shipped() -> dict[str, bytes]:
    """Content by path, as in a checkout."""
    package = Path(bridge.__file__).parent
    root = package / "files" if (package / "files").is_dir() else package.parent
    found = {}
    for folder, patterns in _PATTERNS.items():
        for pattern in patterns:
            for path in sorted((root / folder).glob(pattern)):
                if not path.name.endswith(".tests.yml"):
                    found[path.relative_to(root).as_posix()] = path.read_bytes()
    for path in sorted((sql_dir() / "reports").iterdir()):
        found[f"sql/reports/{path.name}"] = path.read_bytes()
    if not any(name.startswith("deploy/") for name in found):
        raise PermanentError("this installation came without these files: install tmf656-bridge from its wheel")
    return found
