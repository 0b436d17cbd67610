"""Who looks at a page, and what they may: read, write, or sign in first.

Takes a request, gives a `Visitor`. Without any key everybody may read and nobody writes. Must not
know what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse

from sales_forecast.errors import Forbidden
from sales_forecast.service.callers import is_local
from sales_forecast.web.forms import form_of
from sales_forecast.web.sessions import Session, Sessions

COOKIE = "planner_session"
SIGN_IN = "/sign-in"
TOKEN = "token"  # noqa: S105 - the name of a field
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WRITERS = frozenset({"planner", "admin"})


class MustSignIn(Exception):
    """Whoever asks is to sign in before; `path` is where they wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def response(self) -> RedirectResponse:
        """Return the way to the form."""
        return RedirectResponse(f"{SIGN_IN}?next={quote(self.path, safe='')}", 303)


@dataclass(frozen=True)
class Visitor:
    """Somebody who looks at a page.

    Attributes:
        session: None where no key is set up.
        is_local: whether they are on the machine of the service.
    """

    session: Session | None
    is_local: bool
    _sessions: Sessions | None = field(default=None, repr=False)

    @property
    def name(self) -> str | None:
        """The name of their key."""
        return self.session.caller.name if self.session else None

    @property
    def role(self) -> str | None:
        """The role of their key."""
        return self.session.caller.role if self.session else None

    @property
    def may_write(self) -> bool:
        """Whether they may change anything."""
        return self.role in _WRITERS

    @property
    def token(self) -> str:
        """What each of their forms must send; empty where there is nothing to protect."""
        if self.session is None or self._sessions is None:
            return ""
        return self._sessions.token(self.session)

    def sent(self, token: str) -> bool:
        """Say whether one of their forms sent this token."""
        if self.session is None or self._sessions is None:
            return False
        return self._sessions.is_token(self.session, token)


class Door:
    """Tells who comes. `sessions` is None where no key is set up."""

    def __init__(self, sessions: Sessions | None) -> None:
        self.sessions = sessions

    def reader(self, request: Request) -> Visitor:
        """Return who may read. Raises MustSignIn."""
        local = is_local(request.scope)
        if self.sessions is None:
            return Visitor(None, local)
        session = self.sessions.read(request.cookies.get(COOKIE, ""))
        if session is None:
            query = f"?{request.url.query}" if request.url.query else ""
            raise MustSignIn(f"{request.url.path}{query}" if request.method == "GET" else "/")
        return Visitor(session, local, self.sessions)

    def author(self, request: Request) -> None:
        """Refuse who may not write, before what they send is read. Raises MustSignIn, Forbidden."""
        visitor = self._signed_in(request)
        if not visitor.may_write:
            raise Forbidden(
                f"{visitor.name} is a viewer: planners and admins change plans. Ask whoever runs "
                "this service for a key of that role."
            )

    async def writer(self, request: Request) -> Visitor:
        """Return who may write, having checked that one of our own forms was sent.

        Raises MustSignIn, Forbidden.
        """
        self.author(request)
        return await self.sender(request)

    async def sender(self, request: Request) -> Visitor:
        """Return who sent one of our own forms. Raises MustSignIn, Forbidden."""
        visitor = self._signed_in(request)
        if not visitor.sent((await form_of(request)).get(TOKEN, "")):
            raise Forbidden("This form is not one of yours, or too old. Load the page again.")
        return visitor

    def _signed_in(self, request: Request) -> Visitor:
        visitor = self.reader(request)
        if visitor.session is None:
            raise Forbidden(
                "This service asks for no key, so its page only reads. Set API_KEY or "
                "API_KEYS_FILE to let people sign in and change plans."
            )
        return visitor


def is_loopback(connection: HTTPConnection) -> bool:
    """Say whether the browser is on the machine that it asks, where cookies need no TLS."""
    return connection.url.hostname in _LOOPBACK
