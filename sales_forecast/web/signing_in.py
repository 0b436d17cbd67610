"""Signing in with an API key, and out again.

Takes a form with a key, gives a cookie. Wrong keys are counted by address, as those of the API are:
after ten no key is looked at for some seconds, and one more every six. Must not know other pages.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sales_forecast.service.rates import Addresses, Allowance
from sales_forecast.web.forms import form_of
from sales_forecast.web.rendering import Templates
from sales_forecast.web.sessions import SECONDS, Sessions
from sales_forecast.web.visitors import COOKIE, Door, is_loopback

MOST_TRIES = 10
_LONGEST_KEY = 1_000
_WRONG = "That is no key of this service. Ask whoever runs it for one."
_OTHER_SITE = "This form was sent from another site. Sign in here."


class SigningIn:
    """The form, its answer and the way out. `door.sessions` must be there."""

    def __init__(self, door: Door, templates: Templates, addresses: Addresses) -> None:
        self._door = door
        self._addresses = addresses
        self._templates = templates
        self._wrong = Allowance(MOST_TRIES)

    async def form(self, request: Request) -> Response:
        """Show the form."""
        if self._door.sessions is None:
            return RedirectResponse("/", 303)
        return self._page(request, request.query_params.get("next"))

    async def sign_in(self, request: Request) -> Response:
        """Answer the form."""
        sessions = self._door.sessions
        if sessions is None:
            return RedirectResponse("/", 303)
        sent = await form_of(request)
        after = sent.get("next")
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return self._page(request, after, HTTPStatus.FORBIDDEN, _OTHER_SITE)
        address = self._addresses.of(request.scope)
        wait = math.ceil(self._wrong.wait(address))
        if wait:
            problem = f"Too many wrong keys from your address. Try again in {wait} seconds."
            refused = self._page(request, after, HTTPStatus.TOO_MANY_REQUESTS, problem)
            refused.headers["Retry-After"] = str(wait)
            return refused
        cookie = _begin(sessions, sent.get("key"))
        if cookie is None:
            self._wrong.take(address)
            return self._page(request, after, HTTPStatus.UNAUTHORIZED, _WRONG)
        response = RedirectResponse(_here(after), 303)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=SECONDS,
            httponly=True,
            samesite="lax",
            secure=not is_loopback(request),
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session of this browser."""
        await self._door.sender(request)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(COOKIE)
        return response

    def _page(
        self, request: Request, after: object, status: int = 200, problem: str | None = None
    ) -> Response:
        passed_on = request.headers.get("x-forwarded-proto", request.url.scheme)
        return self._templates.page(
            "sign_in.html",
            status,
            visitor=None,
            after=_here(after),
            problem=problem,
            unsafe=passed_on != "https" and not is_loopback(request),
        )


def _begin(sessions: Sessions, key: Any) -> str | None:
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY:
        return None
    return sessions.begin(key.strip().encode())


def _here(path: object) -> str:
    """Return a path of this page; whatever may lead elsewhere becomes the first page."""
    if isinstance(path, str) and path.isprintable() and path[:1] == "/":
        return path if path[1:2] not in {"/", "\\"} else "/"
    return "/"
