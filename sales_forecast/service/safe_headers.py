"""The headers of HTML pages: nothing comes from another host, no script stands in a page.

Gives headers. Must not know pages.
"""

from __future__ import annotations

from collections.abc import Mapping


def safe_headers(images: str = "'self'") -> Mapping[str, str]:
    """Return the headers of a page; `images` is where its pictures may come from."""
    return {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {images}; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
        "Cache-Control": "no-store",  # sales are nobody else's
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
