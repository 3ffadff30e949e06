"""Secrets from files of their own: `password_file = "/run/secrets/snow"` in the place of `password`."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bridge.settings.draft import Draft
from bridge.settings.section import is_pairs, secret_names
from bridge.telemetry.redaction import MASK


def apply_secret_files(draft: Draft, cwd: Path) -> None:
    """Replace every `…_file` of a secret by the secret."""
    for key, table, model in draft.tables():
        for name in secret_names(model):
            file = table.pop(f"{name}_file", "")
            if file == "":
                continue
            file_key = (*key, f"{name}_file")
            if table.get(name):
                draft.fault(file_key, f"is given beside {name}; give one of the two")
                continue
            try:
                table[name] = _read(file, cwd, model, name)
            except ValueError as error:
                draft.fault(file_key, str(error), file)
                # Given, though not known: no other check may report the key once more.
                draft.faults.setdefault((*key, name), [])
                table[name] = {} if is_pairs(model.model_fields[name]) else MASK


def _read(file: object, cwd: Path, model: type[BaseModel], name: str) -> Any:
    if not isinstance(file, str):
        raise ValueError("should be the path of a file")  # noqa: TRY004 - a fault of the configuration, not of the program
    try:
        text = (cwd / Path(file).expanduser()).read_bytes().decode()
    except OSError as error:
        raise ValueError(
            f"cannot be read: {error.strerror}; name a file with the secret that this user may read"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8; put the secret there as text") from error
    if is_pairs(model.model_fields[name]):
        return _pairs(text)
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret or "\n" in secret:
        raise ValueError("should hold exactly one line, the secret")
    return secret


def _pairs(text: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not pairs or not all(colon and name.strip() for name, colon, _ in pairs):
        raise ValueError("should hold lines of `name: value`")
    return {name.strip(): value.strip() for name, _, value in pairs}
