"""The page `/docs`: Swagger UI out of an installed package, so that it needs no internet.

Takes the application, adds the page and its files. Addresses on the page are relative: it works
behind whatever leads to it. What starts it is a file, so that no script need stand in the page.
Must not know the document that it shows.
"""

from __future__ import annotations

from html import escape

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from sales_forecast.service.safe_headers import safe_headers

PAGE, DOCUMENT = "/docs", "/openapi.json"
FILES = f"{PAGE}/"
"""What the paths of the page's files begin with."""
_START = f"{FILES}start.js"
_HTML = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="docs/favicon-32x32.png">
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
"""
_SCRIPT = """"use strict";
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""


def add_docs_page(app: FastAPI) -> None:
    """Add the page to `app`, which must have none of its own."""
    html = _HTML.format(title=escape(app.title))
    headers = safe_headers(images="'self' data:")  # Swagger UI draws its arrows so

    @app.get(PAGE, include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Show the document to people."""
        return HTMLResponse(html, headers=headers)

    @app.get(_START, include_in_schema=False)
    async def start() -> Response:
        """Give what starts the page."""
        return Response(_SCRIPT, media_type="text/javascript")

    app.mount(PAGE, _WholeFiles(packages=[("fastapi_swagger", "resources")]))


class _WholeFiles(StaticFiles):
    """Gives no parts of files: of what makes no sense it would say so in a shape of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)
