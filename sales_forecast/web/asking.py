"""A page that is one form and its answer: what pages that ask have in common.

Takes a query, gives the page or, for our script, the part of it that changes; what is wrong with
the form is shown at its fields. What a page asks, and of whom, its subclass says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from sales_forecast.errors import InvalidRequest, UnknownSeries
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.fields import Wrong, fields, names_of, wrong_of
from sales_forecast.web.rendering import Templates
from sales_forecast.web.visitors import Door, Visitor

PART = "x-part"
"""The header by which a script asks for the part of a page that changes."""
Sent = Mapping[str, str]
"""Name of a field -> the text in it."""


class AskingPage(ABC):
    """One form and its answer.

    Attributes:
        path: of the page; its templates are called so, without slash.
    """

    path: ClassVar[str]

    def __init__(self, live: Live, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates
        # One at a time, and none in the threads that wait for the database.
        self._limiter = CapacityLimiter(1)

    @abstractmethod
    def model(self, predictor: Predictor) -> type[BaseModel]:
        """Return what the form asks."""

    @abstractmethod
    def begin(self, predictor: Predictor) -> Sent:
        """Return what the form begins with."""

    @abstractmethod
    def find(self, predictor: Predictor, sent: Sent) -> Any:
        """Return the answer to a form. Raises InvalidRequest, UnknownSeries."""

    def known(self, predictor: Predictor) -> frozenset[str]:
        """Return the names of all fields; what else a query says is ignored."""
        return names_of(self.model(predictor))

    def linked(self, predictor: Predictor) -> frozenset[str]:
        """Return what a link may name without asking anything yet."""
        return frozenset(key.field for key in predictor.spec.keys)

    def form(self, predictor: Predictor, values: Sent, wrong: Wrong) -> Mapping[str, Any]:
        """Return what the template shows of the form."""
        return {"form": fields(predictor, self.model(predictor), values, wrong)}

    def keep(
        self, request: Request, visitor: Visitor, predictor: Predictor, found: Any
    ) -> Mapping[str, Any]:
        """Keep an answer if such are kept, and return what the template shows of that."""
        del request, visitor, predictor, found
        return {}

    async def answer(self, request: Request) -> Response:
        """Show the form and, once it is filled, the answer."""
        visitor = self._door.reader(request)
        predictor = self._live.predictor
        query = request.query_params
        status, shown = await run_sync(self._shown, predictor, query, limiter=self._limiter)
        name = self.path.strip("/").replace("-", "_")
        return self._templates.page(
            f"{name}_part.html" if PART in request.headers else f"{name}.html",
            status,
            visitor=visitor,
            here=self.path,
            unit=predictor.panel.frequency.unit,
            origin=predictor.origin,
            version=predictor.version,
            **shown,
            **self.keep(request, visitor, predictor, shown["found"]),
        )

    def _shown(self, predictor: Predictor, query: Sent) -> tuple[HTTPStatus, dict[str, Any]]:
        known = self.known(predictor)
        sent = {name: value for name, value in query.items() if name in known}
        status, problem, found = HTTPStatus.OK, None, None
        begin, wrong = self.begin(predictor), dict[str, str]()
        if sent.keys() - self.linked(predictor):
            begin = {}
            try:
                found = self.find(predictor, sent)
            except (InvalidRequest, UnknownSeries) as error:
                status, problem = HTTPStatus(error.status), error.message
                wrong = {name: of for name, of in wrong_of(error).items() if name in known}
        form = self.form(predictor, {**begin, **sent}, wrong)
        # What is said at a field is not said above all of them, too.
        return status, {**form, "found": found, "problem": None if wrong else problem}
