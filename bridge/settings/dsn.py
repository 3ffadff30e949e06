"""The one reader of `database.dsn`: for the bridge, `check` and psql alike.

Takes what libpq takes (https://www.postgresql.org/docs/current/libpq-connect.html): URLs, several hosts, parameters in
the query, a service file, a password file, PG… variables. A parameter is used, or it is a fault that names it: none
is passed over in silence, nor sent to the server as a setting that it may refuse. Reads files, opens no connection.

Precedence: the DSN, then the service, then the environment (which asyncpg and psql read by themselves).
"""

import configparser
import difflib
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from bridge.errors import ConfigurationError

_PORT = "5432"
_CONNECT_TIMEOUT_SECONDS = 10.0
_KEEPALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""Seconds, the last one milliseconds. By default it is two hours for an idle connection, 15 minutes for one in use."""

_ADDRESS = frozenset({"host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "servicefile"})
_TLS = frozenset(
    {
        "sslmode",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    }
)
_PASSED_ON = frozenset({"target_session_attrs", "krbsrvname", "gsslib", "options", "load_balance_hosts"})
_OURS = frozenset({"application_name", "fallback_application_name", "statement_cache_size"})
_TIMES = frozenset({"connect_timeout", "keepalives", *_KEEPALIVE})
_WITHOUT_EFFECT = {
    "channel_binding": ("disable", "prefer"),
    "client_encoding": ("auto", "utf8", "utf-8", "unicode"),
    "gssencmode": ("disable", "prefer"),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "requiressl": ("0",),
    "gssdelegation": ("0",),
    "replication": ("false", "off", "no", "0"),
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "3.2", "latest"),
}
"""Parameters that the driver has no word for, and the values that ask for no more than it does anyway."""
_INSTEAD = {
    "channel_binding": "the driver cannot bind channels: use sslmode=verify-full, which lets nobody in between either",
    "client_encoding": "text is sent as UTF-8: leave it out",
    "gssencmode": "the driver cannot encrypt with GSSAPI: use sslmode",
}
_SESSIONS = ("any", "read-write", "primary")
_ALIASES = {"database": "dbname", "ssl": "sslmode", "username": "user"}
_KNOWN = sorted(_ADDRESS | _TLS | _PASSED_ON | _OURS | _TIMES | set(_WITHOUT_EFFECT))


@dataclass(frozen=True, slots=True)
class Dsn:
    """A DSN that was read. `hosts` is empty where libpq's defaults hold (PGHOST, sockets, localhost)."""

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    database: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    passfile: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    connect_timeout_seconds: float = _CONNECT_TIMEOUT_SECONDS
    keepalive: Mapping[str, int] | None = field(default_factory=lambda: dict(_KEEPALIVE))
    """None: off."""

    @property
    def address(self) -> str:
        """What a person knows this server by: host:port/database, several hosts with commas."""
        ports = self._ports() or (int(os.environ.get("PGPORT") or _PORT),)
        hosts = self.hosts or (os.environ.get("PGHOST") or "localhost",)
        places = [
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in zip(hosts, ports, strict=False)
        ]
        name = self.database or os.environ.get("PGDATABASE") or ""
        return f"Postgres at {','.join(places)}" + (f"/{name}" if name else "")

    def driver_arguments(self) -> dict[str, Any]:
        """Arguments of `asyncpg.connect` and `asyncpg.create_pool`, without server settings and timeouts."""
        tls = {name: value for name, value in self.parameters.items() if name in _TLS}
        arguments: dict[str, Any] = {"dsn": "postgresql://?" + urlencode(tls) if tls else None}
        hosts, ports = self._balanced()
        given = {
            "host": list(hosts) or None,
            "port": list(ports) or None,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "passfile": self.passfile,
            "target_session_attrs": self._session(),
            "krbsrvname": self.parameters.get("krbsrvname"),
            "gsslib": self.parameters.get("gsslib"),
        }
        arguments |= {name: value for name, value in given.items() if value is not None}
        if "statement_cache_size" in self.parameters:
            arguments["statement_cache_size"] = int(self.parameters["statement_cache_size"])
        return arguments

    @property
    def server_settings(self) -> dict[str, str]:
        """What is to be set when connecting."""
        return {"options": self.parameters["options"]} if "options" in self.parameters else {}

    def for_psql(self) -> tuple[str, dict[str, str]]:
        """Return the conninfo for psql, and its variables: the password is in these, since everybody on this machine
        can read the list of processes.
        """
        words = {
            "host": ",".join(self.hosts),
            "port": ",".join(map(str, self._ports())),
            "dbname": self.database or "",
            "user": self.user or "",
            "passfile": self.passfile or "",
        }
        left_out = _OURS | {"sslpassword", "gsslib"}
        words |= {name: value for name, value in self.parameters.items() if name not in left_out}
        conninfo = " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value)
        return conninfo, {} if self.password is None else {"PGPASSWORD": self.password}

    def _ports(self) -> tuple[int, ...]:
        if len(self.ports) == 1 and len(self.hosts) > 1:
            return self.ports * len(self.hosts)
        return self.ports or (int(_PORT),) * len(self.hosts)

    def _balanced(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        places = list(zip(self.hosts, self._ports(), strict=True)) if self.hosts else []
        if self.parameters.get("load_balance_hosts") == "random":
            random.shuffle(places)
        return tuple(host for host, _ in places), tuple(port for _, port in places) or self.ports

    def _session(self) -> str | None:
        """We write, so of several hosts only one that takes writes will do."""
        asked = self.parameters.get("target_session_attrs")
        return asked or ("read-write" if len(self.hosts) > 1 else None)


def read_dsn(dsn: str) -> Dsn:
    """Read a DSN; ConfigurationError with every fault found, no fault shows a password."""
    read, faults = _read(dsn)
    if faults:
        raise ConfigurationError([f"database.dsn: {fault}" for fault in faults])
    return read


def faults_of(dsn: str) -> list[str]:
    """Return what is wrong with a DSN, without its key."""
    return _read(dsn)[1]


def _read(dsn: str) -> "tuple[Dsn, list[str]]":
    reading = _Reading()
    given = reading.url(dsn) if "://" in dsn else reading.words(dsn)
    if not reading.faults:
        given = reading.with_service(given)
        reading.check(given)
    return reading.dsn(given), reading.faults


class _Reading:
    """One DSN being read, and the faults so far."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def url(self, dsn: str) -> dict[str, str]:
        """Take a URL apart into parameters."""
        scheme, _, rest = dsn.partition("://")
        if scheme not in ("postgresql", "postgres"):
            self.faults.append("should begin with postgresql://")
            return {}
        rest, _, query = rest.partition("?")
        netloc, _, path = rest.partition("/")
        if "@" in path:
            self.faults.append("has a / before the @: write special characters in the password as %XX")
            return {}
        login, _, places = netloc.rpartition("@")
        user, colon, password = login.partition(":")
        given = {"user": unquote(user), "dbname": unquote(path)}
        if colon:
            given["password"] = unquote(password)
        hosts, ports = [], []
        for place in places.split(",") if places else ():
            host, port = _split_place(place)
            hosts.append(unquote(host))
            ports.append(port)
        given["host"] = ",".join(hosts)
        given["port"] = ",".join(port or _PORT for port in ports) if any(ports) else ""
        given = {name: value for name, value in given.items() if value}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if value:
                given[_ALIASES.get(name, name)] = value
        return given

    def words(self, conninfo: str) -> dict[str, str]:
        """Take `host=… dbname=…` apart into parameters."""
        given: dict[str, str] = {}
        rest = conninfo.strip()
        while rest:
            name, equals, rest = rest.partition("=")
            if not equals:
                self.faults.append("should begin with postgresql://, or be words like host=… dbname=…")
                return {}
            value, rest = _first_value(rest.lstrip())
            if value:
                given[_ALIASES.get(name.strip(), name.strip())] = value
            rest = rest.lstrip()
        return given

    def with_service(self, given: dict[str, str]) -> dict[str, str]:
        """Add what the service says, where the DSN says nothing."""
        name = given.pop("service", "") or os.environ.get("PGSERVICE", "")
        chosen = given.pop("servicefile", "") or os.environ.get("PGSERVICEFILE", "")
        if not name:
            return given
        places = [Path(chosen)] if chosen else [Path.home() / ".pg_service.conf"]
        if directory := os.environ.get("PGSYSCONFDIR"):
            places.append(Path(directory) / "pg_service.conf")
        places += [] if chosen else [Path("/etc/postgresql-common/pg_service.conf")]
        for place in places:
            parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
            try:
                parser.read_string(place.read_text(encoding="utf-8"))
            except OSError:
                continue
            except (configparser.Error, UnicodeDecodeError):
                self.faults.append(
                    f"the service file {place} cannot be read: it should hold [{name}] and lines name=value"
                )
                return given
            if parser.has_section(name):
                said = {_ALIASES.get(key, key): value for key, value in parser.items(name) if value}
                return said | given
        files = " or ".join(map(str, places))
        self.faults.append(f"there is no service {name!r} in {files}: add [{name}], or name another service")
        return given

    def check(self, given: Mapping[str, str]) -> None:
        """Find parameters that are not known, or ask for what the driver cannot do."""
        for name, value in given.items():
            if name not in _KNOWN:
                close = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.7)
                meant = f"did you mean {close[0]}?" if close else "see `Parameter Key Words` in the manual of libpq"
                self.faults.append(f"{name!r} is no parameter of a connection: {meant}")
            elif name in _WITHOUT_EFFECT and value.lower() not in _WITHOUT_EFFECT[name]:
                instead = _INSTEAD.get(name, "the driver cannot do that: leave it out")
                self.faults.append(f"{name}={value}: {instead}")
        session = given.get("target_session_attrs")
        if session is not None and session not in _SESSIONS:
            self.faults.append(
                f"target_session_attrs={session}: the bridge writes, so it should be read-write or primary"
            )
        balance = given.get("load_balance_hosts", "disable")
        if balance not in ("disable", "random"):
            self.faults.append(f"load_balance_hosts={balance}: should be disable or random")
        for name in ("sslcert", "sslkey", "sslrootcert", "sslcrl"):
            path = given.get(name)
            if path and not (name == "sslrootcert" and path == "system") and not os.access(path, os.R_OK):
                self.faults.append(f"{name}={path}: there is no file of that name that can be read")
        if given.get("sslrootcert") == "system":
            self.faults.append("sslrootcert=system: name the file instead, such as /etc/ssl/certs/ca-certificates.crt")

    def dsn(self, given: Mapping[str, str]) -> Dsn:
        """Put it together."""
        hosts = tuple(filter(None, given.get("hostaddr", given.get("host", "")).split(",")))
        ports = tuple(self.port(port) for port in given.get("port", "").split(",") if port)
        if len(ports) > 1 and len(ports) != len(hosts):
            self.faults.append(f"{len(ports)} ports for {len(hosts)} hosts: name one port, or as many as hosts")
            ports = ports[:1]
        if "hostaddr" in given and given.get("sslmode") == "verify-full":
            self.faults.append("hostaddr with sslmode=verify-full: name host only, the certificate is for that")
        timeout = self.number("connect_timeout", given.get("connect_timeout", "0"), 0, 3600)
        for name in ("statement_cache_size",):
            self.number(name, given.get(name, "0"), 0, 1_000_000)
        return Dsn(
            hosts=hosts,
            ports=ports,
            database=given.get("dbname"),
            user=given.get("user"),
            password=given.get("password"),
            passfile=given.get("passfile"),
            parameters={name: value for name, value in given.items() if name not in _ADDRESS},
            connect_timeout_seconds=timeout or _CONNECT_TIMEOUT_SECONDS,
            keepalive=self.keepalive(given),
        )

    def keepalive(self, given: Mapping[str, str]) -> dict[str, int] | None:
        """The kernel's probes; None when they are turned off. 0 stands for the kernel's default, as with libpq."""
        if self.number("keepalives", given.get("keepalives", "1"), 0, 1) == 0:
            return None
        chosen = {name: self.number(name, given[name], 0, 2**31 - 1) for name in _KEEPALIVE if name in given}
        return {name: value for name, value in (_KEEPALIVE | chosen).items() if value}

    def port(self, text: str) -> int:
        """Read a port; what stands there may be part of a password, so it is not shown."""
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= 65535):
            self.faults.append("the port is no number from 1 to 65535; write special characters in the password as %XX")
            return int(_PORT)
        return int(text)

    def number(self, name: str, text: str, least: int, most: int) -> int:
        """Read a whole number; `least` where it is none."""
        if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
            self.faults.append(f"{name}={text[:40]}: should be a whole number from {least} to {most}")
            return least
        return int(text)


def _split_place(place: str) -> tuple[str, str]:
    """host:port, [address]:port, or only a host."""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port


def _first_value(text: str) -> tuple[str, str]:
    """The value that a conninfo goes on with, quotes and backslashes taken off, and the rest."""
    quoted = text.startswith("'")
    value, place = "", 1 if quoted else 0
    while place < len(text):
        char = text[place]
        if char == "\\" and place + 1 < len(text):
            place += 1
            value += text[place]
        elif (quoted and char == "'") or (not quoted and char.isspace()):
            return value, text[place + 1 :]
        else:
            value += char
        place += 1
    return value, ""


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
