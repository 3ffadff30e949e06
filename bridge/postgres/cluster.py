"""The data directory of the embedded Postgres: created once, owned by the right user, checked before each start.

Everything lies in `data_dir/postgres`, also as root: Postgres refuses to run as root, and the user it runs as then
often cannot enter the parents of that directory. Their modes are left alone; the server gets the directory as an open
descriptor (`/proc/self/fd/N`) and enters it through that, which needs no right on the way. Its socket lies in the same
directory, which is private (0700): a process that can open the socket could read the data anyway, so no password is
needed. The server never listens on TCP.

A crash leaves: during `initdb` a `postgres.new-…` directory, removed by the next start; later a whole cluster, which
Postgres recovers itself, and perhaps a server or a pid file (`bridge.postgres.pid_file`). All callers hold the lock on
the data directory. Functions that are not `async` block; call them from a worker thread.
"""

import contextlib
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import PermanentError
from bridge.postgres import binaries, child_process
from bridge.postgres.child_process import Identity

CLUSTER_NAME = "tmf656-bridge"

_ACCOUNTS = ("postgres", "nobody")
_INITDB_LIMIT_SECONDS = 300
_PROBE_LIMIT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory and what runs it: `path` absolute, `bin_dir` to be run as `identity`, None for ourselves."""

    path: Path
    bin_dir: Path
    identity: Identity | None

    def popen(
        self, program: str, *arguments: str, death_signal: signal.Signals, output: int
    ) -> "subprocess.Popen[bytes]":
        """Start `bin_dir/program -D <this>` as the right user, out of reach of the terminal's Ctrl-C.

        Standard output and error both go to `output`, a descriptor or `subprocess.PIPE`. See
        `bridge.postgres.child_process` about `death_signal`.
        """
        with self._as_seen_by_the_server() as (path, descriptors):
            return subprocess.Popen(  # noqa: S603 -- no shell
                child_process.command(
                    self.bin_dir / program,
                    "-D",
                    path,
                    *arguments,
                    death_signal=death_signal,
                    identity=self.identity,
                ),
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                start_new_session=True,
                umask=0o077,
            )

    def run(self, program: str, *arguments: str, limit_seconds: float) -> tuple[int, str]:
        """Run a program that ends by itself; return its exit status and output. It is killed at the limit."""
        with self.popen(program, *arguments, death_signal=signal.SIGTERM, output=subprocess.PIPE) as process:
            try:
                output, _ = process.communicate(timeout=limit_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                return -signal.SIGKILL, f"not finished after {limit_seconds:.0f} s\n{output.decode(errors='replace')}"
        return process.returncode, output.decode(errors="replace")

    @contextlib.contextmanager
    def _as_seen_by_the_server(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the path for `-D` and the descriptors that must be passed on for it."""
        if self.identity is None:
            yield str(self.path), ()
            return
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)


def prepare(path: Path, bin_dir: Path) -> Cluster:
    """Return the cluster at `path`, made if there is none, ready to be started with the programs in `bin_dir`.

    Raises PermanentError, with the remedy, when the data is of another version or another user, or cannot be made.
    """
    identity = _identity_for(path)
    bin_dir = binaries.reachable(bin_dir, identity)
    if not (path / "PG_VERSION").exists():
        _initialise(path, bin_dir, identity)
    _check_version(path, bin_dir)
    if identity and path.stat().st_uid != identity[0]:
        _hand_over(path, identity)
    return Cluster(path, bin_dir, identity)


def supports_lz4(cluster: Cluster) -> bool:
    """Whether this Postgres was built with lz4, asked of the server itself."""
    status, _ = cluster.run(
        "postgres", "-c", "wal_compression=lz4", "-C", "wal_compression", limit_seconds=_PROBE_LIMIT_SECONDS
    )
    return status == 0


def _identity_for(path: Path) -> Identity | None:
    """Return the user to run as: ourselves (None); as root the owner of the data, else the first of `_ACCOUNTS`."""
    owner = path.stat().st_uid if path.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            remedy = f"chown -R {os.geteuid()} {shlex.quote(str(path))}"
            raise PermanentError(f"{path} belongs to user id {owner}. Run as that user, or: {remedy}")
        return None
    if sys.platform != "linux":
        raise PermanentError(
            "Postgres does not run as root. Start the bridge as an ordinary user, or set database.dsn."
        )
    if owner:
        return owner, path.stat().st_gid
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise PermanentError(
        f"Postgres does not run as root, and there is no user {' or '.join(_ACCOUNTS)} to run it as. "
        "Start the bridge as an ordinary user, or set database.dsn."
    )


def _environment() -> Mapping[str, str]:
    """Return an environment without PGDATA, PGPORT and the like; messages in English, because we show them."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def _initialise(path: Path, bin_dir: Path, identity: Identity | None) -> None:
    """Create the cluster under another name and rename it when it is complete and on disk (`initdb` syncs it)."""
    if path.exists() and any(path.iterdir()):
        raise PermanentError(
            f"{path} has files in it but is not a Postgres data directory. Move it away, or set another data_dir."
        )
    for half_made in path.parent.glob(f"{path.name}.new-*"):
        shutil.rmtree(half_made, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{path.name}.new-", dir=path.parent))
    try:
        if identity:
            os.chown(fresh, *identity)
        status, output = Cluster(fresh, bin_dir, identity).run(
            "initdb", *_initdb_options(binaries.major_version(bin_dir)), limit_seconds=_INITDB_LIMIT_SECONDS
        )
        if status != 0:
            raise PermanentError(f"initdb for {path} failed with status {status}:\n{_tail(output)}")
        fresh.rename(path)
        _sync_directory(path.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _initdb_options(major: int) -> list[str]:
    """Return options for UTF-8 with a collation that no later library update can change."""
    locale = ["--locale=C"]
    if major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        *locale,
        "--encoding=UTF8",
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=reject",
        "--data-checksums",
    ]


def _hand_over(path: Path, identity: Identity) -> None:
    """Give a cluster that root owns (mostly a restored copy) to its user; the top last, so a crash repeats it."""
    for directory, _, names in os.walk(path, topdown=False):
        for name in names:
            os.chown(Path(directory, name), *identity, follow_symlinks=False)
        os.chown(directory, *identity, follow_symlinks=False)


def _check_version(path: Path, bin_dir: Path) -> None:
    wanted = (path / "PG_VERSION").read_text(encoding="ascii").strip()
    major = binaries.major_version(bin_dir)
    if wanted == str(major):
        return
    other = binaries.of_version(int(wanted)) if wanted.isdecimal() else None
    where = f"its programs are in {other}" if other else f"apt install postgresql-{wanted} or the like"
    raise PermanentError(
        f"The data in {path} was made by Postgres {wanted}, the programs in {bin_dir} are version {major}. Start it "
        f"once with Postgres {wanted} ({where}) and pg_dump the database bridge; then move {path} away, start the "
        "bridge, which makes a new one, and restore the dump. Or set database.dsn to a Postgres that you run."
    )


def _tail(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-15:])


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
