"""Style and scripts: read once, compressed, and addressed by the hash of their content, so that browsers keep them for
ever and never mix two versions.
"""

import gzip
import hashlib
from pathlib import Path

from aiohttp import hdrs, web
from msgspec import Struct

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


class Asset(Struct, frozen=True):
    """A file. `address`: its name with the hash before the ending, `console.3f2a….css`."""

    address: str
    content_type: str
    body: bytes
    compressed: bytes


class Assets:
    """All files of `static/`."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        """Read them."""
        self._by_name = {path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
        self._by_address = {one.address: one for one in self._by_name.values()}

    def address(self, name: str) -> str:
        """Return the path below the site's root; KeyError for a file that is not there."""
        return f"/static/{self._by_name[name].address}"

    def answer(self, request: web.BaseRequest, address: str) -> web.Response | None:
        """Answer with the file at an address, None where there is none."""
        asset = self._by_address.get(address)
        if asset is None:
            return None
        headers = _FOR_EVER | {hdrs.CONTENT_TYPE: asset.content_type}
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            return web.Response(body=asset.compressed, headers=headers | {hdrs.CONTENT_ENCODING: "gzip"})
        return web.Response(body=asset.body, headers=headers)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:16]
    return Asset(f"{path.stem}.{digest}{path.suffix}", _TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0))
