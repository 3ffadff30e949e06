"""Install what the bridge is measured against: npm packages beside this file, dlt into an environment of its own.

Both from lock files with hashes, and only when the lock file has changed since the last time.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
DLT = HERE.parents[2] / ".cache" / "bench" / "dlt"
DLT_PYTHON = DLT / "bin" / "python"


def node_packages() -> None:
    """Fastify, pg and Node-RED."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not on the PATH. Debian, Ubuntu: apt install nodejs npm; or measure others only")
    command = [npm, "ci", "--prefix", str(HERE), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    _once(HERE / "node_modules", HERE / "package-lock.json", lambda: _run(command))


def dlt() -> None:
    """The data load tool."""

    def install() -> None:
        _run([sys.executable, "-m", "venv", "--clear", str(DLT)])
        pip = [str(DLT_PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes"]
        _run([*pip, "-r", str(HERE / "dlt.lock")])

    _once(DLT, HERE / "dlt.lock", install)


def _once(place: Path, lock: Path, install: Callable[[], None]) -> None:
    mark = place / ".installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        place.mkdir(parents=True, exist_ok=True)
        install()
        mark.write_text(digest)


def _run(command: list[str]) -> None:
    ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"could not install: {' '.join(command[:3])} …\n{ran.stderr}")
