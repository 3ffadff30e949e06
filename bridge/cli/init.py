"""`init`: a first bridge.toml, of answers or options, and whether it works."""

import os
import re
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
import typer

from bridge.cli.check import report_findings
from bridge.cli.options import Config, settings_for
from bridge.errors import ConfigurationError, PermanentError
from bridge.settings import Settings
from bridge.settings.read import assemble

_LOGINS = ("none", "basic", "token", "oauth2")


def init(
    config: Config = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the source: a-z, 0-9, _ and -.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="API base path of the source.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Kind of system, as `kind` of a source. Default: by the address.")
    ] = None,
    username: Annotated[str | None, typer.Option("--username", help="User for HTTP basic.")] = None,
    password_file: Annotated[str | None, typer.Option("--password-file", help="File with its password.")] = None,
    token_file: Annotated[str | None, typer.Option("--token-file", help="File with a bearer token.")] = None,
    dsn: Annotated[str | None, typer.Option("--dsn", help="Address of Postgres; empty: the embedded one.")] = None,
    dsn_file: Annotated[str | None, typer.Option("--dsn-file", help="File with the address of Postgres.")] = None,
    public_url: Annotated[str | None, typer.Option("--public-url", help="How the source reaches us.")] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Try what was written.")] = True,
) -> None:
    """Write a first configuration and try it. Asks for what no option says, on a terminal; else nothing is asked.

    The file is `--config FILE`, else bridge.toml here, readable by you alone; one that is there is never touched.
    """
    path = config or Path("bridge.toml")
    if path.exists():
        raise PermanentError(f"{path} is there already and is left as it is: edit it, or name another with --config")
    given = {"username": username, "password_file": password_file, "token_file": token_file}
    tree = _tree(name, url, kind, {key: value for key, value in given.items() if value}, dsn, dsn_file, public_url)
    assemble(_copy(tree), {}, Path.cwd())
    _write(path, _toml(tree))
    typer.echo(f"{path} is written")
    if check:
        failed = report_findings(settings_for(path, quiet=True))
        if failed:
            typer.echo(f"\nchange {path} as said above, then: tmf656-bridge check{_option(config)}")
            raise typer.Exit(1)
    typer.echo(f"\nnext: tmf656-bridge run{_option(config)}")


def _tree(
    name: str | None,
    url: str | None,
    kind: str | None,
    login: dict[str, str],
    dsn: str | None,
    dsn_file: str | None,
    public_url: str | None,
) -> dict[str, Any]:
    """The tables of the file, asked for where a person can answer."""
    asks = sys.stdin.isatty()
    if url is None:
        if not asks:
            raise typer.BadParameter("--url is needed where nobody can be asked: the API base path of the source")
        url = _asked("API base path of the source (https://…/serviceProblemManagement/v4)", _fault_of_url)
    name = name or (_asked("Name for this source", _fault_of_name, _likely_name(url)) if asks else _likely_name(url))
    kind = kind or ("servicenow" if _host(url).endswith(".service-now.com") else None)
    source = {**({"kind": kind} if kind else {}), "url": url, **(login or (_asked_login() if asks else {}))}
    database = {"dsn": dsn} if dsn else {"dsn_file": dsn_file} if dsn_file else {}
    if asks and dsn is None and dsn_file is None:
        answer = _asked("Postgres, postgresql://user:password@host:5432/database (empty: embedded)", _fault_of_dsn, "")
        database = {"dsn": answer} if answer else {}
    if asks and public_url is None:
        default = Settings().http.public_url
        public_url = _asked("How the source reaches this machine", _fault_of_public_url, default)
        public_url = None if public_url == default else public_url
    tables: dict[str, Any] = {"database": database, "http": {"public_url": public_url} if public_url else {}}
    return {key: table for key, table in tables.items() if table} | {"sources": {name: source}}


def _asked_login() -> dict[str, str]:
    kind = ""
    while kind not in _LOGINS:
        kind = typer.prompt(f"Login ({', '.join(_LOGINS)})", default="none").strip().lower()
    if kind == "basic":
        return {"username": typer.prompt("User"), "password": getpass("Password: ")}
    if kind == "token":
        return {"token": getpass("Token: ")}
    if kind == "oauth2":
        return {
            "oauth2_token_url": typer.prompt("Address of the token endpoint"),
            "oauth2_client_id": typer.prompt("Client id"),
            "oauth2_client_secret": getpass("Client secret: "),
        }
    return {}


def _asked(question: str, fault_of: Any, default: str | None = None) -> str:
    """Ask until the answer is one that the configuration takes."""
    while True:
        answer = str(typer.prompt(question, default=default, show_default=bool(default))).strip()
        fault = fault_of(answer)
        if fault is None:
            return answer
        typer.echo(f"  {fault}")


def _fault_of_url(url: str) -> str | None:
    return _fault({"sources": {"main": {"url": url}}})


def _fault_of_name(name: str) -> str | None:
    return _fault({"sources": {name: {"url": "https://h"}}})


def _fault_of_dsn(dsn: str) -> str | None:
    return _fault({"database": {"dsn": dsn}})


def _fault_of_public_url(url: str) -> str | None:
    return _fault({"http": {"public_url": url}})


def _fault(tree: dict[str, Any]) -> str | None:
    """The first fault of these tables, None when there is none."""
    try:
        assemble(tree, {}, Path.cwd())
    except ConfigurationError as error:
        return error.faults[0]
    return None


def _likely_name(url: str) -> str:
    """The first word of the host, where it is one."""
    word = _host(url).partition(".")[0]
    return word if re.fullmatch(r"[a-z][a-z0-9_-]*", word) and word not in ("localhost", "www", "api") else "main"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _copy(tree: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = orjson.loads(orjson.dumps(tree))
    return copy


def _toml(tree: dict[str, Any]) -> str:
    lines = ["# Every key: docs/configuration.md. Values in force: tmf656-bridge config"]
    tables = {key: table for key, table in tree.items() if key != "sources"}
    tables |= {f"sources.{name}": table for name, table in tree["sources"].items()}
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {orjson.dumps(value).decode()}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise PermanentError(f"{path} cannot be written: {error.strerror}; name another with --config") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _option(config: Path | None) -> str:
    return "" if config is None else f" --config {config}"
