"""What one value of the configuration may be. A validator raises ValueError saying what is wrong; all are collected."""

import json
import re
from base64 import b64decode
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from bridge.settings.dsn import faults_of

_SOURCE_NAME = re.compile(r"[a-z0-9_-]+")
_SHORTEST_KEY_BYTES = 16
_SHORTEST_TOKEN = 16
_CALLBACK_SECRET = re.compile(r"[A-Za-z0-9_-]{22,200}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "authorization"}
_COLUMN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_COLUMN_PATH = re.compile(r"\$.*|[^\s.$:]+(\.[^\s.$:]+)*")
_COLUMN_TYPES = ("text", "numeric", "boolean", "timestamptz", "jsonb")

StatusName = Literal[
    "submitted", "acknowledged", "rejected", "pending", "held", "inProgress", "resolved", "cancelled", "closed"
]
_STATUSES: tuple[str, ...] = get_args(StatusName)


class FileOfPairs(Enum):
    """Marks a table of secrets: its `…_file` has a line `name: value` for each."""

    MARK = 0


def local_url(validated: dict[str, Any]) -> str:
    """How a source on this machine reaches us, from the `host` and `port` listened on."""
    host = validated.get("host", "127.0.0.1")
    if host in ("", "0.0.0.0", "::", "0:0:0:0:0:0:0:0"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    scheme = "https" if validated.get("tls_cert_file") else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{validated.get('port', 8656)}"


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("should be a number")  # noqa: TRY004 - pydantic collects ValueError only
    return value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _port(value: object) -> object:
    return None if value == "" else _no_bool(value)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _absolute(path: Path, info: ValidationInfo) -> Path:
    cwd = (info.context or {}).get("cwd") or Path.cwd()
    return Path(cwd) / path.expanduser()


def _readable_file(path: Path | None, info: ValidationInfo) -> Path | None:
    if path is None:
        return None
    path = _absolute(path, info)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    return path


def _existing_directory(path: Path | None, info: ValidationInfo) -> Path | None:
    if path is None:
        return None
    path = _absolute(path, info)
    if not path.is_dir():
        raise ValueError("is not a directory")
    return path


def _split_url(url: str) -> SplitResult:
    """Take apart an http(s) URL with a host."""
    if any(character <= " " for character in url):
        raise ValueError("has blanks or control characters in it")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError("is not a URL: its host or port cannot be read") from error
    if parts.scheme not in ("http", "https"):
        raise ValueError("should begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("has no host")
    return parts


def _login_name(name: str) -> str:
    """A name that HTTP basic (RFC 7617) can carry: all after a colon would be read as a part of the password."""
    if ":" in name or any(ord(one) < 32 or ord(one) == 127 for one in name):
        raise ValueError("has a colon or a control character, which HTTP basic cannot carry")
    return name


def _base_url(url: str) -> str:
    """A URL to hang paths below: no query, fragment or login; without the trailing slash."""
    parts = _split_url(url)
    if "@" in parts.netloc:
        raise ValueError("has a login in it; give username and password as keys of their own")
    if "?" in url or "#" in url:
        raise ValueError("has a query or fragment; end it after the path")
    return url.rstrip("/")


def _api_base_url(url: str) -> str:
    base = _base_url(url)
    last = base.rpartition("/")[2]
    if last.lower() in ("serviceproblem", "hub"):
        raise ValueError(f"should be the base path; take /{last} off its end")
    return base


def _optional_url(url: str | None) -> str | None:
    if url is not None:
        _split_url(url)
    return url


def _optional_base_url(url: str | None) -> str | None:
    return None if url is None else _base_url(url)


def _postgres_url(dsn: SecretStr) -> SecretStr:
    value = dsn.get_secret_value()
    if value and (faults := faults_of(value)):
        raise ValueError("; ".join(faults))
    return dsn


def _capability(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if value and not _CALLBACK_SECRET.fullmatch(value):
        raise ValueError("should be 22 to 200 of the characters A-Z a-z 0-9 _ - (128 bits)")
    return secret


def _words(value: object) -> object:
    """A list, or (from the environment) its elements separated by commas or blanks."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _lines(value: object) -> object:
    """A list, or (from the environment) its elements separated by `;`: names of certificates have commas in them."""
    return tuple(filter(None, map(str.strip, value.split(";")))) if isinstance(value, str) else value


def pairs_of(value: object) -> object:
    """A table, or (from the environment) JSON, or `name=value` separated by `;`."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError("should be JSON, or name=value separated by ;") from error
    parts = [part.partition("=") for part in value.split(";") if part.strip()]
    if not all(equals for _, equals, _ in parts):
        raise ValueError("should be name=value separated by ;, or JSON")
    return {name.strip(): text.strip() for name, _, text in parts}


def _status(value: object) -> object:
    """One of our statuses, however its case, blanks and hyphens are written."""
    if not isinstance(value, str):
        return value
    plain = re.sub(r"[^a-z]", "", value.lower())
    return next((status for status in _STATUSES if status.lower() == plain), value)


def _no_empty_word(table: dict[str, Any]) -> dict[str, Any]:
    if not all(map(str.strip, table)):
        raise ValueError("has an empty word; name what the source writes")
    return table


def _headers(table: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, secret in table.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"{name} is set by the bridge; for Authorization give token, or username and password")
        value = secret.get_secret_value()
        if not value or value != value.strip() or not value.isprintable():
            raise ValueError(f"{name} needs a value without line breaks or blanks around it")
    return table


def _columns(table: dict[str, str]) -> dict[str, str]:
    for name, path in table.items():
        if not _COLUMN_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name for a column; use a-z, 0-9 and _ only, 63 at most")
        words, colons, kind = path.partition("::")
        if not _COLUMN_PATH.fullmatch(words):
            raise ValueError(f"{name} needs a path such as location.region or $.x[0].name, then ::numeric if wanted")
        if colons and kind not in _COLUMN_TYPES:
            raise ValueError(f"{name} has the type {kind!r}; use one of {', '.join(_COLUMN_TYPES)}")
    return table


def _resource_path(path: str) -> str:
    if not path.startswith("/") or any(character <= " " or character in "?#" for character in path):
        raise ValueError("should be a path such as /serviceProblem, without query")
    return path.rstrip("/") or "/"


_TOMORROW = timedelta(days=1)
"""Clocks, and zones that nobody named, may be wrong by so much."""


def _instant(value: object) -> object:
    """A date is its midnight; where no zone is given it is UTC."""
    if value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("should be an instant such as 2026-01-31T00:00:00Z") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("should be an instant such as 2026-01-31T00:00:00Z")  # noqa: TRY004 - pydantic collects ValueError only
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if value > datetime.now(UTC) + _TOMORROW:
        raise ValueError("lies in the future: nothing would be read; name an instant that is over")
    return value


def _bearer(secret: SecretStr) -> SecretStr:
    """A header holds no line break, and a bearer token no blank (RFC 6750)."""
    token = secret.get_secret_value()
    if token != "".join(token.split()) or not (token.isprintable() or not token):
        raise ValueError("has blanks or line breaks in it; give the token alone, without the word Bearer")
    return secret


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses with the length of their prefix, written in one way only."""
    found = []
    for word in words:
        try:
            found.append(str(ip_network(word)))
        except ValueError as error:
            raise ValueError(f"{word!r} is no address or network such as 192.0.2.0/24 or 2001:db8::/32") from error
    return tuple(found)


def _signing_secrets(secret: SecretStr) -> SecretStr:
    for word in secret.get_secret_value().split():
        try:
            text = word.removeprefix("whsec_")
            key = b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError as error:
            raise ValueError("should be whsec_ and base64") from error
        if len(key) < _SHORTEST_KEY_BYTES:
            raise ValueError(f"should be base64 of {_SHORTEST_KEY_BYTES} bytes or more")
    return secret


def _strong_words(secret: SecretStr) -> SecretStr:
    for word in secret.get_secret_value().split():
        if len(word) < _SHORTEST_TOKEN or not (word.isascii() and word.isprintable()):
            raise ValueError(f"should be {_SHORTEST_TOKEN} ASCII characters or more")
    return secret


def _source_name(name: str) -> str:
    if not _SOURCE_NAME.fullmatch(name):
        raise ValueError("is not a name for a source; use a-z, 0-9, _ and - only")
    return name


Seconds = Annotated[float, BeforeValidator(_no_bool)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Lower = BeforeValidator(_lower)
NumberAsText = BeforeValidator(_number_as_text)
AnyPath = Annotated[Path, AfterValidator(_absolute)]
OptionalFile = Annotated[Path | None, AfterValidator(_readable_file), BeforeValidator(_none_if_empty)]
OptionalDirectory = Annotated[Path | None, AfterValidator(_existing_directory), BeforeValidator(_none_if_empty)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ApiBaseUrl = Annotated[str, AfterValidator(_api_base_url)]
OptionalBaseUrl = Annotated[str | None, AfterValidator(_optional_base_url), BeforeValidator(_none_if_empty)]
OptionalUrl = Annotated[str | None, AfterValidator(_optional_url), BeforeValidator(_none_if_empty)]
LoginName = Annotated[str, AfterValidator(_login_name)]
Dsn = Annotated[SecretStr, AfterValidator(_postgres_url)]
CallbackSecret = Annotated[SecretStr, AfterValidator(_capability)]
SigningSecrets = Annotated[SecretStr, AfterValidator(_signing_secrets)]
Tokens = Annotated[SecretStr, AfterValidator(_strong_words)]
Networks = Annotated[tuple[str, ...], AfterValidator(_networks), BeforeValidator(_words)]
Subjects = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Words = BeforeValidator(_words)
OptionalPort = Annotated[Annotated[int, Field(ge=0, le=65535)] | None, BeforeValidator(_port)]
SourceName = Annotated[str, AfterValidator(_source_name)]
StatusWord = Annotated[StatusName, BeforeValidator(_status)]
StatusMap = Annotated[dict[str, StatusWord], AfterValidator(_no_empty_word), BeforeValidator(pairs_of)]
PriorityMap = Annotated[
    dict[str, Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=1000)]],
    AfterValidator(_no_empty_word),
    BeforeValidator(pairs_of),
]
Columns = Annotated[dict[str, str], AfterValidator(_columns), BeforeValidator(pairs_of)]
Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers), BeforeValidator(pairs_of), FileOfPairs.MARK]
Parameters = Annotated[
    dict[str, SecretStr], AfterValidator(_no_empty_word), BeforeValidator(pairs_of), FileOfPairs.MARK
]
ResourcePath = Annotated[str, AfterValidator(_resource_path)]
BearerToken = Annotated[SecretStr, AfterValidator(_bearer)]
Instant = Annotated[datetime | None, BeforeValidator(_instant)]
