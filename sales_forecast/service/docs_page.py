"""The page `/docs`: Swagger UI out of an installed package, so that it needs no internet.

Takes the application, adds the page and its files. Addresses on the page are relative: it works
behind whatever leads to it. Must not know the document that it shows.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

PAGE, DOCUMENT = "/docs", "/openapi.json"
FILES = f"{PAGE}/"
"""What the paths of the page's files begin with."""


def add_docs_page(app: FastAPI) -> None:
    """Add the page to `app`, which must have none of its own."""

    @app.get(PAGE, include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Show the document to people."""
        return get_swagger_ui_html(
            title=app.title,
            openapi_url=DOCUMENT.removeprefix("/"),
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="docs/favicon-32x32.png",
        )

    app.mount(PAGE, StaticFiles(packages=[("fastapi_swagger", "resources")]))
