"""The data directory of the embedded Postgres: created once, owned by the right user, checked before each start.

Everything lies in `data_dir/postgres`, also as root: Postgres refuses to run as root, and the user it runs as then
often cannot enter the parents of that directory. Their modes are left alone; the server gets the directory as an open
descriptor (`/proc/self/fd/N`) and enters it through that, which needs no right on the way. Its socket lies in the same
directory, which is private (0700): a process that can open the socket could read the data anyway, so no password is
needed. The server never listens on TCP.

A crash leaves: during `initdb` a `postgres.new-…` directory, removed by the next start; later a whole cluster, which
Postgres recovers itself, and perhaps a server that is still shutting down (`settle`) or a `postmaster.pid` whose number
now belongs to another process. All callers hold the lock on the data directory. Functions that are not `async` block;
call them from a worker thread.
"""

import contextlib
import itertools
import os
import pwd
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import anyio
import structlog

from bridge.errors import PermanentError
from bridge.postgres import binaries, child_process
from bridge.postgres.child_process import Identity

log = structlog.get_logger(__name__)

PORT = 5432
"""Only part of the socket's name: the directory is private, so the number cannot clash."""

CLUSTER_NAME = "tmf656-bridge"

_SOCKET_NAME = f".s.PGSQL.{PORT}"
_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103  # sun_path less its final NUL
_ACCOUNTS = ("postgres", "nobody")
_INITDB_LIMIT_SECONDS = 300
_PROBE_LIMIT_SECONDS = 20
_ORPHAN_LIMITS_SECONDS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 20.0))


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


def pauses_seconds() -> Iterator[float]:
    """Yield the pauses between checks on another process: short at first, then constant, without end."""
    return itertools.chain((0.005, 0.01, 0.02, 0.04, 0.08, 0.16), itertools.repeat(0.25))


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


def socket_dir(cluster: Cluster) -> Path:
    """Return the private directory for the socket: the cluster, or one of our own when its path is too long for that.

    The symbolic link `postgres.socket` beside the cluster names the other directory, so that it is found after a crash.
    """
    if _fits(cluster.path):
        return cluster.path
    owner = cluster.identity[0] if cluster.identity else os.geteuid()
    link = _socket_link(cluster.path)
    if link.is_symlink():
        remembered = link.readlink()
        if _is_private(remembered, owner):
            return remembered
        link.unlink()
    fresh = Path(tempfile.mkdtemp(prefix=f"{CLUSTER_NAME}-"))
    if not _fits(fresh):
        fresh.rmdir()
        raise PermanentError(
            f"Neither {cluster.path} nor {fresh.parent} is a fit place for a Unix socket (at most {_SOCKET_PATH_BYTES} "
            "bytes, UTF-8, no comma). Choose a shorter data_dir or TMPDIR, or set database.dsn."
        )
    if cluster.identity:
        os.chown(fresh, *cluster.identity)
    link.symlink_to(fresh)
    return fresh


def forget_socket_dir(path: Path) -> None:
    """Remove what `socket_dir` made outside the cluster, if it made anything; the server has stopped."""
    link = _socket_link(path)
    if link.is_symlink():
        with contextlib.suppress(OSError):  # removed by another process, or not empty
            link.readlink().rmdir()
        link.unlink()


def socket_setting(cluster: Cluster, directory: Path) -> str:
    """Return the value of `unix_socket_directories`: the server's working directory is the cluster."""
    return "." if directory == cluster.path else '"' + str(directory).replace('"', '""') + '"'


def mark(path: Path) -> str:
    """Return a setting that the server ignores; on its command line it shows that the server is ours, and its data.

    As root the command line does not name the directory otherwise, and its working directory may be hidden from us.
    """
    return f"tmf656_bridge.cluster={path}"


def dsn(directory: Path, database: str) -> str:
    """Return the address of `database` through the socket in `directory`, for asyncpg and libpq alike.

    TLS is switched off in words, because PGSSLMODE in the environment would make asyncpg look for certificates.
    """
    return f"postgresql:///{database}?host={quote(str(directory), safe='')}&port={PORT}&user=postgres&sslmode=disable"


def running_socket_dir(path: Path) -> Path | None:
    """Return where the server that runs on the cluster `path` has its socket, None when none has opened one."""
    lines = _pid_file_lines(path)
    return path / lines[4] if len(lines) > 4 and lines[4] else None


async def settle(cluster: Cluster) -> None:
    """Return when no earlier server runs on this cluster and no stale `postmaster.pid` would stop the next one.

    A server whose bridge was killed is already shutting down; it gets the signal again, then the one for an immediate
    shutdown (it recovers at the next start). A server that another program started is never stopped: PermanentError.
    """
    for death_signal, limit_seconds in _ORPHAN_LIMITS_SECONDS:
        running = await anyio.to_thread.run_sync(_running_postmaster, cluster.path)
        if running is None:
            break
        pid, ours = running
        if not ours:
            raise PermanentError(
                f"A Postgres that the bridge did not start runs on {cluster.path} (process {pid}). "
                f"Stop it: kill -INT {pid}"
            )
        log.info("waiting for the Postgres of a killed bridge", postgres_pid=pid, signal=death_signal.name)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # ended, or owned by another user
            os.kill(pid, death_signal)
        with anyio.move_on_after(limit_seconds):
            for pause_seconds in pauses_seconds():
                if _running_postmaster(cluster.path) != running:
                    break
                await anyio.sleep(pause_seconds)
    else:
        running = _running_postmaster(cluster.path)
        if running is not None:
            pid = running[0]
            raise PermanentError(
                f"The Postgres of a killed bridge does not stop (process {pid}). Stop it: kill -KILL {pid}"
            )
    _drop_misleading_pid_file(cluster.path)


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


def _socket_link(path: Path) -> Path:
    return path.with_name(f"{path.name}.socket")


def _fits(directory: Path) -> bool:
    """Whether everybody can name a socket in `directory`: short enough, UTF-8, and no comma (it separates hosts)."""
    name = os.fsencode(directory / _SOCKET_NAME)
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(name) <= _SOCKET_PATH_BYTES and b"," not in name


def _is_private(directory: Path, owner: int) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and stat.S_IMODE(found.st_mode) == 0o700


def _pid_file_lines(path: Path) -> list[str]:
    try:
        return (path / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _pid_in_file(path: Path) -> int | None:
    lines = _pid_file_lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdecimal() else None


def _running_postmaster(path: Path) -> tuple[int, bool] | None:
    """Return the process that `postmaster.pid` names, if that really is a Postgres on this directory, and whether it is
    ours. Both in one look: a process that dies meanwhile has no command line any more.
    """
    pid = _pid_in_file(path)
    if pid is None:
        return None
    words = _command_line(pid)
    if mark(path) in " ".join(words):
        return pid, True
    return (pid, False) if Path(words[0]).name == "postgres" and _works_in(pid, path) else None


def _command_line(pid: int) -> list[str]:
    """Return the words of a process' command line (outside Linux: cut at blanks); one empty word if it is gone."""
    if sys.platform == "linux":
        try:
            words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        except OSError:
            words = [""]
    else:
        ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
        words = subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split(" ")  # noqa: S603
    return words


def _works_in(pid: int, path: Path) -> bool:
    """Whether `path` is the working directory of a Postgres that we did not start; yes when we may not know."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(path)
    except PermissionError:
        return True
    except OSError:
        return False


def _drop_misleading_pid_file(path: Path) -> None:
    """Remove a `postmaster.pid` whose number is another program's now: the server would take that for a second server.

    When the process is gone altogether the file stays, because the server itself then looks in shared memory for
    survivors before it removes the file.
    """
    pid = _pid_in_file(path)
    if pid is None:
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass
    (path / "postmaster.pid").unlink(missing_ok=True)
