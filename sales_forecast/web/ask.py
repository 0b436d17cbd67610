"""The page that asks: one series, one period, its conditions, and the answer in words and numbers.

Answers are kept as those of the API are. Must not know how they come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.service.json_route import Question
from sales_forecast.service.kept import Kept
from sales_forecast.service.live import Live
from sales_forecast.service.observe import request_id_of
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.routes import PREDICT
from sales_forecast.web.asking import AskingPage, Sent
from sales_forecast.web.questions import Asked, ask, beginning
from sales_forecast.web.rendering import Templates
from sales_forecast.web.visitors import Door, Visitor


class AskPage(AskingPage):
    """The page `/ask`."""

    path = "/ask"

    def __init__(self, live: Live, door: Door, templates: Templates, ledger: Ledger | None) -> None:
        super().__init__(live, door, templates)
        self._kept = None if ledger is None else Kept(ledger)

    def model(self, predictor: Predictor) -> type[BaseModel]:
        """See `AskingPage.model`."""
        return predictor.forms.predict

    def begin(self, predictor: Predictor) -> Sent:
        """See `AskingPage.begin`."""
        return beginning(predictor)

    def linked(self, predictor: Predictor) -> frozenset[str]:
        """See `AskingPage.linked`."""
        del predictor
        return frozenset()

    def find(self, predictor: Predictor, sent: Sent) -> Asked:
        """See `AskingPage.find`."""
        return ask(predictor, sent)

    def keep(
        self, request: Request, visitor: Visitor, predictor: Predictor, found: Asked | None
    ) -> Mapping[str, Any]:
        """See `AskingPage.keep`."""
        if self._kept is None or found is None:
            return {"prediction_id": None}
        question = Question(b"", (), PREDICT, request_id_of(request.scope), visitor.name)
        id_ = self._kept.predicted(question, predictor, found.series, found.told, found.answer)
        return {"prediction_id": id_}
