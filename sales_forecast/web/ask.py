"""The page that asks: one series, one period, its conditions, and the answer in words and numbers.

Takes a form, gives a page or, for our script, the part of it that changes. Answers are kept as
those of the API are. Must not know how they come about.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sales_forecast.data.ledger import Ledger
from sales_forecast.errors import InvalidRequest, UnknownSeries
from sales_forecast.service.json_route import Question
from sales_forecast.service.kept import Kept
from sales_forecast.service.live import Live
from sales_forecast.service.observe import request_id_of
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.routes import PREDICT
from sales_forecast.web.fields import Wrong, wrong_of
from sales_forecast.web.questions import Asked, ask, questions
from sales_forecast.web.rendering import Templates
from sales_forecast.web.visitors import Door, Visitor

PART = "x-part"
"""The header by which a script asks for the part of a page that changes."""


class AskPage:
    """The page `/ask`."""

    def __init__(self, live: Live, door: Door, templates: Templates, ledger: Ledger | None) -> None:
        self._live = live
        self._door = door
        self._templates = templates
        self._kept = None if ledger is None else Kept(ledger)

    async def answer(self, request: Request) -> Response:
        """Show the form and, once it is filled, the answer."""
        visitor = self._door.reader(request)
        predictor = self._live.predictor
        known = {of.name for of in questions(predictor, {}, {})}
        sent = {name: value for name, value in request.query_params.items() if name in known}
        status, problem, asked, kept = HTTPStatus.OK, None, None, None
        wrong: Wrong = {}
        if sent:
            try:
                asked = await run_in_threadpool(ask, predictor, sent)
                kept = self._keep(request, visitor, predictor, asked)
            except (InvalidRequest, UnknownSeries) as error:
                status, problem = HTTPStatus(error.status), error.message
                wrong = wrong_of(error)
        form = questions(predictor, sent, wrong)
        name = "ask_part.html" if PART in request.headers else "ask.html"
        return self._templates.page(
            name,
            status,
            visitor=visitor,
            here="/ask",
            form=form,
            asked=asked,
            problem=problem if not any(of.problem for of in form) else None,
            prediction_id=kept,
            unit=predictor.panel.frequency.unit,
            origin=predictor.origin,
            version=predictor.version,
        )

    def _keep(
        self, request: Request, visitor: Visitor, predictor: Predictor, asked: Asked
    ) -> str | None:
        if self._kept is None:
            return None
        question = Question(b"", (), PREDICT, request_id_of(request.scope), visitor.name)
        return self._kept.predicted(question, predictor, asked.series, asked.told, asked.answer)
