"""The files of the page: read once, named by what is in them, kept by browsers for a year.

Takes the folder `static`, gives an address for each file and answers it. A new content has a new
address, so nobody is shown old files. Must not know pages.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/static/"
ICON = "icon.svg"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_A_YEAR = "public, max-age=31536000, immutable"
_FOR_A_DAY = "public, max-age=86400"
_DIGITS = 12


@dataclass(frozen=True)
class _Asset:
    content: bytes
    packed: bytes
    kind: str


class Assets:
    """All files of `static`, by the names that have a part of their hash in them."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._found: dict[str, _Asset] = {}
        for file in files(__package__).joinpath("static").iterdir():
            stem, dot, ending = file.name.rpartition(".")
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
            name = f"{stem}.{digest}{dot}{ending}"
            self._addresses[file.name] = PREFIX + name
            packed = gzip.compress(content, mtime=0)
            self._found[name] = _Asset(content, packed, _TYPES[dot + ending])

    def address(self, name: str) -> str:
        """Return where a page finds a file of `static`."""
        return self._addresses[name]

    async def answer(self, request: Request) -> Response:
        """Answer `/static/NAME`."""
        found = self._found.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return self._response(request, found, _FOR_A_YEAR)

    async def icon(self, request: Request) -> Response:
        """Answer `/favicon.ico`, which browsers ask for beside whatever is no page of ours."""
        name = self.address(ICON).removeprefix(PREFIX)
        return self._response(request, self._found[name], _FOR_A_DAY)

    def _response(self, request: Request, asset: _Asset, kept: str) -> Response:
        headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
        content = asset.content
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"], content = "gzip", asset.packed
        return Response(content, headers=headers, media_type=asset.kind)
