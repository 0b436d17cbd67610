"""What is answered beside the API: pages for people, which guard themselves.

Takes the API and pages, gives one application. Must not know what the pages show.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class Pages(Protocol):
    """An ASGI application with paths of its own."""

    @property
    def paths(self) -> Collection[str]:
        """What it answers, and no other endpoint; one that ends with `{...}` is of many files."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...

    def close(self) -> None:
        """Close the idle connections."""
        ...


class Beside:
    """ASGI middleware: what the pages know is theirs, all else the API's.

    Whoever opens in a browser what is nowhere is told so by a page as well.
    """

    def __init__(self, app: ASGIApp, pages: Pages, routes: Sequence[BaseRoute]) -> None:
        """Take the API, the pages, and the routes of the API."""
        self._app = app
        self._pages = pages
        self._routes = routes
        self._paths = frozenset(pages.paths)
        # One string or a tuple of them: what `startswith` takes.
        self._files = tuple(path.partition("{")[0] for path in pages.paths if "{" in path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            path = scope["path"]
            if path in self._paths or path.startswith(self._files) or self._is_lost(scope):
                await self._pages(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_lost(self, scope: Scope) -> bool:
        if scope["method"] == "POST":  # who predicts: nobody opens a page by it
            return False
        wanted = (value for name, value in scope["headers"] if name == b"accept")
        return next(wanted, b"").startswith(b"text/html") and all(
            route.matches(scope)[0] is Match.NONE for route in self._routes
        )
