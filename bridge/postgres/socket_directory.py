"""Where the Unix socket of the embedded Postgres lies: in the data directory, unless that path is too long."""

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from bridge.errors import PermanentError
from bridge.postgres.cluster import CLUSTER_NAME, Cluster
from bridge.postgres.pid_file import pid_file_lines

PORT = 5432
"""Only part of the socket's name: the directory is private, so the number cannot clash."""

_SOCKET_NAME = f".s.PGSQL.{PORT}"
_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103  # sun_path less its final NUL


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


def dsn(directory: Path, database: str) -> str:
    """Return the address of `database` through the socket in `directory`, for asyncpg and libpq alike.

    TLS is switched off in words, because PGSSLMODE in the environment would make asyncpg look for certificates.
    """
    return f"postgresql:///{database}?host={quote(str(directory), safe='')}&port={PORT}&user=postgres&sslmode=disable"


def running_socket_dir(path: Path) -> Path | None:
    """Return where the server that runs on the cluster `path` has its socket, None when none has opened one."""
    lines = pid_file_lines(path)
    return path / lines[4] if len(lines) > 4 and lines[4] else None


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
