"""A fingerprint of the code that reads rows: stored results of reading are valid for that code only.

`bridge.storage.list_digest` stores digests of rows; after an upgrade every row is read once more.
"""

from functools import cache
from hashlib import blake2b
from importlib.resources import files

from bridge import __version__

_FOLDERS = ("bridge.tmf656.wire", "bridge.domain")


@cache
def wire_fingerprint() -> bytes:
    """Return 16 bytes: of the release and the text of the modules, where their text is there."""
    digest = blake2b(__version__.encode(), digest_size=16)
    for folder in _FOLDERS:
        for source in sorted(files(folder).iterdir(), key=lambda each: each.name):
            if source.name.endswith(".py"):
                digest.update(source.read_bytes())
    return digest.digest()
