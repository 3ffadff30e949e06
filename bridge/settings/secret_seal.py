"""Secrets that are set in the console, encrypted with a key that is not in the database (AES-256-GCM).

The key file has a line of base64 of 32 bytes for each key: `openssl rand -base64 32 > FILE`. The first one encrypts,
all of them decrypt, so a key is replaced by a new line above it, until every secret was set again. The name of the
setting is authenticated with it: a secret copied to another row is refused.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bridge.errors import PermanentError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class SecretSeal:
    """The keys, the one that encrypts first."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "SecretSeal":
        """Read a key file. PermanentError when it cannot be read or holds no keys."""
        remedy = f"make one with `openssl rand -base64 32 > {path}`, readable by the bridge alone"
        try:
            lines = path.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(f"console.secret_key_file {path} cannot be read: {error}; {remedy}") from error
        keys = tuple(_key(line) for line in lines)
        if not keys or b"" in keys:
            raise PermanentError(f"console.secret_key_file {path} has a line that is not base64 of 32 bytes; {remedy}")
        return cls(keys)

    def seal(self, name: str, secret: str) -> str:
        """Encrypt the secret of the setting `name`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- only where secrets are set

        key, nonce = self.keys[0], os.urandom(_NONCE_BYTES)
        encrypted = nonce + AESGCM(key).encrypt(nonce, secret.encode(), name.encode())
        return ".".join((_VERSION, _key_id(key), b64encode(encrypted).decode()))

    def open(self, name: str, sealed: str) -> str:
        """Decrypt what `seal` made. PermanentError when no key fits, or the text was changed."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- as above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- as above

        version, key_id, text = (*sealed.split("."), "", "")[:3]
        key = next((each for each in self.keys if _key_id(each) == key_id), None)
        if version != _VERSION or key is None:
            raise PermanentError(
                f"{name} was set in the console with a key that is not in console.secret_key_file: "
                "put that key back into the file, or set the secret again"
            )
        try:
            encrypted = b64decode(text, validate=True)
            return AESGCM(key).decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], name.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise PermanentError(f"{name} was changed in the database: set the secret again in the console") from error


def _key(line: str) -> bytes:
    try:
        key = b64decode(line, validate=True)
    except Error:
        return b""
    return key if len(key) == _KEY_BYTES else b""


def _key_id(key: bytes) -> str:
    return sha256(key).hexdigest()[:8]
